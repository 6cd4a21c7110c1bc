import type { StoredBlob } from "../durable-objects/blob-index.ts";
import { algorithmOf, type Digest, hexOf } from "../schemas/digest.ts";
import { RegistryError } from "../schemas/errors.ts";
import { expectDone } from "../schemas/outcome.ts";
import type { RepositoryName } from "../schemas/reference.ts";
import {
  blobIndexName,
  type BlobKey,
  newBlobKey,
  newHolderToken,
} from "../schemas/storage-keys.ts";
import { digestOfBody } from "../streams/body-digest.ts";

/** R2 takes at most 4.995 GiB in one put; longer blobs go through an upload session. */
export const wholeBlobBytesMax = 4.99 * 1024 ** 3;

/** R2's error for a body that does not have the digest that was asked for. */
const checksumMismatch = /10037/;

/** A blob that arrives in one request, with its length and digest known before its first byte. */
export interface WholeBlob {
  readonly repository: RepositoryName;
  readonly digest: Digest;
  readonly bytes: ReadableStream<Uint8Array> | null;
  /** In bytes, by Content-Length. */
  readonly length: number;
}

/**
 * Stores a whole blob and links it. A blob that the registry holds already is only hashed; another
 * goes to R2, which hashes it: no byte passes through JavaScript.
 * @throws RegistryError DIGEST_INVALID; OVERLOADED when R2 fails
 */
export async function pushWholeBlob(env: Env, blob: WholeBlob): Promise<void> {
  const { repository, digest, bytes, length } = blob;
  const token = newHolderToken(Date.now(), crypto.randomUUID());
  const index = env.BLOB_INDEX.getByName(blobIndexName(digest));
  const held = await index.take({ digest, token, repository });
  let stored: StoredBlob;
  if (held === undefined) {
    const newcomer = { key: await store(env, blob), size: length };
    stored = expectDone(await index.claim({ digest, token, repository }, newcomer));
  } else {
    stored = held;
    // A body that breaks off has no digest.
    const found = await digestOfBody(bytes, algorithmOf(digest)).catch(() => undefined);
    if (found !== digest) {
      await index.drop([{ digest, token }]);
      throw wrongDigest(digest);
    }
  }
  const { key, size } = stored;
  const stub = env.REPOSITORY.getByName(repository);
  expectDone(await stub.linkBlob(repository, { digest, key, size, token }));
}

function wrongDigest(digest: Digest): RegistryError {
  return new RegistryError("DIGEST_INVALID", `the bytes sent are not ${digest}`);
}

async function store(env: Env, { repository, digest, bytes }: WholeBlob): Promise<BlobKey> {
  const key = newBlobKey(Date.now(), crypto.randomUUID());
  try {
    await env.BLOBS.put(key, bytes ?? new Uint8Array(), {
      [algorithmOf(digest)]: hexOf(digest),
      customMetadata: { repository, digest },
    });
  } catch (error) {
    if (checksumMismatch.test(String(error))) throw wrongDigest(digest);
    throw new RegistryError("OVERLOADED", "R2 did not take the blob", { "Retry-After": "2" });
  }
  return key;
}
