import type { Digest, DigestAlgorithm } from "../schemas/digest.ts";
import type { RepositoryName } from "../schemas/reference.ts";
import type { BlobKey } from "../schemas/storage-keys.ts";
import { cutRows, joinRows } from "./byte-rows.ts";
import type { UploadedPart } from "./part-writer.ts";
import type { Upgrade } from "./tables.ts";

/** What the seal of an upload session says: it is the Worker's word for what the client may touch. */
export interface SealedSession {
  readonly repository: RepositoryName;
  readonly startedAtMs: number;
  readonly algorithm: DigestAlgorithm;
}

/**
 * - open: bytes may come.
 * - assembling: the parts are fixed and R2 is asked to complete them.
 * - assembled: the bytes are one object under the key.
 * - closed: the blob is linked. cancelled: the client gave up. Neither comes back.
 */
type Stage = "open" | "assembling" | "assembled" | "closed" | "cancelled";

/** True of a session that nothing happens to any more. */
export function hasEnded({ stage }: UploadState): boolean {
  return stage === "closed" || stage === "cancelled";
}

/** One upload session, as it stood when the last request ended. */
export interface UploadState {
  readonly repository: RepositoryName;
  readonly stage: Stage;
  /** Bytes that were acknowledged. */
  readonly offset: number;
  readonly key: BlobKey;
  readonly multipartId: string | undefined;
  readonly partBytes: number;
  readonly algorithm: DigestAlgorithm;
  /** The digest that the bytes were found to have, once they were. */
  readonly digest: Digest | undefined;
  readonly startedMs: number;
  readonly touchedMs: number;
}

/** Small, as a client that sends small chunks has the last row rewritten with each. */
const tailRowBytes = 128 * 1024;

type SessionRow = {
  repository: RepositoryName;
  stage: Stage;
  offset: number;
  key: BlobKey;
  multipart_id: string | null;
  part_bytes: number;
  algorithm: DigestAlgorithm;
  digest: Digest | null;
  started_ms: number;
  touched_ms: number;
};

/** The rows of an upload session. To be written within transactions of the session alone. */
export class UploadRows {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static readonly tables = [
    `CREATE TABLE IF NOT EXISTS session (
       id INTEGER PRIMARY KEY CHECK (id = 1), repository TEXT NOT NULL, stage TEXT NOT NULL,
       offset INTEGER NOT NULL, key TEXT NOT NULL, multipart_id TEXT, part_bytes INTEGER NOT NULL,
       algorithm TEXT NOT NULL, digest TEXT, started_ms INTEGER NOT NULL, touched_ms INTEGER NOT NULL)`,
    "CREATE TABLE IF NOT EXISTS parts (number INTEGER PRIMARY KEY, etag TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS tail (number INTEGER PRIMARY KEY, bytes BLOB NOT NULL)",
    // A row once the catalog is told of the session.
    "CREATE TABLE IF NOT EXISTS announced (id INTEGER PRIMARY KEY CHECK (id = 1))",
  ];

  static readonly upgrades: readonly Upgrade[] = [
    { before: ["ALTER TABLE session DROP COLUMN token"], after: [] },
    {
      before: [
        "ALTER TABLE session DROP COLUMN chunked",
        "ALTER TABLE session DROP COLUMN saved_digest",
      ],
      after: [],
    },
  ];

  read(): UploadState | undefined {
    const row = this.#sql.exec<SessionRow>("SELECT * FROM session").toArray()[0];
    if (row === undefined) return undefined;
    return {
      repository: row.repository,
      stage: row.stage,
      offset: row.offset,
      key: row.key,
      multipartId: row.multipart_id ?? undefined,
      partBytes: row.part_bytes,
      algorithm: row.algorithm,
      digest: row.digest ?? undefined,
      startedMs: row.started_ms,
      touchedMs: row.touched_ms,
    };
  }

  write(state: UploadState): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO session VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      state.repository,
      state.stage,
      state.offset,
      state.key,
      state.multipartId ?? null,
      state.partBytes,
      state.algorithm,
      state.digest ?? null,
      state.startedMs,
      state.touchedMs,
    );
  }

  /** All uploaded parts, in order: R2's simulator refuses another order. */
  parts(): UploadedPart[] {
    return this.#sql
      .exec<{ number: number; etag: string }>("SELECT number, etag FROM parts ORDER BY number")
      .toArray();
  }

  addParts(parts: readonly UploadedPart[]): void {
    for (const { number, etag } of parts) {
      this.#sql.exec("INSERT OR REPLACE INTO parts VALUES (?, ?)", number, etag);
    }
  }

  partCount(): number {
    const { last } = this.#sql
      .exec<{ last: number | null }>("SELECT max(number) AS last FROM parts")
      .one();
    return last ?? 0;
  }

  /** The bytes behind the last part. */
  tail(): Uint8Array {
    return joinRows(
      this.#sql.exec<{ bytes: ArrayBuffer }>("SELECT bytes FROM tail ORDER BY number").toArray(),
    );
  }

  /** Stores the bytes behind the last part, of which the first `keptBytes` are stored already. */
  writeTail(tail: Uint8Array, keptBytes: number): void {
    const rows = [...cutRows(tail, tailRowBytes, keptBytes)];
    this.#sql.exec("DELETE FROM tail WHERE number >= ?", Math.floor(keptBytes / tailRowBytes));
    for (const { number, bytes } of rows) {
      this.#sql.exec("INSERT INTO tail VALUES (?, ?)", number, bytes);
    }
  }

  isAnnounced(): boolean {
    return this.#sql.exec("SELECT 1 FROM announced").toArray().length > 0;
  }

  setAnnounced(isAnnounced: boolean): void {
    this.#sql.exec(
      isAnnounced ? "INSERT OR IGNORE INTO announced VALUES (1)" : "DELETE FROM announced",
    );
  }

  /** Leaves the session's own row alone: it is what a late or repeated request is answered from. */
  clearBytes(): void {
    this.#sql.exec("DELETE FROM parts");
    this.#sql.exec("DELETE FROM tail");
  }
}
