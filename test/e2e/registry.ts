/** The registry under test: `npm start`, on a free port, with a storage folder of its own. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Daemon } from "./daemon.ts";
import { removeFolder, startInFolder } from "./folder.ts";
import { descendants, isRunning, peakResidentMiB } from "./processes.ts";

const host = "127.0.0.1";

/** Whether a process ends within two seconds. */
async function endsSoon(pid: number): Promise<boolean> {
  for (let waits = 0; waits < 20; waits += 1) {
    if (!(await isRunning(pid))) {
      return true;
    }
    await sleep(100);
  }
  return false;
}

/** How to start it. */
export interface RegistryOptions {
  /** The errors that a test which breaks connections expects in the log. */
  readonly expected?: RegExp;
  /** Added to its environment. */
  readonly variables?: Readonly<Record<string, string>>;
}

/** A running registry, started as its users start it. */
export class Registry {
  readonly #folder: string;
  readonly #options: RegistryOptions;
  readonly #errors: string[] = [];
  #daemon: Daemon | undefined;
  /** 0 until the first start: the port is the system's choice, and stays the same at restarts. */
  #port = 0;

  private constructor(folder: string, options: RegistryOptions) {
    this.#folder = folder;
    this.#options = options;
  }

  /** Starts a registry with nothing in it. */
  static async start(options: RegistryOptions = {}): Promise<Registry> {
    return startInFolder(async (folder) => {
      const registry = new Registry(folder, options);
      await registry.#start();
      return registry;
    });
  }

  /** Host and port, as they stand at the front of an image's name. */
  get address(): string {
    return `${host}:${this.#port}`;
  }

  /** The URL that the API's paths are appended to. */
  get url(): string {
    const isTls = this.#options.variables?.["REGISTRY_TLS_CERT"] !== undefined;
    return `${isTls ? "https" : "http"}://${this.address}`;
  }

  /** SIGTERM and a new start: same port, same storage, nothing in memory. */
  async restart(): Promise<void> {
    await this.#stop();
    await this.#start();
  }

  /**
   * Ends the registry and removes its storage. An error that it logged is one of the test, even if
   * no client noticed: real clients do nothing that it may fail at.
   */
  async close(): Promise<void> {
    try {
      // A restart that failed has left nothing to stop.
      if (this.#daemon !== undefined) {
        await this.#stop();
      }
    } finally {
      await removeFolder(this.#folder);
    }
    if (this.#errors.length > 0) {
      throw new Error(`the registry logged:\n${this.#errors.join("\n")}`);
    }
  }

  /** The most memory that each of its processes has held since the last start, largest first. */
  async peakMemory(): Promise<string> {
    const started = await descendants(this.#running().pid);
    const peaks = await Promise.all(
      started.map(async ({ pid, name }) => ({ name, mib: await peakResidentMiB(pid) })),
    );
    const largestFirst = peaks.toSorted((a, b) => b.mib - a.mib);
    return largestFirst.map(({ name, mib }) => `${name} ${mib} MiB`).join(", ");
  }

  #running(): Daemon {
    if (this.#daemon === undefined) {
      throw new Error("the registry does not run");
    }
    return this.#daemon;
  }

  async #start(): Promise<void> {
    const storage = join(this.#folder, "storage");
    await mkdir(storage, { recursive: true });
    // A log for each start, or the ready line of the one before would count.
    const logFile = join(this.#folder, `log-${Date.now()}`);
    this.#daemon = await Daemon.start({
      program: "npm",
      args: ["start"],
      env: {
        REGISTRY_HOST: host,
        REGISTRY_PORT: String(this.#port),
        REGISTRY_STORAGE_PATH: storage,
        ...this.#options.variables,
      },
      logFile,
      isReady: async (log) => {
        const port = /https?:\/\/[^\s:/]+:(\d+)/u.exec(log)?.[1];
        if (port === undefined) {
          return false;
        }
        this.#port = Number(port);
        return this.#answers();
      },
    });
  }

  async #answers(): Promise<boolean> {
    // It says where it listens once it answers; that this process trusts it is not needed.
    if (this.url.startsWith("https:")) {
      return true;
    }
    try {
      const response = await fetch(`${this.url}/v2/`);
      await response.arrayBuffer();
      // 401 where it has users.
      return response.status === 200 || response.status === 401;
    } catch {
      return false;
    }
  }

  /** Nothing may stay behind: a process that outlives `npm start` would keep the port. */
  async #stop(): Promise<void> {
    const daemon = this.#running();
    const started = await descendants(daemon.pid);
    this.#daemon = undefined;
    await daemon.stop();
    const log = (await daemon.log()).split("\n");
    const errors = log.filter((line) => /error/iu.test(line));
    this.#errors.push(...errors.filter((line) => this.#options.expected?.test(line) !== true));
    const left: string[] = [];
    for (const { pid, name } of started) {
      if (!(await endsSoon(pid))) {
        process.kill(pid, "SIGKILL");
        left.push(`${name} (${pid})`);
      }
    }
    if (left.length > 0) {
      throw new Error(`npm start ended on SIGTERM but left running: ${left.join(", ")}`);
    }
  }
}
