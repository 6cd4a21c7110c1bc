import { Buffer } from "node:buffer";
import type { Digest } from "../schemas/digest.ts";
import type { Manifest } from "../schemas/manifest.ts";
import type { Page } from "../schemas/pagination.ts";
import type { Reference, Tag } from "../schemas/reference.ts";
import type { BlobKey } from "../schemas/storage-keys.ts";
import { cutRows, joinRows } from "./byte-rows.ts";
import type { Link } from "./link-store.ts";

/** A manifest as it is stored, without its bytes. */
export interface StoredManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly size: number;
}

/** A manifest that is pushed: its bytes as they came, and what they were parsed to. */
export interface ManifestPush extends StoredManifest {
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
}

/** A descriptor of `GET /referrers/<digest>` (end-12a). */
export interface Referrer {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

const rowBytes = 1024 * 1024;
/** What a manifest's annotations may add to each list of referrers that it is in. */
const referrerAnnotationsBytesMax = 64 * 1024;
/** containerd reads one page of referrers only, of at most 4 MiB. */
const referrersPageBytesMax = 3_500_000;
/** How many links of blobs go along with a manifest: a reader asks for the rest one by one. */
const linksMax = 50;

/** A repository's manifests, tags and what references what, in SQLite. Not async: no step between. */
export class ManifestStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static readonly tables = [
    // released_ms: when it was pushed, or lost a tag or an index; orphaned_ms: its subject;
    // replicated_ms: when its replica was written last.
    `CREATE TABLE IF NOT EXISTS manifests (
       digest TEXT PRIMARY KEY, media_type TEXT NOT NULL, size INTEGER NOT NULL, subject TEXT,
       artifact_type TEXT, annotations TEXT, released_ms INTEGER NOT NULL,
       orphaned_ms INTEGER, replicated_ms INTEGER) WITHOUT ROWID`,
    `CREATE TABLE IF NOT EXISTS manifest_bytes (
       digest TEXT, number INTEGER, bytes BLOB NOT NULL, PRIMARY KEY (digest, number)) WITHOUT ROWID`,
    "CREATE TABLE IF NOT EXISTS tags (tag TEXT PRIMARY KEY, digest TEXT NOT NULL) WITHOUT ROWID",
    // What a manifest references, in its order; the same digest may stand in it twice.
    `CREATE TABLE IF NOT EXISTS manifest_references (
       manifest TEXT, target TEXT, PRIMARY KEY (manifest, target)) WITHOUT ROWID`,
    "CREATE INDEX IF NOT EXISTS manifests_by_subject ON manifests (subject) WHERE subject IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS manifests_orphaned ON manifests (orphaned_ms) WHERE orphaned_ms IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS tags_by_digest ON tags (digest)",
    "CREATE INDEX IF NOT EXISTS references_by_target ON manifest_references (target)",
  ];

  /** True if the manifest was not there before. */
  put({ digest, mediaType, size, bytes, manifest }: ManifestPush, nowMs: number): boolean {
    const annotations = JSON.stringify(manifest.annotations);
    const hasAnnotations =
      annotations !== "{}" && Buffer.byteLength(annotations) <= referrerAnnotationsBytesMax;
    const isNew = this.find(digest) === undefined;
    this.#sql.exec(
      `INSERT INTO manifests VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL, NULL) ON CONFLICT (digest)
       DO UPDATE SET media_type = ?2, artifact_type = ?5, annotations = ?6, released_ms = ?7,
         orphaned_ms = NULL`,
      digest,
      mediaType,
      size,
      manifest.subject ?? null,
      manifest.artifactType ?? null,
      hasAnnotations ? annotations : null,
      nowMs,
    );
    if (!isNew) return false;
    this.#sql.exec("UPDATE manifests SET orphaned_ms = NULL WHERE subject = ?", digest);
    for (const row of cutRows(bytes, rowBytes)) {
      this.#sql.exec("INSERT INTO manifest_bytes VALUES (?, ?, ?)", digest, row.number, row.bytes);
    }
    const targets = [...manifest.blobs, ...manifest.children].map((target) => target.digest);
    this.#sql.exec(
      "INSERT OR IGNORE INTO manifest_references SELECT ?, value FROM json_each(?)",
      digest,
      JSON.stringify(targets),
    );
    return true;
  }

  find(digest: Digest): StoredManifest | undefined {
    return this.#sql
      .exec<{ digest: Digest; mediaType: string; size: number }>(
        'SELECT digest, media_type AS "mediaType", size FROM manifests WHERE digest = ?',
        digest,
      )
      .toArray()[0];
  }

  /** Notes that the replica was written. */
  replicatedAt(digest: Digest, nowMs: number): void {
    this.#sql.exec("UPDATE manifests SET replicated_ms = ? WHERE digest = ?", nowMs, digest);
  }

  /** True if a manifest's replica was written after `sinceMs`. */
  wasReplicated(digest: Digest, sinceMs: number): boolean {
    const row = this.#sql.exec(
      "SELECT 1 FROM manifests WHERE digest = ? AND replicated_ms > ?",
      digest,
      sinceMs,
    );
    return row.toArray().length > 0;
  }

  bytes(digest: Digest): Uint8Array {
    return joinRows(
      this.#sql
        .exec<{ bytes: ArrayBuffer }>(
          "SELECT bytes FROM manifest_bytes WHERE digest = ? ORDER BY number",
          digest,
        )
        .toArray(),
    );
  }

  /** Links of the blobs that a manifest references, for readers to keep. */
  links(digest: Digest): Link[] {
    return this.#sql
      .exec<{ digest: Digest; key: BlobKey; size: number }>(
        `SELECT links.digest, links.key, links.size FROM manifest_references
         JOIN links ON links.digest = target WHERE manifest = ? LIMIT ?`,
        digest,
        linksMax,
      )
      .toArray();
  }

  /** Notes that a manifest is about to be deleted by who had it: its children's age begins anew. */
  releaseChildren(digest: Digest, nowMs: number): void {
    this.#sql.exec(
      `UPDATE manifests SET released_ms = ? WHERE digest IN
         (SELECT target FROM manifest_references WHERE manifest = ?)`,
      nowMs,
      digest,
    );
  }

  /** Removes a manifest and answers the tags that went with it. */
  remove(digest: Digest, nowMs: number): Tag[] {
    this.#sql.exec("UPDATE manifests SET orphaned_ms = ? WHERE subject = ?", nowMs, digest);
    const tags = this.#sql
      .exec<{ tag: Tag }>("DELETE FROM tags WHERE digest = ? RETURNING tag", digest)
      .toArray()
      .map(({ tag }) => tag);
    this.#sql.exec("DELETE FROM manifests WHERE digest = ?", digest);
    this.#sql.exec("DELETE FROM manifest_bytes WHERE digest = ?", digest);
    this.#sql.exec("DELETE FROM manifest_references WHERE manifest = ?", digest);
    return tags;
  }

  /** A manifest that references the digest, or undefined. */
  user(target: Digest): Digest | undefined {
    return this.#sql
      .exec<{ manifest: Digest }>(
        "SELECT manifest FROM manifest_references WHERE target = ? LIMIT 1",
        target,
      )
      .toArray()[0]?.manifest;
  }

  /** What a reference names, undefined if it is nothing. */
  digestOf(reference: Reference): Digest | undefined {
    if (reference.kind === "tag") return this.tagged(reference.tag);
    return this.find(reference.digest)?.digest;
  }

  /** At most `limit` manifests. */
  any(limit: number): Digest[] {
    return this.#sql
      .exec<{ digest: Digest }>("SELECT digest FROM manifests LIMIT ?", limit)
      .toArray()
      .map(({ digest }) => digest);
  }

  isEmpty(): boolean {
    return this.#sql.exec("SELECT 1 FROM manifests LIMIT 1").toArray().length === 0;
  }

  tagged(tag: Tag): Digest | undefined {
    return this.#sql
      .exec<{ digest: Digest }>("SELECT digest FROM tags WHERE tag = ?", tag)
      .toArray()[0]?.digest;
  }

  /** Has the tag name the digest; false if it did already. */
  tag(tag: Tag, digest: Digest, nowMs: number): boolean {
    const former = this.tagged(tag);
    if (former === digest) return false;
    if (former !== undefined) this.#release(former, nowMs);
    this.#sql.exec(
      "INSERT INTO tags VALUES (?1, ?2) ON CONFLICT (tag) DO UPDATE SET digest = ?2",
      tag,
      digest,
    );
    return true;
  }

  untag(tag: Tag, nowMs: number): void {
    const former = this.tagged(tag);
    if (former !== undefined) this.#release(former, nowMs);
    this.#sql.exec("DELETE FROM tags WHERE tag = ?", tag);
  }

  /** The tags after `last` in byte order, at most `limit`, and whether there are more. */
  tags({ limit, last }: Page): { tags: Tag[]; more: boolean } {
    const tags = this.#sql
      .exec<{ tag: Tag }>(
        "SELECT tag FROM tags WHERE tag > ? ORDER BY tag LIMIT ?",
        last,
        limit + 1,
      )
      .toArray()
      .map(({ tag }) => tag);
    return { tags: tags.slice(0, limit), more: tags.length > limit };
  }

  /** Manifests whose subject is the digest, after `last`, one page of at most 3.5 MB. */
  referrers(
    subject: Digest,
    artifactType: string | undefined,
    last: string,
  ): { referrers: Referrer[]; more: boolean } {
    const rows = this.#sql.exec<{
      digest: Digest;
      media_type: string;
      size: number;
      artifact_type: string | null;
      annotations: string | null;
    }>(
      `SELECT digest, media_type, size, artifact_type, annotations FROM manifests
       WHERE subject = ?1 AND digest > ?2 AND (?3 IS NULL OR artifact_type = ?3) ORDER BY digest`,
      subject,
      last,
      artifactType ?? null,
    );
    const referrers: Referrer[] = [];
    let pageBytes = 0;
    for (const row of rows) {
      const referrer: Referrer = {
        mediaType: row.media_type,
        digest: row.digest,
        size: row.size,
        ...(row.artifact_type === null ? {} : { artifactType: row.artifact_type }),
        ...(row.annotations === null
          ? {}
          : { annotations: JSON.parse(row.annotations) as Record<string, string> }),
      };
      pageBytes += Buffer.byteLength(JSON.stringify(referrer)) + 1;
      if (pageBytes > referrersPageBytesMax && referrers.length > 0) {
        return { referrers, more: true };
      }
      referrers.push(referrer);
    }
    return { referrers, more: false };
  }

  #release(digest: Digest, nowMs: number): void {
    this.#sql.exec("UPDATE manifests SET released_ms = ? WHERE digest = ?", nowMs, digest);
  }
}
