import { readdirSync, readFileSync } from "node:fs";

/** Ticks of the kernel's clock in a second: the same on every Linux that Node runs on. */
const ticksPerSecond = 100;

interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  /** Its own and of children that it has waited for. */
  readonly ticks: number;
}

/** What Linux says about a process and all that it has started. */
export class ProcessTree {
  readonly #pid: number;

  constructor(pid: number) {
    this.#pid = pid;
  }

  /** CPU seconds used so far, of user and kernel. */
  cpuSeconds(): number {
    return this.#members().reduce((sum, { ticks }) => sum + ticks, 0) / ticksPerSecond;
  }

  /** Bytes of memory, where what several processes share is counted once (PSS). */
  memoryBytes(): number {
    return this.#members().reduce((sum, { pid }) => sum + proportionalBytes(pid), 0);
  }

  #members(): ProcessStat[] {
    const all = readdirSync("/proc")
      .filter((entry) => /^\d+$/.test(entry))
      .map((entry) => readStat(entry))
      .filter((stat) => stat !== undefined);
    const found = all.filter(({ pid }) => pid === this.#pid);
    // The list grows while it is walked: children of children follow their parents.
    for (const { pid } of found) found.push(...all.filter(({ parent }) => parent === pid));
    return found;
  }
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // It has ended meanwhile.
  }
}

function readStat(entry: string): ProcessStat | undefined {
  const text = readProc(`/proc/${entry}/stat`);
  // "pid (name) state ppid …": the name may hold blanks and parentheses.
  const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ");
  if (fields === undefined) return undefined;
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return { pid: Number(entry), parent: Number(fields[1]), ticks };
}

function proportionalBytes(pid: number): number {
  const text = readProc(`/proc/${pid}/smaps_rollup`) ?? "";
  return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) * 1024;
}
