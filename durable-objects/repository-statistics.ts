import { indexMediaTypes } from "../schemas/manifest.ts";

/** What a repository has. */
export interface RepositoryTotals {
  readonly tags: number;
  /** Manifests that are not indexes. */
  readonly images: number;
  readonly manifests: number;
  /** Blobs that are linked, and their bytes. */
  readonly layers: number;
  readonly layerBytes: number;
  /** How often a push asked for a blob and found it here. */
  readonly hits: number;
  /** When a manifest was pushed last, in milliseconds of the Unix epoch; null if none was. */
  readonly lastPushMs: number | null;
  /** When the repository began to count: one that ends and begins again counts from zero. */
  readonly beganMs: number;
}

function isImage(row: "NEW" | "OLD" | "stored"): string {
  const types = Array.from(indexMediaTypes, (type) => `'${type}'`);
  return `(${row}.media_type NOT IN (${types.join(", ")}))`;
}

/** Counts what comes and goes, by triggers of the tables that it comes to and goes from. */
export class RepositoryStatistics {
  readonly #sql: SqlStorage;
  /** Found since the last transaction: counted with the next, so that a HEAD writes nothing. */
  #hits = 0;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** To be made behind those of ManifestStore and LinkStore. */
  static readonly tables = [
    `CREATE TABLE IF NOT EXISTS statistics (
       tags INTEGER NOT NULL, images INTEGER NOT NULL, manifests INTEGER NOT NULL,
       layers INTEGER NOT NULL, layer_bytes INTEGER NOT NULL, hits INTEGER NOT NULL,
       last_push_ms INTEGER, began_ms INTEGER NOT NULL)`,
    "INSERT INTO statistics SELECT 0, 0, 0, 0, 0, 0, NULL, CAST(1000 * unixepoch('subsec') AS INTEGER) WHERE NOT EXISTS (SELECT 1 FROM statistics)",
    "CREATE TRIGGER IF NOT EXISTS tag_came AFTER INSERT ON tags BEGIN UPDATE statistics SET tags = tags + 1; END",
    "CREATE TRIGGER IF NOT EXISTS tag_went AFTER DELETE ON tags BEGIN UPDATE statistics SET tags = tags - 1; END",
    `CREATE TRIGGER IF NOT EXISTS manifest_came AFTER INSERT ON manifests BEGIN
       UPDATE statistics SET manifests = manifests + 1, images = images + ${isImage("NEW")}; END`,
    `CREATE TRIGGER IF NOT EXISTS manifest_changed AFTER UPDATE OF media_type ON manifests BEGIN
       UPDATE statistics SET images = images + ${isImage("NEW")} - ${isImage("OLD")}; END`,
    `CREATE TRIGGER IF NOT EXISTS manifest_went AFTER DELETE ON manifests BEGIN
       UPDATE statistics SET manifests = manifests - 1, images = images - ${isImage("OLD")}; END`,
    `CREATE TRIGGER IF NOT EXISTS link_came AFTER INSERT ON links BEGIN
       UPDATE statistics SET layers = layers + 1, layer_bytes = layer_bytes + NEW.size; END`,
    `CREATE TRIGGER IF NOT EXISTS link_went AFTER DELETE ON links BEGIN
       UPDATE statistics SET layers = layers - 1, layer_bytes = layer_bytes - OLD.size; END`,
  ];

  /** Counts what was there before anything was counted. */
  static readonly countAll = `UPDATE statistics SET tags = (SELECT count(*) FROM tags),
    manifests = (SELECT count(*) FROM manifests),
    images = (SELECT count(*) FROM manifests AS stored WHERE ${isImage("stored")}),
    layers = (SELECT count(*) FROM links),
    layer_bytes = (SELECT coalesce(sum(size), 0) FROM links)`;

  /** Counts a blob that a push asked for and found. */
  countHit(): void {
    this.#hits += 1;
  }

  /** To be called in a transaction: counts what was found since the last one. */
  keepHits(): void {
    if (this.#hits === 0) return;
    this.#sql.exec("UPDATE statistics SET hits = hits + ?", this.#hits);
    this.#hits = 0;
  }

  pushedAt(nowMs: number): void {
    this.#sql.exec("UPDATE statistics SET last_push_ms = ?", nowMs);
  }

  totals(): RepositoryTotals {
    return this.#sql
      .exec<{
        tags: number;
        images: number;
        manifests: number;
        layers: number;
        layerBytes: number;
        hits: number;
        lastPushMs: number | null;
        beganMs: number;
      }>(
        `SELECT tags, images, manifests, layers, layer_bytes AS "layerBytes", hits,
           last_push_ms AS "lastPushMs", began_ms AS "beganMs" FROM statistics`,
      )
      .one();
  }
}
