import type { ServerResponse } from "node:http";
import { CommandError } from "../exit-codes.ts";
import { RegistryAnswerError } from "../registry-error.ts";
import { SessionLost } from "../upload-session.ts";

/** An error that the proxy itself answers, in the form of the distribution spec. */
export class ProxyError extends Error {
  readonly status: number;
  readonly code: string;
  /** What the reader does next. */
  readonly advice: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    row: { readonly status: number; readonly code: string },
    message: string,
    advice: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.status = row.status;
    this.code = row.code;
    this.advice = advice;
    this.headers = headers;
  }
}

/** Docker does not try again what is DENIED: bodies that are too long stay too long. */
const tooLarge = { status: 413, code: "DENIED" };
const unreachable = { status: 502, code: "UNAVAILABLE" };

/** Answers a body that is longer than what goes in one request. */
export function bodyTooLarge(bytesMax: number): ProxyError {
  const advice = "send layers as blobs, which are cut into chunks";
  return new ProxyError(tooLarge, `the body has more than ${bytesMax} bytes`, advice);
}

/** What a client is told whose token was refused with the bytes of an upload. */
export function tokenEnded(
  { status, code, message, headers }: ProxyError,
  host: string,
): ProxyError {
  // Docker shows the message alone.
  const what = `${message}; a token that ends within a layer needs "docker login ${host}" where longshore proxy runs`;
  return new ProxyError({ status, code }, what, "log in there, then push again", headers);
}

/** What a client is told of what was thrown. */
export function proxyError(thrown: unknown): ProxyError {
  if (thrown instanceof ProxyError) return thrown;
  if (thrown instanceof RegistryAnswerError) return answered(thrown);
  if (thrown instanceof SessionLost) {
    const row = { status: 404, code: "BLOB_UPLOAD_UNKNOWN" };
    return new ProxyError(row, thrown.message, "push again: the upload begins anew");
  }
  if (thrown instanceof CommandError) {
    const advice = "see what longshore proxy says where it runs, then push again";
    return new ProxyError(unreachable, thrown.message, advice);
  }
  const row = { status: 500, code: "UNKNOWN" };
  return new ProxyError(row, "longshore proxy failed", "see what it says where it runs");
}

function answered(error: RegistryAnswerError): ProxyError {
  const { status, isPage, headers } = error;
  const code = error.code ?? (status === 413 ? tooLarge.code : "UNKNOWN");
  const kept = ["www-authenticate", "retry-after"].flatMap((name) => {
    const value = headers[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  const advice = isPage
    ? "have longshore proxy send smaller chunks (--chunk-size), or mend what stands before the registry"
    : "the registry's own words";
  return new ProxyError({ status, code }, error.told, advice, Object.fromEntries(kept));
}

/** Answers with an error, if nothing was answered yet; else breaks the connection off. */
export function answerWithError(response: ServerResponse, error: ProxyError): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const { code, message, advice, status, headers } = error;
  const body = JSON.stringify({ errors: [{ code, message, detail: advice }] });
  response.writeHead(status, {
    ...headers,
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
  });
  // HEAD has no body; node leaves it away.
  response.end(body);
}
