/**
 * What a Durable Object has to do later. An object has one alarm: it stands at the earliest task,
 * is only ever moved earlier, and its handler re-arms it for what is left.
 */
export class Tasks<Kind extends string> {
  readonly #storage: DurableObjectStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
  }

  /** The table; made in the transaction of an object's first row. */
  static readonly table = "CREATE TABLE IF NOT EXISTS tasks (kind TEXT PRIMARY KEY, due INTEGER)";

  /** Has `kind` run at `dueMs` (Unix epoch), or earlier if it was to run earlier already. */
  schedule(kind: Kind, dueMs: number): void {
    const earliestMs = this.#earliestMs();
    this.#storage.sql.exec(
      "INSERT INTO tasks VALUES (?, ?) ON CONFLICT (kind) DO UPDATE SET due = min(due, excluded.due)",
      kind,
      dueMs,
    );
    if (earliestMs === null || dueMs < earliestMs) void this.#storage.setAlarm(dueMs);
  }

  /**
   * Runs what is due. A task is forgotten before it runs, so that it may schedule itself again; one
   * that throws is tried again after `retryMs`. An alarm handler that throws would be given up by
   * the platform after six attempts; this one never throws.
   */
  async run(nowMs: number, retryMs: number, work: (kind: Kind) => Promise<void>): Promise<void> {
    const due = this.#storage.sql
      .exec<{ kind: Kind }>("SELECT kind FROM tasks WHERE due <= ?", nowMs)
      .toArray();
    for (const { kind } of due) {
      this.#storage.sql.exec("DELETE FROM tasks WHERE kind = ?", kind);
      try {
        await work(kind);
      } catch (error) {
        console.error(JSON.stringify({ event: "task failed", kind, error: String(error) }));
        this.schedule(kind, nowMs + retryMs);
      }
    }
    const earliestMs = this.#earliestMs();
    if (earliestMs !== null) await this.#storage.setAlarm(earliestMs);
  }

  #earliestMs(): number | null {
    return this.#storage.sql.exec<{ due: number | null }>("SELECT min(due) AS due FROM tasks").one()
      .due;
  }
}
