/** What goes into a header and a line of the log as it is. */
const harmlessPattern = /^[\w.:-]{1,128}$/;
/** https://developers.cloudflare.com/fundamentals/reference/cloudflare-ray-id/ */
const rayPattern = /^[0-9a-f]{16}(?:-[A-Z]{3})?$/;

export const requestIdHeader = "X-Request-Id";

/**
 * The id of a request: the client's own if it is harmless, so that its logs and ours can be laid side
 * by side; else Cloudflare's, which its own logs have too; else a new one.
 */
export function requestIdOf(headers: Headers): string {
  const given = headers.get(requestIdHeader) ?? "";
  if (harmlessPattern.test(given)) return given;
  const ray = headers.get("CF-Ray") ?? "";
  return rayPattern.test(ray) ? ray : crypto.randomUUID();
}
