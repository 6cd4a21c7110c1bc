import { CommandError } from "./exit-codes.ts";

/** What an answer that is no success says of itself. */
export interface ToldError {
  /** HTTP status. */
  readonly status: number;
  /** Code of the distribution spec's error body; undefined where the body is none. */
  readonly code: string | undefined;
  /** Message and detail of that body, or what is there in its place. */
  readonly told: string;
  /** True where the answer is a page of HTML: it came from something before the registry. */
  readonly isPage: boolean;
}

/** An answer that the command can do nothing with. The message says what was asked and what to do. */
export class RegistryAnswerError extends CommandError {
  readonly status: number;
  readonly code: string | undefined;
  /** What the answer says, without the request. */
  readonly told: string;
  readonly isPage: boolean;
  /** Names and values of the answer's header that the next step may need, such as Range. */
  readonly headers: Readonly<Record<string, string | undefined>>;

  constructor(
    request: { readonly method: string; readonly url: string },
    error: ToldError,
    headers: Readonly<Record<string, string | undefined>> = {},
  ) {
    const { status, code, told, isPage } = error;
    const named = code === undefined ? `${status}` : `${status} ${code}`;
    super(`${request.method} ${request.url} was answered ${named}: ${told}`);
    this.name = "RegistryAnswerError";
    this.status = status;
    this.code = code;
    this.told = told;
    this.isPage = isPage;
    this.headers = headers;
  }
}

/** A path without most of an upload session's id: who reads it elsewhere might send to the session. */
export function withoutSession(path: string): string {
  return path.replace(/(\/blobs\/uploads\/[^/]{8})[^/]+/, "$1...");
}

/** No answer came: the connection could not be made, or broke, as often as it was tried. */
export class RegistryUnreachable extends CommandError {
  constructor(host: string, cause: unknown) {
    super(`${host} can't be reached (${reasonOf(cause)}); ${adviceFor(cause)}`, { cause });
    this.name = "RegistryUnreachable";
  }
}

/** The system's or the library's code of an error; undefined where it has none. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ("code" in error && typeof error.code === "string") return error.code;
  return codeOf(error.cause);
}

function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const code = codeOf(error);
  if (code === undefined || text.includes(code)) return text;
  return text === "" ? code : `${code}: ${text}`;
}

function adviceFor(error: unknown): string {
  if (isCertificateError(error)) {
    return "set NODE_EXTRA_CA_CERTS to a PEM file of the authority that issued its certificate";
  }
  return "check the address and that the registry runs, then try again";
}

function isCertificateError(error: unknown): boolean {
  return /CERT|SELF_SIGNED|UNABLE_TO_/.test(codeOf(error) ?? "");
}

const passingCodes: ReadonlySet<string> = new Set([
  "EAI_AGAIN",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EPIPE",
  "ETIMEDOUT",
  "UND_ERR_BODY_TIMEOUT",
  "UND_ERR_CONNECT_TIMEOUT",
  "UND_ERR_HEADERS_TIMEOUT",
  "UND_ERR_SOCKET",
]);

/** True for errors of a connection that another try may not meet. */
export function isPassing(error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && (passingCodes.has(code) || code.startsWith("HPE_"));
}

const toldCharactersMax = 1000;

/** What the body of an answer says: the spec's errors, a page of HTML, or text. */
export function toldError(status: number, contentType: string, body: string): ToldError {
  if (contentType.includes("html") || /^\s*<(?:!doctype|html)/i.test(body)) {
    const title = /<title>([^<]*)<\/title>/i.exec(body)?.[1]?.trim();
    const what = title === undefined || title === "" ? "" : ` ("${title}")`;
    const told = `a page of HTML${what}, so it came from an edge or a proxy before the registry`;
    return { status, code: undefined, isPage: true, told: `${told}; ${pageAdvice(status)}` };
  }
  const first = firstError(body);
  if (first === undefined) {
    const told = body.trim().slice(0, toldCharactersMax);
    return { status, code: undefined, isPage: false, told: told === "" ? "no body" : told };
  }
  return { status, isPage: false, ...first };
}

function pageAdvice(status: number): string {
  return status === 413
    ? "it takes no body of that length: send smaller chunks (--chunk-size)"
    : "check the URL, and what stands before the registry";
}

function firstError(body: string): { code: string | undefined; told: string } | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return undefined;
  }
  const errors = (parsed as { errors?: unknown } | null)?.errors;
  const [first] = Array.isArray(errors) ? (errors as unknown[]) : [];
  if (typeof first !== "object" || first === null) return undefined;
  const { code, message, detail } = first as Record<string, unknown>;
  const told = [message, detail].filter((text) => typeof text === "string" && text !== "");
  return {
    code: typeof code === "string" ? code : undefined,
    told: told.join("; ").slice(0, toldCharactersMax),
  };
}
