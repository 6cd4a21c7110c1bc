import { Buffer } from "node:buffer";
import { vi } from "vitest";
import { sendTo } from "../configured.ts";
import type { Variables } from "./credentials.ts";

const consoleMethods = ["debug", "info", "log", "warn", "error"] as const;

/** Variables whose values, or any line of them, nobody is told. */
const secretVariables = [
  "PASSWORD",
  "READONLY_PASSWORD",
  "REGISTRY_AUTH_HTPASSWD",
  "REGISTRY_AUTH_TOKEN_PRIVATEKEY",
];
/** What is shorter may be part of anything. */
const secretCharactersMin = 8;

/**
 * Sends a request as sendTo does, and throws if what it logs in with, or a secret of the registry,
 * is in a line of the log, a header of the answer, or the body of an error.
 */
export async function sendWatched(
  variables: Variables,
  method: string,
  path: string,
  init: RequestInit & { headers?: Record<string, string> } = {},
): Promise<Response> {
  const lines: string[] = [];
  const spies = consoleMethods.map((name) =>
    vi.spyOn(console, name).mockImplementation((...texts) => void lines.push(texts.join(" "))),
  );
  const response = await sendTo(variables, method, path, init);
  for (const spy of spies) spy.mockRestore();
  const body = response.status < 400 ? null : await response.text();
  const told = [...lines, body ?? "", ...[...response.headers].flat()];
  const secrets = [...secretsOf(variables), ...credentialsOf(init)];
  const leak = secrets.find((secret) => told.some((text) => text.includes(secret)));
  if (leak !== undefined) throw new Error(`${method} ${path} tells "${leak}": ${told.join("\n")}`);
  return body === null ? response : new Response(body, response);
}

function secretsOf(variables: Variables): string[] {
  return secretVariables
    .flatMap((name) => (variables[name] ?? "").split(/[\n:]/))
    .filter((text) => text.length >= secretCharactersMin && !text.startsWith("-----"));
}

/** What an Authorization header or a form says, as it is, decoded, and of a token the signature. */
function credentialsOf({ headers = {}, body }: RequestInit & { headers?: Record<string, string> }) {
  const [, credentials = ""] = (headers["Authorization"] ?? "").split(" ", 2);
  const [, password = ""] = /:(.*)/s.exec(Buffer.from(credentials, "base64").toString()) ?? [];
  const form = new URLSearchParams(typeof body === "string" ? body : "");
  const fields = [form.get("password") ?? "", form.get("refresh_token") ?? ""];
  const texts = [credentials, password, ...fields];
  const signatures = texts.map((text) => text.split(".")[2] ?? "");
  return [...texts, ...signatures].filter((text) => text.length >= secretCharactersMin);
}
