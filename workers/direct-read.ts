import { AwsV4Signer } from "aws4fetch";
import type { Link } from "../durable-objects/link-store.ts";
import type { DirectReads } from "../schemas/direct-reads.ts";
import type { BlobRange } from "../schemas/range.ts";
import type { RegistryContext } from "./context.ts";

/** Conditions that hold for our entity tag, and would be held against R2's own. */
const conditions = ["If-Match", "If-Range", "If-Unmodified-Since"];

/**
 * How a reader is sent to R2 itself, if it is: undefined where that is not configured, and for who asks
 * for what R2 does not have. It sends no parts and knows other entity tags than ours. Pages of other
 * origins would need rules of the bucket.
 */
export function directReadOf(
  { req, var: variables }: RegistryContext,
  range: BlobRange,
): DirectReads | undefined {
  const { directReads } = variables.configuration;
  if (directReads === undefined || range.kind === "parts") return undefined;
  const isOurs = [...conditions, "Origin"].some((name) => req.header(name) !== undefined);
  return isOurs ? undefined : directReads;
}

/**
 * 307 to a URL of R2 that is signed for a GET of this blob, and for nothing else, as long as the
 * configuration says. A client that wants a part of it sends its Range there by itself. Not to be
 * cached: it would outlive its URL.
 */
export async function redirectToR2(direct: DirectReads, { key, digest }: Link): Promise<Response> {
  const url = new URL(`${direct.endpoint}/${direct.bucket}/${key}`);
  url.searchParams.set("X-Amz-Expires", String(direct.lifetimeSeconds));
  url.searchParams.set("response-content-type", "application/octet-stream");
  const { accessKeyId, secretAccessKey } = direct;
  const terms = { accessKeyId, secretAccessKey, service: "s3", region: "auto", signQuery: true };
  const signed = await new AwsV4Signer({ method: "GET", url: url.href, ...terms }).sign();
  return new Response(null, {
    status: 307,
    headers: {
      Location: signed.url.href,
      "Docker-Content-Digest": digest,
      "Cache-Control": "no-store",
      "Content-Length": "0",
    },
  });
}
