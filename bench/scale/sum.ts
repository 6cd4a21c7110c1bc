import type { Aftermath, Budget } from "./budgets.ts";

/** Methods of R2's binding by what Cloudflare bills them as; deletes and aborts are free. */
const classA: ReadonlySet<string> = new Set([
  "put",
  "list",
  "createMultipartUpload",
  "uploadPart",
  "complete",
]);
const classB: ReadonlySet<string> = new Set(["get", "head"]);

/** Sums of operations, by what is asked. */
export class Sum {
  readonly calls = new Map<string, number>();
  readonly alarms = new Map<string, number>();
  classA = 0;
  classB = 0;
  kvReads = 0;
  kvWrites = 0;
  rowsRead = 0;
  rowsWritten = 0;
  requests = 0;

  /** So many requests of such a budget. */
  add(count: number, budget: Budget): void {
    this.requests += count;
    this.#addRows(count, budget.rows);
    for (const call of budget.objects) this.#count(this.calls, call, count);
    for (const method of budget.r2) {
      if (classA.has(method)) this.classA += count;
      else if (classB.has(method)) this.classB += count;
    }
    this.kvReads += count * budget.kv.length;
  }

  /** What follows, so many times. */
  addLater(count: number, { later, alarms, rows }: Aftermath): void {
    this.#addRows(count, rows);
    for (const operation of later) {
      if (operation === "KV.put") this.kvWrites += count;
      else this.#count(this.calls, operation, count);
    }
    for (const alarm of alarms) this.#count(this.alarms, alarm, count);
  }

  /** Calls of the objects of a class. */
  callsOf(className: string): number {
    let count = 0;
    for (const [call, times] of this.calls) if (call.startsWith(`${className}.`)) count += times;
    return count;
  }

  get objectCalls(): number {
    return sumOf(this.calls);
  }

  get alarmCount(): number {
    return sumOf(this.alarms);
  }

  #addRows(count: number, { read, written }: { read: number; written: number }): void {
    this.rowsRead += count * read;
    this.rowsWritten += count * written;
  }

  #count(counts: Map<string, number>, key: string, count: number): void {
    if (count > 0) counts.set(key, (counts.get(key) ?? 0) + count);
  }
}

function sumOf(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}
