import { type Digest, type DigestAlgorithm, digestOf } from "../schemas/digest.ts";
import { beginHash } from "./hash.ts";

/** Large reads into one buffer: the default reader's 4 KiB each cost more than the hash. */
const readBytes = 1024 * 1024;

/** The digest of a whole body, in constant memory. @throws what the body throws when it breaks off */
export async function digestOfBody(
  body: ReadableStream<Uint8Array> | null,
  algorithm: DigestAlgorithm,
): Promise<Digest> {
  const hash = beginHash(algorithm);
  const reader = body?.getReader({ mode: "byob" });
  let buffer = new Uint8Array(readBytes);
  for (let isDone = reader === undefined; !isDone;) {
    // oxlint-disable-next-line no-await-in-loop
    const result = await reader?.readAtLeast(readBytes, buffer);
    isDone = result?.done ?? true;
    if (result?.value === undefined) continue;
    hash.update(result.value);
    buffer = new Uint8Array(result.value.buffer);
  }
  return digestOf(algorithm, hash.digest());
}
