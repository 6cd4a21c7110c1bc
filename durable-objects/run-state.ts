/** Where a run of the maintenance stands, as JSON. */
export class RunState<State> {
  readonly #sql: SqlStorage;
  readonly #kind: string;

  constructor(sql: SqlStorage, kind: string) {
    this.#sql = sql;
    this.#kind = kind;
  }

  static readonly table =
    "CREATE TABLE IF NOT EXISTS runs (kind TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID";

  /** Undefined before the first run. */
  get(): State | undefined {
    const row = this.#sql
      .exec<{ state: string }>("SELECT state FROM runs WHERE kind = ?", this.#kind)
      .toArray()[0];
    return row === undefined ? undefined : (JSON.parse(row.state) as State);
  }

  put(state: State): void {
    this.#sql.exec("INSERT OR REPLACE INTO runs VALUES (?, ?)", this.#kind, JSON.stringify(state));
  }
}
