import type { Link } from "../durable-objects/link-store.ts";
import type { FoundManifest } from "../durable-objects/repository.ts";
import type { ManifestReplica } from "../durable-objects/outbox-sender.ts";
import type { Digest } from "../schemas/digest.ts";
import { expectDone } from "../schemas/outcome.ts";
import type { Reference, RepositoryName } from "../schemas/reference.ts";
import { manifestReplicaKey } from "../schemas/storage-keys.ts";
import { StoreRests } from "../stores/patience.ts";
import { log } from "../telemetry/log.ts";
import type { RegistryContext } from "./context.ts";
import { LinkCache } from "./link-cache.ts";
import { readTwice } from "./repeated-read.ts";

/** A manifest that is answered. Bytes only where they were asked for. */
type ReadManifest = Omit<FoundManifest, "links">;

/** KV's smallest: what was deleted elsewhere is served no longer than this and a link's 60 s. */
const replicaCacheSeconds = 30;

/**
 * The manifest that a reference names: by tag from its repository, by digest from the replica in KV
 * if there is one. What KV has is right, as a digest names one thing; what it lacks says nothing, and
 * where it fails or is silent the repository is asked.
 */
export async function readManifest(
  context: RegistryContext,
  repository: RepositoryName,
  reference: Reference,
  withBytes: boolean,
): Promise<ReadManifest> {
  const isStrong = context.var.configuration.reads === "strong";
  let isMissing = false;
  if (reference.kind === "digest" && !isStrong) {
    const replica = await readReplica(context, repository, reference.digest);
    if (replica !== undefined && replica !== "missing") return replica;
    isMissing = replica === "missing";
  }
  const found = expectDone(
    await readTwice(async () =>
      context.env.REPOSITORY.getByName(repository).manifest(reference, withBytes, isMissing),
    ),
  );
  if (!isStrong) rememberLinks(context, repository, found.links);
  return found;
}

/** What KV has; `missing` if it answered that it has nothing, undefined if it was not asked or failed. */
async function readReplica(
  context: RegistryContext,
  repository: RepositoryName,
  digest: Digest,
): Promise<ReadManifest | "missing" | undefined> {
  if (await new LinkCache().isDeleted(repository, digest)) return undefined;
  try {
    const { value, metadata } = await context.env.MANIFESTS.getWithMetadata<ManifestReplica>(
      manifestReplicaKey(repository, digest),
      { type: "arrayBuffer", cacheTtl: replicaCacheSeconds },
    );
    if (value === null || metadata === null) return "missing";
    const { mediaType, size } = metadata;
    const links = JSON.parse(new TextDecoder().decode(value.slice(size))) as Link[];
    rememberLinks(context, repository, links);
    return { digest, mediaType, size, bytes: new Uint8Array(value, 0, size) };
  } catch (error) {
    // Who met the silence of KV has told of it.
    if (error instanceof StoreRests) return undefined;
    const { requestId } = context.var;
    log("warn", "replica not read", { requestId, repository, error: String(error) });
    return undefined;
  }
}

/** The blobs of a manifest are asked for next: their links save a call each. */
function rememberLinks(
  context: RegistryContext,
  repository: RepositoryName,
  links: readonly Link[],
): void {
  if (links.length === 0 || context.req.method === "HEAD") return;
  context.executionCtx.waitUntil(new LinkCache().remember(repository, links));
}
