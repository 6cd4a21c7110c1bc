import type { Link } from "../../durable-objects/link-store.ts";
import type { Digest } from "../../schemas/digest.ts";
import { RegistryError } from "../../schemas/errors.ts";
import { expectDone } from "../../schemas/outcome.ts";
import { failedCondition } from "../../schemas/precondition.ts";
import type { RepositoryName } from "../../schemas/reference.ts";
import { mayPush } from "../access/guard.ts";
import { answerBlob, blobHeaders } from "../blob-answer.ts";
import { notSent, preconditionOf } from "../conditional.ts";
import { digestOfPath, type RegistryContext, repositoryNameOf } from "../context.ts";
import { LinkCache } from "../link-cache.ts";
import { readTwice } from "../repeated-read.ts";

/** end-2: a blob, or a part of it; HEAD only says that it is there. */
export async function readBlob(context: RegistryContext): Promise<Response> {
  const repository = repositoryNameOf(context);
  const digest = digestOfPath(context);
  if (context.req.method === "HEAD") {
    const stub = context.env.REPOSITORY.getByName(repository);
    const link = expectDone(
      await stub.blob(digest, mayPush(context, repository) ? "push" : "check"),
    );
    const headers = blobHeaders(link, link.size);
    return notSent(context, digest) ?? new Response(null, { headers });
  }
  const cached = await cachedLink(context, repository, digest);
  const hit = cached === undefined ? undefined : await answerBlob(context, cached);
  if (hit !== undefined) return hit;
  // Not cached, or cached and gone: only the repository's answer is a 404.
  const link = expectDone(
    await readTwice(async () => context.env.REPOSITORY.getByName(repository).blob(digest, "read")),
  );
  const isTried = link.isLost || link.key === cached?.key;
  const answer = isTried ? undefined : await answerBlob(context, link);
  if (answer === undefined) return readHealedBlob(context, repository, link);
  rememberLink(context, repository, link);
  return answer;
}

/**
 * A blob that R2 does not have under the key of its link: where the index finds it, which looks into
 * R2 itself and takes the link away if it is lost.
 */
async function readHealedBlob(
  context: RegistryContext,
  repository: RepositoryName,
  { digest, key }: Link,
): Promise<Response> {
  if (context.var.configuration.reads !== "strong") {
    await new LinkCache().forget(repository, digest);
  }
  const stub = context.env.REPOSITORY.getByName(repository);
  const link = expectDone(await stub.healBlob(repository, digest, key));
  const answer = await answerBlob(context, link);
  if (answer === undefined) {
    throw new RegistryError("OVERLOADED", "R2 has the blob, and did not send it", {
      "Retry-After": "2",
    });
  }
  rememberLink(context, repository, link);
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

function rememberLink(context: RegistryContext, repository: RepositoryName, link: Link): void {
  if (context.var.configuration.reads === "strong") return;
  context.executionCtx.waitUntil(new LinkCache().remember(repository, [link]));
}
