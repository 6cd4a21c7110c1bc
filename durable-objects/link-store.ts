import type { Digest } from "../schemas/digest.ts";
import { done, type Outcome, refuse } from "../schemas/outcome.ts";
import { type BlobKey, type HolderToken, tokenTimeMs } from "../schemas/storage-keys.ts";

/** What is where: the link of a blob as readers cache it. */
export interface Link {
  readonly digest: Digest;
  readonly key: BlobKey;
  readonly size: number;
}

/** A blob that was claimed, to be made readable in a repository. */
export interface ClaimedBlob extends Link {
  readonly token: HolderToken;
}

/** A holder whose link did not come within the hour may be dropped: a link has to come before. */
const tokenAgeMsMax = 50 * 60 * 1000;

/**
 * The blobs that are readable in a repository. A link keeps its blob by a token, and is itself kept
 * by references of manifests and, before those come, by a lease.
 */
export class LinkStore {
  readonly #sql: SqlStorage;
  readonly #leaseMs: number;

  /** `leaseMs`: how long a push, a mount or a HEAD keeps a blob that nothing references. */
  constructor(sql: SqlStorage, leaseMs: number) {
    this.#sql = sql;
    this.#leaseMs = leaseMs;
  }

  static readonly tables = [
    `CREATE TABLE IF NOT EXISTS links (
       digest TEXT PRIMARY KEY, key TEXT NOT NULL, size INTEGER NOT NULL, token TEXT NOT NULL,
       leased_until INTEGER NOT NULL, unreferenced_since INTEGER) WITHOUT ROWID`,
  ];

  find(digest: Digest): ClaimedBlob | undefined {
    return this.#sql
      .exec<{ digest: Digest; key: BlobKey; size: number; token: HolderToken }>(
        "SELECT digest, key, size, token FROM links WHERE digest = ?",
        digest,
      )
      .toArray()[0];
  }

  /**
   * Links a claimed blob and answers the token that is now without use, to be dropped: the
   * newcomer's if the digest is linked to this object already, else the former one's.
   */
  link(blob: ClaimedBlob, referenced: boolean, nowMs: number): Outcome<HolderToken | undefined> {
    if (nowMs - tokenTimeMs(blob.token) > tokenAgeMsMax) {
      return refuse("OVERLOADED", "the claim took too long", { "Retry-After": "1" });
    }
    const former = this.find(blob.digest);
    if (former?.token === blob.token) return done(undefined);
    if (former?.key === blob.key) {
      this.#lease(blob.digest, nowMs);
      return done(blob.token);
    }
    this.#sql.exec(
      "INSERT OR REPLACE INTO links VALUES (?, ?, ?, ?, ?, ?)",
      blob.digest,
      blob.key,
      blob.size,
      blob.token,
      nowMs + this.#leaseMs,
      referenced ? null : nowMs,
    );
    return done(former?.token);
  }

  /** Renews a lease of which less than half is left: a HEAD decides whether a push uploads. */
  renew(digest: Digest, nowMs: number): void {
    const stale = this.#sql.exec(
      "SELECT 1 FROM links WHERE digest = ? AND leased_until < ?",
      digest,
      nowMs + this.#leaseMs / 2,
    );
    if (stale.toArray().length > 0) this.#lease(digest, nowMs);
  }

  /** Removes a link and answers its token, to be dropped. */
  unlink(digest: Digest): HolderToken | undefined {
    return this.#sql
      .exec<{ token: HolderToken }>("DELETE FROM links WHERE digest = ? RETURNING token", digest)
      .toArray()[0]?.token;
  }

  /** To be called when a manifest has come: what it references is referenced. */
  markReferenced(manifest: Digest): void {
    this.#sql.exec(
      `UPDATE links SET unreferenced_since = NULL WHERE unreferenced_since IS NOT NULL AND digest IN
         (SELECT target FROM manifest_references WHERE manifest = ?)`,
      manifest,
    );
  }

  /** To be called before a manifest goes: what only it references is no longer referenced. */
  markUnreferenced(manifest: Digest, nowMs: number): void {
    this.#sql.exec(
      `UPDATE links SET unreferenced_since = ?2 WHERE digest IN (
         SELECT target FROM manifest_references AS mine WHERE manifest = ?1 AND NOT EXISTS (
           SELECT 1 FROM manifest_references
           WHERE target = mine.target AND manifest <> ?1))`,
      manifest,
      nowMs,
    );
  }

  isEmpty(): boolean {
    return this.#sql.exec("SELECT 1 FROM links LIMIT 1").toArray().length === 0;
  }

  #lease(digest: Digest, nowMs: number): void {
    this.#sql.exec(
      "UPDATE links SET leased_until = ? WHERE digest = ?",
      nowMs + this.#leaseMs,
      digest,
    );
  }
}
