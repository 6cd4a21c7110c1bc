import { DurableObject } from "cloudflare:workers";
import type { Digest } from "../schemas/digest.ts";
import { done, type Outcome, refuse } from "../schemas/outcome.ts";
import type { RepositoryName } from "../schemas/reference.ts";
import { type BlobKey, blobKeyTimeMs, type HolderToken } from "../schemas/storage-keys.ts";
import { Tables } from "./tables.ts";
import { Tasks } from "./tasks.ts";

/** Where the bytes of a digest are, and how many. */
export interface StoredBlob {
  readonly key: BlobKey;
  readonly size: number;
}

/** Who wants to hold a blob. */
export interface Holder {
  readonly digest: Digest;
  readonly token: HolderToken;
  readonly repository: RepositoryName;
}

/**
 * How long the object of a blob without holder stays: longer than any cached link of it (cached
 * links live for 60 s), so that a reader who has one still finds the bytes or asks again.
 */
const garbageMs = 180_000;
/** An object that nobody claimed by then may be deleted: it is not claimed any more. */
const keyAgeMsMax = 7 * 24 * 60 * 60 * 1000;
const garbageRetryMs = 30_000;
/** R2 deletes at most 1,000 keys a call. */
const garbageKeysMax = 1000;

const tables = [
  `CREATE TABLE IF NOT EXISTS blobs (
     digest TEXT PRIMARY KEY, key TEXT NOT NULL, size INTEGER NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS holders (
     digest TEXT, token TEXT, repository TEXT NOT NULL, PRIMARY KEY (digest, token)) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS garbage (
     key TEXT PRIMARY KEY, digest TEXT NOT NULL, due INTEGER NOT NULL) WITHOUT ROWID`,
  Tasks.table,
];

/**
 * One for each first two hex digits of a digest: which R2 object holds a digest, and the tokens of
 * those who hold it. The only one that deletes stored blobs.
 *
 * An object of R2 is, one after the other: written (its key is known to the writer alone), held (a
 * row in blobs, one in holders for each link), garbage (a row in blobs and one in garbage: a claim
 * revives it), being deleted (a row in garbage alone: a claim takes the newcomer's key), gone.
 */
export class BlobIndex extends DurableObject<Env> {
  readonly #sql: SqlStorage;
  readonly #tables: Tables;
  readonly #tasks: Tasks<"garbage">;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
    this.#tables = new Tables(ctx.storage, tables);
    this.#tasks = new Tasks(ctx.storage, this.#tables);
  }

  /**
   * Takes a token of a blob that is held already, for a caller who may read it or will send its
   * bytes; undefined if nobody holds it.
   */
  take(holder: Holder): StoredBlob | undefined {
    const stored = this.#stored(holder.digest);
    if (stored === undefined) return undefined;
    this.#tables.write(() => this.#hold(holder, stored));
    return stored;
  }

  /**
   * Claims a blob whose bytes were just verified and stored under `newcomer.key`. Answers the
   * object to use: the newcomer's, or the one that holds these bytes already; the newcomer's is
   * then deleted. Repeating a claim with its token changes nothing.
   */
  async claim(holder: Holder, newcomer: StoredBlob): Promise<Outcome<StoredBlob>> {
    const stored = this.#stored(holder.digest);
    let there = stored?.key === newcomer.key;
    if (stored !== undefined && !there) {
      try {
        there = (await this.env.BLOBS.head(stored.key))?.size === stored.size;
      } catch (error) {
        return refuse("OVERLOADED", `R2 did not answer: ${String(error)}`, { "Retry-After": "5" });
      }
      // Another claim may have come in between: what it left is then what counts.
      if (this.#stored(holder.digest)?.key !== stored.key) return this.claim(holder, newcomer);
    }
    return this.#tables.write<Outcome<StoredBlob>>(() => {
      if (stored !== undefined && there) {
        this.#hold(holder, stored);
        if (stored.key !== newcomer.key) this.#discard(holder.digest, newcomer.key, Date.now());
        return done(stored);
      }
      if (Date.now() - blobKeyTimeMs(newcomer.key) > keyAgeMsMax) {
        return refuse("BLOB_UPLOAD_INVALID", "its bytes were stored more than seven days ago");
      }
      if (stored !== undefined) this.#discard(holder.digest, stored.key, Date.now());
      this.#sql.exec(
        "INSERT OR REPLACE INTO blobs VALUES (?, ?, ?)",
        holder.digest,
        newcomer.key,
        newcomer.size,
      );
      this.#hold(holder, newcomer);
      return done(newcomer);
    });
  }

  /** Drops tokens; a blob that nobody holds becomes garbage. Dropping again changes nothing. */
  drop(tokens: readonly { readonly digest: Digest; readonly token: HolderToken }[]): void {
    if (!this.#tables.exist) return;
    this.#tables.write(() => {
      for (const { digest, token } of tokens) {
        this.#sql.exec("DELETE FROM holders WHERE digest = ? AND token = ?", digest, token);
        const stored = this.#stored(digest);
        const held = this.#sql.exec("SELECT 1 FROM holders WHERE digest = ? LIMIT 1", digest);
        if (stored !== undefined && held.toArray().length === 0) {
          this.#discard(digest, stored.key, Date.now() + garbageMs);
        }
      }
    });
  }

  /** At most `limit` repositories that hold the digest. */
  holders(digest: Digest, limit: number): RepositoryName[] {
    if (!this.#tables.exist) return [];
    return this.#sql
      .exec<{ repository: RepositoryName }>(
        "SELECT DISTINCT repository FROM holders WHERE digest = ? LIMIT ?",
        digest,
        limit,
      )
      .toArray()
      .map(({ repository }) => repository);
  }

  override async alarm(): Promise<void> {
    await this.#tasks.run(Date.now(), garbageRetryMs, () => this.#collect());
  }

  #stored(digest: Digest): StoredBlob | undefined {
    if (!this.#tables.exist) return undefined;
    return this.#sql
      .exec<{ key: BlobKey; size: number }>("SELECT key, size FROM blobs WHERE digest = ?", digest)
      .toArray()[0];
  }

  #hold({ digest, token, repository }: Holder, stored: StoredBlob): void {
    this.#sql.exec("INSERT OR REPLACE INTO holders VALUES (?, ?, ?)", digest, token, repository);
    this.#sql.exec("DELETE FROM garbage WHERE key = ?", stored.key);
  }

  #discard(digest: Digest, key: BlobKey, dueMs: number): void {
    this.#sql.exec("INSERT OR REPLACE INTO garbage VALUES (?, ?, ?)", key, digest, dueMs);
    this.#tasks.schedule("garbage", dueMs);
  }

  /** Deletes the garbage that is due. Once its row in blobs is gone, a key is never used again. */
  async #collect(): Promise<void> {
    const keys = this.#sql
      .exec<{ key: BlobKey }>(
        "SELECT key FROM garbage WHERE due <= ? LIMIT ?",
        Date.now(),
        garbageKeysMax,
      )
      .toArray()
      .map(({ key }) => key);
    if (keys.length > 0) {
      const list = JSON.stringify(keys);
      this.#sql.exec(
        `DELETE FROM blobs WHERE (digest, key) IN
           (SELECT garbage.digest, garbage.key FROM garbage JOIN json_each(?) ON garbage.key = value)`,
        list,
      );
      await this.env.BLOBS.delete(keys);
      this.#sql.exec("DELETE FROM garbage WHERE key IN (SELECT value FROM json_each(?))", list);
    }
    const { due } = this.#sql
      .exec<{ due: number | null }>("SELECT min(due) AS due FROM garbage")
      .one();
    if (due !== null) this.#tasks.schedule("garbage", due);
  }
}
