import type { Digest } from "../schemas/digest.ts";
import type { RepositoryName } from "../schemas/reference.ts";
import { type BlobKey, type HolderToken, tokenTimeMs } from "../schemas/storage-keys.ts";
import type { Upgrade } from "./tables.ts";

/** Where the bytes of a digest are, and how many. */
export interface StoredBlob {
  readonly key: BlobKey;
  readonly size: number;
}

/**
 * What is wrong with the object of a blob, as it was seen last: R2 has none, or one of other bytes. A
 * push of the blob stores it anew.
 */
export type BrokenBlob = "missing" | "damaged";

export interface IndexedBlob extends StoredBlob {
  readonly broken: BrokenBlob | null;
}

/** What holds a blob. */
export interface HeldToken {
  readonly digest: Digest;
  readonly token: HolderToken;
}

/** Who wants to hold a blob. */
export interface Holder extends HeldToken {
  readonly repository: RepositoryName;
}

/** How many blobs and how many bytes. */
export interface BlobTotals {
  readonly layers: number;
  readonly bytes: number;
}

export const noBlobs: BlobTotals = { layers: 0, bytes: 0 };

/** An object of R2 that waits to be deleted. */
export interface Garbage extends StoredBlob {
  readonly digest: Digest | "";
}

/** The blobs of an index and how often a push found one there already. */
export interface IndexTotals extends BlobTotals {
  readonly hits: number;
  readonly misses: number;
}

/** Its repository knows by then whether a holder's link came. Holders are asked about together. */
const askAfterMs = 60 * 60 * 1000;
const askTogetherMs = 10 * 60 * 1000;

/**
 * The rows of a BlobIndex. To be written within its transactions alone.
 *
 * An object of R2 is, one after the other: written (its key is known to the writer alone), held (a
 * row in blobs, one in holders for each link), garbage (a row in blobs and one in garbage: a claim
 * revives it), being deleted (a row in garbage alone: a claim takes the newcomer's key), deleted
 * (the row stays as long as somebody may still claim the key).
 */
export class BlobStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static readonly tables = [
    `CREATE TABLE IF NOT EXISTS blobs (
       digest TEXT PRIMARY KEY, key TEXT NOT NULL, size INTEGER NOT NULL,
       broken TEXT) WITHOUT ROWID`,
    // ask_at: when its repository is asked whether the link came; NULL once it did.
    `CREATE TABLE IF NOT EXISTS holders (
       digest TEXT, token TEXT, repository TEXT NOT NULL, ask_at INTEGER,
       PRIMARY KEY (digest, token)) WITHOUT ROWID`,
    "CREATE INDEX IF NOT EXISTS holders_to_ask ON holders (ask_at) WHERE ask_at IS NOT NULL",
    `CREATE TABLE IF NOT EXISTS garbage (
       key TEXT PRIMARY KEY, digest TEXT NOT NULL, size INTEGER NOT NULL, due INTEGER NOT NULL,
       deleted INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID`,
    "CREATE INDEX IF NOT EXISTS garbage_due ON garbage (due) WHERE NOT deleted",
    `CREATE TABLE IF NOT EXISTS totals (
       layers INTEGER NOT NULL, bytes INTEGER NOT NULL, hits INTEGER NOT NULL, misses INTEGER NOT NULL)`,
    "INSERT INTO totals SELECT 0, 0, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM totals)",
    `CREATE TRIGGER IF NOT EXISTS blob_came AFTER INSERT ON blobs BEGIN
       UPDATE totals SET layers = layers + 1, bytes = bytes + NEW.size; END`,
    `CREATE TRIGGER IF NOT EXISTS blob_went AFTER DELETE ON blobs BEGIN
       UPDATE totals SET layers = layers - 1, bytes = bytes - OLD.size; END`,
  ];

  static readonly upgrades: readonly Upgrade[] = [
    {
      before: [
        "ALTER TABLE blobs ADD COLUMN broken TEXT",
        "ALTER TABLE holders ADD COLUMN ask_at INTEGER",
        "ALTER TABLE garbage ADD COLUMN size INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE garbage ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0",
      ],
      after: [
        "UPDATE totals SET layers = (SELECT count(*) FROM blobs), bytes = (SELECT coalesce(sum(size), 0) FROM blobs)",
        "UPDATE garbage SET size = coalesce((SELECT size FROM blobs WHERE blobs.key = garbage.key), 0)",
      ],
    },
  ];

  find(digest: Digest): IndexedBlob | undefined {
    return this.#sql
      .exec<{ key: BlobKey; size: number; broken: BrokenBlob | null }>(
        "SELECT key, size, broken FROM blobs WHERE digest = ?",
        digest,
      )
      .toArray()[0];
  }

  /** Notes that R2 does not have the bytes of a blob, or has them again. */
  setBroken(digest: Digest, broken: BrokenBlob | null): void {
    this.#sql.exec("UPDATE blobs SET broken = ? WHERE digest = ?", broken, digest);
  }

  /** Has the digest's bytes be under another key from now on. */
  place(digest: Digest, { key, size }: StoredBlob): void {
    this.remove(digest);
    this.#sql.exec("INSERT INTO blobs (digest, key, size) VALUES (?, ?, ?)", digest, key, size);
  }

  remove(digest: Digest): void {
    this.#sql.exec("DELETE FROM blobs WHERE digest = ?", digest);
  }

  /** Has a token hold the blob, which is no garbage then. */
  hold({ digest, token, repository }: Holder, { key }: StoredBlob): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO holders VALUES (?, ?, ?, ?)",
      digest,
      token,
      repository,
      Math.ceil((tokenTimeMs(token) + askAfterMs) / askTogetherMs) * askTogetherMs,
    );
    this.#sql.exec("DELETE FROM garbage WHERE key = ?", key);
  }

  /** Removes a token; true if nobody holds the digest any more. */
  release(digest: Digest, token: HolderToken): boolean {
    this.#sql.exec("DELETE FROM holders WHERE digest = ? AND token = ?", digest, token);
    const held = this.#sql.exec("SELECT 1 FROM holders WHERE digest = ? LIMIT 1", digest);
    return held.toArray().length === 0;
  }

  /** True if nobody but these tokens holds the digest. */
  isHeldOnlyBy(digest: Digest, tokens: readonly HolderToken[]): boolean {
    const others = this.#sql.exec(
      `SELECT 1 FROM holders WHERE digest = ? AND token NOT IN (SELECT value FROM json_each(?))
       LIMIT 1`,
      digest,
      JSON.stringify(tokens),
    );
    return others.toArray().length === 0;
  }

  /** At most `limit` repositories that hold the digest. */
  repositories(digest: Digest, limit: number): RepositoryName[] {
    return this.#sql
      .exec<{ repository: RepositoryName }>(
        "SELECT DISTINCT repository FROM holders WHERE digest = ? LIMIT ?",
        digest,
        limit,
      )
      .toArray()
      .map(({ repository }) => repository);
  }

  /** Holders whose repositories are to be asked by `nowMs`, at most `limit`. */
  unconfirmed(nowMs: number, limit: number): Holder[] {
    return this.#sql
      .exec<{ digest: Digest; token: HolderToken; repository: RepositoryName }>(
        "SELECT digest, token, repository FROM holders WHERE ask_at <= ? ORDER BY ask_at LIMIT ?",
        nowMs,
        limit,
      )
      .toArray();
  }

  /** Notes that a holder's link is there. */
  confirm({ digest, token }: Holder): void {
    this.#sql.exec(
      "UPDATE holders SET ask_at = NULL WHERE digest = ? AND token = ?",
      digest,
      token,
    );
  }

  /** When the next holder's repository is to be asked. */
  nextToAskMs(): number | null {
    return this.#sql
      .exec<{ due: number | null }>(
        "SELECT min(ask_at) AS due FROM holders WHERE ask_at IS NOT NULL",
      )
      .one().due;
  }

  /**
   * Has an object deleted at `dueMs`. One that is garbage already is due when it was; one that was
   * deleted, and landed after that, is deleted again.
   */
  discard({ key, digest, size }: Garbage, dueMs: number): void {
    this.#sql.exec(
      `INSERT INTO garbage (key, digest, size, due) VALUES (?, ?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET due = excluded.due, deleted = 0 WHERE deleted`,
      key,
      digest,
      size,
      dueMs,
    );
  }

  /** True if the object under the key waits to be deleted. */
  isGarbage(key: BlobKey): boolean {
    const row = this.#sql.exec("SELECT 1 FROM garbage WHERE key = ? AND NOT deleted", key);
    return row.toArray().length > 0;
  }

  /** True if the object under the key is deleted, or is about to be. */
  isDiscarded(key: BlobKey): boolean {
    return this.#sql.exec("SELECT 1 FROM garbage WHERE key = ?", key).toArray().length > 0;
  }

  /** Which of the keys are of blobs here, or are garbage already. Reads all blobs: for few calls. */
  known(keys: readonly BlobKey[]): BlobKey[] {
    return this.#sql
      .exec<{ key: BlobKey }>(
        `SELECT value AS key FROM json_each(?) WHERE value IN (SELECT key FROM blobs)
         OR value IN (SELECT key FROM garbage WHERE NOT deleted)`,
        JSON.stringify(keys),
      )
      .toArray()
      .map(({ key }) => key);
  }

  /** Garbage that is due at `nowMs`, at most `limit`. From now on its keys are used by nobody. */
  takeDue(nowMs: number, limit: number): Garbage[] {
    const garbage = this.#sql
      .exec<{ key: BlobKey; digest: Digest; size: number }>(
        "SELECT key, digest, size FROM garbage WHERE NOT deleted AND due <= ? LIMIT ?",
        nowMs,
        limit,
      )
      .toArray();
    this.#sql.exec(
      `DELETE FROM blobs WHERE (digest, key) IN
         (SELECT garbage.digest, garbage.key FROM garbage JOIN json_each(?) ON garbage.key = value)`,
      JSON.stringify(garbage.map(({ key }) => key)),
    );
    return garbage;
  }

  markDeleted(keys: readonly BlobKey[]): void {
    this.#sql.exec(
      "UPDATE garbage SET deleted = 1 WHERE key IN (SELECT value FROM json_each(?))",
      JSON.stringify(keys),
    );
  }

  /** Forgets deleted keys that sort before `beforeKey`: they are too old for anyone to claim. */
  forgetDeleted(beforeKey: string): void {
    this.#sql.exec("DELETE FROM garbage WHERE deleted AND key < ?", beforeKey);
  }

  nextGarbageMs(): number | null {
    return this.#sql
      .exec<{ due: number | null }>("SELECT min(due) AS due FROM garbage WHERE NOT deleted")
      .one().due;
  }

  /** What waits to be deleted. */
  garbageTotals(): BlobTotals {
    return this.#sql
      .exec<{ layers: number; bytes: number }>(
        "SELECT count(*) AS layers, coalesce(sum(size), 0) AS bytes FROM garbage WHERE NOT deleted",
      )
      .one();
  }

  /** The blobs after `last` in the order of their digests, at most `limit`. */
  list(last: string, limit: number): (StoredBlob & { readonly digest: Digest })[] {
    return this.#sql
      .exec<{ digest: Digest; key: BlobKey; size: number }>(
        "SELECT digest, key, size FROM blobs WHERE digest > ? ORDER BY digest LIMIT ?",
        last,
        limit,
      )
      .toArray();
  }

  /** Counts a blob that was pushed: found here already, or not. */
  count(what: "hits" | "misses"): void {
    this.#sql.exec(`UPDATE totals SET ${what} = ${what} + 1`);
  }

  totals(): IndexTotals {
    return this.#sql
      .exec<{ layers: number; bytes: number; hits: number; misses: number }>("SELECT * FROM totals")
      .one();
  }
}
