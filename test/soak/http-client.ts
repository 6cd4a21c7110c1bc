import { Agent, type IncomingMessage, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

/** An answer, whole. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

/** A body, and how it is sent. */
export interface Sent {
  readonly bytes: Buffer;
  /** Without a length, as a stream. */
  readonly chunked?: boolean;
  /** Cut into so many pieces, with a pause of some milliseconds between two. */
  readonly pieces?: number;
  readonly pauseMs?: number;
  /** Gives up after so many bytes. */
  readonly cutAfter?: number;
}

/** A request of which nobody knows what came of it. */
export class Unanswered extends Error {}

/** Nothing that a client asks for takes longer. */
const answerMsMax = 60_000;

/** A client that keeps its connections to a registry. */
export class HttpClient {
  readonly #url: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 16 });

  constructor(url: string) {
    this.#url = url;
  }

  /** @throws Unanswered if no whole answer came */
  async send(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>> = {},
    sent?: Sent,
  ): Promise<Answer> {
    const outgoing = request(new URL(path, this.#url).href, {
      method,
      agent: this.#agent,
      headers: { ...headers, ...framing(method, sent) },
    });
    outgoing.setTimeout(answerMsMax, () => outgoing.destroy(new Error("no answer in time")));
    const answer = new Promise<Answer>((resolve, reject) => {
      outgoing.on("error", reject);
      outgoing.on("response", (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.on("error", reject);
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(parts),
          }),
        );
      });
    });
    // What is sent may fail before anybody waits for the answer.
    answer.catch(() => undefined);
    try {
      await sendBody(outgoing, sent);
      return await answer;
    } catch (error) {
      throw new Unanswered(`${method} ${path}: ${String(error)}`);
    }
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** How the body's end is told. */
function framing(method: string, sent: Sent | undefined): Record<string, string> {
  if (sent?.chunked === true) return { "Transfer-Encoding": "chunked" };
  const isBodyless = sent === undefined && /^(?:GET|HEAD|DELETE)$/.test(method);
  return isBodyless ? {} : { "Content-Length": String(sent?.bytes.length ?? 0) };
}

async function sendBody(
  outgoing: ReturnType<typeof request>,
  sent: Sent | undefined,
): Promise<void> {
  if (sent === undefined) {
    outgoing.end();
    return;
  }
  const { bytes, pieces = 1, pauseMs = 0, cutAfter = bytes.length } = sent;
  const pieceBytes = Math.max(1, Math.ceil(bytes.length / pieces));
  const end = Math.min(cutAfter, bytes.length);
  for (let at = 0; at < end && !outgoing.destroyed; at += pieceBytes) {
    outgoing.write(bytes.subarray(at, Math.min(end, at + pieceBytes)));
    // oxlint-disable-next-line no-await-in-loop
    if (pauseMs > 0) await sleep(pauseMs);
  }
  if (cutAfter < bytes.length) outgoing.destroy(new Error("the client gave up"));
  else outgoing.end();
}
