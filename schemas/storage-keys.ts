/**
 * Everything that is stored under a name, and the only maker of these names.
 *
 * R2  BLOBS      blobs/<yyyy-mm-dd>/<random>   the bytes of one blob; written once, never rewritten,
 *                                              never reused; BlobIndex alone knows whose bytes
 *                health/<random>              nothing, for a moment: whether R2 takes it
 * KV  MANIFESTS  <repository>@<digest>         a manifest's exact bytes, then the links of its blobs
 *                                              as JSON; metadata: media type and size of the manifest
 * KV  TAGS       <repository>:<tag>            empty; metadata: digest, media type and size
 *
 * Durable Objects by name: Repository `<repository>`, BlobIndex `<algorithm>:<first two hex digits>` or
 * `<algorithm>`, UploadSession `<session id>`, Catalog `catalog`, Maintenance `maintenance`. The URLs are keys of the data centre's cache.
 *
 * The longest KV key is 255 + 1 + 135 bytes, below KV's limit of 512.
 */
import { algorithmOf, type Digest, digestAlgorithms, hexOf } from "./digest.ts";
import type { RepositoryName, Tag } from "./reference.ts";

/** The R2 key of a blob. */
export type BlobKey = string & { readonly __brand: "BlobKey" };

/** What a holder of a blob shows to BlobIndex: `<base-36 milliseconds>-<random>`. */
export type HolderToken = string & { readonly __brand: "HolderToken" };

export const catalogName = "catalog";
export const maintenanceName = "maintenance";

/** A key is claimed within this time of the day that made it, or not at all. */
export const keyAgeMsMax = 7 * 24 * 60 * 60 * 1000;
/** When nobody claims a key any more: a day later, for clocks that differ. */
export const unclaimableMs = keyAgeMsMax + 24 * 60 * 60 * 1000;

const blobPrefix = "blobs/";
export const healthPrefix = "health/";

/** A key that was never used before; `random` is a random UUID. */
export function newBlobKey(nowMs: number, random: string): BlobKey {
  return `${blobPrefix}${dayOf(nowMs)}/${random}` as BlobKey;
}

/** How the keys of a day and of those before it begin and end: all keys of a bucket sort by day. */
export const blobKeys = {
  prefix: blobPrefix,
  /** Behind every key that was made before the day (UTC) in which `ms` lies. */
  before: (ms: number): string => `${blobPrefix}${dayOf(ms)}`,
};

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/**
 * A key that is written to see whether R2 or KV can be, whose other keys are none like it; `random` is a
 * random UUID.
 */
export function healthKey(random: string): string {
  return `${healthPrefix}${random}`;
}

/** The midnight (UTC) that began the day on which a key was made, in milliseconds of the epoch. */
export function blobKeyTimeMs(key: BlobKey): number {
  return Date.parse(key.slice(blobPrefix.length, blobPrefix.length + "yyyy-mm-dd".length));
}

export function newHolderToken(nowMs: number, random: string): HolderToken {
  return `${nowMs.toString(36)}-${random}` as HolderToken;
}

/** When a token was made, in milliseconds of the Unix epoch. */
export function tokenTimeMs(token: HolderToken): number {
  return Number.parseInt(token.slice(0, token.indexOf("-")), 36);
}

export function manifestReplicaKey(repository: RepositoryName, digest: Digest): string {
  return `${repository}@${digest}`;
}

export function tagReplicaKey(repository: RepositoryName, tag: Tag): string {
  return `${repository}:${tag}`;
}

/** The binding by which a deployment has one BlobIndex for each algorithm; it never changes that. */
export const oneBlobIndex = "ONE_BLOB_INDEX";

/**
 * The BlobIndex that answers for a digest: one of 256 per algorithm, so that pushes from everywhere
 * meet different ones, or the only one of `env`, where all objects are on one machine anyway.
 */
export function blobIndexName(env: object, digest: Digest): string {
  const algorithm = algorithmOf(digest);
  return oneBlobIndex in env ? algorithm : `${algorithm}:${hexOf(digest).slice(0, 2)}`;
}

/** Every BlobIndex that there may be. */
export function blobIndexNames(env: object): string[] {
  if (oneBlobIndex in env) return [...digestAlgorithms];
  const prefixes = Array.from({ length: 256 }, (_, at) => at.toString(16).padStart(2, "0"));
  return digestAlgorithms.flatMap((algorithm) =>
    prefixes.map((prefix) => `${algorithm}:${prefix}`),
  );
}

/** The URL under which the data centre's cache keeps the link of a blob. */
export function cachedLinkUrl(repository: RepositoryName, digest: Digest): string {
  return `https://links.longshore.internal/${repository}/${digest}`;
}

/** The URL under which the data centre's cache remembers that a manifest was deleted here. */
export function tombstoneUrl(repository: RepositoryName, digest: Digest): string {
  return `https://tombstones.longshore.internal/${repository}/${digest}`;
}

/** The URL under which the data centre's cache remembers that an upload session's object exists. */
export function reachedSessionUrl(sessionId: string): string {
  return `https://sessions.longshore.internal/${sessionId}`;
}
