import { sessionSecondsMax } from "../schemas/configuration.ts";
import { newBlobKey } from "../schemas/storage-keys.ts";
import { countUpload } from "../telemetry/telemetry.ts";
import { partBytesFor, type UploadedPart } from "./part-writer.ts";
import { Tables } from "./tables.ts";
import { Tasks } from "./tasks.ts";
import { hasEnded, type SealedSession, UploadRows, type UploadState } from "./upload-state.ts";

/** After a failed or interrupted commit. */
const retryMs = 30_000;
/** The catalog is told of sessions that are open for longer: most are not. */
const announceMs = 5000;
const sessionMsMax = 1000 * sessionSecondsMax;

/** What an upload session does later: end itself, and tell the catalog of itself. */
export type SessionTask = "expire" | "announce";

/** What an upload session has stored, and when it expires. */
export class SessionStore {
  readonly #rows: UploadRows;
  readonly #tables: Tables;
  readonly #tasks: Tasks<SessionTask>;
  readonly #timeoutMs: number;
  readonly #intervalMs: number;

  /** Expires `timeoutMs` after it was last touched, rounded up to whole `intervalMs`. */
  constructor(storage: DurableObjectStorage, timeoutMs: number, intervalMs: number) {
    this.#rows = new UploadRows(storage.sql);
    this.#tables = new Tables(storage, [...UploadRows.tables, Tasks.table], UploadRows.upgrades);
    this.#tasks = new Tasks(storage, this.#tables);
    this.#timeoutMs = timeoutMs;
    this.#intervalMs = intervalMs;
  }

  /** What is stored; for a session that nothing reached yet, its beginning; undefined if expired. */
  find(session: SealedSession): UploadState | undefined {
    if (Date.now() > session.startedAtMs + sessionMsMax) return undefined;
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
      digest: undefined,
      startedMs: session.startedAtMs,
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

  /** The bytes behind the last part. */
  tail(): Uint8Array {
    return this.#tables.exist ? this.#rows.tail() : new Uint8Array();
  }

  /** Stores where a session stands. */
  keep(state: UploadState): void {
    const isFirst = this.stored() === undefined;
    this.#tables.write(() => {
      this.#rows.write({ ...state, touchedMs: Date.now() });
      if (isFirst) this.#scheduleExpiry(Date.now());
      if (isFirst && !hasEnded(state)) this.#tasks.schedule("announce", Date.now() + announceMs);
      if (state.stage === "assembling") this.lookAgain();
    });
    if (isFirst && state.stage !== "cancelled") countUpload("started");
  }

  /**
   * Stores where a session stands together with the parts that came and the bytes behind them, of
   * which the first `keptBytes` are stored already.
   */
  keepBytes(
    state: UploadState,
    newParts: readonly UploadedPart[],
    tail: Uint8Array,
    keptBytes: number,
  ): void {
    this.#tables.write(() => {
      this.keep(state);
      this.#rows.addParts(newParts);
      this.#rows.writeTail(tail, keptBytes);
    });
  }

  /** Ends the session: its row stays to answer what comes late, its bytes go. */
  end(state: UploadState & { readonly stage: "closed" | "cancelled" }): void {
    this.#tables.write(() => {
      this.keep(state);
      this.#rows.clearBytes();
      if (this.#rows.isAnnounced()) this.#tasks.schedule("announce", Date.now());
      else void this.#tasks.cancel("announce");
    });
    if (state.stage === "closed") countUpload("committed");
  }

  /** Deletes everything. */
  async expire(): Promise<void> {
    const state = this.stored();
    await this.#tables.deleteAll();
    if (state !== undefined && !hasEnded(state)) countUpload("expired");
  }

  /** True if nobody touched the session for its timeout, or it is six days old. */
  isOver({ touchedMs, startedMs }: UploadState): boolean {
    return Date.now() >= Math.min(touchedMs + this.#timeoutMs, startedMs + sessionMsMax);
  }

  /** True if the catalog was told of the session. */
  get isAnnounced(): boolean {
    return this.#tables.exist && this.#rows.isAnnounced();
  }

  setAnnounced(isAnnounced: boolean): void {
    this.#tables.write(() => this.#rows.setAnnounced(isAnnounced));
  }

  /** How long nobody has to touch a session for it to be over. */
  get timeoutMs(): number {
    return this.#timeoutMs;
  }

  expireLater(state: UploadState): void {
    this.#scheduleExpiry(state.touchedMs);
  }

  /** Has the alarm look at the session again soon: at a commit that is cut off, or a busy one. */
  lookAgain(): void {
    this.#tasks.schedule("expire", Date.now() + retryMs);
  }

  async runDue(work: Readonly<Record<SessionTask, () => Promise<void>>>): Promise<void> {
    await this.#tasks.run(Date.now(), retryMs, (kind) => work[kind]());
  }

  #scheduleExpiry(touchedMs: number): void {
    const dueMs = touchedMs + this.#timeoutMs;
    this.#tasks.schedule("expire", Math.ceil(dueMs / this.#intervalMs) * this.#intervalMs);
  }
}
