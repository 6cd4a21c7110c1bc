/** Runs a client to its end and says what it ran, how long it took and, on failure, all it printed. */
import { spawn } from "node:child_process";
import { inform } from "./inform.ts";

/** What a program printed, and how long it ran. */
export interface Output {
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

/** How to run it. */
export interface CommandOptions {
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** What the program reads, as a password is piped to it. */
  readonly stdin?: string;
}

/** A program is killed after this time, which is generous for a layer of 1.5 GiB. */
const timeoutSeconds = 240;

/** A program that ended with an error, with everything it printed. */
export class CommandError extends Error {
  /** What it printed of errors. */
  readonly stderr: string;

  constructor(commandLine: string, why: string, output: Output) {
    super(`${commandLine}\n${why}\nstdout:\n${output.stdout}\nstderr:\n${output.stderr}`);
    this.name = "CommandError";
    this.stderr = output.stderr;
  }
}

/** What a client that has to fail says to its user. */
export async function complaintOf(failing: Promise<unknown>): Promise<string> {
  const error: unknown = await failing.then(
    () => new Error("it did not fail"),
    (thrown: unknown) => thrown,
  );
  // An engine's own log comes around what the command has said.
  const failed = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (failed instanceof CommandError) return failed.stderr;
  throw failed;
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/u.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** A command line as one could type it. */
function typed(program: string, args: readonly string[]): string {
  return [program, ...args].map((word) => quoted(word)).join(" ");
}

/** Runs a program; rejects with a `CommandError` unless it exits with 0 in time. */
export async function run(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<Output> {
  const commandLine = typed(program, args);
  const started = performance.now();
  const child = spawn(program, args, {
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdio: ["pipe", "pipe", "pipe"],
  });
  // A program may end without having read it.
  child.stdin.on("error", () => {});
  child.stdin.end(options.stdin ?? "");
  const stdout: Uint8Array[] = [];
  const stderr: Uint8Array[] = [];
  child.stdout.on("data", (chunk: Uint8Array) => stdout.push(chunk));
  child.stderr.on("data", (chunk: Uint8Array) => stderr.push(chunk));

  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill("SIGKILL");
  }, timeoutSeconds * 1000);
  const end = await new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) =>
      resolve(code === 0 ? "" : `ended with ${signal ?? String(code)}`),
    );
  });
  clearTimeout(timer);

  const output: Output = {
    stdout: Buffer.concat(stdout).toString(),
    stderr: Buffer.concat(stderr).toString(),
    seconds: (performance.now() - started) / 1000,
  };
  inform(`$ ${commandLine}  (${output.seconds.toFixed(1)} s)`);
  if (timedOut) {
    throw new CommandError(commandLine, `was killed after ${timeoutSeconds} s`, output);
  }
  if (end !== "") {
    throw new CommandError(commandLine, end, output);
  }
  return output;
}
