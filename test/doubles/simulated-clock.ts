/** Times of a simulation are whole steps, so that what happens together is let go together. */
const stepMs = 10;

/**
 * The time of a simulation. It stands still while anybody works, and goes on to the next moment that
 * somebody waits for, so that a simulated second takes as long as its work.
 */
export class SimulatedClock {
  #nowMs = 0;
  readonly #waiting = new Map<number, (() => void)[]>();
  /** Questions that the runtime has not answered yet. */
  #asked = 0;
  /** Grows with whatever happens. */
  #steps = 0;

  /** Milliseconds since the simulation began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Waits for simulated milliseconds. */
  async wait(ms: number): Promise<void> {
    if (ms <= 0) return;
    const dueMs = Math.ceil((this.#nowMs + ms) / stepMs) * stepMs;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.set(dueMs, [...(this.#waiting.get(dueMs) ?? []), resolve]);
    this.#steps += 1;
    await promise;
  }

  /** Asks the runtime: the time stands still until it has answered. */
  async ask<T>(question: () => Promise<T>): Promise<T> {
    this.#asked += 1;
    this.#steps += 1;
    try {
      return await question();
    } finally {
      this.#asked -= 1;
      this.#steps += 1;
    }
  }

  /** Has the time go on until all work is done. @throws what the work throws, when all of it has ended */
  async run(work: readonly Promise<unknown>[]): Promise<void> {
    let isDone = false;
    const all = Promise.allSettled(work).finally(() => (isDone = true));
    /* oxlint-disable no-await-in-loop, no-unmodified-loop-condition */
    while (!isDone) {
      await this.#quiet();
      const dueMs = Math.min(...this.#waiting.keys());
      const due = this.#waiting.get(dueMs) ?? [];
      this.#waiting.delete(dueMs);
      if (due.length > 0) this.#nowMs = dueMs;
      for (const goOn of due) goOn();
    }
    /* oxlint-enable no-await-in-loop, no-unmodified-loop-condition */
    await all;
    await Promise.all(work);
  }

  /** Waits until nobody does anything but wait. */
  async #quiet(): Promise<void> {
    for (let quiet = 0; quiet < 2;) {
      const before = this.#steps;
      // A turn of the event loop, in which all that is not waiting goes on.
      // oxlint-disable-next-line no-await-in-loop
      await scheduler.wait(0);
      quiet = this.#steps === before && this.#asked === 0 ? quiet + 1 : 0;
    }
  }
}
