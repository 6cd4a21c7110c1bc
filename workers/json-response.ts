/** What an answer has beside its body. */
interface JsonInit {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * An answer in JSON that says its length, so that the log and the counts have it: `Response.json` leaves
 * it to the runtime.
 */
export function jsonResponse(
  body: unknown,
  { status = 200, headers = {} }: JsonInit = {},
): Response {
  const bytes = new TextEncoder().encode(JSON.stringify(body));
  return new Response(bytes, {
    status,
    headers: {
      "Content-Type": "application/json",
      ...headers,
      "Content-Length": String(bytes.byteLength),
    },
  });
}
