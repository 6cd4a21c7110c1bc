import type { Dispatcher } from "undici";
import { RegistryAnswerError, toldError, withoutSession } from "./registry-error.ts";

const errorBytesMax = 64 * 1024;

/** An answer. Its body has to be read, or dumped (`body.dump()`): it holds a connection. */
export interface RegistryAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Dispatcher.ResponseData["body"];
  /** What was asked in the end, which relative Locations go by. */
  readonly url: URL;
}

/** The value of an answer's header; several are joined as RFC 9110 section 5.3 has it. */
export function headerOf(
  answer: Pick<RegistryAnswer, "headers">,
  name: string,
): string | undefined {
  const value = answer.headers[name];
  return Array.isArray(value) ? value.join(", ") : value;
}

/** Reads an answer's body to say what is wrong. */
export async function answerError(
  method: string,
  answer: RegistryAnswer,
): Promise<RegistryAnswerError> {
  const body = await limitedText(answer.body).catch(() => "");
  const told = toldError(answer.status, headerOf(answer, "content-type") ?? "", body);
  const url = `${answer.url.origin}${withoutSession(answer.url.pathname)}`;
  const names = ["range", "location", "www-authenticate", "retry-after"];
  const headers = Object.fromEntries(names.map((name) => [name, headerOf(answer, name)]));
  return new RegistryAnswerError({ method, url }, told, headers);
}

async function limitedText(body: AsyncIterable<Uint8Array>): Promise<string> {
  const read: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of body) {
    read.push(piece);
    bytes += piece.length;
    if (bytes >= errorBytesMax) break;
  }
  return Buffer.concat(read).toString("utf8", 0, errorBytesMax);
}
