import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { vi } from "vitest";

const root = join(import.meta.dirname, "../..");

/** How long something may take to become so, and how often it is looked at. */
export const waiting = { timeout: 30_000, interval: 20 };

/** A start, by npm or, sooner, as npm does it, with what it says. */
export class Start {
  readonly process: ChildProcess;
  output = "";
  errors = "";
  /** The exit code, once it has ended and all it said is here. */
  readonly ended: Promise<number | null>;

  constructor(command: readonly [string, ...string[]], environment: Record<string, string>) {
    const inherited = Object.entries(process.env).filter(
      ([name]) => !/^(?:REGISTRY_|PORT$|(?:READONLY_)?(?:USERNAME|PASSWORD)$)/.test(name),
    );
    const [program, ...args] = command;
    this.process = spawn(program, args, {
      cwd: root,
      env: { ...Object.fromEntries(inherited), ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.process.stdout?.on("data", (data) => (this.output += String(data)));
    this.process.stderr?.on("data", (data) => (this.errors += String(data)));
    this.ended = once(this.process, "close").then(([code]: (number | null)[]) => code ?? null);
  }

  /** The address it says it listens on, once it does. */
  async url(): Promise<string> {
    return vi.waitFor(() => {
      const [, url] = /listens on (https?:\S+)/.exec(this.output) ?? [];
      if (url === undefined) throw new Error(`not ready: ${this.output}${this.errors}`);
      return url;
    }, waiting);
  }
}
