import type { StoredBlob } from "../durable-objects/blob-store.ts";
import type { Digest } from "../schemas/digest.ts";
import { expectDone } from "../schemas/outcome.ts";
import type { RepositoryName } from "../schemas/reference.ts";
import { blobIndexName, type HolderToken, newHolderToken } from "../schemas/storage-keys.ts";

/** A token for one link that is made soon: a repository refuses one that is older than 50 minutes. */
export function freshToken(): HolderToken {
  return newHolderToken(Date.now(), crypto.randomUUID());
}

/**
 * Links a blob that a token holds. A token that is refused is dropped; one whose answer is lost is
 * not, as it may be linked by then.
 * @throws RegistryError what the repository refuses with
 */
export async function linkHeldBlob(
  env: Env,
  repository: RepositoryName,
  digest: Digest,
  { key, size }: StoredBlob,
  token: HolderToken,
): Promise<void> {
  const stub = env.REPOSITORY.getByName(repository);
  const linked = await stub.linkBlob(repository, { digest, key, size, token });
  if (!linked.ok)
    await env.BLOB_INDEX.getByName(blobIndexName(env, digest)).drop([{ digest, token }]);
  expectDone(linked);
}
