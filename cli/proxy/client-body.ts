import type { IncomingMessage } from "node:http";
import { Garbage } from "./garbage.ts";

/** What is left of a refused body is read for so long, or the client might not see the answer. */
const lingerMs = 10_000;
/** A client that sends nothing for so long is cut off: it may hold a chunk that others wait for. */
const idleMsMax = 300_000;

const garbage = new Garbage();

/** The body of a client's request, read once and in order. */
export class ClientBody implements AsyncIterable<Uint8Array> {
  /** In bytes; undefined for a stream (`Transfer-Encoding: chunked`). */
  readonly length: number | undefined;
  readonly #request: IncomingMessage;
  readonly #idleMsMax: number;
  #isRefused = false;

  constructor(request: IncomingMessage, idleMs = idleMsMax) {
    this.#request = request;
    this.#idleMsMax = idleMs;
    const { "content-length": length, "transfer-encoding": encoding } = request.headers;
    this.length = encoding === undefined ? Number(length ?? 0) : undefined;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    let idle = this.#idle();
    try {
      // The connection has to stay, for the answer.
      for await (const piece of this.#request.iterator({ destroyOnReturn: false })) {
        clearTimeout(idle);
        const { length } = piece as Buffer;
        if (!this.#isRefused) yield piece as Buffer;
        garbage.left(length);
        idle = this.#idle();
      }
    } finally {
      clearTimeout(idle);
      if (this.#isRefused) this.#request.resume();
    }
  }

  /** The bytes behind the first `count`. */
  async *behind(count: number): AsyncGenerator<Uint8Array> {
    let left = count;
    for await (const piece of this) {
      const rest = piece.subarray(Math.min(left, piece.length));
      left -= piece.length - rest.length;
      if (rest.length > 0) yield rest;
    }
  }

  /** All of it; undefined if it has more bytes than that. */
  async whole(bytesMax: number): Promise<Uint8Array | undefined> {
    if (this.length !== undefined && this.length > bytesMax) return undefined;
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    for await (const piece of this) {
      bytes += piece.length;
      if (bytes > bytesMax) return undefined;
      pieces.push(piece);
    }
    return Buffer.concat(pieces);
  }

  #idle(): NodeJS.Timeout {
    const seconds = this.#idleMsMax / 1000;
    const cut = () =>
      this.#request.destroy(new Error(`the client has sent nothing for ${seconds} s`));
    return setTimeout(cut, this.#idleMsMax).unref();
  }

  /** Drops what is still to come; a client that does not end is cut off after a while. */
  refuse(): void {
    if (this.#request.complete) return;
    this.#isRefused = true;
    this.#request.resume();
    const { socket } = this.#request;
    const cut = setTimeout(() => this.#request.complete || socket.destroy(), lingerMs).unref();
    this.#request.once("end", () => clearTimeout(cut));
  }
}
