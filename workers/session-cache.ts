import { appendedSessionUrl } from "../schemas/storage-keys.ts";

const cacheName = "sessions";
/** R2 ends a multipart upload after seven days, and the registry its session before that. */
const rememberedSeconds = 7 * 24 * 60 * 60;

/** Has this data centre remember that a session was reached by a PATCH. */
export async function rememberAppended(sessionId: string): Promise<void> {
  const cache = await caches.open(cacheName);
  const headers = { "Cache-Control": `max-age=${rememberedSeconds}` };
  await cache.put(appendedSessionUrl(sessionId), new Response("appended", { headers }));
}

/** True if this data centre has seen a PATCH of the session; false says nothing. */
export async function wasAppended(sessionId: string): Promise<boolean> {
  const cache = await caches.open(cacheName);
  return (await cache.match(appendedSessionUrl(sessionId))) !== undefined;
}
