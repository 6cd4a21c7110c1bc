/** Images as folders of the OCI image layout, with compressed layers. */
import { createReadStream, createWriteStream } from "node:fs";
import { copyFile, mkdir, readdir, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { type Architecture, imageConfig } from "./image.ts";
import { type Layer, makeLayer } from "./layer.ts";
import { sha256Of, sha256OfFile } from "./sha256.ts";

/** What refers to a blob of a layout. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

const manifestType = "application/vnd.oci.image.manifest.v1+json";
const indexType = "application/vnd.oci.image.index.v1+json";

/** A layout under construction, or one that a client wrote. */
export class OciLayout {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Every blob in it by the name of its file, with the digest of the bytes that are really there. */
  async blobs(): Promise<Record<string, string>> {
    const names = await readdir(this.#blobFolder);
    const entries = names
      .toSorted()
      .map(async (name) => [`sha256:${name}`, await sha256OfFile(join(this.#blobFolder, name))]);
    return Object.fromEntries(await Promise.all(entries));
  }

  /** Writes an image for one platform; uncompressed layers take no time to make, and as much room. */
  async addImage(
    architecture: Architecture,
    layers: readonly Layer[],
    compression: "gzip" | "none" = "gzip",
  ): Promise<Descriptor> {
    const config = await this.#addText(
      "application/vnd.oci.image.config.v1+json",
      imageConfig(architecture, layers),
    );
    const added: Descriptor[] = [];
    for (const layer of layers) {
      added.push(await this.#addLayer(layer, compression));
    }
    return this.#addText(
      manifestType,
      JSON.stringify({ schemaVersion: 2, mediaType: manifestType, config, layers: added }),
    );
  }

  /** Writes an index of images for several platforms. */
  async addIndex(images: Readonly<Record<Architecture, Descriptor>>): Promise<Descriptor> {
    const manifests = Object.entries(images).map(([architecture, image]) => ({
      ...image,
      platform: { os: "linux", architecture },
    }));
    return this.#addText(
      indexType,
      JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests }),
    );
  }

  /** Makes an image or an index the layout's entry, found by a tag. */
  async tag(tag: string, entry: Descriptor): Promise<void> {
    const tagged = { ...entry, annotations: { "org.opencontainers.image.ref.name": tag } };
    await writeFile(
      join(this.folder, "index.json"),
      JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests: [tagged] }),
    );
    await writeFile(join(this.folder, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  }

  get #blobFolder(): string {
    return join(this.folder, "blobs", "sha256");
  }

  async #addText(mediaType: string, text: string): Promise<Descriptor> {
    const digest = await sha256Of([new TextEncoder().encode(text)]);
    await mkdir(this.#blobFolder, { recursive: true });
    await writeFile(this.#path(digest), text);
    return { mediaType, digest, size: Buffer.byteLength(text) };
  }

  async #addLayer(layer: Layer, compression: "gzip" | "none"): Promise<Descriptor> {
    await mkdir(this.#blobFolder, { recursive: true });
    const tar = "application/vnd.oci.image.layer.v1.tar";
    if (compression === "none") {
      await copyFile(layer.file, this.#path(layer.diffId));
      return { mediaType: tar, digest: layer.diffId, size: layer.size };
    }
    const unnamed = join(this.folder, "layer.tmp");
    await pipeline(createReadStream(layer.file), createGzip(), createWriteStream(unnamed));
    const digest = await sha256OfFile(unnamed);
    await rename(unnamed, this.#path(digest));
    return { mediaType: `${tar}+gzip`, digest, size: (await stat(this.#path(digest))).size };
  }

  #path(digest: string): string {
    return join(this.#blobFolder, digest.replace("sha256:", ""));
  }
}

/** A layout with an index of images for two platforms that share a layer; its tag is `v1`. */
export async function makeMultiPlatformLayout(folder: string): Promise<OciLayout> {
  await mkdir(folder);
  const layout = new OciLayout(join(folder, "layout"));
  const base = await makeLayer(folder, { seed: "base", bytes: 2_000_000 });
  const image = async (architecture: Architecture, bytes: number): Promise<Descriptor> =>
    layout.addImage(architecture, [
      base,
      await makeLayer(folder, { seed: `program-${architecture}`, bytes }),
    ]);
  const images = { amd64: await image("amd64", 24_000_000), arm64: await image("arm64", 1) };
  await layout.tag("v1", await layout.addIndex(images));
  return layout;
}
