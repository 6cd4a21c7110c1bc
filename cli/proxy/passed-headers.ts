import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";
import type { RegistryAnswer } from "../registry-answer.ts";

/** Headers of one connection (RFC 9110 section 7.6.1). */
const ofConnection: ReadonlySet<string> = new Set([
  "connection",
  "expect",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** What is the proxy's own to say. */
const own = /^(?:host|authorization|content-length|content-range|forwarded|x-forwarded-.*)$/;

/** True for a header of this connection alone, also by what its Connection header names. */
function isOfConnection(name: string, connection: string | string[] | undefined): boolean {
  if (ofConnection.has(name)) return true;
  const named = String(connection ?? "").toLowerCase();
  return named.split(",").some((one) => one.trim() === name);
}

/** The headers of a client's request that go on to the registry. */
export function passedToRegistry(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  const passed: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || own.test(name)) continue;
    if (!isOfConnection(name, headers.connection)) passed[name] = value;
  }
  return passed;
}

/** The headers of a registry's answer that go on to the client, for it to come here again. */
export function passedToClient({ headers }: RegistryAnswer, registry: URL): OutgoingHttpHeaders {
  const passed: OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || isOfConnection(name, headers["connection"])) continue;
    passed[name] = value;
  }
  const { location, link } = passed;
  if (typeof location === "string") passed["location"] = relativeLocation(location, registry);
  if (typeof link === "string") {
    passed["link"] = link.replaceAll(`<${registry.origin}/`, "</");
  }
  return passed;
}

/** True for the path of an upload session, wherever it stands. */
export function isSessionPath(path: string): boolean {
  return /^\/v2\/.+\/blobs\/uploads\/[^/]+$/.test(path);
}

/**
 * A Location without the registry's origin. That of an upload session is relative even where it
 * names another host (REGISTRY_UPLOAD_URL): this proxy is what stands there, or takes its place.
 */
function relativeLocation(location: string, registry: URL): string {
  const url = URL.parse(location, registry);
  if (url === null) return location;
  const isHere = url.host === registry.host || isSessionPath(url.pathname);
  return isHere ? `${url.pathname}${url.search}` : location;
}

/** The session's URL at the registry itself, whatever host its Location names. */
export function sessionAtRegistry(location: URL, registry: URL): URL {
  if (!isSessionPath(location.pathname)) return location;
  return new URL(`${location.pathname}${location.search}`, registry);
}
