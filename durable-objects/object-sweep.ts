import {
  type Digest,
  digestAlgorithms,
  parseDigest,
  parseDigestAlgorithm,
} from "../schemas/digest.ts";
import {
  type BlobKey,
  blobIndexName,
  blobIndexNames,
  blobKeys,
  healthPrefix,
} from "../schemas/storage-keys.ts";
import type { BlobTotals, StoredBlob } from "./blob-store.ts";

/** A claim is refused when its key is seven days old; a day more for clocks that differ. */
const unclaimedMs = 8 * 24 * 60 * 60 * 1000;
const probeMsMax = 60 * 60 * 1000;
/** R2 lists at most 1,000 objects a call, fewer with metadata. */
const listedMax = 1000;
/** Objects have at most six requests under way at once. */
const askedAtOnceMax = 6;

/** What one page of a sweep had deleted. */
export interface SweptPage extends BlobTotals {
  /** The key behind which the next page begins; undefined at the end. */
  readonly next: string | undefined;
  /** True if the end are objects that are too young to be looked at. */
  readonly hasYoung: boolean;
}

/** An object of R2, and what its metadata say of it. */
interface ListedObject extends StoredBlob {
  readonly digest: Digest | undefined;
  readonly algorithms: readonly string[];
}

/**
 * Looks through a page of R2's objects behind the key `after` for those that nobody claimed, as a push
 * leaves them that was cut off, and has them deleted. With `force` also the young ones that say their
 * digest: a claim of them that comes late is refused. Those that do not are upload sessions', which
 * care for them as long as they may be claimed.
 */
export async function sweepObjects(env: Env, after: string, force: boolean): Promise<SweptPage> {
  const beforeKey = blobKeys.before(Date.now() - unclaimedMs);
  const page = await env.BLOBS.list({
    prefix: blobKeys.prefix,
    startAfter: after,
    limit: listedMax,
    include: ["customMetadata"],
  });
  const objects = page.objects.map(listedObject);
  const old = objects.filter(({ key }) => key < beforeKey);
  const due = force ? objects : old;
  const unknown = await unknownObjects(
    env,
    old.filter(({ digest }) => digest === undefined),
  );
  const discarded = await discardUnclaimed(env, [
    ...due.filter(({ digest }) => digest !== undefined),
    ...unknown,
  ]);
  const hasYoung = due.length < objects.length;
  const next = hasYoung || !page.truncated ? undefined : objects.at(-1)?.key;
  return { ...discarded, next, hasYoung };
}

/** Deletes what checks of R2's health left behind that were cut off; they take seconds. */
export async function sweepProbes(env: Env): Promise<void> {
  const { objects } = await env.BLOBS.list({ prefix: healthPrefix, limit: listedMax });
  const old = objects.filter(({ uploaded }) => uploaded.getTime() < Date.now() - probeMsMax);
  if (old.length > 0) await env.BLOBS.delete(old.map(({ key }) => key));
}

function listedObject({ key, size, customMetadata = {} }: R2Object): ListedObject {
  const algorithm = parseDigestAlgorithm(customMetadata["algorithm"] ?? "");
  return {
    key: key as BlobKey,
    size,
    digest: parseDigest(customMetadata["digest"] ?? ""),
    algorithms: algorithm === undefined ? digestAlgorithms : [algorithm],
  };
}

/** Those of the objects that no index knows: all that may have them are asked. */
async function unknownObjects(
  env: Env,
  objects: readonly ListedObject[],
): Promise<readonly ListedObject[]> {
  let unknown = objects;
  for (const name of blobIndexNames()) {
    const asked = unknown.filter(({ algorithms }) =>
      algorithms.some((algorithm) => name.startsWith(`${algorithm}:`)),
    );
    if (asked.length === 0) continue;
    // One after the other: an answer makes the next question shorter.
    // oxlint-disable-next-line no-await-in-loop
    const known = new Set(await env.BLOB_INDEX.getByName(name).known(asked.map(({ key }) => key)));
    unknown = unknown.filter(({ key }) => !known.has(key));
  }
  return unknown;
}

async function discardUnclaimed(env: Env, objects: readonly ListedObject[]): Promise<BlobTotals> {
  const discarded = { layers: 0, bytes: 0 };
  const ofIndexes = [...Map.groupBy(objects, indexOf)];
  for (let at = 0; at < ofIndexes.length; at += askedAtOnceMax) {
    // oxlint-disable-next-line no-await-in-loop
    const answers = await Promise.all(
      ofIndexes.slice(at, at + askedAtOnceMax).map(([name, ours]) => {
        const unclaimed = ours.map(({ key, size, digest = "" as const }) => ({
          key,
          size,
          digest,
        }));
        return env.BLOB_INDEX.getByName(name).discardUnclaimed(unclaimed);
      }),
    );
    for (const { layers, bytes } of answers) {
      discarded.layers += layers;
      discarded.bytes += bytes;
    }
  }
  return discarded;
}

/** The index that deletes an object: the one of its digest, or any. */
function indexOf({ digest }: ListedObject): string {
  return digest === undefined ? (blobIndexNames()[0] ?? "") : blobIndexName(digest);
}
