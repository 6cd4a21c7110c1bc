/** Image layers: archives with one file whose bytes depend on nothing but a seed. */
import { createCipheriv, createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { sha256OfFile } from "./sha256.ts";
import { writeTar } from "./tar.ts";

/** An uncompressed layer on disk. */
export interface Layer {
  readonly file: string;
  /** The digest of the uncompressed bytes, which an image's configuration lists. */
  readonly diffId: string;
  readonly size: number;
}

/** What to make a layer of. */
export interface LayerOptions {
  /** Names the layer's only file as well: layers of one image do not hide each other's. */
  readonly seed: string;
  readonly bytes: number;
}

/** One MiB at a time of bytes that look random to gzip, so that a layer stays as large as it is. */
function* noise(seed: string, bytes: number): Generator<Uint8Array> {
  const key = createHash("sha256").update(seed).digest();
  const cipher = createCipheriv("aes-256-ctr", key, Buffer.alloc(16));
  const zeros = Buffer.alloc(2 ** 20);
  for (let left = bytes; left > 0; left -= zeros.length) {
    yield cipher.update(zeros.subarray(0, Math.min(left, zeros.length)));
  }
}

/** Writes a layer into a folder. */
export async function makeLayer(folder: string, { seed, bytes }: LayerOptions): Promise<Layer> {
  const file = join(folder, `${seed}.tar`);
  await writeTar(file, [{ name: `${seed}.bin`, size: bytes, content: () => noise(seed, bytes) }]);
  return { file, diffId: await sha256OfFile(file), size: (await stat(file)).size };
}
