import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import type { ClaimedBlob } from "../../durable-objects/link-store.ts";
import type { Digest } from "../../schemas/digest.ts";
import type { RepositoryName } from "../../schemas/reference.ts";
import { randomBytes } from "../client.ts";
import { advance, secondMs } from "./clock.ts";
import { blobIndex, digestFor, newKey, newToken, repositoryObject } from "./names.ts";

/** A blob that was claimed for a repository, and is not linked yet. */
export async function claimed(
  repository: RepositoryName,
  bytes = randomBytes(100),
): Promise<ClaimedBlob> {
  const [digest, token, key] = [digestFor(bytes), newToken(), newKey()];
  await env.BLOBS.put(key, bytes);
  const answer = await blobIndex(digest).claim(
    { digest, token, repository },
    { key, size: bytes.length },
  );
  if (!answer.ok) throw new Error(answer.what);
  return { ...answer.value, digest, token };
}

export function link(repository: RepositoryName, blob: ClaimedBlob) {
  return repositoryObject(repository).linkBlob(repository, blob);
}

/** Has the repository tell what it has to tell. */
export async function tell(repository: RepositoryName): Promise<void> {
  advance(2 * secondMs);
  await runDurableObjectAlarm(repositoryObject(repository));
}

export function row(repository: RepositoryName, digest: Digest) {
  return runInDurableObject(repositoryObject(repository), (_, { storage }) =>
    storage.sql
      .exec<{ token: string; leased_until: number; unreferenced_since: number | null }>(
        "SELECT token, leased_until, unreferenced_since FROM links WHERE digest = ?",
        digest,
      )
      .toArray()
      .at(0),
  );
}

export function holders(digest: Digest): Promise<string[]> {
  return runInDurableObject(blobIndex(digest), (_, { storage }) =>
    storage.sql
      .exec<{ token: string }>("SELECT token FROM holders WHERE digest = ?", digest)
      .toArray()
      .map(({ token }) => token),
  );
}
