import type { UploadBody } from "../../durable-objects/upload-body.ts";
import {
  algorithmOf,
  type Digest,
  type DigestAlgorithm,
  parseDigest,
} from "../../schemas/digest.ts";
import { RegistryError } from "../../schemas/errors.ts";
import { expectDone, type Outcome } from "../../schemas/outcome.ts";
import { isSpecifiedChunkRange, parseChunkRange, uploadRange } from "../../schemas/range.ts";
import { parseRepositoryName, type RepositoryName } from "../../schemas/reference.ts";
import { bodyLimitWarning, chunkLengths } from "../../schemas/body-limit.ts";
import { type RegistryContext, repositoryNameOf, warn, warnOfRefusal } from "../context.ts";
import { mayMountFrom } from "../access/guard.ts";
import { mountBlob } from "../mount.ts";
import { rememberReached, wasReached } from "../session-cache.ts";
import { sessionHeaders, uploadLocation } from "../upload-location.ts";
import {
  announcedAlgorithm,
  digestOfQuery,
  emptyBody,
  permittedLength,
} from "../upload-request.ts";
import {
  type OpenedSession,
  openSession,
  type Owner,
  sealAppended,
  sealNewSession,
} from "../upload-seal.ts";
import { isStorableWhole, pushWholeBlob } from "../whole-blob.ts";

/** end-4a, end-4b and end-11: begins a session, or takes or mounts a whole blob. */
export async function startUpload(context: RegistryContext): Promise<Response> {
  const { env, req } = context;
  const repository = repositoryNameOf(context);
  const mount = parseDigest(req.query("mount") ?? "");
  if (mount !== undefined) {
    const from = req.query("from");
    const source = from === undefined ? undefined : parseRepositoryName(from);
    const isNameable = from === undefined || source !== undefined;
    const isReadable = (name: RepositoryName) => mayMountFrom(context, name);
    if (isNameable && (await mountBlob(env, repository, mount, source, isReadable))) {
      return created(repository, mount);
    }
    return accepted(context, repository, algorithmOf(mount));
  }
  const digest = digestOfQuery(context);
  if (digest === undefined) return accepted(context, repository, announcedAlgorithm(context));
  const length = permittedLength(context);
  if (isStorableWhole(digest, length)) {
    await push(context, repository, digest, length);
  } else {
    const owner = ownerOf(context, repository);
    const sealed = await sealNewSession(env, owner, algorithmOf(digest), false);
    const session = await openSession(env, owner, sealed);
    await commit(context, session, digest);
  }
  return created(repository, digest);
}

/** end-5: appends to a session a stream, or a chunk that says where it belongs. */
export async function appendUpload(context: RegistryContext): Promise<Response> {
  const { env } = context;
  const session = await sessionOf(context);
  const body = (await uploadBody(context, session)) ?? emptyBody();
  const [answer] = await Promise.all([
    env.UPLOAD_SESSION.getByName(session.id).append(session, body),
    session.appended ? undefined : rememberReached(session.id),
  ]);
  const { offset, bytes } = expectDone(located(context, answer, session));
  context.set("bytesTaken", bytes);
  const next = await sealAppended(env, session);
  return new Response(null, {
    status: 202,
    headers: {
      ...sessionHeaders(context, session.repository, next),
      // Docker fails on "0--1", and takes an empty layer's range for its size less one.
      Range: offset === 0 ? "0-0" : uploadRange(offset),
    },
  });
}

/**
 * end-6: closes a session with what it has, with a last chunk, or with the whole blob. A whole blob
 * (a length, no Content-Range, no PATCH before) needs no session object.
 *
 * That no PATCH came before is told by the Location, which a PATCH renews; for a client that keeps
 * to the first one, by this data centre's memory of the PATCH. Should that be lost, the bytes do
 * not have the digest, and the client is told where the session stands.
 */
export async function commitUpload(context: RegistryContext): Promise<Response> {
  const { req } = context;
  const session = await sessionOf(context);
  const { repository } = session;
  const digest = digestOfQuery(context);
  if (digest === undefined) {
    throw new RegistryError("DIGEST_INVALID", "the query has no digest=<algorithm>:<hex>");
  }
  const length = permittedLength(context);
  // Who was let in by the session's id gets one blob in: the session's object sees to that.
  const mayBeWhole =
    !session.appended &&
    !context.var.admittedBySession &&
    req.header("Content-Range") === undefined;
  const isWhole = mayBeWhole && length !== 0 && isStorableWhole(digest, length);
  if (isWhole && !(await wasReached(session.id))) {
    refuseExpired(context, session);
    await pushOrTellOffset(context, session, digest, length);
  } else {
    await commit(context, session, digest);
  }
  return created(repository, digest);
}

/** end-13: how many bytes a session has. */
export async function uploadStatus(context: RegistryContext): Promise<Response> {
  const { env } = context;
  const session = await sessionOf(context);
  const { repository, sealed } = session;
  const { offset } = expectDone(await env.UPLOAD_SESSION.getByName(session.id).status(session));
  return new Response(null, {
    status: 204,
    headers: { ...sessionHeaders(context, repository, sealed), Range: uploadRange(offset) },
  });
}

/** end-14: ends a session and forgets its bytes. */
export async function cancelUpload(context: RegistryContext): Promise<Response> {
  const { env } = context;
  const session = await sessionOf(context);
  expectDone(await env.UPLOAD_SESSION.getByName(session.id).cancel(session));
  await rememberReached(session.id);
  return new Response(null, { status: 204 });
}

async function push(
  context: RegistryContext,
  repository: RepositoryName,
  digest: Digest,
  length: number,
): Promise<void> {
  const bytes = context.req.raw.body;
  const pushing = pushWholeBlob(context.env, { repository, digest, bytes, length });
  // A client that goes away after its last byte still gets its blob claimed and linked.
  context.executionCtx.waitUntil(pushing.catch(() => undefined));
  await pushing;
}

/** A session that no object knows expires by its seal. */
function refuseExpired({ var: { configuration } }: RegistryContext, session: OpenedSession): void {
  if (Date.now() > session.startedAtMs + configuration.uploadTimeoutMs) {
    throw new RegistryError("BLOB_UPLOAD_UNKNOWN", "it expired");
  }
}

async function pushOrTellOffset(
  context: RegistryContext,
  session: OpenedSession,
  digest: Digest,
  length: number,
): Promise<void> {
  const { env } = context;
  try {
    await push(context, session.repository, digest, length);
  } catch (error) {
    if (!(error instanceof RegistryError) || error.code !== "DIGEST_INVALID") throw error;
    const status = await env.UPLOAD_SESSION.getByName(session.id).status(session);
    if (!status.ok || status.value.offset === 0) throw error;
    throw await outOfTurn(context, session, "the session has other bytes already");
  }
}

/** 416 with where the session stands, and the Location under which to go on. */
async function outOfTurn(
  context: RegistryContext,
  session: OpenedSession,
  what: string,
): Promise<RegistryError> {
  const { env } = context;
  const { repository, id } = session;
  const { offset } = expectDone(await env.UPLOAD_SESSION.getByName(id).status(session));
  return new RegistryError("RANGE_INVALID", what, {
    Range: uploadRange(offset),
    Location: uploadLocation(context, repository, await sealAppended(env, session)),
  });
}

async function commit(
  context: RegistryContext,
  session: OpenedSession,
  digest: Digest,
): Promise<void> {
  const body = await uploadBody(context, session);
  const answer = await context.env.UPLOAD_SESSION.getByName(session.id).commit(
    session,
    digest,
    body,
  );
  expectDone(located(context, answer, session));
}

/** A refused chunk is told where to go on (distribution spec, "Pushing a blob in chunks"). */
function located<T>(
  context: RegistryContext,
  answer: Outcome<T>,
  { repository, sealed }: OpenedSession,
): Outcome<T> {
  if (answer.ok) return answer;
  const Location = uploadLocation(context, repository, sealed);
  return { ...answer, headers: { ...answer.headers, Location } };
}

async function accepted(
  context: RegistryContext,
  repository: RepositoryName,
  algorithm: DigestAlgorithm,
): Promise<Response> {
  const { uploadUrl, bodyBytesMax } = context.var.configuration;
  const isElsewhere = uploadUrl !== undefined;
  const owner = ownerOf(context, repository);
  const sealed = await sealNewSession(context.env, owner, algorithm, isElsewhere);
  // Where uploads go to another host, that is what cuts them.
  if (bodyBytesMax !== undefined && !isElsewhere) warn(context, bodyLimitWarning(bodyBytesMax));
  return new Response(null, {
    status: 202,
    headers: {
      ...sessionHeaders(context, repository, sealed),
      ...chunkLengths(bodyBytesMax),
    },
  });
}

function created(repository: RepositoryName, digest: Digest): Response {
  return new Response(null, {
    status: 201,
    headers: {
      Location: `/v2/${repository}/blobs/${digest}`,
      "Docker-Content-Digest": digest,
      "Content-Length": "0",
    },
  });
}

/** The session that the path names. @throws RegistryError NAME_INVALID, BLOB_UPLOAD_UNKNOWN */
async function sessionOf(context: RegistryContext): Promise<OpenedSession> {
  const sealed = context.req.param("session") ?? "";
  return openSession(context.env, ownerOf(context, repositoryNameOf(context)), sealed);
}

function ownerOf({ var: { caller } }: RegistryContext, repository: RepositoryName): Owner {
  return { repository, subject: caller.subject };
}

/** @throws RegistryError RANGE_INVALID for a Content-Range that is none, BODY_TOO_LARGE */
async function uploadBody(
  context: RegistryContext,
  session: OpenedSession,
): Promise<UploadBody | undefined> {
  const { body, headers } = context.req.raw;
  if (body === null) return undefined;
  const range = headers.get("Content-Range");
  const chunk = range === null ? undefined : parseChunkRange(range);
  if (range !== null && chunk === undefined) {
    throw await outOfTurn(context, session, `Content-Range "${range.slice(0, 100)}"`);
  }
  if (range !== null && !isSpecifiedChunkRange(range)) {
    warnOfRefusal(context, `Content-Range is ${range}, not of the form first-last`);
  }
  const length = permittedLength(context);
  const bytesMax = length === undefined ? context.var.configuration.bodyBytesMax : undefined;
  return { stream: body, length, chunk, bytesMax };
}
