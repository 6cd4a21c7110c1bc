import type { Page } from "../schemas/pagination.ts";
import type { RepositoryName } from "../schemas/reference.ts";
import type { RepositoryTotals } from "./repository-statistics.ts";
import type { Upgrade } from "./tables.ts";

/** What a repository has, as it told last. */
export interface RepositoryDetails {
  readonly name: RepositoryName;
  readonly tags: number;
  readonly images: number;
  readonly layerBytes: number;
  readonly lastPushMs: number | null;
}

/** Sums over all repositories. */
export interface CatalogTotals {
  /** Those that have manifests. */
  readonly repositories: number;
  readonly images: number;
  readonly tags: number;
  readonly hits: number;
}

/** A repository that has ended is remembered for a day, for what is told late about it. */
const endedMs = 24 * 60 * 60 * 1000;

/** Adds a row of repositories to the totals, or takes it off. */
function adding(row: "NEW" | "OLD", sign: "+" | "-"): string {
  return `UPDATE totals SET repositories = repositories ${sign} (${row}.manifests > 0),
    images = images ${sign} ${row}.images, tags = tags ${sign} ${row}.tags;`;
}

/** What the catalog knows of repositories. Totals are kept by triggers, not reckoned when asked. */
export class CatalogStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static readonly tables = [
    `CREATE TABLE IF NOT EXISTS repositories (
       name TEXT PRIMARY KEY, version INTEGER NOT NULL, manifests INTEGER NOT NULL,
       tags INTEGER NOT NULL, images INTEGER NOT NULL, layers INTEGER NOT NULL,
       layer_bytes INTEGER NOT NULL, hits INTEGER NOT NULL, last_push_ms INTEGER,
       began_ms INTEGER NOT NULL) WITHOUT ROWID`,
    `CREATE INDEX IF NOT EXISTS repositories_ended ON repositories (version)
       WHERE manifests = 0 AND layers = 0`,
    "CREATE TABLE IF NOT EXISTS indexes (name TEXT PRIMARY KEY) WITHOUT ROWID",
    `CREATE TABLE IF NOT EXISTS uploads (
       id TEXT PRIMARY KEY, repository TEXT NOT NULL, started_ms INTEGER NOT NULL) WITHOUT ROWID`,
    "CREATE TABLE IF NOT EXISTS keys (purpose TEXT PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID",
    `CREATE TABLE IF NOT EXISTS totals (
       repositories INTEGER NOT NULL, images INTEGER NOT NULL, tags INTEGER NOT NULL,
       hits INTEGER NOT NULL)`,
    "INSERT INTO totals SELECT 0, 0, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM totals)",
    `CREATE TRIGGER IF NOT EXISTS repository_came AFTER INSERT ON repositories BEGIN
       ${adding("NEW", "+")} UPDATE totals SET hits = hits + NEW.hits; END`,
    // A repository that ended and began again counts from zero: what it had found stays found.
    `CREATE TRIGGER IF NOT EXISTS repository_changed AFTER UPDATE ON repositories BEGIN
       ${adding("OLD", "-")} ${adding("NEW", "+")}
       UPDATE totals SET hits = hits + CASE WHEN NEW.began_ms = OLD.began_ms
         THEN NEW.hits - OLD.hits ELSE NEW.hits END; END`,
  ];

  static readonly upgrades: readonly Upgrade[] = [
    {
      before: ["ALTER TABLE repositories RENAME TO former_repositories"],
      after: [
        // What they have, they tell with their next change.
        `INSERT INTO repositories SELECT name, version, present, 0, 0, 0, 0, 0, NULL, 0
           FROM former_repositories`,
        "DROP TABLE former_repositories",
      ],
    },
  ];

  /** Keeps what a repository told, unless it is older than what is known; answers the known version. */
  set(name: RepositoryName, totals: RepositoryTotals, version: number): number {
    this.#sql.exec(
      `INSERT INTO repositories VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (name)
       DO UPDATE SET version = ?2, manifests = ?3, tags = ?4, images = ?5, layers = ?6,
         layer_bytes = ?7, hits = ?8, last_push_ms = ?9, began_ms = ?10 WHERE version <= ?2`,
      name,
      version,
      totals.manifests,
      totals.tags,
      totals.images,
      totals.layers,
      totals.layerBytes,
      totals.hits,
      totals.lastPushMs,
      totals.beganMs,
    );
    this.#sql.exec(
      "DELETE FROM repositories WHERE manifests = 0 AND layers = 0 AND version < ?",
      Date.now() - endedMs,
    );
    const known = this.#sql.exec<{ version: number }>(
      "SELECT version FROM repositories WHERE name = ?",
      name,
    );
    return known.toArray()[0]?.version ?? version;
  }

  /** The names after `last` in byte order, at most `limit`, and whether there are more. */
  list(
    { limit, last }: Page,
    having: "manifests" | "anything",
  ): { names: RepositoryName[]; more: boolean } {
    const names = this.#sql
      .exec<{ name: RepositoryName }>(
        `SELECT name FROM repositories
         WHERE (manifests > 0 ${having === "anything" ? "OR layers > 0" : ""}) AND name > ?
         ORDER BY name LIMIT ?`,
        last,
        limit + 1,
      )
      .toArray()
      .map(({ name }) => name);
    return { names: names.slice(0, limit), more: names.length > limit };
  }

  details({ limit, last }: Page): { details: RepositoryDetails[]; more: boolean } {
    const details = this.#sql
      .exec<{
        name: RepositoryName;
        tags: number;
        images: number;
        layerBytes: number;
        lastPushMs: number | null;
      }>(
        `SELECT name, tags, images, layer_bytes AS "layerBytes", last_push_ms AS "lastPushMs"
         FROM repositories WHERE manifests > 0 AND name > ? ORDER BY name LIMIT ?`,
        last,
        limit + 1,
      )
      .toArray();
    return { details: details.slice(0, limit), more: details.length > limit };
  }

  totals(): CatalogTotals {
    return this.#sql
      .exec<{ repositories: number; images: number; tags: number; hits: number }>(
        "SELECT * FROM totals",
      )
      .one();
  }
}
