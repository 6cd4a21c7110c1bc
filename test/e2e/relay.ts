/**
 * A TCP relay in front of a registry, so that real clients meet an error or a broken connection at
 * a point that the test has chosen. It tells what they asked; all else passes as it is.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import { setImmediate as turn } from "node:timers/promises";
import type { Registry } from "./registry.ts";

const host = "127.0.0.1";

/** Something that is done before a request goes on to the registry. */
export interface Interception {
  /** The requests that it is for, told by their heads. */
  readonly requests: (head: string) => boolean;
  /** What to do; gets the path of the request. */
  readonly action: (path: string) => Promise<unknown>;
}

/** The end of a connection once so many bytes of a request or an answer have passed. */
export interface Cut {
  /** The requests that it is for, told by their heads. */
  readonly requests: (head: string) => boolean;
  readonly afterBytes: number;
  /** Which bytes count: those to the registry, or those from it. */
  readonly direction: "push" | "pull";
  /** What to do then; new connections wait for that. */
  readonly action?: () => Promise<void>;
}

/** A connection of a client. */
interface Connection {
  readonly client: Socket;
  /** The cut that its last request waits for. */
  cut: Cut | undefined;
  /** What has passed since the head of that request. */
  bytes: number;
}

/** A running relay. */
export class Relay {
  readonly #registry: Registry;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #heads: string[] = [];
  readonly #errors: unknown[] = [];
  #interception: Interception | undefined;
  #cut: Cut | undefined;
  #cutAction: Promise<void> = Promise.resolve();

  private constructor(registry: Registry) {
    this.#registry = registry;
    this.#server = createServer({ allowHalfOpen: true }, (client) => void this.#serve(client));
  }

  /** Starts one that only passes on. */
  static async start(registry: Registry): Promise<Relay> {
    const relay = new Relay(registry);
    relay.#server.listen(0, host);
    await once(relay.#server, "listening");
    return relay;
  }

  /** Host and port, as they stand at the front of an image's name. */
  get address(): string {
    return `${host}:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The heads of all requests since the last call. */
  takeRequests(): readonly string[] {
    return this.#heads.splice(0);
  }

  /** Does something before the next request of a kind, once. */
  interceptOnce(interception: Interception): void {
    this.#interception = interception;
  }

  /** Ends the connection of the next request of a kind in the middle of a body, once. */
  cutOnce(cut: Cut): void {
    this.#cut = cut;
  }

  /** Whether what was asked for has happened. */
  get isDone(): boolean {
    return this.#interception === undefined && this.#cut === undefined;
  }

  /** Ends it, with every connection; what an action failed at is an error of the test. */
  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    if (this.#errors.length > 0) {
      throw new AggregateError(this.#errors, this.#errors.map(String).join("\n"));
    }
  }

  async #serve(client: Socket): Promise<void> {
    this.#own(client);
    await this.#cutAction;
    const port = Number(this.#registry.address.split(":")[1]);
    const registry = this.#own(connect({ host, port, allowHalfOpen: true }));
    const connection: Connection = { client, cut: undefined, bytes: 0 };
    // A connection that breaks on one side is broken on the other: the pipelines do that.
    await Promise.allSettled([
      pipeline(client, (chunks) => this.#requests(connection, chunks), registry),
      pipeline(registry, (chunks) => this.#answers(connection, chunks), client),
    ]);
  }

  #own(socket: Socket): Socket {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    return socket;
  }

  async *#requests(connection: Connection, chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      // Clients send a head in one packet, and none before the last request is answered.
      const head = /^[A-Z]+ \/v2\/.*?\r\n\r\n/su.exec(chunk.toString("latin1"))?.[0];
      if (head !== undefined) await this.#begin(connection, head);
      await this.#count(connection, "push", chunk.length);
      // An answer that is here already goes first: a write that fails would lose it.
      await turn();
      yield chunk;
    }
  }

  async *#answers(connection: Connection, chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      await this.#count(connection, "pull", chunk.length);
      yield chunk;
    }
  }

  async #begin(connection: Connection, head: string): Promise<void> {
    this.#heads.push(head);
    connection.bytes = 0;
    connection.cut = this.#cut?.requests(head) === true ? this.#cut : undefined;
    const interception = this.#interception;
    if (interception?.requests(head) !== true) return;
    this.#interception = undefined;
    const path = head.split(" ")[1] ?? "";
    await interception.action(path).catch((error: unknown) => this.#errors.push(error));
  }

  async #count(connection: Connection, direction: Cut["direction"], bytes: number): Promise<void> {
    const { cut } = connection;
    if (cut === undefined || cut !== this.#cut || cut.direction !== direction) return;
    connection.bytes += bytes;
    if (connection.bytes < cut.afterBytes) return;
    this.#cut = undefined;
    connection.client.resetAndDestroy();
    const action = cut.action?.() ?? Promise.resolve();
    this.#cutAction = action.catch((error: unknown) => void this.#errors.push(error));
    throw new Error("the connection was cut");
  }
}
