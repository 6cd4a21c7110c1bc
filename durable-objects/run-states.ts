/** Where each run of the maintenance stands, as JSON. */
export class RunStates {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  static readonly tables = [
    "CREATE TABLE IF NOT EXISTS runs (kind TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID",
  ];

  get<State>(kind: string): State | undefined {
    const row = this.#sql
      .exec<{ state: string }>("SELECT state FROM runs WHERE kind = ?", kind)
      .toArray()[0];
    return row === undefined ? undefined : (JSON.parse(row.state) as State);
  }

  put(kind: string, state: unknown): void {
    this.#sql.exec("INSERT OR REPLACE INTO runs VALUES (?, ?)", kind, JSON.stringify(state));
  }
}
