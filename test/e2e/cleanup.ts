/** What a test file has started, so that all of it ends, however far its start came. */
import { makeFolder, removeFolder } from "./folder.ts";

/** Something with an end. */
export interface Closable {
  close(): Promise<void>;
}

/** Ends things in the opposite order of their start. */
export class Cleanup {
  readonly #steps: (() => Promise<void>)[] = [];

  /** Takes on the end of something that was just started. */
  own<T extends Closable>(started: T): T {
    this.#steps.push(async () => started.close());
    return started;
  }

  /** Makes a folder that is removed at the end. */
  async folder(): Promise<string> {
    const folder = await makeFolder();
    this.#steps.push(async () => removeFolder(folder));
    return folder;
  }

  /** Ends everything; one that fails to end does not keep the others. */
  async run(): Promise<void> {
    const errors: unknown[] = [];
    for (const step of this.#steps.toReversed()) {
      await step().catch((error: unknown) => errors.push(error));
    }
    if (errors.length > 0) {
      throw new AggregateError(errors, errors.map(String).join("\n"));
    }
  }
}
