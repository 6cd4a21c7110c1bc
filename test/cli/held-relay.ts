/** A TCP relay that counts what is sent to a registry, and can stop taking it. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { pipeline } from "node:stream/promises";

/** A running relay in front of a registry. */
export class HeldRelay {
  /** Bytes that clients have sent so far, heads of requests included. */
  bytes = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #holdAfter = Infinity;
  #held = Promise.withResolvers<void>();

  private constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.#server = createServer((client) => {
      const registry = connect(Number(port), hostname);
      for (const socket of [client, registry]) {
        this.#sockets.add(socket);
        socket.once("close", () => this.#sockets.delete(socket));
      }
      const ends = [
        pipeline(client, (chunks) => this.#counted(chunks), registry),
        pipeline(registry, client),
      ];
      void Promise.allSettled(ends);
    });
  }

  static async start(url: string): Promise<HeldRelay> {
    const relay = new HeldRelay(url);
    relay.#server.listen(0, "127.0.0.1");
    await once(relay.#server, "listening");
    return relay;
  }

  /** Host and port, as they stand at the front of an image's name. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Passes so many bytes on, and then none; settled when it is so far. */
  async holdAfter(bytes: number): Promise<void> {
    this.#holdAfter = this.bytes + bytes;
    this.#held = Promise.withResolvers();
    return this.#held.promise;
  }

  /** Passes on what new connections send. */
  release(): void {
    this.#holdAfter = Infinity;
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async *#counted(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      this.bytes += chunk.length;
      if (this.bytes > this.#holdAfter) {
        this.#held.resolve();
        // Until the client goes away.
        continue;
      }
      yield chunk;
    }
  }
}
