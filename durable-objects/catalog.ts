import { DurableObject } from "cloudflare:workers";
import type { Page } from "../schemas/pagination.ts";
import type { RepositoryName } from "../schemas/reference.ts";
import { Tables } from "./tables.ts";

const tables = [
  `CREATE TABLE IF NOT EXISTS repositories (
     name TEXT PRIMARY KEY, present INTEGER NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID`,
  "CREATE TABLE IF NOT EXISTS keys (purpose TEXT PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID",
];

const sealingKeyBytes = 32;

/** One per deployment: the names of repositories, and the key that seals upload sessions. */
export class Catalog extends DurableObject<Env> {
  readonly #sql: SqlStorage;
  readonly #tables: Tables;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
    this.#tables = new Tables(ctx.storage, tables);
  }

  /** Tells whether a repository has manifests. An older version than the known one is ignored. */
  set(name: RepositoryName, present: boolean, version: number): void {
    this.#tables.write(() => {
      this.#sql.exec(
        `INSERT INTO repositories VALUES (?1, ?2, ?3) ON CONFLICT (name)
         DO UPDATE SET present = ?2, version = ?3 WHERE version < ?3`,
        name,
        present ? 1 : 0,
        version,
      );
    });
  }

  /** The names after `last` in byte order, at most `limit`, and whether there are more. */
  list({ limit, last }: Page): { names: RepositoryName[]; more: boolean } {
    if (!this.#tables.exist) return { names: [], more: false };
    const names = this.#sql
      .exec<{ name: RepositoryName }>(
        "SELECT name FROM repositories WHERE present AND name > ? ORDER BY name LIMIT ?",
        last,
        limit + 1,
      )
      .toArray()
      .map(({ name }) => name);
    return { names: names.slice(0, limit), more: names.length > limit };
  }

  /** The key that seals upload sessions: made at the first call, the same ever after. */
  sealingKey(): Uint8Array {
    return this.#tables.write(() => {
      const fresh = crypto.getRandomValues(new Uint8Array(sealingKeyBytes));
      this.#sql.exec("INSERT OR IGNORE INTO keys VALUES ('upload session', ?)", fresh);
      const { bytes } = this.#sql
        .exec<{ bytes: ArrayBuffer }>("SELECT bytes FROM keys WHERE purpose = 'upload session'")
        .one();
      return new Uint8Array(bytes);
    });
  }
}
