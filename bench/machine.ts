import { execFileSync } from "node:child_process";
import { readFileSync, statfsSync } from "node:fs";
import { cpus, release, totalmem, type } from "node:os";
import { join } from "node:path";

/** What a benchmark ran on. */
export interface Machine {
  readonly cores: number;
  readonly model: string;
  readonly memoryGib: number;
  readonly kernel: string;
  /** The file system that the peers store on. */
  readonly fileSystem: string;
  readonly node: string;
  readonly workerd: string;
  readonly go: string;
}

/** Describes this machine, and the file system that has the folder. */
export function describeMachine(folder: string): Machine {
  return {
    cores: cpus().length,
    model: cpus()[0]?.model.trim() ?? "unknown",
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: `${type()} ${release()}`,
    fileSystem: fileSystem(folder),
    node: process.version,
    workerd: workerdVersion(),
    go: said("go", ["env", "GOVERSION"]),
  };
}

/** One line for people. */
export function sayMachine(machine: Machine): string {
  const { cores, model, memoryGib, kernel, fileSystem: disk, node, workerd } = machine;
  return `${cores} cores (${model}), ${memoryGib} GiB, ${kernel}, ${disk}, node ${node}, workerd ${workerd}`;
}

function workerdVersion(): string {
  const path = join(import.meta.dirname, "../node_modules/workerd/package.json");
  return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
}

function fileSystem(folder: string): string {
  const kind = said("findmnt", ["--noheadings", "--output=FSTYPE", `--target=${folder}`]);
  const { blocks, bsize } = statfsSync(folder);
  return `${kind} of ${Math.round((blocks * bsize) / 2 ** 30)} GiB`;
}

function said(program: string, args: readonly string[]): string {
  try {
    return execFileSync(program, args, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return "unknown";
  }
}
