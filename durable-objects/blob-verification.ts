import { algorithmOf, type Digest } from "../schemas/digest.ts";
import type { RepositoryName } from "../schemas/reference.ts";
import type { BlobKey } from "../schemas/storage-keys.ts";
import { digestOfBody } from "../streams/body-digest.ts";
import type { BlobStore, BlobTotals, BrokenBlob, StoredBlob } from "./blob-store.ts";

/** A blob that is not what its digest says. */
export interface DamagedBlob {
  readonly digest: Digest;
  readonly key: BlobKey;
  /** In bytes, as it was pushed. */
  readonly size: number;
  /** `missing`, `unreadable` and why, or what R2 has in its place. */
  readonly damage: string;
  /** At most 20 of the repositories that hold it. */
  readonly repositories: readonly RepositoryName[];
}

/** What was read again, up to the digest `last`; `isEnd` if there is no more. */
export interface Verified extends BlobTotals {
  readonly damaged: readonly DamagedBlob[];
  readonly last: Digest | undefined;
  readonly isEnd: boolean;
}

const blobsMax = 100;
const repositoriesMax = 20;

const missing = "missing";
/** May be another time: it is told of, and nothing follows from it. */
const unreadable = "unreadable";

/**
 * Reads the blobs behind `last` from R2 and hashes them, until `bytesMax` are read, and tells which of
 * them are not what they say. `changed` is told of each that is found otherwise than it was last.
 */
export async function verifyBlobs(
  bucket: R2Bucket,
  blobs: BlobStore,
  after: string,
  bytesMax: number,
  changed: (digest: Digest, key: BlobKey, broken: BrokenBlob | null) => void,
): Promise<Verified> {
  const listed = blobs.list(after, blobsMax);
  const damaged: DamagedBlob[] = [];
  let [layers, bytes] = [0, 0];
  for (const blob of listed) {
    if (layers > 0 && bytes + blob.size > bytesMax) break;
    // One after the other: each is hashed with all that a core has.
    // oxlint-disable-next-line no-await-in-loop
    const damage = await damageOf(bucket, blob).catch((error: unknown) => {
      return `${unreadable}: ${String(error).slice(0, 200)}`;
    });
    layers += 1;
    bytes += blob.size;
    const current = blobs.find(blob.digest);
    // What was collected meanwhile is no loss.
    if (current?.key !== blob.key) continue;
    const broken = damage?.startsWith(unreadable) ? current.broken : brokenBy(damage);
    if (broken !== current.broken) changed(blob.digest, blob.key, broken);
    if (damage === undefined) continue;
    damaged.push({
      ...blob,
      damage,
      repositories: blobs.repositories(blob.digest, repositoriesMax),
    });
  }
  return {
    layers,
    bytes,
    damaged,
    last: listed[layers - 1]?.digest,
    isEnd: layers === listed.length && listed.length < blobsMax,
  };
}

function brokenBy(damage: string | undefined): BrokenBlob | null {
  if (damage === undefined) return null;
  return damage === missing ? "missing" : "damaged";
}

async function damageOf(
  bucket: R2Bucket,
  { digest, key, size }: StoredBlob & { readonly digest: Digest },
): Promise<string | undefined> {
  const object = await bucket.get(key);
  if (object === null) return missing;
  if (object.size !== size) {
    await object.body.cancel();
    return `${object.size} bytes`;
  }
  const found = await digestOfBody(object.body, algorithmOf(digest));
  return found === digest ? undefined : `bytes of ${found}`;
}
