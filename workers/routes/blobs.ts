import type { Link } from "../../durable-objects/link-store.ts";
import type { Digest } from "../../schemas/digest.ts";
import { RegistryError } from "../../schemas/errors.ts";
import { expectDone } from "../../schemas/outcome.ts";
import { type BlobRange, parseBlobRange } from "../../schemas/range.ts";
import type { RepositoryName } from "../../schemas/reference.ts";
import { digestOfPath, type RegistryContext, repositoryNameOf } from "../context.ts";
import { LinkCache } from "../link-cache.ts";

/** end-2: a blob, or a part of it; HEAD only says that it is there. */
export async function readBlob(context: RegistryContext): Promise<Response> {
  const repository = repositoryNameOf(context);
  const digest = digestOfPath(context);
  if (context.req.method === "HEAD") {
    const stub = context.env.REPOSITORY.getByName(repository);
    const link = expectDone(await stub.blob(digest, "push"));
    return new Response(null, { headers: blobHeaders(link, link.size) });
  }
  const cached = await cachedLink(context, repository, digest);
  const hit = cached === undefined ? undefined : await serve(context, cached);
  if (hit !== undefined) return hit;
  // Not cached, or cached and gone: only the repository's answer is a 404.
  const link = await freshLink(context, repository, digest);
  const answer = await serve(context, link);
  if (answer === undefined) throw new RegistryError("BLOB_UNKNOWN", digest);
  return answer;
}

/** end-10: removes a blob from a repository. */
export async function deleteBlob(context: RegistryContext): Promise<Response> {
  const { env } = context;
  const repository = repositoryNameOf(context);
  const digest = digestOfPath(context);
  expectDone(await env.REPOSITORY.getByName(repository).deleteBlob(repository, digest));
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

/** The blob's bytes from R2, handed on untouched; undefined if R2 has no such object. */
async function serve(context: RegistryContext, link: Link): Promise<Response | undefined> {
  const range = parseBlobRange(context.req.header("Range") ?? null, link.size);
  if (range.kind === "unsatisfiable") {
    throw new RegistryError("RANGE_NOT_SATISFIABLE", `the blob has ${link.size} bytes`, {
      "Content-Range": `bytes */${link.size}`,
    });
  }
  const object = await context.env.BLOBS.get(
    link.key,
    range.kind === "part" ? { range: { offset: range.offset, length: range.length } } : {},
  );
  if (object === null) return undefined;
  return new Response(object.body, {
    status: range.kind === "part" ? 206 : 200,
    headers: { ...blobHeaders(link, lengthOf(range, link)), ...contentRange(range, link) },
  });
}

function lengthOf(range: BlobRange, { size }: Link): number {
  return range.kind === "part" ? range.length : size;
}

function contentRange(range: BlobRange, { size }: Link): Record<string, string> {
  if (range.kind !== "part") return {};
  return { "Content-Range": `bytes ${range.offset}-${range.offset + range.length - 1}/${size}` };
}

function blobHeaders({ digest }: Link, length: number): Record<string, string> {
  return {
    "Content-Type": "application/octet-stream",
    "Content-Length": String(length),
    "Docker-Content-Digest": digest,
    "Accept-Ranges": "bytes",
    ETag: `"${digest}"`,
    // Compression on the way would remove Content-Length, which docker and containerd need.
    "Cache-Control": "private, no-transform",
  };
}
