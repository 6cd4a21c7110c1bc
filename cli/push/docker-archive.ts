import { Readable } from "node:stream";
import { isJsonObject } from "../../schemas/descriptor.ts";
import { type Digest, parseDigest } from "../../schemas/digest.ts";
import { parseManifest } from "../../schemas/manifest.ts";
import { digestOfBytes } from "../content-digest.ts";
import { CommandError } from "../exit-codes.ts";
import { type ArchivedLayer, archivedLayer, type LayerCompression } from "./archived-layer.ts";
import { readJsonFile, readSmallFile } from "./content-files.ts";
import type { ImageSelection, ImageSource, SourceBlob } from "./image-source.ts";
import { inParallel } from "./in-parallel.ts";
import { isPlatform, platformOf } from "./layout-index.ts";
import type { TarArchive } from "./tar-archive.ts";
import type { TemporaryFolder } from "./temporary-folder.ts";

/** The file by which an archive is one of `docker save`. */
export const archiveMarker = "manifest.json";

/** An image as `manifest.json` lists it. */
interface ArchivedImage {
  readonly config: string;
  readonly names: readonly string[];
  readonly layers: readonly string[];
  /** Written by an engine that made up the OCI manifest beside it as it saved the image. */
  readonly hasLayerSources: boolean;
}

export interface ArchiveOptions extends ImageSelection {
  /** Uncompressed layers are pushed as they are. */
  readonly keepsTar: boolean;
  /** Where layers are compressed to. */
  readonly folder: TemporaryFolder;
  /** How many layers are compressed at once. */
  readonly parallel: number;
  readonly signal: AbortSignal;
}

/** The images that the archive's `manifest.json` lists. @throws CommandError */
async function archivedImages(archive: TarArchive): Promise<readonly ArchivedImage[]> {
  const list = await readJsonFile(archive, archiveMarker);
  const path = archive.pathOf(archiveMarker);
  if (!Array.isArray(list)) throw new CommandError(`${path} is no list of images`);
  return list.map((item: unknown) => {
    const { Config, RepoTags, Layers, LayerSources } = isJsonObject(item) ? item : {};
    if (typeof Config !== "string" || !isTexts(Layers)) {
      throw new CommandError(`${path} does not name Config and Layers of each image`);
    }
    const names = isTexts(RepoTags) ? RepoTags : [];
    return { config: Config, names, layers: Layers, hasLayerSources: isJsonObject(LayerSources) };
  });
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

/**
 * Whether the OCI layout in the archive is what the engine keeps, with the digests that it tells.
 * An engine with a graph driver keeps no manifests and no compressed layers: what it writes into
 * that layout is made up as it saves, so the image is read by `manifest.json` and compressed.
 */
export async function isLayoutOfEngine(archive: TarArchive): Promise<boolean> {
  const images = await archivedImages(archive);
  return images.every((image) => !image.hasLayerSources);
}

/**
 * An image of a `docker save` archive, as a schema 2 manifest that is made here: the configuration
 * in the archive is Docker's, and podman would leave out its health check if OCI's media type stood
 * beside it. With zstd layers, for which schema 2 has no media type, it is an OCI manifest.
 * @throws CommandError if something is missing, or is not what the configuration says
 */
export async function openDockerArchive(
  archive: TarArchive,
  options: ArchiveOptions,
): Promise<ImageSource> {
  const image = chooseArchived(await archivedImages(archive), options);
  const bytes = await readSmallFile(archive, image.config);
  const path = archive.pathOf(image.config);
  const { diffIds, platform } = readConfig(bytes, path);
  const config = configBlob(bytes, image.config, path);
  if (options.platform !== undefined && !isPlatform(platform, options.platform)) {
    throw new CommandError(`${path} is for ${platform ?? "no platform"}, not ${options.platform}`);
  }
  if (diffIds.length !== image.layers.length) {
    throw new CommandError(
      `${archive.pathOf(archiveMarker)} lists ${image.layers.length} layers, and the configuration ` +
        `${diffIds.length}: save the image again`,
    );
  }
  const layers = await layersOf(archive, image.layers, diffIds, options);
  const manifest = manifestBytes(config, layers);
  const parsed = parseManifest(manifest, undefined);
  const digest = digestOfBytes(manifest);
  const blobs = new Map<Digest, SourceBlob>();
  for (const { blob } of [{ blob: config }, ...layers]) blobs.set(blob.digest, blob);
  const { mediaType } = parsed;
  return {
    root: digest,
    manifests: [{ digest, mediaType, bytes: manifest, manifest: parsed }],
    blobs: [...blobs.values()],
    missing: [],
    origins: new Map(),
    notices: [],
  };
}

function isWhole(name: string, wanted: string): boolean {
  return name === wanted || name === `${wanted}:latest`;
}

function chooseArchived(
  images: readonly ArchivedImage[],
  { image, tag }: ImageSelection,
): ArchivedImage {
  const all = `there are ${images.flatMap(({ names }) => names).join(", ") || "images without a name"}`;
  if (image !== undefined) {
    const whole = images.filter(({ names }) => names.some((name) => isWhole(name, image)));
    const ends = images.filter(({ names }) => names.some((name) => name.endsWith(`/${image}`)));
    const named = whole.length > 0 ? whole : ends;
    if (named[0] !== undefined && named.length === 1) return named[0];
    throw new CommandError(`${named.length} images are ${image}: ${all}`);
  }
  const tagged =
    tag === undefined
      ? []
      : images.filter(({ names }) => names.some((name) => name.endsWith(`:${tag}`)));
  const [chosen] = images.length === 1 ? images : tagged;
  if (chosen !== undefined && (images.length === 1 || tagged.length === 1)) return chosen;
  throw new CommandError(`say by --image which one is to be pushed: ${all}`);
}

/** The configuration of an image: what its layers are without compression, and its platform. */
function readConfig(
  bytes: Uint8Array,
  path: string,
): { readonly diffIds: readonly Digest[]; readonly platform: string | undefined } {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new CommandError(`${path} is not JSON: ${(error as Error).message}`);
  }
  const rootfs = isJsonObject(json) ? json["rootfs"] : undefined;
  const list = isJsonObject(rootfs) ? rootfs["diff_ids"] : undefined;
  const texts = isTexts(list) ? list : [];
  const diffIds = texts.flatMap((text) => parseDigest(text) ?? []);
  if (!isTexts(list) || diffIds.length !== texts.length) {
    throw new CommandError(`${path} does not list the image's layers (rootfs.diff_ids)`);
  }
  return { diffIds, platform: platformOf(json) };
}

function configBlob(bytes: Uint8Array, name: string, path: string): SourceBlob {
  const digest = digestOfBytes(bytes);
  // Engines name it by its digest.
  const named = /(?:^|\/)([0-9a-f]{64})(?:\.json)?$/.exec(name)?.[1];
  if (named !== undefined && digest !== `sha256:${named}`) {
    throw new CommandError(`${path} is not sha256:${named}: save the image again`);
  }
  const open = (offset: number) => Readable.from([Buffer.from(bytes.subarray(offset))]);
  return { digest, size: bytes.length, path, open };
}

async function layersOf(
  archive: TarArchive,
  names: readonly string[],
  diffIds: readonly Digest[],
  options: ArchiveOptions,
): Promise<readonly ArchivedLayer[]> {
  const made = new Map<Digest, ArchivedLayer>();
  // Of layers that are the same, one is made.
  const wanted = new Map(diffIds.map((diffId, at) => [diffId, names[at] ?? ""]));
  await inParallel([...wanted], options.parallel, async ([diffId, name]) => {
    made.set(diffId, await archivedLayer(archive, name, diffId, options));
  });
  return diffIds.flatMap((diffId) => made.get(diffId) ?? []);
}

/** Media types of layers by their compression, and of what stands around them. */
const schema2 = {
  manifest: "application/vnd.docker.distribution.manifest.v2+json",
  config: "application/vnd.docker.container.image.v1+json",
  layer: {
    gzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
    none: "application/vnd.docker.image.rootfs.diff.tar",
    zstd: undefined,
  } satisfies Record<LayerCompression, string | undefined>,
};
const oci = {
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: {
    gzip: "application/vnd.oci.image.layer.v1.tar+gzip",
    none: "application/vnd.oci.image.layer.v1.tar",
    zstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  } satisfies Record<LayerCompression, string>,
};

function manifestBytes(config: SourceBlob, layers: readonly ArchivedLayer[]): Uint8Array {
  const types = layers.some(({ compression }) => compression === "zstd") ? oci : schema2;
  const manifest = {
    schemaVersion: 2,
    mediaType: types.manifest,
    config: { mediaType: types.config, digest: config.digest, size: config.size },
    layers: layers.map(({ blob: { digest, size }, compression }) => ({
      mediaType: types.layer[compression],
      digest,
      size,
    })),
  };
  return new TextEncoder().encode(JSON.stringify(manifest));
}
