import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, vi } from "vitest";
import type { Digest } from "../../schemas/digest.ts";
import type { BlobKey, HolderToken } from "../../schemas/storage-keys.ts";
import { randomBytes } from "../client.ts";
import { advance, secondMs } from "./clock.ts";
import { blobIndex, digestFor, newKey, newRepository, newToken } from "./names.ts";

export const blobBytes = 100;
/** Longer than garbage stays. */
export const garbageMs = 181 * secondMs;

/** Bytes that are written to R2 under a new key, as a push does before its claim. */
export async function written(bytes: Uint8Array): Promise<BlobKey> {
  const key = newKey();
  await env.BLOBS.put(key, bytes);
  return key;
}

export async function isStored(key: BlobKey): Promise<boolean> {
  return (await env.BLOBS.head(key)) !== null;
}

export function claim(
  digest: Digest,
  token: HolderToken,
  key: BlobKey,
  repository = newRepository(),
) {
  return blobIndex(digest).claim({ digest, token, repository }, { key, size: blobBytes });
}

export function take(digest: Digest, token: HolderToken) {
  return blobIndex(digest).take({ digest, token, repository: newRepository() });
}

/** A blob that is held by one token. */
export async function held() {
  const bytes = randomBytes(blobBytes);
  const digest = digestFor(bytes);
  const [key, token, repository] = [await written(bytes), newToken(), newRepository()];
  await claim(digest, token, key, repository);
  return { bytes, digest, key, token, repository };
}

/** Lets the time of garbage pass, and has the index collect it. */
export async function collect(digest: Digest): Promise<void> {
  advance(garbageMs);
  await runDurableObjectAlarm(blobIndex(digest));
}

export function tokens(digest: Digest): Promise<string[]> {
  return runInDurableObject(blobIndex(digest), (_, { storage }) =>
    storage.sql
      .exec<{ token: string }>("SELECT token FROM holders WHERE digest = ? ORDER BY token", digest)
      .toArray()
      .map(({ token }) => token),
  );
}

/** Waits until an object is deleted: the alarm of the registry may be at it already. */
export async function expectGone(key: BlobKey): Promise<void> {
  await vi.waitFor(async () => expect(await isStored(key)).toBe(false), { timeout: 5000 });
}
