import { RegistryError } from "../schemas/errors.ts";
import { drain, drainBytesMax } from "../streams/body.ts";
import type { RegistryContext } from "./context.ts";

/**
 * The only writer of an error's answer. What is no RegistryError is the server's own fault: it is
 * logged, and told in the same form.
 */
export async function errorResponse(thrown: unknown, context: RegistryContext): Promise<Response> {
  const error = thrown instanceof RegistryError ? thrown : new RegistryError("UNKNOWN");
  if (error !== thrown) {
    const detail = thrown instanceof Error ? thrown.stack : String(thrown);
    console.error(JSON.stringify({ event: "request failed", error: detail }));
  }
  await drain(context.req.raw.body, drainBytesMax);
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
