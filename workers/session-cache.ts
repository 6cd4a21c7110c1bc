import { reachedSessionUrl } from "../schemas/storage-keys.ts";
import { DataCentreCache } from "./data-centre-cache.ts";

/** R2 ends a multipart upload after seven days, and the registry its session before that. */
const rememberedSeconds = 7 * 24 * 60 * 60;

const cache = new DataCentreCache("sessions");

/** Has this data centre remember that a PATCH or DELETE has reached a session's object. */
export async function rememberReached(sessionId: string): Promise<void> {
  await cache.put(reachedSessionUrl(sessionId), "reached", rememberedSeconds);
}

/** True if this data centre has seen the session's object be reached; false says nothing. */
export async function wasReached(sessionId: string): Promise<boolean> {
  return (await cache.find(reachedSessionUrl(sessionId))) !== undefined;
}
