import { env } from "cloudflare:workers";
import type { BlobIndex, Repository } from "../../workers/registry.ts";
import { type Digest, type DigestAlgorithm, parseDigest } from "../../schemas/digest.ts";
import { parseRepositoryName, type RepositoryName } from "../../schemas/reference.ts";
import {
  blobIndexName,
  type BlobKey,
  type HolderToken,
  newBlobKey,
  newHolderToken,
} from "../../schemas/storage-keys.ts";
import { digestOf } from "../client.ts";

/** A repository that no other test has. */
export function newRepository(): RepositoryName {
  const name = parseRepositoryName(`team/${crypto.randomUUID()}`);
  if (name === undefined) throw new Error("no repository name");
  return name;
}

export function digestFor(
  bytes: Uint8Array | string,
  algorithm: DigestAlgorithm = "sha256",
): Digest {
  const digest = parseDigest(digestOf(bytes, algorithm));
  if (digest === undefined) throw new Error("no digest");
  return digest;
}

export function newKey(ageMs = 0): BlobKey {
  return newBlobKey(Date.now() - ageMs, crypto.randomUUID());
}

export function newToken(ageMs = 0): HolderToken {
  return newHolderToken(Date.now() - ageMs, crypto.randomUUID());
}

export function blobIndex(digest: Digest): DurableObjectStub<BlobIndex> {
  return env.BLOB_INDEX.getByName(blobIndexName(env, digest));
}

export function repositoryObject(name: RepositoryName): DurableObjectStub<Repository> {
  return env.REPOSITORY.getByName(name);
}
