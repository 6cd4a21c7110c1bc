/** A docker engine of our own: own data, own socket, no network, nothing of the system's engine. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Account } from "./account.ts";
import { CommandError, type CommandOptions, type Output, run } from "./command.ts";
import { Daemon } from "./daemon.ts";
import { removeFolder, startInFolder } from "./folder.ts";
import { readSavedImage, type SavedImage } from "./saved-image.ts";
import { pathWithBuiltTools, tools } from "./tools.ts";

/** Where an engine keeps its images, which decides how it speaks to a registry. */
export type ImageStore = "graph driver" | "containerd";

/** A running engine and the docker command that speaks to it. */
export class Dockerd {
  readonly #folder: string;
  readonly #daemon: Daemon;

  private constructor(folder: string, daemon: Daemon) {
    this.#folder = folder;
    this.#daemon = daemon;
  }

  /** Starts an engine without images. A driver that copies no layers is for builds, which have many. */
  static async start(
    store: ImageStore,
    driver = store === "containerd" ? "native" : "vfs",
  ): Promise<Dockerd> {
    return startInFolder(async (folder) => Dockerd.#startIn(folder, store, driver));
  }

  static async #startIn(folder: string, store: ImageStore, driver: string): Promise<Dockerd> {
    await mkdir(join(folder, "client"));
    const daemon = await Daemon.start({
      program: store === "containerd" ? tools.containerdDockerd : tools.graphDockerd,
      args: [
        `--storage-driver=${driver}`,
        "--iptables=false",
        "--ip6tables=false",
        "--bridge=none",
        `--host=${socketOf(folder)}`,
        `--data-root=${join(folder, "data")}`,
        `--exec-root=${join(folder, "exec")}`,
        `--pidfile=${join(folder, "pid")}`,
      ],
      // Each engine starts a containerd of its own generation, the first one in its PATH.
      ...(store === "containerd" ? { env: { PATH: pathWithBuiltTools } } : {}),
      logFile: join(folder, "log"),
      isReady: async (log) => log.includes("API listen on"),
    });
    return new Dockerd(folder, daemon);
  }

  /** Where it listens, as DOCKER_HOST says it. */
  get host(): string {
    return socketOf(this.#folder);
  }

  /** Runs the docker command. */
  async docker(...args: readonly string[]): Promise<Output> {
    return this.#run(args, {});
  }

  /** Logs in to a registry, with the password piped as jobs pipe it. */
  async logIn(registry: string, { name, password }: Account): Promise<Output> {
    return this.#run(["login", registry, "-u", name, "--password-stdin"], { stdin: password });
  }

  async #run(args: readonly string[], options: CommandOptions): Promise<Output> {
    const client = ["--host", socketOf(this.#folder), "--config", join(this.#folder, "client")];
    try {
      return await run(tools.docker, [...client, ...args], options);
    } catch (error) {
      if (error instanceof CommandError) {
        // What the registry answered stands in the engine's log, not in the command's output.
        const log = (await this.#daemon.log()).split("\n").slice(-30).join("\n");
        throw new Error(`${error.message}\nthe engine's last lines:\n${log}`, { cause: error });
      }
      throw error;
    }
  }

  /** The bytes of an image that this engine has, as `docker save` writes them. */
  async save(image: string): Promise<SavedImage> {
    const archive = join(this.#folder, "saved.tar");
    await this.docker("save", "--output", archive, image);
    return readSavedImage(archive);
  }

  /** Ends the engine and removes all that it had. */
  async close(): Promise<void> {
    try {
      await this.#daemon.stop();
    } finally {
      await removeFolder(this.#folder);
    }
  }
}

function socketOf(folder: string): string {
  return `unix://${join(folder, "docker.sock")}`;
}
