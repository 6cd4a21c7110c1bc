/** Images made by hand, so that the tests know every byte of them. */
import { join } from "node:path";
import type { Layer } from "./layer.ts";
import { fileEntry, textEntry, writeTar } from "./tar.ts";

/** The platforms that images here are for. */
export type Architecture = "amd64" | "arm64";

/** The configuration of an image, which lists its uncompressed layers. */
export function imageConfig(architecture: Architecture, layers: readonly Layer[]): string {
  return JSON.stringify({
    architecture,
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.diffId) },
    history: layers.map((layer) => ({ created_by: layer.diffId })),
  });
}

/** Writes an archive that `docker load` and `podman load` take. */
export async function writeDockerArchive(
  folder: string,
  name: string,
  layers: readonly Layer[],
): Promise<string> {
  const file = join(folder, `${name.replaceAll(/\W+/gu, "-")}.docker.tar`);
  const entries = layers.map((layer, index) =>
    fileEntry(`layer-${index}.tar`, layer.file, layer.size),
  );
  const image = {
    Config: "config.json",
    RepoTags: [name],
    Layers: entries.map((entry) => entry.name),
  };
  await writeTar(file, [
    textEntry("manifest.json", JSON.stringify([image])),
    textEntry("config.json", imageConfig("amd64", layers)),
    ...entries,
  ]);
  return file;
}
