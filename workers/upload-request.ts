import type { UploadBody } from "../durable-objects/upload-body.ts";
import { bodyTooLong } from "../schemas/body-limit.ts";
import { type Digest, type DigestAlgorithm, parseDigestAlgorithm } from "../schemas/digest.ts";
import { RegistryError } from "../schemas/errors.ts";
import { digestIn, type RegistryContext } from "./context.ts";

/**
 * The digest that the query names, once or several times alike: regctl appends it to whatever
 * Location it has. @throws RegistryError DIGEST_INVALID for one that is none, or for two
 */
export function digestOfQuery({ req }: RegistryContext): Digest | undefined {
  const [first, ...more] = req.queries("digest") ?? [];
  if (more.some((other) => other !== first)) {
    const named = [first, ...more].join(" and ").slice(0, 300);
    throw new RegistryError("DIGEST_INVALID", `the query has two digests, ${named}`);
  }
  return first === undefined ? undefined : digestIn(first);
}

/** The algorithm that the session's digest will have (end-4c). @throws RegistryError DIGEST_INVALID */
export function announcedAlgorithm({ req }: RegistryContext): DigestAlgorithm {
  const text = req.query("digest-algorithm") ?? "sha256";
  const algorithm = parseDigestAlgorithm(text);
  if (algorithm !== undefined) return algorithm;
  throw new RegistryError("DIGEST_INVALID", `digest-algorithm is "${text.slice(0, 100)}"`);
}

/**
 * Content-Length in bytes; undefined for a stream (chunked, or HTTP/2 without the header).
 * @throws RegistryError SIZE_INVALID
 */
function contentLength({ headers }: Request): number | undefined {
  const text = headers.get("Content-Length");
  if (text === null) return undefined;
  if (/^\d+$/.test(text)) return Number(text);
  throw new RegistryError("SIZE_INVALID", `Content-Length is "${text.slice(0, 100)}"`);
}

/**
 * Content-Length of a body that may be as long as it is. @throws RegistryError SIZE_INVALID,
 * BODY_TOO_LARGE
 */
export function permittedLength({ req, var: variables }: RegistryContext): number | undefined {
  const length = contentLength(req.raw);
  const { bodyBytesMax } = variables.configuration;
  if (length === undefined || bodyBytesMax === undefined || length <= bodyBytesMax) return length;
  throw new RegistryError("BODY_TOO_LARGE", bodyTooLong(bodyBytesMax));
}

/** The body of a request that has none. */
export function emptyBody(): UploadBody {
  const { readable, writable } = new FixedLengthStream(0);
  void writable.close();
  return { stream: readable, length: 0, chunk: undefined };
}
