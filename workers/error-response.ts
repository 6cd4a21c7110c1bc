import { RegistryError } from "../schemas/errors.ts";

/** How the runtime marks the error of a call whose object was restarted or has too much to do. */
const passing = ["retryable", "overloaded", "durableObjectReset"];

/**
 * The only writer of an error's answer. What is no RegistryError is the server's own fault: it is
 * logged, and told in the same form.
 */
export function errorResponse(thrown: unknown): Response {
  const error = registryError(thrown);
  if (error !== thrown) {
    const detail = thrown instanceof Error ? thrown.stack : String(thrown);
    console.error(JSON.stringify({ event: "request failed", error: detail }));
  }
  const body = new TextEncoder().encode(JSON.stringify(error.body()));
  return new Response(body, {
    status: error.status,
    headers: {
      ...error.headers,
      "Content-Type": "application/json",
      "Content-Length": String(body.byteLength),
      "Cache-Control": "no-store",
    },
  });
}

function registryError(thrown: unknown): RegistryError {
  if (thrown instanceof RegistryError) return thrown;
  const isPassing = thrown instanceof Error && passing.some((flag) => Reflect.get(thrown, flag));
  return isPassing
    ? new RegistryError("OVERLOADED", "an object was restarted", { "Retry-After": "1" })
    : new RegistryError("UNKNOWN");
}
