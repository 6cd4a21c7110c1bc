/** Layers of a docker archive, as a registry's manifest lists them. */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { type Digest, digestOf } from "../../schemas/digest.ts";
import { CommandError } from "../exit-codes.ts";
import type { SourceBlob } from "./image-source.ts";
import { temporaryError } from "./temporary-error.ts";
import type { TarArchive } from "./tar-archive.ts";
import type { TemporaryFolder } from "./temporary-folder.ts";

export type LayerCompression = "gzip" | "zstd" | "none";

/** A layer with how it is compressed, which decides its media type. */
export interface ArchivedLayer {
  readonly blob: SourceBlob;
  readonly compression: LayerCompression;
}

export interface LayerOptions {
  /** An uncompressed layer is pushed as it is. */
  readonly keepsTar: boolean;
  /** Where it is compressed to. */
  readonly folder: TemporaryFolder;
  readonly signal: AbortSignal;
}

/** What compressed streams begin with (RFC 1952, RFC 8878). */
const gzipMagic = Buffer.from("1f8b", "hex");
const zstdMagic = Buffer.from("28b52ffd", "hex");

/**
 * The level that docker compresses with. zlib writes no time and no name into the header, so the
 * same layer gives the same bytes: a second push finds them in the registry, and one that was
 * stopped goes on in the middle.
 */
const gzipLevel = 6;

/** How a layer is compressed. */
async function compressionOf(archive: TarArchive, name: string): Promise<LayerCompression> {
  const first = await firstBytes(archive.open(name, 0), zstdMagic.length);
  if (first.subarray(0, gzipMagic.length).equals(gzipMagic)) return "gzip";
  return first.equals(zstdMagic) ? "zstd" : "none";
}

async function firstBytes(stream: Readable, count: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of stream as AsyncIterable<Buffer>) {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes >= count) break;
  }
  return Buffer.concat(pieces).subarray(0, count);
}

/**
 * A layer of an archive as a blob. One that is compressed is taken as it is. One that is not is
 * compressed into a temporary file, as every engine does before it pushes: a registry keeps and
 * serves it for years, and the digest has to be known before the first byte is sent, to ask whether
 * it is there. With `keepsTar` it is the tar as it is, whose digest the image's configuration names.
 * @param diffId the digest of the uncompressed layer, by the image's configuration
 * @throws CommandError if the layer is not there, or not the one of the configuration
 */
export async function archivedLayer(
  archive: TarArchive,
  name: string,
  diffId: Digest,
  options: LayerOptions,
): Promise<ArchivedLayer> {
  const path = archive.pathOf(name);
  const size = await archive.sizeOf(name);
  if (size === undefined) throw new CommandError(`${path} is not there: it is layer ${diffId}`);
  const compression = await compressionOf(archive, name);
  if (compression === "none" && !options.keepsTar) {
    const blob = await compressed(archive, name, diffId, options);
    return { blob, compression: "gzip" };
  }
  const digest = await checkedDigest(archive, name, { diffId, compression }, options);
  return { blob: { digest, size, path, open: (at) => archive.open(name, at) }, compression };
}

async function compressed(
  archive: TarArchive,
  name: string,
  diffId: Digest,
  { folder, signal }: LayerOptions,
): Promise<SourceBlob> {
  const file = await folder.newFile();
  const before = createHash("sha256");
  const behind = createHash("sha256");
  await pipeline(
    archive.open(name, 0),
    hashed(before),
    createGzip({ level: gzipLevel }),
    hashed(behind),
    createWriteStream(file),
    { signal },
  ).catch((error: unknown) => {
    throw temporaryError(error);
  });
  const path = archive.pathOf(name);
  if (digestOf("sha256", before.digest()) !== diffId) throw wrongLayer(path, diffId);
  const digest = digestOf("sha256", behind.digest());
  const { size } = await stat(file);
  return { digest, size, path, open: (start) => createReadStream(file, { start }) };
}

function wrongLayer(path: string, diffId: Digest): CommandError {
  return new CommandError(
    `${path} is not ${diffId}, which the image's configuration names: save the image again`,
  );
}

function hashed(hash: ReturnType<typeof createHash>) {
  return async function* (bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const piece of bytes) {
      hash.update(piece);
      yield piece;
    }
  };
}

/**
 * The digest of a layer as it is. What is in it is compared with the configuration, too, but for
 * zstd, of which Node reads the first frame alone.
 */
async function checkedDigest(
  archive: TarArchive,
  name: string,
  { diffId, compression }: { readonly diffId: Digest; readonly compression: LayerCompression },
  { signal }: LayerOptions,
): Promise<Digest> {
  const path = archive.pathOf(name);
  const stored = createHash("sha256");
  const bytes = archive.open(name, 0);
  if (compression !== "gzip") {
    await pipeline(bytes, hashed(stored), drained, { signal });
    const digest = digestOf("sha256", stored.digest());
    if (compression === "none" && digest !== diffId) throw wrongLayer(path, diffId);
    return digest;
  }
  const inside = createHash("sha256");
  try {
    await pipeline(bytes, hashed(stored), createGunzip(), hashed(inside), drained, { signal });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new CommandError(`${path} can't be uncompressed: ${(error as Error).message}`);
  }
  if (digestOf("sha256", inside.digest()) !== diffId) throw wrongLayer(path, diffId);
  return digestOf("sha256", stored.digest());
}

async function drained(bytes: AsyncIterable<Buffer>): Promise<void> {
  for await (const _ of bytes);
}
