import type { Link } from "../durable-objects/link-store.ts";
import { RegistryError } from "../schemas/errors.ts";
import { entityTag } from "../schemas/precondition.ts";
import { type BlobRange, type ByteRange, parseBlobRange } from "../schemas/range.ts";
import type { BlobKey } from "../schemas/storage-keys.ts";
import { log } from "../telemetry/log.ts";
import { contentHeaders, notSent } from "./conditional.ts";
import type { RegistryContext } from "./context.ts";
import { directReadOf, redirectToR2 } from "./direct-read.ts";

/** The headers of a blob, or of `length` bytes of it. */
export function blobHeaders({ digest }: Link, length: number): Record<string, string> {
  return {
    ...contentHeaders(digest),
    "Content-Type": "application/octet-stream",
    "Content-Length": String(length),
    "Accept-Ranges": "bytes",
  };
}

/**
 * A blob's bytes, or those that the Range header asks for, from R2 and untouched, or where R2 itself
 * has them; undefined if R2 has no such object. @throws RegistryError PRECONDITION_FAILED, RANGE_NOT_SATISFIABLE; OVERLOADED
 * when R2 fails or is silent
 */
export async function answerBlob(
  context: RegistryContext,
  link: Link,
): Promise<Response | undefined> {
  const { env } = context;
  const unsent = notSent(context, link.digest);
  if (unsent !== undefined) return unsent;
  const range = rangeOf(context, link);
  const direct = directReadOf(context, range);
  if (direct !== undefined) {
    return (await isStored(env, link)) ? redirectToR2(direct, link) : undefined;
  }
  if (range.kind === "parts") return answerParts(context, link, range.parts);
  if (range.kind === "part") {
    const { part } = range;
    const object = await openObject(env, link, part);
    if (object === undefined) return undefined;
    const headers = {
      ...blobHeaders(link, part.length),
      "Content-Range": contentRange(part, link),
    };
    return new Response(object.body, { status: 206, headers });
  }
  const object = await openObject(env, link);
  return object === undefined
    ? undefined
    : new Response(object.body, { headers: blobHeaders(link, link.size) });
}

/**
 * True if R2 has the object of a link. It is asked before a client is sent there, who could make
 * nothing of its 404: what is lost is looked for, and told of, here. @throws RegistryError OVERLOADED
 */
async function isStored(env: Env, { key, size }: Link): Promise<boolean> {
  try {
    return (await env.BLOBS.head(key))?.size === size;
  } catch (error) {
    throw notAnswered(key, error);
  }
}

function notAnswered(key: BlobKey, error: unknown): RegistryError {
  log("warn", "blob not read", { key, error: String(error) });
  return new RegistryError("OVERLOADED", "R2 did not answer", { "Retry-After": "2" });
}

/** R2's error for a range that lies beyond the end of an object. */
const beyondEnd = /\(10039\)/;

/**
 * The object of a link, of which R2 sends `range`; undefined if R2 has none of this key and size.
 * @throws RegistryError OVERLOADED
 */
async function openObject(
  env: Env,
  { key, size }: Link,
  range?: ByteRange,
): Promise<R2ObjectBody | undefined> {
  let object: R2ObjectBody | null;
  try {
    object = await env.BLOBS.get(key, range === undefined ? {} : { range });
  } catch (error) {
    if (beyondEnd.test(String(error))) return undefined;
    throw notAnswered(key, error);
  }
  if (object?.size === size) return object;
  await object?.body.cancel();
  return undefined;
}

function rangeOf(
  { req }: RegistryContext,
  { digest, size }: Link,
): Exclude<BlobRange, { kind: "unsatisfiable" }> {
  const condition = req.header("If-Range");
  // A blob never changes, so a client that continues another one than this has another digest.
  const isOther =
    condition !== undefined && ![digest, entityTag(digest)].includes(condition.trim());
  const range = parseBlobRange(isOther ? undefined : req.header("Range"), size);
  if (range.kind !== "unsatisfiable") return range;
  throw new RegistryError("RANGE_NOT_SATISFIABLE", `the blob has ${size} bytes`, {
    "Content-Range": `bytes */${size}`,
  });
}

function contentRange({ offset, length }: ByteRange, { size }: Link): string {
  return `bytes ${offset}-${offset + length - 1}/${size}`;
}

/** Several ranges (RFC 9110 section 14.6), read one after the other as the client takes them. */
async function answerParts(
  context: RegistryContext,
  link: Link,
  parts: readonly ByteRange[],
): Promise<Response | undefined> {
  const { env, executionCtx } = context;
  const [first] = parts;
  const head = first && (await openObject(env, link, first));
  if (head === undefined) return undefined;
  const boundary = crypto.randomUUID();
  const encoder = new TextEncoder();
  const headings = parts.map((part) =>
    encoder.encode(
      `\r\n--${boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: ${contentRange(part, link)}\r\n\r\n`,
    ),
  );
  const ending = encoder.encode(`\r\n--${boundary}--\r\n`);
  const length =
    parts.reduce((sum, part) => sum + part.length, ending.length) +
    headings.reduce((sum, heading) => sum + heading.length, 0);
  const { readable, writable } = new FixedLengthStream(length);
  const writer = writable.getWriter();
  const send = async (): Promise<void> => {
    /* oxlint-disable no-await-in-loop */
    for (const [at, part] of parts.entries()) {
      const object = at === 0 ? head : await openObject(env, link, part);
      if (object === undefined) throw new Error(`${link.key} is gone`);
      await writer.write(headings[at]);
      // By hand: a pipe from one of the runtime's streams of known length to another never moves.
      for await (const bytes of object.body) await writer.write(bytes);
    }
    /* oxlint-enable no-await-in-loop */
    await writer.write(ending);
    await writer.close();
  };
  const abort = async (reason: unknown): Promise<void> => {
    // The client sees a body that ends early, and asks again.
    await writer.abort(reason).catch(() => undefined);
    if (!head.body.locked) await head.body.cancel().catch(() => undefined);
  };
  executionCtx.waitUntil(send().catch(abort));
  return new Response(readable, {
    status: 206,
    headers: {
      ...blobHeaders(link, length),
      "Content-Type": `multipart/byteranges; boundary=${boundary}`,
    },
  });
}
