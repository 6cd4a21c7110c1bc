import type { RegistryContext } from "../context.ts";
import { readiness } from "../readiness.ts";
import { jsonResponse } from "../json-response.ts";

export const healthPath = "/healthz";
export const readyPath = "/readyz";

const headers = { "Cache-Control": "no-store" };

/** 200 as long as anything is answered at all. */
export function isAlive(): Response {
  return jsonResponse({ status: "alive" }, { headers });
}

/** 200 if the stores can be read and written; else 503, with which can't and why. */
export async function isReady({ env, var: { requestId } }: RegistryContext): Promise<Response> {
  const { ready, stores } = await readiness(env);
  return ready
    ? jsonResponse({ status: "ready", stores }, { headers })
    : jsonResponse({ status: "not ready", stores, requestId }, { status: 503, headers });
}
