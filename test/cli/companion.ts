/** The command as its users run it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");

/** How a command ended. */
export interface Ended {
  /** The exit code; null where a signal ended it. */
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

/** A run of `longshore`. */
export class Companion {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;

  /** `stdin` is piped into it; the environment has nothing of a user's but what is given. */
  constructor(
    args: readonly string[],
    environment: Readonly<Record<string, string>> = {},
    stdin = "",
  ) {
    const { PATH = "", TMPDIR = "/tmp" } = process.env;
    this.process = spawn(process.execPath, [join(root, "cli/longshore.ts"), ...args], {
      env: { PATH, TMPDIR, ...environment },
      stdio: ["pipe", "pipe", "pipe"],
    });
    let output = "";
    let errors = "";
    this.process.stdout?.on("data", (data) => (output += String(data)));
    this.process.stderr?.on("data", (data) => (errors += String(data)));
    this.process.stdin?.on("error", () => {});
    this.process.stdin?.end(stdin);
    this.ended = once(this.process, "close").then(([code]: (number | null)[]) => ({
      code: code ?? null,
      output,
      errors,
    }));
  }

  /** Runs it to its end. */
  static async run(
    args: readonly string[],
    environment: Readonly<Record<string, string>> = {},
    stdin = "",
  ): Promise<Ended> {
    return new Companion(args, environment, stdin).ended;
  }
}
