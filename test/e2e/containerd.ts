/** A containerd of our own, as a Kubernetes node has one, and the ctr command that speaks to it. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Output, run } from "./command.ts";
import { Daemon } from "./daemon.ts";
import { removeFolder, startInFolder } from "./folder.ts";
import { tools } from "./tools.ts";

/** What nodes run today, and what Debian 12 has. */
export type ContainerdVersion = "2.4" | "1.6";

/** Programs by version. */
const programs = {
  "2.4": { daemon: tools.containerd, ctr: tools.ctr },
  "1.6": { daemon: tools.debianContainerd, ctr: tools.debianCtr },
} as const;

/** Plugins that would reach out of the daemon's own folder, or need what a test machine lacks. */
const disabledPlugins = [
  "io.containerd.cri.v1.images",
  "io.containerd.cri.v1.runtime",
  "io.containerd.grpc.v1.cri",
  "io.containerd.internal.v1.opt",
  "io.containerd.nri.v1.nri",
  "io.containerd.podsandbox.controller.v1.podsandbox",
];

/** Unpacks by plain copies, which works on every file system. */
const snapshotter = "native";

function configuration(folder: string, version: ContainerdVersion): string {
  const transfer = `
[plugins."io.containerd.transfer.v1.local"]
  max_concurrent_downloads = 4
  concurrent_layer_fetch_buffer = 8388608
  [[plugins."io.containerd.transfer.v1.local".unpack_config]]
    platform = "linux/amd64"
    snapshotter = "${snapshotter}"
`;
  return `version = 2
root = "${join(folder, "root")}"
state = "${join(folder, "state")}"
disabled_plugins = ${JSON.stringify(disabledPlugins)}
[grpc]
  address = "${socketOf(folder)}"
${version === "2.4" ? transfer : ""}`;
}

function socketOf(folder: string): string {
  return join(folder, "containerd.sock");
}

/** A running containerd. */
export class Containerd {
  readonly #folder: string;
  readonly #daemon: Daemon;
  readonly #version: ContainerdVersion;

  private constructor(folder: string, daemon: Daemon, version: ContainerdVersion) {
    this.#folder = folder;
    this.#daemon = daemon;
    this.#version = version;
  }

  /** Starts one without images. */
  static async start(version: ContainerdVersion): Promise<Containerd> {
    return startInFolder(async (folder) => Containerd.#startIn(folder, version));
  }

  static async #startIn(folder: string, version: ContainerdVersion): Promise<Containerd> {
    const file = join(folder, "config.toml");
    await writeFile(file, configuration(folder, version));
    const daemon = await Daemon.start({
      program: programs[version].daemon,
      args: ["--config", file],
      logFile: join(folder, "log"),
      isReady: async (log) => log.includes("containerd successfully booted"),
    });
    return new Containerd(folder, daemon, version);
  }

  /** Runs ctr. */
  async ctr(...args: readonly string[]): Promise<Output> {
    return run(programs[this.#version].ctr, ["--address", socketOf(this.#folder), ...args]);
  }

  /** Runs ctr where there is no network, so that the daemon does all that needs one. */
  async ctrWithoutNetwork(...args: readonly string[]): Promise<Output> {
    const ctr = [programs[this.#version].ctr, "--address", socketOf(this.#folder)];
    return run(tools.unshare, ["--net", ...ctr, ...args]);
  }

  /** Pushes an image of an archive under the name that it has there; `flags` choose how. */
  async push(image: string, archive: string, ...flags: readonly string[]): Promise<void> {
    await this.ctr("images", "import", `--snapshotter=${snapshotter}`, archive);
    await this.ctr("images", "push", "--plain-http", ...flags, image);
  }

  /** Pulls an image; `flags` choose among the ways in which ctr can do so. */
  async pull(image: string, ...flags: readonly string[]): Promise<void> {
    const platform = "--platform=linux/amd64";
    const unpack = `--snapshotter=${snapshotter}`;
    await this.ctr("images", "pull", "--plain-http", unpack, platform, ...flags, image);
  }

  /** Writes images that it has into a docker archive, with the bytes of every layer. */
  async export(file: string, ...images: readonly string[]): Promise<void> {
    // Without --local the command of 2.4 may end before the daemon has sent the archive's end.
    const local = this.#version === "2.4" ? ["--local"] : [];
    await this.ctr("images", "export", ...local, "--platform=linux/amd64", file, ...images);
  }

  /** Forgets images and every byte of them, so that the next pull starts with nothing. */
  async remove(...images: readonly string[]): Promise<void> {
    await this.ctr("images", "remove", "--sync", ...images);
  }

  /** Ends it and removes all that it had. */
  async close(): Promise<void> {
    try {
      await this.#daemon.stop();
    } finally {
      await removeFolder(this.#folder);
    }
  }
}
