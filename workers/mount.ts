import type { Digest } from "../schemas/digest.ts";
import type { RepositoryName } from "../schemas/reference.ts";
import { blobIndexName } from "../schemas/storage-keys.ts";
import { freshToken, linkHeldBlob } from "./held-blob.ts";

/** How many holders of a digest are asked for one that the caller may pull from. */
const holdersMax = 20;

/**
 * Links a blob of another repository (end-11); without `from`, of any that holds it. Only those that
 * the caller may pull from count. False if there is none: nothing is told about why, and the caller
 * starts an upload.
 */
export async function mountBlob(
  env: Env,
  target: RepositoryName,
  digest: Digest,
  from: RepositoryName | undefined,
  isReadable: (repository: RepositoryName) => boolean,
): Promise<boolean> {
  const index = env.BLOB_INDEX.getByName(blobIndexName(env, digest));
  const sources = from === undefined ? await index.holders(digest, holdersMax) : [from];
  for (const source of sources.filter(isReadable)) {
    // One source after the other: the first is as good as any.
    /* oxlint-disable no-await-in-loop */
    const linked = await env.REPOSITORY.getByName(source).blob(digest, "mount");
    if (!linked.ok) continue;
    const token = freshToken();
    const stored = await index.take({ digest, token, repository: target });
    if (stored === undefined) return false;
    await linkHeldBlob(env, target, digest, stored, token);
    return true;
    /* oxlint-enable no-await-in-loop */
  }
  return false;
}
