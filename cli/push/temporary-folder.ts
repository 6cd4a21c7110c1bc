import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { temporaryError } from "./temporary-error.ts";

/** A folder for what a push has to write down meanwhile; made when it is first needed. */
export class TemporaryFolder {
  #path: Promise<string> | undefined;
  #files = 0;
  #removeAtExit = (): void => {};

  /** The path of a file that is not there yet. */
  async newFile(): Promise<string> {
    this.#path ??= this.#make();
    this.#files += 1;
    const name = String(this.#files);
    return join(await this.#path, name);
  }

  /** Removes it with all that is in it. */
  async remove(): Promise<void> {
    if (this.#path === undefined) return;
    const path = await this.#path;
    await rm(path, { recursive: true, force: true });
    process.off("exit", this.#removeAtExit);
  }

  async #make(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), "longshore-push-")).catch((error: unknown) => {
      throw temporaryError(error);
    });
    // A second Ctrl-C ends the process at once, and a layer is no small thing to leave behind.
    this.#removeAtExit = () => rmSync(path, { recursive: true, force: true });
    process.once("exit", this.#removeAtExit);
    return path;
  }
}
