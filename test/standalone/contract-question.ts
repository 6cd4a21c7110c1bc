/** A question of the contract, and what several of them ask with. */

export interface Stores {
  readonly bucket: R2Bucket;
  readonly kv: KVNamespace;
}

export interface Question {
  readonly name: string;
  /** Its outcome goes through JSON. */
  readonly ask: (stores: Stores) => Promise<unknown>;
  readonly answer: unknown;
}

export const mebibyte = 1024 * 1024;
export const partBytes = 5 * mebibyte;

/** SHA-256 of "hello", and of nothing that is asked for here. */
export const helloSha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
export const wrongSha256 = "00".repeat(32);
export const helloSha512 =
  "9b71d224bd62f3785d96d46ad3ea3d73319bfbc2890caadae2dff72519673ca72323c3d99ba5c11d7c7acc6e14b8c5da0c4663475c2e5c3adef46f73bcdec043";

/** `bytes` bytes that differ from place to place. */
export function pattern(bytes: number, seed = 0): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at++) block[at] = (at * 31 + (at >> 9) + seed) & 0xff;
  return block;
}

export async function sha256(bytes: ArrayBuffer | ArrayBufferView): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The error's kind and its text, or its R2 code alone where the text is not ours to repeat. */
export async function failure(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "none";
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  }
}

export async function code(promise: Promise<unknown>): Promise<string> {
  const text = await failure(promise);
  return /\((\d+)\)$/.exec(text)?.[1] ?? text;
}

export function knownLength(...blocks: Uint8Array[]): ReadableStream {
  const length = blocks.reduce((sum, block) => sum + block.byteLength, 0);
  const { readable, writable } = new FixedLengthStream(length);
  void writeAll(writable, blocks);
  return readable;
}

async function writeAll(writable: WritableStream, blocks: readonly Uint8Array[]): Promise<void> {
  const writer = writable.getWriter();
  for (const block of blocks) await writer.write(block);
  await writer.close();
}

/** A stream that breaks off halfway. */
export function failing(): ReadableStream {
  const { readable, writable } = new FixedLengthStream(2_000_000);
  const writer = writable.getWriter();
  void writer
    .write(pattern(1_000_000))
    .then(() => writer.abort(new Error("gone")))
    .catch(() => {});
  return readable;
}

export function unknownLength(): ReadableStream {
  const { readable, writable } = new IdentityTransformStream();
  void writeAll(writable, [pattern(10)]).catch(() => {});
  return readable;
}

export async function range(bucket: R2Bucket, key: string, asked?: R2Range): Promise<unknown> {
  const object = await bucket.get(key, asked === undefined ? {} : { range: asked });
  return object === null ? null : [object.size, object.range, await object.text()];
}

export async function uploadParts(bucket: R2Bucket, key: string, sizes: readonly number[]) {
  const upload = await bucket.createMultipartUpload(key, { customMetadata: { kind: "parts" } });
  const parts: R2UploadedPart[] = [];
  for (const [at, size] of sizes.entries()) {
    parts.push(await upload.uploadPart(at + 1, pattern(size, at)));
  }
  return { upload, parts };
}

export async function completed(bucket: R2Bucket, key: string, sizes: readonly number[]) {
  const { upload, parts } = await uploadParts(bucket, key, sizes);
  return upload.complete(parts);
}
