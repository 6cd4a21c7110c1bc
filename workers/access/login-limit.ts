import { RegistryError } from "../../schemas/errors.ts";
import { RecentMap } from "../recent-map.ts";

/** How long a caller waits whose log-ins failed too often; the period of LOGIN_FAILURES too. */
const pauseSeconds = 60;
const pausedMax = 10_000;

/** In this isolate: until when a name is refused from an address. */
const pausedUntilMs = new RecentMap<number>(pausedMax);

/** Whose failed log-ins are counted together: nobody locks out another from elsewhere. */
function keyOf(request: Request, name: string): string {
  return `${request.headers.get("CF-Connecting-IP") ?? ""}\n${name.slice(0, 256)}`;
}

/** @throws RegistryError TOOMANYREQUESTS for who failed too often a short while ago */
export function refusePaused(request: Request, name: string): void {
  const untilMs = pausedUntilMs.get(keyOf(request, name)) ?? 0;
  const seconds = Math.ceil((untilMs - Date.now()) / 1000);
  if (seconds <= 0) return;
  const headers = { "Retry-After": String(seconds) };
  throw new RegistryError("TOOMANYREQUESTS", `wait ${seconds} s`, headers);
}

/** Counts a log-in that failed; only those count. */
export async function countFailure(env: Env, request: Request, name: string): Promise<void> {
  const key = keyOf(request, name);
  const { success } = await env.LOGIN_FAILURES.limit({ key });
  if (success) return;
  pausedUntilMs.set(key, Date.now() + pauseSeconds * 1000);
}
