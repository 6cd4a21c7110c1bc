import type { Link } from "../../durable-objects/link-store.ts";
import type { Digest } from "../../schemas/digest.ts";
import { RegistryError } from "../../schemas/errors.ts";
import { expectDone } from "../../schemas/outcome.ts";
import { failedCondition } from "../../schemas/precondition.ts";
import type { RepositoryName } from "../../schemas/reference.ts";
import { answerBlob, blobHeaders } from "../blob-answer.ts";
import { notSent, preconditionOf } from "../conditional.ts";
import { digestOfPath, type RegistryContext, repositoryNameOf } from "../context.ts";
import { LinkCache } from "../link-cache.ts";

/** end-2: a blob, or a part of it; HEAD only says that it is there. */
export async function readBlob(context: RegistryContext): Promise<Response> {
  const repository = repositoryNameOf(context);
  const digest = digestOfPath(context);
  if (context.req.method === "HEAD") {
    const stub = context.env.REPOSITORY.getByName(repository);
    const link = expectDone(await stub.blob(digest, "push"));
    const headers = blobHeaders(link, link.size);
    return notSent(context, digest) ?? new Response(null, { headers });
  }
  const cached = await cachedLink(context, repository, digest);
  const hit = cached === undefined ? undefined : await answerBlob(context, cached);
  if (hit !== undefined) return hit;
  // Not cached, or cached and gone: only the repository's answer is a 404.
  const link = await freshLink(context, repository, digest);
  const answer = await answerBlob(context, link);
  if (answer === undefined) throw new RegistryError("BLOB_UNKNOWN", digest);
  return answer;
}

/** end-10: removes a blob from a repository. */
export async function deleteBlob(context: RegistryContext): Promise<Response> {
  const { env } = context;
  const repository = repositoryNameOf(context);
  const digest = digestOfPath(context);
  const stub = env.REPOSITORY.getByName(repository);
  const precondition = preconditionOf(context);
  // What a digest names never changes, so the condition needs only be held against the digest.
  const failed = precondition && failedCondition(precondition, digest);
  if (failed !== undefined) {
    expectDone(await stub.blob(digest, "read"));
    throw new RegistryError("PRECONDITION_FAILED", `${failed}: it is ${digest}`);
  }
  expectDone(await stub.deleteBlob(repository, digest));
  if (context.var.configuration.reads !== "strong") {
    await new LinkCache().forget(repository, digest);
  }
  return new Response(null, { status: 202, headers: { "Content-Length": "0" } });
}

async function cachedLink(
  context: RegistryContext,
  repository: RepositoryName,
  digest: Digest,
): Promise<Link | undefined> {
  if (context.var.configuration.reads === "strong") return undefined;
  return new LinkCache().find(repository, digest);
}

async function freshLink(
  context: RegistryContext,
  repository: RepositoryName,
  digest: Digest,
): Promise<Link> {
  const stub = context.env.REPOSITORY.getByName(repository);
  const link = expectDone(await stub.blob(digest, "read"));
  if (context.var.configuration.reads !== "strong") {
    context.executionCtx.waitUntil(new LinkCache().remember(repository, [link]));
  }
  return link;
}
