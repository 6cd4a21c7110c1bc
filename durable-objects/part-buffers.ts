/** What the uploads of one isolate may buffer together: it has 128 MB for everything. */
const bufferedBytesMax = 48 * 1024 * 1024;
/** A reservation untouched for so long is not counted: its object was lost with its buffer. */
const lostMs = 600_000;
/** After this an upload that waits for its turn is told to come back. */
const waitMsMax = 25_000;

/** Memory that an upload has for one part. */
export interface Reservation {
  readonly bytes: number;
  touchedMs: number;
}

/** The isolate has no memory for one more part: to be answered as overload. */
export class NoBuffer extends Error {}

/**
 * The memory for parts, counted over all uploads of an isolate (Durable Objects of one class share
 * it). An upload that finds none waits, and with it its client: that is the back-pressure.
 */
export class PartBuffers {
  readonly #reservations = new Set<Reservation>();
  #waiting: (() => void)[] = [];

  /** Waits until `bytes` more may be buffered. @throws NoBuffer after 25 s */
  async reserve(bytes: number): Promise<Reservation> {
    const deadlineMs = Date.now() + waitMsMax;
    while (!this.#hasRoom(bytes)) {
      const leftMs = deadlineMs - Date.now();
      if (leftMs <= 0) throw new NoBuffer("no memory for one more part");
      // oxlint-disable-next-line no-await-in-loop
      await this.#turn(Math.min(leftMs, 1000));
    }
    const reservation = { bytes, touchedMs: Date.now() };
    this.#reservations.add(reservation);
    return reservation;
  }

  release(reservation: Reservation): void {
    this.#reservations.delete(reservation);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  get bufferedBytes(): number {
    let bytes = 0;
    for (const reservation of this.#reservations) bytes += reservation.bytes;
    return bytes;
  }

  /** True while an upload waits: one whose client is silent should then give its memory back. */
  get isWanted(): boolean {
    return this.#waiting.length > 0;
  }

  #hasRoom(bytes: number): boolean {
    if (this.bufferedBytes + bytes <= bufferedBytesMax) return true;
    const lostSinceMs = Date.now() - lostMs;
    for (const reservation of this.#reservations) {
      if (reservation.touchedMs < lostSinceMs) this.#reservations.delete(reservation);
    }
    return this.bufferedBytes + bytes <= bufferedBytesMax;
  }

  /** A reservation's release, or a moment: one whose object is lost is never released. */
  async #turn(timeoutMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, timeoutMs);
    this.#waiting.push(resolve);
    await promise;
    clearTimeout(timer);
    this.#waiting = this.#waiting.filter((waiting) => waiting !== resolve);
  }
}

export const partBuffers = new PartBuffers();
