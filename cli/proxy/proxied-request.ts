import type { IncomingMessage, ServerResponse } from "node:http";
import { ClientBody } from "./client-body.ts";
import { isSessionPath } from "./passed-headers.ts";
import { ProxyError } from "./proxy-error.ts";

/** What a client wants of the proxy. */
type RequestKind =
  /** A whole blob in the request that would begin a session. */
  | "post blob"
  | "begin session"
  | "append"
  | "commit"
  /** Status or end of a session. */
  | "session"
  | "other";

/** A client's request, with where its answer goes. */
export interface ProxiedRequest {
  readonly kind: RequestKind;
  readonly method: string;
  /** Path and query, without `digest` where it is an upload's. */
  readonly path: string;
  readonly pathname: string;
  /** Of an upload; "" for all else. */
  readonly repository: string;
  readonly digest: string | undefined;
  readonly incoming: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: ClientBody;
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
}

const uploadPattern = /^\/v2\/(.+)\/blobs\/uploads\/([^/]*)$/;
/** What a request's path is parsed against. */
const here = "http://proxy";
const digestPattern = /([?&])digest=([^&]*)/g;

/** Parses a request's line and headers. @throws ProxyError for a target that is no path */
export function proxiedRequest(
  incoming: IncomingMessage,
  response: ServerResponse,
): ProxiedRequest {
  const { method = "GET", url = "/" } = incoming;
  const parsed = URL.parse(url, here);
  // `//host/` and `/\host/` begin as a path does, and name somebody else (WHATWG URL section 4.4).
  if (!url.startsWith("/") || parsed?.origin !== here) {
    const row = { status: 400, code: "NAME_INVALID" };
    throw new ProxyError(
      row,
      "the request's target is no path",
      "send a path that begins with /v2/",
    );
  }
  const { pathname } = parsed;
  const upload = uploadPattern.exec(pathname);
  const digest = upload === null ? undefined : (parsed.searchParams.get("digest") ?? undefined);
  const abort = new AbortController();
  response.once("close", () => response.writableFinished || abort.abort());
  return {
    kind: kindOf(method, pathname, parsed.searchParams),
    method,
    path: upload === null ? url : withoutDigest(url),
    pathname,
    repository: upload?.[1] ?? "",
    digest,
    incoming,
    response,
    body: new ClientBody(incoming),
    signal: abort.signal,
  };
}

function kindOf(method: string, pathname: string, query: URLSearchParams): RequestKind {
  const upload = uploadPattern.exec(pathname);
  if (upload === null) return "other";
  if (method === "POST") {
    return query.has("digest") && !query.has("mount") ? "post blob" : "begin session";
  }
  if (!isSessionPath(pathname)) return "other";
  if (method === "PATCH") return "append";
  if (method === "PUT") return "commit";
  return "session";
}

/** A query is not written anew: a session's may be signed. */
function withoutDigest(target: string): string {
  return target
    .replaceAll(digestPattern, "$1")
    .replace(/([?&])&+/g, "$1")
    .replace(/[?&]$/, "");
}
