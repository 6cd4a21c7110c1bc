/**
 * What stands before a deployed registry: an edge that refuses bodies over the limit of the zone's
 * plan by itself, with a page of HTML, and passes on all else. Where a test wants it, that is far
 * away, some requests are not answered, and connections end in the middle of a body.
 */
import { once } from "node:events";
import {
  type ClientRequest,
  createServer,
  type IncomingMessage,
  request as ask,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";
import { setImmediate as turn } from "node:timers/promises";
import { Distance } from "./distance.ts";
import { EdgeFaults, type FaultRates } from "./edge-faults.ts";

const host = "127.0.0.1";
const status = 413;
const reason = "Request Entity Too Large";
const page = [
  `<html><head><title>${status} ${reason}</title></head>`,
  `<body><center><h1>${status} ${reason}</h1></center><hr><center>cloudflare</center></body></html>\r\n`,
].join("\r\n");

/** The limit of Free and Pro zones. */
const planBodyBytesMax = 100_000_000;

/** Headers that are about one connection, and not passed to the next (RFC 9110, section 7.6.1). */
const connectionHeaders = new Set(["connection", "keep-alive", "proxy-connection"]);

/** A body that has more bytes than the limit, although none were announced. */
class TooLarge extends Error {}

/** The connection ends here. */
class Cut extends Error {}

/** What an edge does besides refusing bodies. */
export interface EdgeTroubles extends FaultRates {
  /** What each direction takes, in milliseconds. */
  readonly latencyMs?: number;
}

/** What an edge has done so far. */
export interface EdgeCounts {
  readonly requests: number;
  /** Requests whose body was over the limit. */
  readonly refused: number;
  readonly dropped: number;
  readonly cut: number;
  /** The bytes of requests' bodies that were passed on. */
  readonly bytesUp: number;
}

/** A running edge. */
export class Edge {
  readonly #origin: { readonly url: string };
  readonly #bodyBytesMax: number;
  readonly #faults: EdgeFaults;
  readonly #server: Server;
  readonly #counts = { requests: 0, refused: 0, dropped: 0, cut: 0, bytesUp: 0 };
  #distance: Distance | undefined;

  private constructor(origin: { url: string }, bodyBytesMax: number, rates: FaultRates) {
    this.#origin = origin;
    this.#bodyBytesMax = bodyBytesMax;
    this.#faults = new EdgeFaults(rates);
    this.#server = createServer((request, response) => void this.#serve(request, response));
    // An edge keeps idle connections for minutes.
    this.#server.keepAliveTimeout = 400_000;
  }

  /** Starts one in front of a registry. */
  static async start(
    origin: { readonly url: string },
    bodyBytesMax = planBodyBytesMax,
    { latencyMs, ...rates }: EdgeTroubles = {},
  ): Promise<Edge> {
    const edge = new Edge(origin, bodyBytesMax, rates);
    edge.#server.listen(0, host);
    await once(edge.#server, "listening");
    if (latencyMs !== undefined) edge.#distance = await Distance.start(edge.#port, latencyMs);
    return edge;
  }

  /** Host and port, as they stand at the front of an image's name. */
  get address(): string {
    return `${host}:${this.#distance?.port ?? this.#port}`;
  }

  /** The URL that the API's paths are appended to. */
  get url(): string {
    return `http://${this.address}`;
  }

  get counts(): EdgeCounts {
    return { ...this.#counts };
  }

  /** Ends it, with every connection. */
  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await Promise.all([closed, this.#distance?.close()]);
  }

  get #port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#counts.requests += 1;
    const fate = this.#faults.next();
    try {
      if (Number(request.headers["content-length"] ?? 0) > this.#bodyBytesMax) throw new TooLarge();
      if (fate === "request lost") return this.#drop(response);
      const passed = this.#ask(request, response);
      const answer = await this.#answerTo(request, passed);
      if (fate === "answer lost") return this.#drop(response);
      response.writeHead(answer.statusCode ?? 502, answer.statusMessage, headersOf(answer));
      await pipeline(answer, (chunks) => this.#uncut(chunks), response);
    } catch (error) {
      if (error instanceof TooLarge && !response.headersSent) this.#refuse(request, response);
      else response.destroy();
    }
  }

  #drop(response: ServerResponse): void {
    this.#counts.dropped += 1;
    response.destroy();
  }

  #refuse(request: IncomingMessage, response: ServerResponse): void {
    this.#counts.refused += 1;
    response.writeHead(status, reason, {
      Server: "cloudflare",
      "Content-Type": "text/html",
      "Content-Length": page.length,
      Connection: "close",
    });
    response.end(page);
    // What the client still sends is read, or it would see a broken connection.
    request.resume();
  }

  #ask(request: IncomingMessage, response: ServerResponse): ClientRequest {
    const passed = ask(`${this.#origin.url}${request.url ?? ""}`, {
      ...(request.method === undefined ? {} : { method: request.method }),
      headers: headersOf(request),
      // A connection of its own: none that the registry is about to close.
      agent: false,
    });
    passed.on("error", () => response.destroy());
    response.once("close", () => passed.destroy());
    return passed;
  }

  /** Sends the body, and answers what comes back, which may be before the body's end. */
  async #answerTo(request: IncomingMessage, passed: ClientRequest): Promise<IncomingMessage> {
    const answered = once(passed, "response") as Promise<[IncomingMessage]>;
    const sent = this.#send(request, passed).catch((error: unknown) => {
      passed.destroy();
      throw error;
    });
    // Whichever settles later is not waited for.
    answered.catch(() => undefined);
    sent.catch(() => undefined);
    const [answer] = await Promise.race([answered, sent.then(async () => answered)]);
    return answer;
  }

  async #send(request: IncomingMessage, passed: ClientRequest): Promise<void> {
    let bytes = 0;
    // Whatever comes of it, the connection has to stay for the answer.
    for await (const chunk of this.#uncut(request.iterator({ destroyOnReturn: false }))) {
      bytes += chunk.length;
      if (bytes > this.#bodyBytesMax) throw new TooLarge();
      await new Promise<void>((resolve, reject) => {
        passed.write(chunk, (error) => (error == null ? resolve() : reject(error)));
      });
      this.#counts.bytesUp += chunk.length;
    }
    passed.end();
  }

  /** Passes bytes on, up to the one at which the connection is to end. */
  async *#uncut(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      const passing = this.#faults.cutWithin(chunk.length);
      if (passing === undefined) {
        yield chunk;
      } else {
        if (passing > 0) yield chunk.subarray(0, passing);
        // They go first: the end would overtake them.
        await turn();
        this.#counts.cut += 1;
        throw new Cut();
      }
    }
  }
}

/** The headers to pass on, as they were written: names and values in turn. */
function headersOf({ rawHeaders }: IncomingMessage): string[] {
  return rawHeaders.filter(
    (_, at) => !connectionHeaders.has(rawHeaders[at - (at % 2)]?.toLowerCase() ?? ""),
  );
}
