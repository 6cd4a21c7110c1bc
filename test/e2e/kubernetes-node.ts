/** What pulls images on a node of Kubernetes: containerd with its CRI, asked as the kubelet asks. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Account } from "./account.ts";
import { run } from "./command.ts";
import { Daemon } from "./daemon.ts";
import { removeFolder, startInFolder } from "./folder.ts";
import { tools } from "./tools.ts";

/** What in containerd fetches the layers; nodes are configured for either. */
export type Fetcher = "transfer service" | "CRI plugin";

/** What the node says about an image that it has pulled. */
export interface NodeImage {
  /** What containers are started from. */
  readonly ref: string;
  /** The digest of the image's configuration. */
  readonly id: string;
  readonly repoTags: readonly string[];
  readonly repoDigests: readonly string[];
  /** Whether the list of all images has it. */
  readonly listed: boolean;
}

/** Everything of this daemon is in its folder; what only running containers need is left out. */
function configuration(folder: string, fetcher: Fetcher, more: string): string {
  return `version = 3
root = "${join(folder, "root")}"
state = "${join(folder, "state")}"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "${socketOf(folder)}"
[plugins."io.containerd.nri.v1.nri"]
  disable = true
[plugins."io.containerd.cri.v1.runtime".cni]
  conf_dir = "${join(folder, "cni")}"
  bin_dirs = ["${join(folder, "cni")}"]
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "native"
  use_local_image_pull = ${fetcher === "CRI plugin"}
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = "${hostsOf(folder)}"
[[plugins."io.containerd.transfer.v1.local".unpack_config]]
  platform = "linux/amd64"
  snapshotter = "native"
${more}`;
}

function socketOf(folder: string): string {
  return join(folder, "containerd.sock");
}

function hostsOf(folder: string): string {
  return join(folder, "certs.d");
}

/** Tells containerd that a registry speaks plain HTTP. */
async function writeHost(folder: string, address: string): Promise<void> {
  const host = join(hostsOf(folder), address);
  await mkdir(host, { recursive: true });
  const capabilities = `[host."http://${address}"]\n  capabilities = ["pull", "resolve"]\n`;
  await writeFile(join(host, "hosts.toml"), `server = "http://${address}"\n${capabilities}`);
}

/** A running node, without images. */
export class KubernetesNode {
  readonly #folder: string;
  readonly #daemon: Daemon;

  private constructor(folder: string, daemon: Daemon) {
    this.#folder = folder;
    this.#daemon = daemon;
  }

  /** Starts one that pulls from a registry; `more` is added to containerd's configuration. */
  static async start(
    registryAddress: string,
    fetcher: Fetcher,
    more = "",
  ): Promise<KubernetesNode> {
    return startInFolder(async (folder) => {
      await writeHost(folder, registryAddress);
      const file = join(folder, "config.toml");
      await writeFile(file, configuration(folder, fetcher, more));
      const daemon = await Daemon.start({
        program: tools.containerd,
        args: ["--config", file],
        logFile: join(folder, "log"),
        isReady: async (log) => log.includes("containerd successfully booted"),
      });
      return new KubernetesNode(folder, daemon);
    });
  }

  /** Pulls an image, which the node must not have yet, by a pod's account if there is one. */
  async pull(image: string, account?: Account): Promise<NodeImage> {
    const flags = account && ["-user", account.name, "-password", account.password];
    const args = [...(flags ?? []), socketOf(this.#folder), "pull", image];
    const { stdout } = await run(tools.kubeletImages, args);
    return JSON.parse(stdout);
  }

  /** Removes an image under all its names. */
  async remove(image: string): Promise<void> {
    await run(tools.kubeletImages, [socketOf(this.#folder), "remove", image]);
  }

  /** Writes an image into a docker archive, with the bytes of every layer. */
  async export(file: string, image: string): Promise<void> {
    const ctr = ["--address", socketOf(this.#folder), "--namespace=k8s.io"];
    const flags = ["--local", "--platform=linux/amd64"];
    await run(tools.ctr, [...ctr, "images", "export", ...flags, file, image]);
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
