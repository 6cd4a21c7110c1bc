/** A client that lost its connection may be back before the object has noticed. */
const silentMsMax = 10_000;

/** One who works on an upload session. */
export class LockHolder {
  /** True once another one has asked it to give up: what it read so far does not count. */
  givenUp = false;
  /** Settles when the holder has left. */
  readonly left: Promise<void>;
  readonly leave: () => void;
  /** Settles when nothing more is read of a body. */
  readonly bodyRead: Promise<void>;
  readonly endReading: () => void;
  /** Since when it waits for bytes of its client; undefined while it does anything else. */
  #waitingSinceMs: number | undefined;
  #stop: () => void = () => undefined;

  constructor(leave: () => void) {
    const left = Promise.withResolvers<void>();
    const bodyRead = Promise.withResolvers<void>();
    this.left = left.promise;
    this.bodyRead = bodyRead.promise;
    this.leave = () => {
      leave();
      bodyRead.resolve();
      left.resolve();
    };
    this.endReading = () => {
      this.#waitingSinceMs = undefined;
      bodyRead.resolve();
    };
  }

  /** Says how the reading of its body is stopped. */
  beginReading(stop: () => void): void {
    this.#stop = stop;
  }

  awaitBytes(): void {
    this.#waitingSinceMs = Date.now();
  }

  gotBytes(): void {
    this.#waitingSinceMs = undefined;
  }

  /** True if it has waited for its client for so long. */
  isSilentFor(silentMs: number): boolean {
    return this.#waitingSinceMs !== undefined && Date.now() - this.#waitingSinceMs >= silentMs;
  }

  giveUp(): void {
    this.givenUp = true;
    this.#stop();
  }
}

/** Input gates do not serialise the reading of bodies: one request at a time writes a session. */
export class UploadLock {
  #holder: LockHolder | undefined;

  /** True if who works on the session waits for a client that was silent for 10 s. */
  get isStalled(): boolean {
    return this.#holder?.isSilentFor(silentMsMax) ?? false;
  }

  /**
   * The lock; undefined if somebody works on the session. One who has waited for its client for
   * `silentMs` (10 s) is made to give up first; one who waits for R2 or for memory is not.
   */
  async enter(silentMs = silentMsMax): Promise<LockHolder | undefined> {
    const former = this.#holder;
    if (former === undefined) return this.#take();
    if (!former.isSilentFor(silentMs)) return undefined;
    former.giveUp();
    await former.left;
    return this.#holder === undefined ? this.#take() : undefined;
  }

  /** The lock, after everybody else was made to give up. */
  async seize(): Promise<LockHolder> {
    while (this.#holder !== undefined) {
      this.#holder.giveUp();
      // oxlint-disable-next-line no-await-in-loop
      await this.#holder.left;
    }
    return this.#take();
  }

  #take(): LockHolder {
    const holder = new LockHolder(() => {
      this.#holder = undefined;
    });
    this.#holder = holder;
    return holder;
  }
}
