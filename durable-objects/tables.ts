/**
 * The tables of a Durable Object. They are made in the transaction of its first row, so that asking
 * an object that holds nothing (a repository name that somebody tried) writes nothing.
 */
export class Tables {
  readonly #sql: SqlStorage;
  readonly #statements: readonly string[];
  #exist: boolean;

  /** `statements` make the tables, each with IF NOT EXISTS. */
  constructor(sql: SqlStorage, statements: readonly string[]) {
    this.#sql = sql;
    this.#statements = statements;
    this.#exist =
      sql
        .exec(
          "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'",
        )
        .toArray().length > 0;
  }

  /** False as long as nothing was ever written: there is nothing to read. */
  get exist(): boolean {
    return this.#exist;
  }

  /** To be called first in each transaction that writes. */
  ensure(): void {
    if (this.#exist) return;
    for (const statement of this.#statements) this.#sql.exec(statement);
    this.#exist = true;
  }

  /** To be called after deleteAll(). */
  forget(): void {
    this.#exist = false;
  }
}
