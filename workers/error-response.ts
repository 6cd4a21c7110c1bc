import { RegistryError } from "../schemas/errors.ts";
import { isStorageFull } from "../stores/storage-full.ts";
import { StoreSilent } from "../stores/time-limits.ts";
import { log } from "../telemetry/log.ts";
import { jsonResponse } from "./json-response.ts";

/** How the runtime marks the error of a call whose object was restarted or has too much to do. */
const passing = ["retryable", "overloaded", "durableObjectReset"];

/**
 * The only writer of an error's answer. What is no RegistryError is the server's own fault: it is
 * logged, and told in the same form. Where the server is at fault, the body has the request's id, by
 * which its line of the log is found.
 */
export function errorResponse(thrown: unknown, requestId: string): Response {
  const error = registryError(thrown);
  if (error !== thrown) {
    const detail = thrown instanceof Error ? thrown.stack : String(thrown);
    log("error", "request failed", { requestId, error: detail });
  }
  const told = error.body();
  if (error.status >= 500) told.errors[0].detail += ` (request ${requestId})`;
  const headers = { ...error.headers, "Cache-Control": "no-store" };
  return jsonResponse(told, { status: error.status, headers });
}

/** What is thrown, as the row in the table of errors that it is. */
export function registryError(thrown: unknown): RegistryError {
  if (thrown instanceof RegistryError) return thrown;
  if (isStorageFull(thrown)) return new RegistryError("STORAGE_FULL", "there is no room for it");
  if (thrown instanceof StoreSilent) {
    return new RegistryError("OVERLOADED", "a store did not answer in time", {
      "Retry-After": "2",
    });
  }
  const isPassing = thrown instanceof Error && passing.some((flag) => Reflect.get(thrown, flag));
  return isPassing
    ? new RegistryError("OVERLOADED", "an object was restarted", { "Retry-After": "1" })
    : new RegistryError("UNKNOWN");
}
