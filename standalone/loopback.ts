/** The variable that tells the Worker that it is open by itself, to this machine alone. */
export const loopbackOnly = "OPEN_TO_LOOPBACK_ONLY";

/** Headers that a proxy adds: who is behind it, nobody can say. */
const proxyHeaders = ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "Via"];

/**
 * True if a request can be taken for one of this machine: it names a loopback address (a page whose
 * own name was made to resolve to it does not), no page sent it, and no proxy brought it.
 */
export function isFromLoopback({ headers }: Request): boolean {
  const host = (headers.get("Host") ?? "").replace(/:\d+$/, "");
  const isLoopback = host === "localhost" || host === "[::1]" || /^127(?:\.\d+){3}$/.test(host);
  const isDirect = proxyHeaders.every((name) => !headers.has(name));
  return isLoopback && isDirect && !headers.has("Origin");
}
