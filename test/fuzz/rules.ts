import type { Answer } from "./answer.ts";
import type { Outcome } from "./connection.ts";
import { digestOf } from "./digest.ts";
import { isWellFormed, type Request } from "./request.ts";

/** Methods of the registry's routes: no other answer than ours will do for them. */
const methods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/**
 * What workerd answers by itself, measured with 1.20261102, without asking the registry. It parses
 * HTTP before any of our code runs. Only what is not well-formed may be answered so.
 */
const answersOfServer = new Set([
  "400 Bad Request",
  "400 invalid URI",
  "400 invalid HTTP header parsed",
  "400 invalid HTTP method parsed",
  "400 invalid HTTP version parsed",
  "400 invalid content-length parsed",
  "400 invalid transfer-encoding parsed",
  "400 unexpected transfer-encoding parsed",
  "414 URI too long",
  "431 message head is too large",
]);
/** A method that workerd has no name for. */
const unknownMethod = "501 ERROR: Unrecognized request method.";
/** CONNECT goes to a handler for TCP, which a Worker that speaks HTTP has not. */
const noConnect = "500 Internal Server Error";

/** What is wrong with the outcome of a request, or undefined. */
export function violation(request: Request, outcome: Outcome): string | undefined {
  const isRight = isWellFormed(request);
  if (outcome.kind === "answered") return wrongAnswer(request, outcome.answer, isRight);
  if (outcome.kind === "silent") return "neither an answer nor an end";
  if (outcome.kind === "no answer") return `no HTTP: ${outcome.reason}`;
  return isRight ? "no answer to a well-formed request" : undefined;
}

function wrongAnswer(
  { method }: Request,
  { status, headers, body }: Answer,
  isRight: boolean,
): string | undefined {
  const text = `${status} ${body.toString("latin1", 0, 100)}`;
  if (!methods.has(method) && text === unknownMethod) return undefined;
  if (method === "CONNECT" && text === noConnect) return undefined;
  if (!isRight && answersOfServer.has(text)) return undefined;
  if (status >= 500) return `${status}: ${/"message":"[^"]*"/.exec(body.toString())?.[0] ?? text}`;
  if (status >= 400) return method === "HEAD" ? undefined : wrongError(headers, body);
  return method === "GET" && status === 200 ? wrongContent(headers, body) : undefined;
}

function wrongError(headers: Answer["headers"], body: Buffer): string | undefined {
  if (headers.get("content-type") !== "application/json") return "an error that is not JSON";
  try {
    const { errors } = JSON.parse(body.toString()) as {
      errors: { code: unknown; message: unknown }[];
    };
    const isWhole = errors.every(
      ({ code, message }) =>
        typeof code === "string" &&
        /^[A-Z_]+$/.test(code) &&
        typeof message === "string" &&
        message !== "",
    );
    return isWhole && errors.length > 0 ? undefined : "an error without code or message";
  } catch {
    return "an error whose body can't be parsed";
  }
}

/** What is answered under a digest has it. */
function wrongContent(headers: Answer["headers"], body: Buffer): string | undefined {
  const digest = headers.get("docker-content-digest");
  const algorithm = /^(sha256|sha512):/.exec(digest ?? "")?.[1];
  if (algorithm === undefined || digest === digestOf(body, algorithm)) return undefined;
  return `the bytes are not ${digest}`;
}
