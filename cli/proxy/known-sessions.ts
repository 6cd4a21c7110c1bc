import type { ChunkLimits } from "../upload-answer.ts";

/** What the proxy has seen of an upload session. */
export interface KnownSession {
  readonly offset: number;
  readonly limits: ChunkLimits;
  /** True once bytes of a whole blob (PUT without Content-Range) were sent to it. */
  readonly isWhole: boolean;
}

const countMax = 4096;

/**
 * Where upload sessions stand, by the paths of their Locations: it saves asking the registry before
 * each upload. One that is forgotten is asked for.
 */
export class KnownSessions {
  readonly #sessions = new Map<string, KnownSession>();

  get(path: string): KnownSession | undefined {
    return this.#sessions.get(path);
  }

  set(path: string, session: KnownSession): void {
    this.#sessions.delete(path);
    this.#sessions.set(path, session);
    if (this.#sessions.size <= countMax) return;
    const [oldest] = this.#sessions.keys();
    if (oldest !== undefined) this.#sessions.delete(oldest);
  }

  delete(path: string): void {
    this.#sessions.delete(path);
  }
}
