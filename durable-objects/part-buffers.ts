/** What the uploads of one isolate may buffer together: it has 128 MB for everything. */
const bufferedBytesMax = 48 * 1024 * 1024;
/** A buffer silent for so long is not counted: its client stalls, or its object is gone. */
const silentMs = 60_000;
/** After this an upload that waits for its turn is told to come back. */
const waitMsMax = 25_000;

interface Lease {
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
  readonly #leases = new Set<Lease>();
  readonly #waiting: (() => void)[] = [];

  /** Waits until `bytes` more may be buffered. @throws NoBuffer after 25 s */
  async lease(bytes: number): Promise<Lease> {
    const deadlineMs = Date.now() + waitMsMax;
    while (!this.#hasRoom(bytes)) {
      const leftMs = deadlineMs - Date.now();
      if (leftMs <= 0) throw new NoBuffer("no memory for one more part");
      // oxlint-disable-next-line no-await-in-loop
      await this.#turn(Math.min(leftMs, 1000));
    }
    const lease = { bytes, touchedMs: Date.now() };
    this.#leases.add(lease);
    return lease;
  }

  release(lease: Lease): void {
    this.#leases.delete(lease);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  get bufferedBytes(): number {
    let bytes = 0;
    for (const lease of this.#leases) bytes += lease.bytes;
    return bytes;
  }

  #hasRoom(bytes: number): boolean {
    if (this.#leases.size === 0 || this.bufferedBytes + bytes <= bufferedBytesMax) return true;
    const silentSinceMs = Date.now() - silentMs;
    for (const lease of this.#leases) {
      if (lease.touchedMs < silentSinceMs) this.#leases.delete(lease);
    }
    return this.bufferedBytes + bytes <= bufferedBytesMax;
  }

  /** A buffer's release, or a moment: one whose object is gone is never released. */
  async #turn(timeoutMs: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
      this.#waiting.push(resolve);
    });
    clearTimeout(timer);
  }
}

export type PartLease = Lease;
export const partBuffers = new PartBuffers();
