/** One who works on an upload session. */
export class LockHolder {
  touchedMs = Date.now();
  /** True once another one has asked it to give up: what it read so far does not count. */
  givenUp = false;
  readonly left: Promise<void>;
  readonly leave: () => void;
  #stop: () => void = () => undefined;

  constructor(leave: () => void) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.left = promise;
    this.leave = () => {
      leave();
      resolve();
    };
  }

  /** Says how the holder's body is stopped. */
  stoppedBy(stop: () => void): void {
    this.#stop = stop;
  }

  giveUp(): void {
    this.givenUp = true;
    this.#stop();
  }
}

/** A client that lost its connection may be back before the object has noticed. */
const silentMsMax = 10_000;

/** Input gates do not serialise the reading of bodies: one request at a time writes a session. */
export class UploadLock {
  #holder: LockHolder | undefined;

  /**
   * The lock; undefined if somebody works on the session. One who was silent for 10 s, or anybody
   * if `force`, is made to give up first.
   */
  async enter(force = false): Promise<LockHolder | undefined> {
    const former = this.#holder;
    if (former !== undefined) {
      if (!force && Date.now() - former.touchedMs < silentMsMax) return undefined;
      former.giveUp();
      await former.left;
      if (this.#holder !== undefined) return undefined;
    }
    const holder: LockHolder = new LockHolder(() => {
      if (this.#holder === holder) this.#holder = undefined;
    });
    this.#holder = holder;
    return holder;
  }
}
