/** Every client behind one shape, for tests that ask the same of each of them. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Closable } from "./cleanup.ts";
import { run } from "./command.ts";
import { Containerd, type ContainerdVersion } from "./containerd.ts";
import { Dockerd, type ImageStore } from "./dockerd.ts";
import { Helm } from "./helm.ts";
import { writeDockerArchive } from "./image.ts";
import type { Layer } from "./layer.ts";
import { OciLayout } from "./oci-layout.ts";
import { OrasPython } from "./oras-python.ts";
import { Podman } from "./podman.ts";
import { readSavedImage } from "./saved-image.ts";
import { tools } from "./tools.ts";

/** A client that pushes layers as an image, and pulls them back. */
export interface ImageClient extends Closable {
  push(image: string, layers: readonly Layer[]): Promise<unknown>;
  /** Pulls an image, of which it must have nothing, and answers its uncompressed layers. */
  pull(image: string): Promise<readonly string[]>;
}

/** A command has nothing to end: its folder is the test's. */
const close = async (): Promise<void> => {};

function docker(store: ImageStore) {
  return async (folder: string): Promise<ImageClient> => {
    const engine = await Dockerd.start(store);
    return {
      async push(image, layers) {
        await engine.docker("load", "--input", await writeDockerArchive(folder, image, layers));
        await engine.docker("push", image);
      },
      async pull(image) {
        await engine.docker("pull", image);
        return (await engine.save(image)).diffIds;
      },
      close: async () => engine.close(),
    };
  };
}

function containerd(version: ContainerdVersion) {
  return async (folder: string): Promise<ImageClient> => {
    const daemon = await Containerd.start(version);
    return {
      async push(image, layers) {
        await daemon.push(image, await writeDockerArchive(folder, image, layers));
      },
      async pull(image) {
        await daemon.pull(image);
        const archive = join(folder, "exported.tar");
        await daemon.export(archive, image);
        return (await readSavedImage(archive)).diffIds;
      },
      close: async () => daemon.close(),
    };
  };
}

async function podman(folder: string): Promise<ImageClient> {
  const client = new Podman(folder);
  return {
    async push(image, layers) {
      const archive = await writeDockerArchive(folder, image, layers);
      await client.podman("load", "--input", archive);
      await client.podman("push", "--tls-verify=false", image);
    },
    async pull(image) {
      await client.podman("pull", "--tls-verify=false", image);
      return (await client.save(image)).diffIds;
    },
    close,
  };
}

/** A command that pushes a folder of the OCI image layout and pulls into an archive of docker's. */
function command(
  push: (layout: string, image: string) => Promise<unknown>,
  pull: (image: string, archive: string) => Promise<unknown>,
) {
  return async (folder: string): Promise<ImageClient> => ({
    async push(image, layers) {
      const layout = new OciLayout(join(folder, "layout"));
      await rm(layout.folder, { recursive: true, force: true });
      await layout.tag("v1", await layout.addImage("amd64", layers));
      await push(layout.folder, image);
    },
    async pull(image) {
      const archive = join(folder, "pulled.tar");
      await pull(image, archive);
      return (await readSavedImage(archive)).diffIds;
    },
    close,
  });
}

const skopeo = command(
  async (layout, image) =>
    run(tools.skopeo, ["copy", "--dest-tls-verify=false", `oci:${layout}:v1`, `docker://${image}`]),
  async (image, archive) =>
    run(tools.skopeo, [
      "copy",
      "--src-tls-verify=false",
      `docker://${image}`,
      `docker-archive:${archive}`,
    ]),
);

const crane = command(
  async (layout, image) => run(tools.crane, ["push", "--insecure", layout, image]),
  async (image, archive) => run(tools.crane, ["pull", "--insecure", image, archive]),
);

function regctlHost(image: string): string {
  return `--host=reg=${image.split("/")[0]},tls=disabled`;
}

const regctl = command(
  async (layout, image) =>
    run(tools.regctl, [regctlHost(image), "image", "copy", `ocidir://${layout}:v1`, image]),
  async (image, archive) =>
    run(tools.regctl, [regctlHost(image), "image", "export", image, archive]),
);

/** Layers in a chart, or as the files of an artifact: no images, and pushed by other libraries. */
async function helm(folder: string): Promise<ImageClient> {
  const client = new Helm(folder);
  return {
    push: async (image, layers) => client.pushLayers(image, layers),
    pull: async (image) => client.pullLayers(image),
    close,
  };
}

async function orasPython(folder: string): Promise<ImageClient> {
  const client = new OrasPython(folder);
  return {
    push: async (image, layers) => client.push(image, layers),
    pull: async (image) => client.pull(image),
    close,
  };
}

/** Starts each client, by what a test's title calls it, with an empty folder that the test removes. */
export const imageClients = {
  "docker 20.10": docker("graph driver"),
  "docker 29": docker("containerd"),
  "containerd 1.6": containerd("1.6"),
  "containerd 2.4": containerd("2.4"),
  podman,
  skopeo,
  crane,
  regctl,
  helm,
  "ORAS for Python": orasPython,
} satisfies Record<string, (folder: string) => Promise<ImageClient>>;

/** The name of a client. */
export type ImageClientName = keyof typeof imageClients;
