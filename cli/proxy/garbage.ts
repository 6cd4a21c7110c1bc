import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

type Collect = (options: { readonly type: "minor" }) => void;

const bytesBetween = 8 * 1024 * 1024;

/**
 * Has the buffers that bodies are read into (64 KiB each, used once) be collected every few MiB. By
 * itself node lets them grow to 64 MiB, which is more than a proxy of a few chunks should have.
 */
export class Garbage {
  readonly #collect: Collect;
  #bytes = 0;

  constructor() {
    // The one way to the collector without an option on node's command line.
    setFlagsFromString("--expose-gc");
    this.#collect = runInNewContext("gc") as Collect;
    setFlagsFromString("--no-expose-gc");
  }

  /** Says that so many bytes were read and copied. */
  left(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < bytesBetween) return;
    this.#bytes = 0;
    this.#collect({ type: "minor" });
  }
}
