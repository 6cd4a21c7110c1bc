import { type Digest, parseDigest } from "../schemas/digest.ts";
import {
  type BlobKey,
  blobIndexName,
  blobIndexNames,
  blobKeys,
  catalogName,
  healthPrefix,
  unclaimableMs,
} from "../schemas/storage-keys.ts";
import { log } from "../telemetry/log.ts";
import { mapAtOnce } from "./at-once.ts";
import { type BlobTotals, noBlobs, type StoredBlob } from "./blob-store.ts";

const probeMsMax = 60 * 60 * 1000;
/** R2 lists at most 1,000 objects a call, fewer with metadata. */
const listedMax = 1000;

/** Where a page of a sweep begins, and what it takes. */
export interface Sweep {
  /** The key behind which the page begins. */
  readonly after: string;
  /** The key up to which indexes were asked about objects that do not say their digest. */
  readonly sweptUntil: string;
  /** Takes also young objects that say their digest: a claim of them that comes late is refused. */
  readonly force: boolean;
  /** Has nothing deleted. */
  readonly dryRun: boolean;
}

/** What one page of a sweep had deleted. */
export interface SweptPage extends BlobTotals {
  /** Indexes that did not answer: what they have to say waits for the next sweep. */
  readonly failures: number;
  /** The last key that was looked at, behind which the next page begins. */
  readonly last: string;
  readonly isEnd: boolean;
  /** True if the end are objects that are too young to be looked at. */
  readonly hasYoung: boolean;
}

/** An object of R2, and the digest that its metadata say. */
interface ListedObject extends StoredBlob {
  readonly digest: Digest | undefined;
}

/**
 * Looks through a page of R2's objects for those that nobody claimed, as a push leaves them that was
 * cut off, and has them deleted. Objects that do not say their digest are upload sessions', which care
 * for them as long as they may be claimed.
 */
export async function sweepObjects(env: Env, sweep: Sweep): Promise<SweptPage> {
  const beforeKey = blobKeys.before(Date.now() - unclaimableMs);
  const page = await env.BLOBS.list({
    prefix: blobKeys.prefix,
    startAfter: sweep.after,
    limit: listedMax,
    include: ["customMetadata"],
  });
  const objects = page.objects.map(listedObject);
  const old = objects.filter(({ key }) => key < beforeKey);
  const due = sweep.force ? objects : old;
  const { unknown, failures } = await unknownObjects(
    env,
    old.filter(({ digest, key }) => digest === undefined && key > sweep.sweptUntil),
  );
  const discarded = await discardUnclaimed(
    env,
    [...due.filter(({ digest }) => digest !== undefined), ...unknown],
    sweep.dryRun,
  );
  const hasYoung = due.length < objects.length;
  return {
    ...discarded,
    failures: failures + discarded.failures,
    last: due.at(-1)?.key ?? sweep.after,
    isEnd: hasYoung || !page.truncated,
    hasYoung,
  };
}

/** Deletes what checks of R2's health left behind that were cut off; they take seconds. */
export async function sweepProbes(env: Env): Promise<void> {
  const { objects } = await env.BLOBS.list({ prefix: healthPrefix, limit: listedMax });
  const old = objects.filter(({ uploaded }) => uploaded.getTime() < Date.now() - probeMsMax);
  if (old.length > 0) await env.BLOBS.delete(old.map(({ key }) => key));
}

function listedObject({ key, size, customMetadata = {} }: R2Object): ListedObject {
  return { key: key as BlobKey, size, digest: parseDigest(customMetadata["digest"] ?? "") };
}

/**
 * Those of the objects that no index knows. All are asked: what an upload was announced as says
 * nothing of the digest that it was closed with. One that does not answer may know them all.
 */
async function unknownObjects(
  env: Env,
  objects: readonly ListedObject[],
): Promise<{ unknown: readonly ListedObject[]; failures: number }> {
  let unknown = objects;
  for (const name of blobIndexNames(env)) {
    if (unknown.length === 0) break;
    const keys = unknown.map(({ key }) => key);
    try {
      // One after the other: an answer makes the next question shorter.
      // oxlint-disable-next-line no-await-in-loop
      const known = new Set(await env.BLOB_INDEX.getByName(name).known(keys));
      unknown = unknown.filter(({ key }) => !known.has(key));
    } catch (error) {
      log("warn", "index not asked", { index: name, error: String(error) });
      return { unknown: [], failures: 1 };
    }
  }
  return { unknown, failures: 0 };
}

async function discardUnclaimed(
  env: Env,
  objects: readonly ListedObject[],
  dryRun: boolean,
): Promise<BlobTotals & { failures: number }> {
  const answers = await mapAtOnce(
    [...Map.groupBy(objects, (object) => indexOf(env, object))],
    async ([name, ours]) => {
      const unclaimed = ours.map(({ key, size, digest = "" as const }) => ({ key, size, digest }));
      try {
        const totals = await env.BLOB_INDEX.getByName(name).discardUnclaimed(unclaimed, dryRun);
        // So that a collection finds it, though no blob came to it yet.
        if (totals.layers > 0 && !dryRun) await env.CATALOG.getByName(catalogName).addIndex(name);
        return { ...totals, failures: 0 };
      } catch (error) {
        log("warn", "index not asked", { index: name, error: String(error) });
        return { ...noBlobs, failures: 1 };
      }
    },
  );
  const discarded = { layers: 0, bytes: 0, failures: 0 };
  for (const { layers, bytes, failures } of answers) {
    discarded.layers += layers;
    discarded.bytes += bytes;
    discarded.failures += failures;
  }
  return discarded;
}

/** The index that deletes an object: the one of its digest, or any. */
function indexOf(env: Env, { digest }: ListedObject): string {
  return digest === undefined ? (blobIndexNames(env)[0] ?? "") : blobIndexName(env, digest);
}
