/** What is said to clients of how long the body of a request may be (REGISTRY_MAX_BODY). */

/** R2's parts: regctl and the .NET SDK, which send chunks, then send chunks of this size. */
const chunkBytesMin = 8 * 1024 * 1024;

/** How to push what is longer, in words that headers and error messages may hold. */
const otherWays = "push it with longshore push, or through longshore proxy";

/**
 * The headers that tell a client how long its chunks should be, in bytes (distribution spec, "Pushing
 * a blob in chunks"; the upper bound is what Cloudflare's own push tool reads).
 */
export function chunkLengths(bodyBytesMax: number | undefined): Record<string, string> {
  if (bodyBytesMax === undefined) return { "OCI-Chunk-Min-Length": String(chunkBytesMin) };
  return {
    "OCI-Chunk-Min-Length": String(Math.min(chunkBytesMin, bodyBytesMax)),
    "OCI-Chunk-Max-Length": String(bodyBytesMax),
  };
}

function limit(bodyBytesMax: number): string {
  return `at most ${bodyBytesMax} bytes here, a longer layer has to come in chunks: ${otherWays}`;
}

/** What who begins an upload is warned of. */
export function bodyLimitWarning(bodyBytesMax: number): string {
  return `requests carry ${limit(bodyBytesMax)}`;
}

/** Why a body is refused. */
export function bodyTooLong(bodyBytesMax: number): string {
  return `a request carries ${limit(bodyBytesMax)}`;
}
