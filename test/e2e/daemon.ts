/** A program that runs beside the tests until it is told to stop. */
import { type ChildProcess, spawn } from "node:child_process";
import { open, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** How to start a daemon. */
export interface DaemonOptions {
  readonly program: string;
  readonly args: readonly string[];
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where everything that it prints goes. */
  readonly logFile: string;
  /** Asked until it says yes; gets what the daemon has printed so far. */
  readonly isReady: (log: string) => Promise<boolean>;
}

const readyWithinSeconds = 60;
const stopsWithinSeconds = 30;

/** A started daemon; `stop` ends it by its process id. */
export class Daemon {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  readonly #options: DaemonOptions;
  readonly #killAtExit = (): void => {
    this.#child.kill("SIGTERM");
  };

  private constructor(child: ChildProcess, options: DaemonOptions) {
    this.#child = child;
    this.#options = options;
    this.#ended = new Promise((resolve) => {
      child.once("exit", () => resolve());
      child.once("error", () => resolve());
    });
    // Should the tests be cut short, the daemon must not outlive them.
    process.once("exit", this.#killAtExit);
  }

  /** Starts a daemon and waits until it is ready. */
  static async start(options: DaemonOptions): Promise<Daemon> {
    const log = await open(options.logFile, "a");
    const child = spawn(options.program, options.args, {
      env: { ...process.env, ...options.env },
      stdio: ["ignore", log.fd, log.fd],
    });
    const daemon = new Daemon(child, options);
    await log.close();
    try {
      await daemon.#becomeReady();
    } catch (error) {
      await daemon.stop();
      throw error;
    }
    return daemon;
  }

  /** Its process id. */
  get pid(): number {
    if (this.#child.pid === undefined) {
      throw new Error(`${this.#options.program} did not start`);
    }
    return this.#child.pid;
  }

  /** Everything it has printed so far. */
  async log(): Promise<string> {
    return readFile(this.#options.logFile, "utf8");
  }

  /** SIGTERM, then waits for its end; one that does not end is killed, and that is an error. */
  async stop(): Promise<void> {
    process.off("exit", this.#killAtExit);
    this.#child.kill("SIGTERM");
    const timeout = new AbortController();
    const outcome = await Promise.race([
      this.#ended.then(() => "ended" as const),
      sleep(stopsWithinSeconds * 1000, "late" as const, { signal: timeout.signal }),
    ]);
    timeout.abort();
    if (outcome === "late") {
      this.#child.kill("SIGKILL");
      await this.#ended;
      throw new Error(await this.#complaint(`did not stop within ${stopsWithinSeconds} s`));
    }
  }

  async #becomeReady(): Promise<void> {
    const deadline = performance.now() + readyWithinSeconds * 1000;
    let ended = false;
    void this.#ended.then(() => (ended = true));
    while (!(await this.#options.isReady(await this.log()))) {
      if (ended || performance.now() > deadline) {
        const why = ended ? "ended early" : `was not ready after ${readyWithinSeconds} s`;
        throw new Error(await this.#complaint(why));
      }
      await sleep(100);
    }
  }

  async #complaint(why: string): Promise<string> {
    const lastLines = (await this.log()).split("\n").slice(-40).join("\n");
    return `${this.#options.program} ${this.#options.args.join(" ")}\n${why}; its last lines:\n${lastLines}`;
  }
}
