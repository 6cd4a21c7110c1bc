import { setTimeout as sleep } from "node:timers/promises";

const firstPauseMs = 1000;
const longestPauseMs = 60_000;

/**
 * How fast a process may ask a registry. All that send to it wait for one pause when one of them is
 * told 429, so that uploads side by side do not go on to press.
 */
export class Pace {
  #pauseEndsMs = 0;
  #pausesInRow = 0;

  /** Waits until the pause has ended. @throws the signal's reason */
  async turn(signal?: AbortSignal): Promise<void> {
    for (;;) {
      const leftMs = this.#pauseEndsMs - Date.now();
      if (leftMs <= 0) return;
      await sleep(leftMs, undefined, signal === undefined ? {} : { signal });
    }
  }

  /**
   * Begins a pause: as long as Retry-After says, at most a minute; without one a second, twice as
   * long each time in a row.
   */
  slowDown(retryAfter: string | undefined): void {
    const toldMs = retryAfterMs(retryAfter);
    const pauseMs = toldMs ?? Math.min(firstPauseMs * 2 ** this.#pausesInRow, longestPauseMs);
    // Those who were told while the pause ran already do not make it longer.
    if (this.#pauseEndsMs <= Date.now()) this.#pausesInRow += 1;
    this.#pauseEndsMs = Math.max(this.#pauseEndsMs, Date.now() + pauseMs);
  }

  /** Says that an answer was no 429. */
  goOn(): void {
    this.#pausesInRow = 0;
  }
}

/** Milliseconds by a Retry-After header (RFC 9110 section 10.2.3), at most a minute. */
function retryAfterMs(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const seconds = Number(header);
  const ms = Number.isNaN(seconds) ? Date.parse(header) - Date.now() : seconds * 1000;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), longestPauseMs);
}

const firstWaitMs = 250;
const longestWaitMs = 15_000;

/** How long to wait before a try (0 is the first one that is repeated): doubled, with some chance. */
export function backoffMs(repeat: number, retryAfter?: string): number {
  const doubled = Math.min(firstWaitMs * 2 ** repeat, longestWaitMs);
  return Math.max(doubled * (0.75 + Math.random() / 2), retryAfterMs(retryAfter) ?? 0);
}
