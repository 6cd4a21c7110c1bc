/** A client that lost its connection may be back before the object has noticed. */
const silentMsMax = 10_000;

/** One who works on an upload session. */
export class LockHolder {
  /** True once another one has asked it to give up: what it read so far does not count. */
  givenUp = false;
  /** Settles when the holder has left. */
  readonly left: Promise<void>;
  readonly leave: () => void;
  /** While it reads a body: when the last bytes came, and how the reading is stopped. */
  #reading: { sinceMs: number; readonly stop: () => void } | undefined;

  constructor(leave: () => void) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.left = promise;
    this.leave = () => {
      leave();
      resolve();
    };
  }

  beginReading(stop: () => void): void {
    this.#reading = { sinceMs: Date.now(), stop };
  }

  gotBytes(): void {
    if (this.#reading !== undefined) this.#reading.sinceMs = Date.now();
  }

  endReading(): void {
    this.#reading = undefined;
  }

  /** True if its client sent nothing for 10 s. */
  get isSilent(): boolean {
    return this.#reading !== undefined && Date.now() - this.#reading.sinceMs >= silentMsMax;
  }

  giveUp(): void {
    this.givenUp = true;
    this.#reading?.stop();
  }
}

/** Input gates do not serialise the reading of bodies: one request at a time writes a session. */
export class UploadLock {
  #holder: LockHolder | undefined;

  /** True if who works on the session waits for a client that is silent. */
  get isStalled(): boolean {
    return this.#holder?.isSilent ?? false;
  }

  /** The lock; undefined if somebody works on the session. One who is silent is made to give up. */
  async enter(): Promise<LockHolder | undefined> {
    const former = this.#holder;
    if (former === undefined) return this.#take();
    if (!former.isSilent) return undefined;
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
