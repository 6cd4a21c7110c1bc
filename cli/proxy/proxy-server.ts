import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { CommandError } from "../exit-codes.ts";
import type { ProxyHandler } from "./proxy-handler.ts";

/** Idle connections of clients are kept for so long. */
const keepAliveMs = 65_000;
/** Without a limit of the whole request node has none of its head, either. */
const headMsMax = 60_000;

/** The listening side of a proxy. */
export class ProxyServer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Listens. @throws CommandError where it can't */
  static async start(
    handler: (address: string) => ProxyHandler,
    { host, port }: { readonly host: string; readonly port: number },
  ): Promise<ProxyServer> {
    // A layer may take hours.
    const server = createServer({
      requestTimeout: 0,
      headersTimeout: headMsMax,
      keepAlive: true,
    });
    server.keepAliveTimeout = keepAliveMs;
    server.listen(port, host);
    try {
      await once(server, "listening");
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const advice = code === "EADDRINUSE" ? "give another one with --port" : "give another --host";
      throw new CommandError(`can't listen on ${host} port ${port} (${message}): ${advice}`);
    }
    const proxy = new ProxyServer(server);
    const handling = handler(proxy.address);
    server.on("request", (request, response) => void handling.handle(request, response));
    return proxy;
  }

  /** Host and port, as they stand at the front of an image's name. */
  get address(): string {
    const { address, family, port } = this.#server.address() as AddressInfo;
    return `${family === "IPv6" ? `[${address}]` : address}:${port}`;
  }

  /** Ends it, with every connection. */
  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}
