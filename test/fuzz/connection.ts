import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type Answer, NoAnswer, readAnswer } from "./answer.ts";

/** How long an answer may take, at most. */
const answerMsMax = 60_000;

/** What came of a request: an answer, the end of the connection, or nothing for too long. */
export type Outcome =
  | { readonly kind: "answered"; readonly answer: Answer }
  | { readonly kind: "ended" }
  | { readonly kind: "silent" }
  | { readonly kind: "no answer"; readonly reason: string; readonly received: Buffer };

/** A connection with keep-alive, for one request after the other. */
export class Connection {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #isOver = false;
  #wake: () => void = () => undefined;

  static async open(url: URL): Promise<Connection> {
    const socket = connect(Number(url.port), url.hostname);
    await once(socket, "connect");
    return new Connection(socket);
  }

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (data: Buffer) => {
      this.#received = Buffer.concat([this.#received, data]);
      this.#wake();
    });
    const over = () => {
      this.#isOver = true;
      this.#wake();
    };
    socket.on("end", over);
    socket.on("close", over);
    // What came before a connection is reset counts.
    socket.on("error", over);
  }

  write(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  /** Says that nothing more will be sent. */
  endSending(): void {
    this.#socket.end();
  }

  /** What comes of the request that was sent. */
  async outcome(method: string, msMax = answerMsMax): Promise<Outcome> {
    const deadlineMs = performance.now() + msMax;
    try {
      for (;;) {
        const read = readAnswer(this.#received, method, this.#isOver);
        if (read !== undefined) {
          this.#received = read.rest;
          return { kind: "answered", answer: read.answer };
        }
        if (this.#isOver) return { kind: "ended" };
        const leftMs = deadlineMs - performance.now();
        if (leftMs <= 0) return { kind: "silent" };
        // oxlint-disable-next-line no-await-in-loop
        await this.#more(leftMs);
      }
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      return { kind: "no answer", reason: error.message, received: this.#received };
    }
  }

  /** Bytes that came and that nobody asked for. */
  get surplus(): Buffer {
    return this.#received;
  }

  close(): void {
    this.#socket.destroy();
  }

  async #more(msMax: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, msMax);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
