import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** An answer as its bytes say it. */
export interface Answer {
  /** By the status line: "HTTP/1.1". */
  readonly version: string;
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/** A connection on which each byte is the test's own; what comes back is parsed strictly. */
export class Connection {
  readonly socket: Socket;
  readonly host: string;
  #received: Buffer = Buffer.alloc(0);
  #isOver = false;
  #wake: () => void = () => undefined;

  static async open(url: string): Promise<Connection> {
    const { hostname, port, host } = new URL(url);
    const socket = connect(Number(port), hostname);
    await once(socket, "connect");
    return new Connection(socket, host);
  }

  constructor(socket: Socket, host: string) {
    this.socket = socket;
    this.host = host;
    socket.on("data", (data: Buffer) => {
      this.#received = Buffer.concat([this.#received, data]);
      this.#wake();
    });
    for (const event of ["end", "close"]) socket.on(event, () => this.#end());
    // A connection that the other side cut is over: what it said before is still here.
    socket.on("error", () => this.#end());
  }

  #end(): void {
    this.#isOver = true;
    this.#wake();
  }

  /** Sends a request's head: the request line, Host and these header lines. */
  head(requestLine: string, ...lines: readonly string[]): void {
    this.lines(`${requestLine} HTTP/1.1`, `Host: ${this.host}`, ...lines);
  }

  /** Sends these lines and an empty one, and nothing else. */
  lines(...lines: readonly string[]): void {
    this.socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  }

  /** Sends a request with a body of this length, or without one. */
  request(requestLine: string, body?: Uint8Array | string, ...lines: readonly string[]): void {
    if (body === undefined) return this.head(requestLine, ...lines);
    this.head(requestLine, `Content-Length: ${Buffer.byteLength(body)}`, ...lines);
    this.socket.write(body);
  }

  /** Sends a request and reads its answer. */
  async ask(
    requestLine: string,
    body?: Uint8Array | string,
    ...lines: readonly string[]
  ): Promise<Answer> {
    this.request(requestLine, body, ...lines);
    return this.answer(requestLine.startsWith("HEAD "));
  }

  /** The next answer, an interim one too. @throws Error if what comes is none */
  async answer(isToHead = false): Promise<Answer> {
    const head = (await this.#until("\r\n\r\n")).toString("latin1").split("\r\n");
    const [, version, code] = /^(HTTP\/1\.[01]) (\d{3}) /.exec(head[0] ?? "") ?? [];
    if (version === undefined) throw new Error(`no status line: ${head[0]?.slice(0, 200)}`);
    const headers = new Map<string, string>();
    for (const line of head.slice(1)) {
      const [, name, value] = /^([\w-]+): *(.*)$/.exec(line) ?? [];
      if (name === undefined || value === undefined) throw new Error(`no header: ${line}`);
      headers.set(name.toLowerCase(), value);
    }
    const status = Number(code);
    const isBodyless = isToHead || status < 200 || status === 204 || status === 304;
    const body = isBodyless ? Buffer.alloc(0) : await this.#body(headers);
    return { version, status, headers, body };
  }

  /** True once the other side has ended the connection, and said nothing more. */
  async endsSilently(): Promise<boolean> {
    // oxlint-disable-next-line no-await-in-loop
    while (!this.#isOver) await this.#more();
    return this.#received.length === 0;
  }

  close(): void {
    this.socket.destroy();
  }

  async #body(headers: ReadonlyMap<string, string>): Promise<Buffer> {
    if (headers.get("transfer-encoding") === "chunked") return this.#chunks();
    const length = headers.get("content-length");
    if (length !== undefined) return this.#bytes(Number(length));
    // oxlint-disable-next-line no-await-in-loop
    while (!this.#isOver) await this.#more();
    return this.#bytes(this.#received.length);
  }

  async #chunks(): Promise<Buffer> {
    const chunks: Buffer[] = [];
    /* oxlint-disable no-await-in-loop */
    for (;;) {
      const size = Number.parseInt((await this.#until("\r\n")).toString("latin1"), 16);
      const chunk = await this.#bytes(size);
      await this.#until("\r\n");
      if (size === 0) return Buffer.concat(chunks);
      chunks.push(chunk);
    }
    /* oxlint-enable no-await-in-loop */
  }

  /** What comes before the delimiter, which is taken too. */
  async #until(delimiter: string): Promise<Buffer> {
    for (;;) {
      const at = this.#received.indexOf(delimiter);
      if (at !== -1) {
        const bytes = this.#received.subarray(0, at);
        this.#received = this.#received.subarray(at + delimiter.length);
        return bytes;
      }
      // oxlint-disable-next-line no-await-in-loop
      await this.#more();
    }
  }

  async #bytes(length: number): Promise<Buffer> {
    // oxlint-disable-next-line no-await-in-loop
    while (this.#received.length < length) await this.#more();
    const bytes = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return bytes;
  }

  async #more(): Promise<void> {
    if (this.#isOver) throw new Error(`the connection ended: ${this.#received.toString("latin1")}`);
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }
}
