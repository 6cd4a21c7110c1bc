import type { Digest } from "../schemas/digest.ts";
import { done, type Outcome, refuse } from "../schemas/outcome.ts";
import {
  type BlobKey,
  type HolderToken,
  newHolderToken,
  tokenTimeMs,
} from "../schemas/storage-keys.ts";
import type { HeldToken } from "./blob-store.ts";

/** What is where: the link of a blob as readers cache it. */
export interface Link {
  readonly digest: Digest;
  readonly key: BlobKey;
  readonly size: number;
}

/** A link as it is found; one that is lost names an object that R2 did not have when it was asked. */
export interface FoundLink extends ClaimedBlob {
  readonly isLost: boolean;
}

/** A blob that was claimed, to be made readable in a repository. */
export interface ClaimedBlob extends Link {
  readonly token: HolderToken;
}

/** A link that a collection takes away. */
export interface CollectableLink extends HeldToken {
  readonly size: number;
  /** Since when no manifest references it. */
  readonly sinceMs: number;
}

/** A holder whose link did not come within the hour may be dropped: a link has to come before. */
const tokenAgeMsMax = 50 * 60 * 1000;

/** True if a blob may still be linked by the token. */
export function isYoung(token: HolderToken, nowMs: number): boolean {
  return nowMs - tokenTimeMs(token) <= tokenAgeMsMax;
}

/**
 * The blobs that are readable in a repository. A link keeps its blob by a token, and is itself kept
 * by references of manifests and, before those come, by a lease.
 */
export class LinkStore {
  readonly #sql: SqlStorage;
  readonly #leaseMs: number;

  /** `leaseMs`: how long a push, a mount, a HEAD or its last reference keeps a blob. */
  constructor(sql: SqlStorage, leaseMs: number) {
    this.#sql = sql;
    this.#leaseMs = leaseMs;
  }

  static readonly tables = [
    `CREATE TABLE IF NOT EXISTS links (
       digest TEXT PRIMARY KEY, key TEXT NOT NULL, size INTEGER NOT NULL, token TEXT NOT NULL,
       leased_until INTEGER NOT NULL, unreferenced_since INTEGER,
       lost INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID`,
    `CREATE INDEX IF NOT EXISTS links_unreferenced ON links (unreferenced_since)
       WHERE unreferenced_since IS NOT NULL`,
    // Tokens that BlobIndex was told to have no link, and is about to drop.
    "CREATE TABLE IF NOT EXISTS refused_tokens (token TEXT PRIMARY KEY) WITHOUT ROWID",
  ];

  find(digest: Digest): FoundLink | undefined {
    const row = this.#sql
      .exec<{ digest: Digest; key: BlobKey; size: number; token: HolderToken; lost: number }>(
        "SELECT digest, key, size, token, lost FROM links WHERE digest = ?",
        digest,
      )
      .toArray()[0];
    return row && { ...row, isLost: row.lost === 1 };
  }

  /**
   * Links a claimed blob and answers the token that is now without use, to be dropped: the
   * newcomer's if the digest is linked to this object already, else the former one's.
   */
  link(blob: ClaimedBlob, referenced: boolean, nowMs: number): Outcome<HolderToken | undefined> {
    if (!isYoung(blob.token, nowMs)) {
      return refuse("OVERLOADED", "the claim took too long", { "Retry-After": "1" });
    }
    if (this.#isRefused(blob.token)) {
      return refuse("OVERLOADED", "the claim was collected", { "Retry-After": "1" });
    }
    const former = this.find(blob.digest);
    if (former?.token === blob.token) return done(undefined);
    if (former?.key === blob.key) {
      this.#lease(blob.digest, nowMs);
      this.relocate(blob.digest, blob.key);
      return done(blob.token);
    }
    this.unlink(blob.digest);
    this.#sql.exec(
      `INSERT INTO links (digest, key, size, token, leased_until, unreferenced_since)
       VALUES (?, ?, ?, ?, ?, ?)`,
      blob.digest,
      blob.key,
      blob.size,
      blob.token,
      nowMs + this.#leaseMs,
      referenced ? null : nowMs,
    );
    return done(former?.token);
  }

  /** Which of these tokens keep a blob here. */
  held(tokens: readonly HeldToken[]): HolderToken[] {
    return tokens
      .filter(({ digest, token }) => this.find(digest)?.token === token)
      .map(({ token }) => token);
  }

  /** Promises that no blob is linked by these tokens: a link that comes late is refused. */
  refuse(tokens: readonly HolderToken[], nowMs: number): void {
    for (const token of tokens) if (isYoung(token, nowMs)) this.#refuse(token);
    this.#forgetRefused(nowMs);
  }

  /** True as long as there are promises to keep. */
  refuses(nowMs: number): boolean {
    this.#forgetRefused(nowMs);
    return this.#sql.exec("SELECT 1 FROM refused_tokens LIMIT 1").toArray().length > 0;
  }

  /** Has a link name the object that has its bytes. */
  relocate(digest: Digest, key: BlobKey): void {
    this.#sql.exec("UPDATE links SET key = ?, lost = 0 WHERE digest = ?", key, digest);
  }

  /** Notes that nothing has the bytes of a link: a push sends them again, and only a read looks again. */
  markLost(digest: Digest): void {
    this.#sql.exec("UPDATE links SET lost = 1 WHERE digest = ?", digest);
  }

  /** Links that nothing references nor leases, at most `limit`; with `force` no matter for how long. */
  collectable(nowMs: number, force: boolean, limit: number): CollectableLink[] {
    return this.#sql
      .exec<{ digest: Digest; token: HolderToken; size: number; sinceMs: number }>(
        `SELECT digest, token, size, unreferenced_since AS "sinceMs" FROM links
         WHERE unreferenced_since <= ?1 AND (?2 OR leased_until <= ?3) LIMIT ?4`,
        force ? Number.MAX_SAFE_INTEGER : nowMs - this.#leaseMs,
        force ? 1 : 0,
        nowMs,
        limit,
      )
      .toArray();
  }

  /** When the next link is collectable, if nothing happens to it; null if none is. */
  nextCollectableMs(): number | null {
    return this.#sql
      .exec<{ due: number | null }>(
        `SELECT min(max(unreferenced_since + ?, leased_until)) AS due FROM links
         WHERE unreferenced_since IS NOT NULL`,
        this.#leaseMs,
      )
      .one().due;
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

  #isRefused(token: HolderToken): boolean {
    return (
      this.#sql.exec("SELECT 1 FROM refused_tokens WHERE token = ?", token).toArray().length > 0
    );
  }

  #forgetRefused(nowMs: number): void {
    // Tokens begin with their time, in as many digits: they sort by age.
    const tooOld = newHolderToken(nowMs - 2 * tokenAgeMsMax, "");
    this.#sql.exec("DELETE FROM refused_tokens WHERE token < ?", tooOld);
  }

  #refuse(token: HolderToken): void {
    this.#sql.exec("INSERT OR IGNORE INTO refused_tokens VALUES (?)", token);
  }

  #lease(digest: Digest, nowMs: number): void {
    this.#sql.exec(
      "UPDATE links SET leased_until = ? WHERE digest = ?",
      nowMs + this.#leaseMs,
      digest,
    );
  }
}
