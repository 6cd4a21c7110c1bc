/**
 * A TCP relay that is far away: whatever goes through it comes later, in both directions, and
 * nothing else changes. As many bytes as fit are under way, as on a line whose windows are large.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

const host = "127.0.0.1";

/** What is under way in one direction of a connection at most. */
const windowBytes = 64 * 2 ** 20;

/** Bytes on their way, or, where there are none, the end. */
interface Sent {
  readonly dueMs: number;
  readonly bytes?: Buffer;
}

/** One direction of a connection. */
class Line {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #underway: Sent[] = [];
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;

  /** Nothing is sent before `openMs`, in the time of performance.now(). */
  constructor(from: Socket, to: Socket, latencyMs: number, openMs: number) {
    this.#from = from;
    this.#to = to;
    const send = (sent: Pick<Sent, "bytes">): void =>
      this.#send({ ...sent, dueMs: Math.max(performance.now(), openMs) + latencyMs });
    let ended = false;
    from.on("data", (bytes: Buffer) => send({ bytes }));
    from.on("end", () => {
      ended = true;
      send({});
    });
    from.on("error", () => this.#break());
    from.on("close", () => void (ended || this.#break()));
    to.on("drain", () => this.#deliver());
  }

  #send(sent: Sent): void {
    this.#underway.push(sent);
    this.#bytes += sent.bytes?.length ?? 0;
    if (this.#bytes > windowBytes) this.#from.pause();
    if (this.#underway.length === 1) this.#waitForFirst();
  }

  #waitForFirst(): void {
    const [first] = this.#underway;
    if (first === undefined || this.#timer !== undefined) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#deliver();
      },
      Math.max(0, first.dueMs - performance.now()),
    );
  }

  #deliver(): void {
    for (;;) {
      const [first] = this.#underway;
      if (first === undefined || this.#to.writableNeedDrain || this.#to.destroyed) return;
      if (first.dueMs > performance.now()) return this.#waitForFirst();
      this.#underway.shift();
      if (first.bytes === undefined) {
        this.#to.end();
      } else {
        this.#to.write(first.bytes);
        this.#bytes -= first.bytes.length;
        if (this.#bytes <= windowBytes) this.#from.resume();
      }
    }
  }

  /** A connection that breaks on one side is broken on the other. */
  #break(): void {
    clearTimeout(this.#timer);
    this.#underway.length = 0;
    this.#to.destroy();
  }
}

/** A running relay. */
export class Distance {
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  private constructor(port: number, latencyMs: number) {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
      const far = connect({ host, port, allowHalfOpen: true, noDelay: true });
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.once("close", () => this.#sockets.delete(socket));
      }
      // A client may send when its connection is open: that is once there and back.
      const openMs = performance.now() + 2 * latencyMs;
      void new Line(near, far, latencyMs, openMs);
      void new Line(far, near, latencyMs, 0);
    });
  }

  /** Starts one in front of a port of this machine; each direction takes `latencyMs`. */
  static async start(port: number, latencyMs: number): Promise<Distance> {
    const distance = new Distance(port, latencyMs);
    distance.#server.listen(0, host);
    await once(distance.#server, "listening");
    return distance;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends it, with every connection. */
  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}
