/** What Linux says about running processes: who started whom, and how much memory they took. */
import { readdir, readFile } from "node:fs/promises";

/** The text of a file of /proc, or nothing once its process has gone. */
async function readProc(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch {
    return undefined;
  }
}

/** A process that runs. */
export interface RunningProcess {
  readonly pid: number;
  readonly name: string;
}

/** All that a process has started, directly or not. */
export async function descendants(pid: number): Promise<RunningProcess[]> {
  const children = new Map<number, RunningProcess[]>();
  for (const entry of await readdir("/proc")) {
    // "pid (name) state ppid …": the name may hold blanks and parentheses, so up to the last one.
    const stat = /^(\d+) \((.*)\) \S (\d+) /su.exec((await readProc(`/proc/${entry}/stat`)) ?? "");
    if (stat?.[1] === undefined || stat[2] === undefined) {
      continue;
    }
    const parent = Number(stat[3]);
    const siblings = children.get(parent) ?? [];
    siblings.push({ pid: Number(stat[1]), name: stat[2] });
    children.set(parent, siblings);
  }
  const found: RunningProcess[] = [];
  const collect = (parent: number): void => {
    for (const child of children.get(parent) ?? []) {
      found.push(child);
      collect(child.pid);
    }
  };
  collect(pid);
  return found;
}

/** Whether a process still runs; one that has ended and waits to be reaped does not. */
export async function isRunning(pid: number): Promise<boolean> {
  const state = /^State:\s+(\S)/mu.exec((await readProc(`/proc/${pid}/status`)) ?? "")?.[1];
  return state !== undefined && state !== "Z";
}

/** The most memory that a process has ever held, in MiB; 0 when it has gone. */
export async function peakResidentMiB(pid: number): Promise<number> {
  const kib = /^VmHWM:\s+(\d+) kB/mu.exec((await readProc(`/proc/${pid}/status`)) ?? "")?.[1];
  return Math.round(Number(kib ?? 0) / 1024);
}
