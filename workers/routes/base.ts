import { jsonResponse } from "../json-response.ts";
/** end-1: tells a client that this is a registry, and that it may talk to it. */
export function base(): Response {
  return jsonResponse({});
}
