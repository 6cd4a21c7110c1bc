import { answerWithin, StoreSilent, timeLimits } from "./time-limits.ts";

/** A store that is not asked, as it was silent a moment ago. */
export class StoreRests extends StoreSilent {
  override readonly name = "StoreRests";
}

/**
 * Asks a store that only saves a question, or that is told again later. Who meets its silence waits
 * for the limit; others are then refused at once until it has rested, and after that one of them at a
 * time asks again.
 */
export class Patience {
  readonly #what: string;
  /** 0 unless it was silent when it was asked last. */
  #restsUntilMs = 0;

  constructor(what: string) {
    this.#what = what;
  }

  /** @throws StoreSilent, StoreRests, what the store throws */
  async ask<T>(limitMs: number, question: () => Promise<T>): Promise<T> {
    const nowMs = Date.now();
    const leftMs = this.#restsUntilMs - nowMs;
    // More than a whole rest is a clock that was put back.
    if (leftMs > 0 && leftMs <= Math.max(limitMs, timeLimits.restMs)) {
      throw new StoreRests(`${this.#what} was silent a moment ago`);
    }
    if (this.#restsUntilMs !== 0) this.#restsUntilMs = nowMs + limitMs;
    try {
      const answer = await answerWithin(limitMs, this.#what, question());
      this.#restsUntilMs = 0;
      return answer;
    } catch (error) {
      const isSilent = error instanceof StoreSilent;
      this.#restsUntilMs = isSilent ? Date.now() + timeLimits.restMs : 0;
      throw error;
    }
  }
}
