import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { socketName } from "./workerd-config.ts";

/** A CommonJS package without types: its default export is the program's path on this system. */
const workerd: { readonly default: string } = createRequire(import.meta.url)("workerd");

/** How workerd ended: an exit code or the name of a signal. */
export type WorkerdEnd = string;

/** The descriptor on which workerd tells what it listens on, as lines of JSON. */
const controlDescriptor = 3;

/**
 * A running workerd. It ends with this process, whatever ends that: a shell waits on a pipe that
 * nobody writes to, which closes when we are gone, and then ends workerd. Both have a session of
 * their own, so that Ctrl-C in a terminal reaches this process only, which then ends them in order.
 */
export class WorkerdProcess {
  /** The port it listens on; never settles if workerd ends before. */
  readonly listening: Promise<number>;
  /** Settles when it has ended. */
  readonly ended: Promise<WorkerdEnd>;
  readonly #workerd: ChildProcess;
  readonly #watcher: ChildProcess;

  /** Starts workerd on a configuration file with these variables in its environment. */
  constructor(configPath: string, variables: Readonly<Record<string, string>>) {
    const args = ["serve", configPath, "config", `--control-fd=${controlDescriptor}`];
    this.#workerd = spawn(workerd.default, args, {
      stdio: ["ignore", "inherit", "inherit", "pipe"],
      env: { ...process.env, ...variables },
      detached: true,
    });
    this.#watcher = watch(this.#workerd);
    this.ended = this.#end();
    this.listening = new Promise((resolve) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as asked for in `stdio`
      const control = this.#workerd.stdio[controlDescriptor] as Readable;
      createInterface(control).on("line", (line) => {
        const message: unknown = JSON.parse(line);
        if (isListening(message)) resolve(message.port);
      });
    });
  }

  async #end(): Promise<WorkerdEnd> {
    try {
      const [code, signal]: unknown[] = await once(this.#workerd, "exit");
      return typeof signal === "string" ? `signal ${signal}` : `exit code ${String(code)}`;
    } catch (error) {
      return String(error);
    } finally {
      // Its pid may be another's soon.
      this.#watcher.kill("SIGKILL");
    }
  }

  /** Stops taking requests and lets those under way finish, for at most so long. */
  async stop(graceMs: number): Promise<void> {
    this.#workerd.kill("SIGTERM");
    const overdue = setTimeout(() => this.kill(), graceMs);
    await this.ended;
    clearTimeout(overdue);
  }

  /** Ends it at once, with all that it is doing. What was answered is stored. */
  kill(): void {
    this.#workerd.kill("SIGKILL");
  }
}

/** Ends `child` when this process ends, even if it is killed. */
function watch(child: ChildProcess): ChildProcess {
  return spawn("/bin/sh", ["-c", `read -r _; kill -KILL "$1"`, "sh", String(child.pid)], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
}

function isListening(message: unknown): message is { port: number } {
  if (typeof message !== "object" || message === null) return false;
  if (!("event" in message && "socket" in message && "port" in message)) return false;
  return (
    message.event === "listen" && message.socket === socketName && typeof message.port === "number"
  );
}
