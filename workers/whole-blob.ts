import { waitUntil } from "cloudflare:workers";
import type { StoredBlob } from "../durable-objects/blob-store.ts";
import { algorithmOf, type Digest, type DigestAlgorithm, hexOf } from "../schemas/digest.ts";
import { RegistryError } from "../schemas/errors.ts";
import { expectDone } from "../schemas/outcome.ts";
import type { RepositoryName } from "../schemas/reference.ts";
import {
  blobIndexName,
  type BlobKey,
  type HolderToken,
  newBlobKey,
  tokenTimeMs,
} from "../schemas/storage-keys.ts";
import { isStorageFull } from "../stores/storage-full.ts";
import { answerWithin, bodyLimitMs } from "../stores/time-limits.ts";
import { digestOfBody } from "../streams/body-digest.ts";
import { log } from "../telemetry/log.ts";
import { freshToken, linkHeldBlob } from "./held-blob.ts";

/** R2 takes at most 4.995 GiB in one put; longer blobs go through an upload session. */
const wholeBlobBytesMax = 4.99 * 1024 ** 3;
/** The digests that R2 verifies. */
const verifiedAlgorithms: ReadonlySet<DigestAlgorithm> = new Set(["sha256", "sha512"]);

/** R2's error for a body that does not have the digest that was asked for. */
const checksumMismatch = /\(10037\)/;

/** The runtime's error for a body that does not come to its end; R2's own have a code. */
const brokenBody = /^(?!.*\(\d{5}\)).*(?:connection lost|disconnected prematurely)/i;

/** A token that waited longer for its body is renewed. */
const tokenAgeMsMax = 10 * 60 * 1000;

/** A blob that arrives in one request, with its length and digest known before its first byte. */
export interface WholeBlob {
  readonly repository: RepositoryName;
  readonly digest: Digest;
  readonly bytes: ReadableStream<Uint8Array> | null;
  /** In bytes, by Content-Length. */
  readonly length: number;
}

/** True if a blob of so many bytes can go to R2 in one put that verifies its digest. */
export function isStorableWhole(digest: Digest, length: number | undefined): length is number {
  return (
    length !== undefined &&
    length <= wholeBlobBytesMax &&
    verifiedAlgorithms.has(algorithmOf(digest))
  );
}

/**
 * Stores a whole blob and links it. A blob that the registry holds already is only hashed; another
 * goes to R2, which hashes it: no byte passes through JavaScript. However long the body takes, the
 * token that it is linked by is young.
 * @throws RegistryError DIGEST_INVALID; OVERLOADED when R2 fails
 */
export async function pushWholeBlob(env: Env, blob: WholeBlob): Promise<void> {
  const { repository, digest, length } = blob;
  const index = env.BLOB_INDEX.getByName(blobIndexName(env, digest));
  const first = freshToken();
  const held = await index.take({ digest, token: first, repository });
  if (held !== undefined) return pushHeldBlob(env, blob, held, first);
  const newcomer = { key: await store(env, blob), size: length };
  const token = freshToken();
  const claimed = await index.claim({ digest, token, repository }, newcomer);
  if (!claimed.ok && claimed.code === "BLOB_UPLOAD_INVALID") {
    // A forced collection came between: the same request stores it anew.
    throw new RegistryError("OVERLOADED", claimed.what, { "Retry-After": "1" });
  }
  await linkHeldBlob(env, repository, digest, expectDone(claimed), token);
}

async function pushHeldBlob(
  env: Env,
  { repository, digest, bytes }: WholeBlob,
  held: StoredBlob,
  token: HolderToken,
): Promise<void> {
  const index = env.BLOB_INDEX.getByName(blobIndexName(env, digest));
  const found = await digestOfBody(bytes, algorithmOf(digest)).catch(() => undefined);
  if (found !== digest) {
    await index.drop([{ digest, token }]);
    // The same answers as for a blob that nobody holds: who holds one is not told.
    throw found === undefined ? brokenOff() : wrongDigest(digest);
  }
  if (Date.now() - tokenTimeMs(token) < tokenAgeMsMax) {
    return linkHeldBlob(env, repository, digest, held, token);
  }
  const second = freshToken();
  const stored = await index.take({ digest, token: second, repository });
  await index.drop([{ digest, token }]);
  if (stored === undefined) {
    // Deleted by whoever had it while the body came: the same request stores it anew.
    throw new RegistryError("OVERLOADED", "the blob was deleted meanwhile", { "Retry-After": "1" });
  }
  await linkHeldBlob(env, repository, digest, stored, second);
}

function brokenOff(): RegistryError {
  return new RegistryError("BODY_INCOMPLETE", "it broke off");
}

function wrongDigest(digest: Digest): RegistryError {
  return new RegistryError("DIGEST_INVALID", `the bytes sent are not ${digest}`);
}

async function store(env: Env, { repository, digest, bytes, length }: WholeBlob): Promise<BlobKey> {
  const key = newBlobKey(Date.now(), crypto.randomUUID());
  const putting = env.BLOBS.put(key, bytes ?? new Uint8Array(), {
    [algorithmOf(digest)]: hexOf(digest),
    customMetadata: { repository, digest },
  });
  try {
    await answerWithin(bodyLimitMs(length), "R2 put", putting);
  } catch (error) {
    if (checksumMismatch.test(String(error))) throw wrongDigest(digest);
    if (brokenBody.test(String(error))) throw brokenOff();
    if (isStorageFull(error)) {
      throw new RegistryError("STORAGE_FULL", "there is no room for the blob");
    }
    log("warn", "blob not stored", { key, error: String(error) });
    // It may be stored all the same, now or later, under a key that nobody will ever know.
    const settled = putting.catch(() => undefined);
    waitUntil(settled.then(() => env.BLOBS.delete(key)).catch(() => undefined));
    throw new RegistryError("OVERLOADED", "R2 did not take the blob", { "Retry-After": "2" });
  }
  return key;
}
