/** The `longshore` command, as it is run from a clone. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Account } from "./account.ts";
import { type CommandOptions, type Output, run } from "./command.ts";
import { Daemon } from "./daemon.ts";
import { removeFolder, startInFolder } from "./folder.ts";
import { freePort } from "./free-port.ts";
import { peakResidentMiB } from "./processes.ts";

/** The command's file: the bin of package.json. */
export const longshoreFile = join(import.meta.dirname, "../../cli/longshore.ts");

/** Runs the command to its end. */
export async function longshore(
  args: readonly string[],
  options?: CommandOptions,
): Promise<Output> {
  return run(process.execPath, [longshoreFile, ...args], options);
}

/** Writes what `docker login` keeps of accounts, by the host of each, and answers the folder. */
export async function writeDockerConfig(
  folder: string,
  accounts: Readonly<Record<string, Account>>,
): Promise<string> {
  const entries = Object.entries(accounts).map(([host, { name, password }]) => [
    host,
    { auth: Buffer.from(`${name}:${password}`).toString("base64") },
  ]);
  await mkdir(folder, { recursive: true });
  const config = JSON.stringify({ auths: Object.fromEntries(entries) });
  await writeFile(join(folder, "config.json"), config);
  return folder;
}

/** How to start a proxy. */
export interface ProxyOptions {
  /** The one to listen on, where something has to know it before. */
  readonly port?: number;
  /** Who it is at which host where its client is nobody, as docker's configuration says it. */
  readonly accounts?: Readonly<Record<string, Account>>;
  readonly args?: readonly string[];
}

/** A running `longshore proxy`. */
export class LongshoreProxy {
  readonly #folder: string;
  readonly #daemon: Daemon;
  readonly #port: number;

  private constructor(folder: string, daemon: Daemon, port: number) {
    this.#folder = folder;
    this.#daemon = daemon;
    this.#port = port;
  }

  /** Starts one in front of a registry's URL. */
  static async start(url: string, options: ProxyOptions = {}): Promise<LongshoreProxy> {
    return startInFolder(async (folder) => {
      const port = options.port ?? (await freePort());
      const daemon = await Daemon.start({
        program: process.execPath,
        args: [longshoreFile, "proxy", url, "--port", `${port}`, ...(options.args ?? [])],
        env: { DOCKER_CONFIG: await writeDockerConfig(folder, options.accounts ?? {}) },
        logFile: join(folder, "log"),
        isReady: async () => isListening(port),
      });
      return new LongshoreProxy(folder, daemon, port);
    });
  }

  /** Host and port, as they stand at the front of an image's name. */
  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** The most memory that it has held, in MiB. */
  async peakMiB(): Promise<number> {
    return peakResidentMiB(this.#daemon.pid);
  }

  /** Everything it has printed so far. */
  async log(): Promise<string> {
    return this.#daemon.log();
  }

  /** Ends it as Ctrl-C does not: by SIGTERM. */
  async close(): Promise<void> {
    try {
      await this.#daemon.stop();
    } finally {
      await removeFolder(this.#folder);
    }
  }
}

/** Whether something answers HTTP on a port of this machine. */
async function isListening(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/v2/`).then(
    async (response) => {
      await response.arrayBuffer();
      return true;
    },
    () => false,
  );
}
