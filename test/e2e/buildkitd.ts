/** A BuildKit daemon of our own, and the buildctl command that builds with it. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Output, run } from "./command.ts";
import { Daemon } from "./daemon.ts";
import { removeFolder, startInFolder } from "./folder.ts";
import { tools } from "./tools.ts";

/** What to build, and where the results go. */
export interface Build {
  /** The folder that has the Dockerfile and the files that it copies. */
  readonly context: string;
  /** The image to push. */
  readonly image: string;
  readonly mediaTypes: "OCI" | "docker";
  /** Further flags, such as those of caches. */
  readonly flags?: readonly string[];
  /** The folder of docker's configuration that says who asks; nobody, where there is none. */
  readonly accounts?: string;
}

/** A running BuildKit. */
export class Buildkitd {
  readonly #folder: string;
  readonly #daemon: Daemon;

  private constructor(folder: string, daemon: Daemon) {
    this.#folder = folder;
    this.#daemon = daemon;
  }

  /** Starts one that has built nothing yet and speaks plain HTTP to a registry. */
  static async start(registryAddress: string): Promise<Buildkitd> {
    return startInFolder(async (folder) => Buildkitd.#startIn(folder, registryAddress));
  }

  static async #startIn(folder: string, registryAddress: string): Promise<Buildkitd> {
    await mkdir(join(folder, "client"));
    const file = join(folder, "buildkitd.toml");
    await writeFile(file, `[registry."${registryAddress}"]\n  http = true\n`);
    const daemon = await Daemon.start({
      program: tools.buildkitd,
      args: [
        `--config=${file}`,
        `--root=${join(folder, "root")}`,
        `--addr=${socketOf(folder)}`,
        `--otel-socket-path=${join(folder, "otel.sock")}`,
        "--cdi-disabled",
        "--containerd-worker=false",
        "--oci-worker-net=host",
        "--oci-worker-snapshotter=native",
      ],
      logFile: join(folder, "log"),
      isReady: async (log) => log.includes("running server on"),
    });
    return new Buildkitd(folder, daemon);
  }

  /** Builds an image and pushes it, by the Dockerfile frontend that is part of the daemon. */
  async build({ context, image, mediaTypes, flags = [], accounts }: Build): Promise<Output> {
    const oci = `oci-mediatypes=${mediaTypes === "OCI"}`;
    return run(
      tools.buildctl,
      [
        `--addr=${socketOf(this.#folder)}`,
        "build",
        "--progress=plain",
        "--frontend=dockerfile.v0",
        `--local=context=${context}`,
        `--local=dockerfile=${context}`,
        `--output=type=image,name=${image},push=true,${oci}`,
        ...flags,
      ],
      // An empty configuration: nobody's credentials get into a test.
      { env: { DOCKER_CONFIG: accounts ?? join(this.#folder, "client") } },
    );
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

function socketOf(folder: string): string {
  return `unix://${join(folder, "buildkitd.sock")}`;
}
