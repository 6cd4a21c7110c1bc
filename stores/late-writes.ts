import { StoreSilent, timeLimits } from "./time-limits.ts";

/**
 * The writes of a store that nobody waits for any more and that may still happen. Until they have, or
 * can't any more, their keys are not written again: an old value would land behind a new one.
 */
export class LateWrites {
  /** By key, until when it may still happen. */
  readonly #untilMs = new Map<string, number>();

  /**
   * Writes a key; `wait` waits for the write, and no longer than it wants to.
   * @throws StoreSilent, what the store throws
   */
  async write(
    key: string,
    write: () => Promise<unknown>,
    wait: (write: () => Promise<unknown>) => Promise<unknown>,
  ): Promise<unknown> {
    if ((this.#untilMs.get(key) ?? 0) > Date.now()) {
      throw new StoreSilent("an earlier write of the key is not answered yet");
    }
    let writing: Promise<unknown> | undefined;
    try {
      return await wait(() => (writing = write()));
    } catch (error) {
      if (error instanceof StoreSilent && writing !== undefined) this.#await(key, writing);
      throw error;
    }
  }

  #await(key: string, writing: Promise<unknown>): void {
    const untilMs = Date.now() + timeLimits.kvLateMs;
    this.#untilMs.set(key, untilMs);
    const forget = (): void => {
      if (this.#untilMs.get(key) === untilMs) this.#untilMs.delete(key);
    };
    writing.then(forget, forget);
  }
}
