import type { Digest } from "../schemas/digest.ts";
import { RegistryError } from "../schemas/errors.ts";
import {
  entityTag,
  failedCondition,
  parsePrecondition,
  type Precondition,
} from "../schemas/precondition.ts";
import type { RegistryContext } from "./context.ts";

/** The condition under which a request wants to be carried out; undefined for most. */
export function preconditionOf({ req }: RegistryContext): Precondition | undefined {
  return parsePrecondition(req.header("If-Match"), req.header("If-None-Match"));
}

/**
 * The answer to a reader who has what the digest names already: 304 without a body. Undefined if it
 * is to be sent. @throws RegistryError PRECONDITION_FAILED by If-Match
 */
export function notSent(context: RegistryContext, digest: Digest): Response | undefined {
  const precondition = preconditionOf(context);
  const failed = precondition && failedCondition(precondition, digest);
  if (failed === undefined) return undefined;
  const headers = contentHeaders(digest);
  if (failed === "If-None-Match") return new Response(null, { status: 304, headers });
  throw new RegistryError("PRECONDITION_FAILED", `${failed}: it is ${digest}`, headers);
}

/** The headers of each answer that has, or could have had, the bytes that a digest names. */
export function contentHeaders(digest: Digest): Record<string, string> {
  return {
    "Docker-Content-Digest": digest,
    ETag: entityTag(digest),
    // Compression on the way would remove Content-Length, which docker and containerd need.
    "Cache-Control": "private, no-transform",
  };
}
