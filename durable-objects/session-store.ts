import { newBlobKey } from "../schemas/storage-keys.ts";
import { partBytesFor, type UploadedPart } from "./part-writer.ts";
import { Tables } from "./tables.ts";
import { Tasks } from "./tasks.ts";
import { type SealedSession, UploadRows, type UploadState } from "./upload-state.ts";

/** After a failed or interrupted commit. */
const retryMs = 30_000;

/** What an upload session has stored, and when it expires. */
export class SessionStore {
  readonly #rows: UploadRows;
  readonly #tables: Tables;
  readonly #tasks: Tasks<"expire">;
  readonly #timeoutMs: number;
  readonly #intervalMs: number;

  /** Expires `timeoutMs` after it was last touched, rounded up to whole `intervalMs`. */
  constructor(storage: DurableObjectStorage, timeoutMs: number, intervalMs: number) {
    this.#rows = new UploadRows(storage.sql);
    this.#tables = new Tables(storage, [...UploadRows.tables, Tasks.table]);
    this.#tasks = new Tasks(storage, this.#tables);
    this.#timeoutMs = timeoutMs;
    this.#intervalMs = intervalMs;
  }

  /** What is stored; for a session that nothing reached yet, its beginning; undefined if expired. */
  find(session: SealedSession): UploadState | undefined {
    const stored = this.stored();
    if (stored !== undefined) return stored;
    if (Date.now() > session.startedAtMs + this.#timeoutMs) return undefined;
    return {
      repository: session.repository,
      stage: "open",
      offset: 0,
      key: newBlobKey(Date.now(), crypto.randomUUID()),
      multipartId: undefined,
      partBytes: partBytesFor(undefined),
      algorithm: session.algorithm,
      chunked: false,
      savedDigest: undefined,
      digest: undefined,
      touchedMs: Date.now(),
    };
  }

  stored(): UploadState | undefined {
    return this.#tables.exist ? this.#rows.read() : undefined;
  }

  parts(): UploadedPart[] {
    return this.#rows.parts();
  }

  partCount(): number {
    return this.#tables.exist ? this.#rows.partCount() : 0;
  }

  tail(): Uint8Array {
    return this.#tables.exist ? this.#rows.tail() : new Uint8Array();
  }

  /** Stores a session's state together with the parts that came and the bytes behind them. */
  keep(state: UploadState, newParts: readonly UploadedPart[], tail: Uint8Array | undefined): void {
    const isFirst = this.stored() === undefined;
    this.#tables.write(() => {
      this.#rows.write({ ...state, touchedMs: Date.now() });
      this.#rows.addParts(newParts);
      if (tail !== undefined) this.#rows.writeTail(tail);
      if (isFirst) this.#scheduleExpiry(Date.now());
      if (state.stage === "assembling") this.retryCommit();
    });
  }

  /** Ends the session: its row stays to answer what comes late, its bytes go. */
  end(state: UploadState & { readonly stage: "closed" | "cancelled" }): void {
    this.#tables.write(() => {
      this.keep(state, [], undefined);
      this.#rows.clearBytes();
    });
  }

  /** Deletes everything. */
  async expire(): Promise<void> {
    await this.#tables.deleteAll();
  }

  isIdle(state: UploadState): boolean {
    return Date.now() >= state.touchedMs + this.#timeoutMs;
  }

  expireLater(state: UploadState): void {
    this.#scheduleExpiry(state.touchedMs);
  }

  /** Has the alarm go on with a commit that is cut off. */
  retryCommit(): void {
    this.#tasks.schedule("expire", Date.now() + retryMs);
  }

  async runDue(expire: () => Promise<void>): Promise<void> {
    await this.#tasks.run(Date.now(), retryMs, expire);
  }

  #scheduleExpiry(touchedMs: number): void {
    const dueMs = touchedMs + this.#timeoutMs;
    this.#tasks.schedule("expire", Math.ceil(dueMs / this.#intervalMs) * this.#intervalMs);
  }
}
