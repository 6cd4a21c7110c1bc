/** A registry that answers as a test tells it, for what a real one does not do on demand. */
import { once } from "node:events";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";

/** A request that it got. */
export interface Asked {
  /** `GET /v2/` */
  readonly line: string;
  readonly headers: IncomingHttpHeaders;
  /** Bytes of its body. */
  readonly length: number;
}

export interface StandInAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A running stand-in. */
export class StandInRegistry {
  readonly asked: Asked[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Starts one; it answers when a request's body has been read. */
  static async start(
    answer: (asked: Asked) => StandInAnswer | Promise<StandInAnswer>,
  ): Promise<StandInRegistry> {
    const server = createServer();
    const registry = new StandInRegistry(server);
    server.on("request", (request, response) => void registry.#serve(request, response, answer));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return registry;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The lines of all that it was asked. */
  get lines(): string[] {
    return this.asked.map(({ line }) => line);
  }

  async #serve(
    request: IncomingMessage,
    response: ServerResponse,
    answer: (asked: Asked) => StandInAnswer | Promise<StandInAnswer>,
  ): Promise<void> {
    const { method = "", url = "", headers } = request;
    let length = 0;
    for await (const piece of request) length += (piece as Buffer).length;
    const asked = { line: `${method} ${url}`, headers, length };
    this.asked.push(asked);
    const { status, headers: told = {}, body = "" } = await answer(asked);
    response.writeHead(status, { "content-length": Buffer.byteLength(body), ...told });
    response.end(body);
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}
