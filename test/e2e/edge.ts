/**
 * What stands before a deployed registry: an edge that refuses bodies over the limit of the zone's
 * plan by itself, with a page of HTML, and passes on all else.
 */
import { once } from "node:events";
import {
  createServer,
  type IncomingMessage,
  request as ask,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";
import type { Registry } from "./registry.ts";

const host = "127.0.0.1";
const status = 413;
const reason = "Request Entity Too Large";
const page = [
  `<html><head><title>${status} ${reason}</title></head>`,
  `<body><center><h1>${status} ${reason}</h1></center><hr><center>cloudflare</center></body></html>\r\n`,
].join("\r\n");

/** A body that has more bytes than the limit, although none were announced. */
class TooLarge extends Error {}

/** A running edge. */
export class Edge {
  readonly #registry: Registry;
  readonly #bodyBytesMax: number;
  readonly #server: Server;

  private constructor(registry: Registry, bodyBytesMax: number) {
    this.#registry = registry;
    this.#bodyBytesMax = bodyBytesMax;
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  /** Starts one in front of a registry. */
  static async start(registry: Registry, bodyBytesMax: number): Promise<Edge> {
    const edge = new Edge(registry, bodyBytesMax);
    edge.#server.listen(0, host);
    await once(edge.#server, "listening");
    return edge;
  }

  /** Host and port, as they stand at the front of an image's name. */
  get address(): string {
    return `${host}:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Ends it, with every connection. */
  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      if (Number(request.headers["content-length"] ?? 0) > this.#bodyBytesMax) throw new TooLarge();
      await this.#pass(request, response);
    } catch (error) {
      if (error instanceof TooLarge && !response.headersSent) {
        const headers = { "Content-Type": "text/html", Connection: "close" };
        response.writeHead(status, reason, headers);
        response.end(page);
        // What the client still sends is read, or it would see a broken connection.
        request.resume();
      } else {
        response.destroy();
      }
    }
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method, url, headers } = request;
    const passed = ask(`${this.#registry.url}${url ?? ""}`, {
      ...(method === undefined ? {} : { method }),
      headers,
    });
    const answered = once(passed, "response") as Promise<[IncomingMessage]>;
    // Where the body is too large, it is not waited for.
    answered.catch(() => undefined);
    let bytes = 0;
    // Whatever comes of it, the connection has to stay for the answer.
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      bytes += (chunk as Buffer).length;
      if (bytes > this.#bodyBytesMax) {
        passed.destroy();
        throw new TooLarge();
      }
      if (!passed.write(chunk)) await once(passed, "drain");
    }
    passed.end();
    const [answer] = await answered;
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    await pipeline(answer, response);
  }
}
