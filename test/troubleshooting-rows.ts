/**
 * The first column of README's table "Troubleshoot it", by where each row is reproduced. The tests
 * there are made of these lists, so a row without a test is an error of types.
 */

/** By requests, in workerd. */
export const rowsOfAnswers = [
  "`blob unknown to registry` (404)",
  "`manifest references a manifest or blob unknown to registry` (400)",
  "`registry not configured: REGISTRY_AUTH_TYPE is not set` (503)",
  "`blob upload unknown to registry` (404)",
  "`registry busy: the blob is still being verified` (504)",
  "`request body too large` (413)",
  "`blob too large` (413)",
  "storage grows",
  "`storage is full` (507)",
  "`blob unknown to registry: the bytes of sha256:… are lost` (404)",
  "`a collection is running` (409)",
  "`the operation is unsupported: manifest sha256:… uses the blob` (405)",
  "`precondition failed` (412)",
] as const;

/** By a start of one machine. */
export const rowsOfStarts = [
  "`SignatureDoesNotMatch` (403), as XML, from R2",
  '`REGISTRY_HOST is "0.0.0.0", which others can reach, and REGISTRY_AUTH_TYPE is not set`',
  '`REGISTRY_TLS_KEY is "…", which is not the key of the first certificate in REGISTRY_TLS_CERT`',
] as const;

/** By real clients. */
export const rowsOfClients = [
  "`unauthorized: authentication required` (401)",
  "`denied: requested access to the resource is denied` (403)",
  "`toomanyrequests: too many failed log-ins` (429)",
  "`manifest unknown` (404)",
  "`http: server gave HTTP response to HTTPS client`",
  "`413 Request Entity Too Large`, as HTML",
] as const;

/** What a row says is seen; … stands for anything. */
export function seenBy(row: string): RegExp {
  const text = /`(.*)`/.exec(row)?.[1] ?? row;
  const literal = text.split("…").map((piece) => piece.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(literal.join("[^ ]*"));
}

/** The status that a row names. */
export function statusOf(row: string): number {
  return Number(/\((\d{3})\)$/.exec(row)?.[1]);
}
