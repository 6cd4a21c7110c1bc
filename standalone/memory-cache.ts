/**
 * What stands behind the Cache API on one machine: workerd sends each `match` as a GET, each `put` as
 * a PUT with the whole response, head and body, as its body, and each `delete` as a PURGE. The cache's
 * name is in a header. Entries live in memory, until `max-age` is over or others need their place.
 */

const entriesMax = 10_000;
const bytesMax = 32 * 1024 * 1024;
const entryBytesMax = 1024 * 1024;

interface Entry {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly expiresMs: number;
}

/** In the order of their last use, so that the first is the one to go. */
const entries = new Map<string, Entry>();
let bytes = 0;

function remove(key: string): boolean {
  const entry = entries.get(key);
  if (entry !== undefined) bytes -= entry.body.byteLength;
  return entries.delete(key);
}

function match(key: string): Response {
  const entry = entries.get(key);
  if (entry === undefined || entry.expiresMs <= Date.now()) {
    remove(key);
    return new Response(null, { status: 504, headers: { "cf-cache-status": "MISS" } });
  }
  entries.delete(key);
  entries.set(key, entry);
  const headers = new Headers(entry.headers);
  headers.set("cf-cache-status", "HIT");
  return new Response(entry.body, { status: entry.status, headers });
}

function store(key: string, message: Uint8Array): Response {
  remove(key);
  if (message.byteLength > entryBytesMax) return new Response(null, { status: 413 });
  const entry = parseResponse(message);
  // As with Cloudflare's cache, a put of what may not be kept succeeds and keeps nothing.
  if (entry === undefined) return new Response(null, { status: 204 });
  entries.set(key, entry);
  bytes += entry.body.byteLength;
  for (const oldest of entries.keys()) {
    if (entries.size <= entriesMax && bytes <= bytesMax) break;
    remove(oldest);
  }
  return new Response(null, { status: 204 });
}

/** An HTTP/1.1 response, or undefined if it doesn't say for how long it may be kept. */
function parseResponse(message: Uint8Array): Entry | undefined {
  const text = new TextDecoder("latin1").decode(message);
  const end = text.indexOf("\r\n\r\n");
  const [statusLine = "", ...fields] = text.slice(0, end).split("\r\n");
  const headers = new Headers();
  for (const field of fields) {
    const colon = field.indexOf(":");
    headers.append(field.slice(0, colon), field.slice(colon + 1).trim());
  }
  const control = headers.get("cache-control") ?? "";
  const seconds = Number(/(?:^|[\s,])max-age=(\d+)/.exec(control)?.[1] ?? 0);
  if (end < 0 || seconds === 0 || /no-store|no-cache|private/.test(control)) return undefined;
  return {
    status: Number(statusLine.split(" ")[1]),
    headers,
    body: message.slice(end + 4),
    expiresMs: Date.now() + seconds * 1000,
  };
}

export default {
  async fetch(request: Request): Promise<Response> {
    const key = `${request.headers.get("cf-cache-namespace") ?? ""} ${request.url}`;
    switch (request.method) {
      case "GET":
        return match(key);
      case "PUT":
        return store(key, await request.bytes());
      case "PURGE":
        return new Response(null, { status: remove(key) ? 200 : 404 });
      default:
        return new Response(null, { status: 405 });
    }
  },
};
