/** SHA-256 of what is too large to hold. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";

/** The digest of bytes, as registries write it. */
export async function sha256Of(
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of content) {
    hash.update(chunk);
  }
  return `sha256:${hash.digest("hex")}`;
}

/** The digest of a file. */
export async function sha256OfFile(file: string): Promise<string> {
  return sha256Of(createReadStream(file));
}
