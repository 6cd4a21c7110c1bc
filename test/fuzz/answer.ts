/** An answer as its bytes say it. */
export interface Answer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/** Bytes that are no answer of HTTP/1.1 (RFC 9112). */
export class NoAnswer extends Error {}

/** An answer, and what came behind it. */
interface ReadAnswer {
  readonly answer: Answer;
  readonly rest: Buffer;
}

/**
 * The answer that the bytes begin with; undefined if more have to come. `isEnd` says that none will.
 * @throws NoAnswer
 */
export function readAnswer(bytes: Buffer, method: string, isEnd: boolean): ReadAnswer | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end === -1) {
    if (isEnd && bytes.length > 0) throw new NoAnswer("the head breaks off");
    return undefined;
  }
  const [statusLine = "", ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n");
  const [, code] = /^HTTP\/1\.[01] ([1-5]\d\d) [ -~]+$/.exec(statusLine) ?? [];
  if (code === undefined) throw new NoAnswer(`no status line: ${statusLine.slice(0, 200)}`);
  const status = Number(code);
  const headers = headersIn(lines);
  const behind = bytes.subarray(end + 4);
  const isBodyless = method === "HEAD" || status < 200 || status === 204 || status === 304;
  const length = isBodyless ? 0 : lengthOf(headers);
  if (behind.length < length) {
    if (isEnd) throw new NoAnswer(`the body has ${behind.length} bytes, not ${length}`);
    return undefined;
  }
  const body = behind.subarray(0, length);
  const rest = behind.subarray(length);
  return status < 200
    ? readAnswer(rest, method, isEnd)
    : { answer: { status, headers, body }, rest };
}

function headersIn(lines: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name = "", value = ""] = /^([\w-]+): ([\t -~]*)$/.exec(line) ?? [];
    if (name === "") throw new NoAnswer(`no header: ${line.slice(0, 200)}`);
    if (headers.has(name.toLowerCase())) throw new NoAnswer(`twice: ${line.slice(0, 200)}`);
    headers.set(name.toLowerCase(), value);
  }
  return headers;
}

/** Clients of registries need lengths: nothing that the registry answers goes without. */
function lengthOf(headers: ReadonlyMap<string, string>): number {
  const text = headers.get("content-length");
  if (text === undefined || !/^\d+$/.test(text) || headers.has("transfer-encoding")) {
    throw new NoAnswer(`a body of length ${text}, encoded ${headers.get("transfer-encoding")}`);
  }
  return Number(text);
}
