import { log } from "../telemetry/log.ts";
import type { Tables } from "./tables.ts";

/** The platform repeats a failing alarm six times, which takes two minutes. */
const overdueMsMax = 300_000;

/**
 * What a Durable Object has to do later. An object has one alarm: it stands at the earliest task,
 * is only ever moved earlier, and its handler re-arms it for what is left.
 */
export class Tasks<Kind extends string> {
  readonly #storage: DurableObjectStorage;
  readonly #tables: Tables;
  /** The task that is running, and when it was asked to run once more. */
  #running: { readonly kind: Kind; againMs: number | undefined } | undefined;

  constructor(storage: DurableObjectStorage, tables: Tables) {
    this.#storage = storage;
    this.#tables = tables;
  }

  static readonly table = "CREATE TABLE IF NOT EXISTS tasks (kind TEXT PRIMARY KEY, due INTEGER)";

  /** Has `kind` run at `dueMs` (Unix epoch), or earlier if it was to run earlier already. */
  schedule(kind: Kind, dueMs: number): void {
    if (this.#running?.kind === kind) {
      this.#running.againMs = Math.min(dueMs, this.#running.againMs ?? dueMs);
      return;
    }
    const earliestMs = this.#earliestMs();
    this.#storage.sql.exec(
      `INSERT INTO tasks VALUES (?, ?) ON CONFLICT (kind)
       DO UPDATE SET due = excluded.due WHERE excluded.due < due`,
      kind,
      dueMs,
    );
    // An alarm that is overdue for minutes was given up by the platform; setting one that is only
    // about to run would put it off, again and again.
    const nowMs = Date.now();
    const isGivenUp =
      earliestMs !== null && earliestMs < nowMs - overdueMsMax && this.#running === undefined;
    if (isGivenUp) void this.#storage.setAlarm(nowMs);
    else if (earliestMs === null || dueMs < earliestMs) void this.#storage.setAlarm(dueMs);
  }

  /** Has `kind` not run any more. */
  async cancel(kind: Kind): Promise<void> {
    this.#storage.sql.exec("DELETE FROM tasks WHERE kind = ?", kind);
    const earliestMs = this.#earliestMs();
    if (earliestMs !== null) await this.#storage.setAlarm(earliestMs);
  }

  /**
   * Runs what is due. A task's row stays until its work has ended, so that one that is cut off runs
   * again; one that throws is tried again after `retryMs`. A handler that throws would be given up
   * by the platform after six attempts: this one throws only if the object is lost.
   */
  async run(nowMs: number, retryMs: number, work: (kind: Kind) => Promise<void>): Promise<void> {
    if (!this.#tables.exist) return;
    const due = this.#storage.sql
      .exec<{ kind: Kind }>("SELECT kind FROM tasks WHERE due <= ?", nowMs)
      .toArray();
    for (const { kind } of due) {
      const running = { kind, againMs: undefined as number | undefined };
      this.#running = running;
      try {
        // One after the other: they share the object's rows.
        // oxlint-disable-next-line no-await-in-loop
        await work(kind);
      } catch (error) {
        log("error", "task failed", { kind, error: String(error) });
        this.schedule(kind, nowMs + retryMs);
      } finally {
        this.#running = undefined;
      }
      if (!this.#tables.exist) return;
      this.#settle(kind, running.againMs);
    }
    const earliestMs = this.#earliestMs();
    if (earliestMs !== null) await this.#storage.setAlarm(earliestMs);
  }

  #settle(kind: Kind, againMs: number | undefined): void {
    if (againMs === undefined) this.#storage.sql.exec("DELETE FROM tasks WHERE kind = ?", kind);
    else this.#storage.sql.exec("UPDATE tasks SET due = ? WHERE kind = ?", againMs, kind);
  }

  #earliestMs(): number | null {
    return this.#storage.sql.exec<{ due: number | null }>("SELECT min(due) AS due FROM tasks").one()
      .due;
  }
}
