import { log } from "../telemetry/log.ts";
import { mapAtOnce } from "./at-once.ts";

/** One thing that somebody else has to be told; the truth is read when it is sent. */
export interface Dirty<Kind extends string> {
  readonly kind: Kind;
  readonly key: string;
  readonly version: number;
  /** Since when somebody else does not know it, in milliseconds of the Unix epoch. */
  readonly sinceMs: number;
}

/** Sent in one alarm. */
const sendMax = 300;

/**
 * What a repository has yet to tell KV, BlobIndex and Catalog: keys, not values. A row is cleared
 * only if its version is the one that was sent, so an old value never lands last, and a tag that
 * moves quickly is sent once. Only alarms send to KV, and a second after a key became dirty: KV takes
 * one write per second and key.
 */
export class Outbox<Kind extends string> {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static readonly table = `CREATE TABLE IF NOT EXISTS outbox (
     kind TEXT, key TEXT, version INTEGER NOT NULL, since_ms INTEGER NOT NULL,
     PRIMARY KEY (kind, key)) WITHOUT ROWID`;

  add(kind: Kind, key: string, nowMs: number): void {
    this.#sql.exec(
      `INSERT INTO outbox VALUES (?, ?, 1, ?)
       ON CONFLICT (kind, key) DO UPDATE SET version = version + 1`,
      kind,
      key,
      nowMs,
    );
  }

  /**
   * Sends what is dirty, at most 300 rows, `only` those of one kind; answers whether something is
   * left for later, failed or not yet tried.
   */
  async flush(send: (dirty: Dirty<Kind>) => Promise<void>, only?: Kind): Promise<boolean> {
    const rows = this.#dirty(only);
    await mapAtOnce(rows, (row) => this.#send(row, send));
    return !this.isEmpty(only);
  }

  has(kind: Kind, key: string): boolean {
    const row = this.#sql.exec("SELECT 1 FROM outbox WHERE kind = ? AND key = ?", kind, key);
    return row.toArray().length > 0;
  }

  isEmpty(only?: Kind): boolean {
    const row = this.#sql.exec(
      "SELECT 1 FROM outbox WHERE ?1 IS NULL OR kind = ?1 LIMIT 1",
      only ?? null,
    );
    return row.toArray().length === 0;
  }

  #dirty(only: Kind | undefined): Dirty<Kind>[] {
    return this.#sql
      .exec<{ kind: Kind; key: string; version: number; sinceMs: number }>(
        `SELECT kind, key, version, since_ms AS "sinceMs" FROM outbox
         WHERE ?1 IS NULL OR kind = ?1 LIMIT ?2`,
        only ?? null,
        sendMax,
      )
      .toArray();
  }

  async #send(row: Dirty<Kind>, send: (dirty: Dirty<Kind>) => Promise<void>): Promise<void> {
    try {
      await send(row);
    } catch (error) {
      log("warn", "replica not written", { ...row, error: String(error) });
      return;
    }
    this.#sql.exec(
      "DELETE FROM outbox WHERE kind = ? AND key = ? AND version = ?",
      row.kind,
      row.key,
      row.version,
    );
  }
}
