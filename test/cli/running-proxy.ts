/** `longshore proxy` as its users run it, and requests of its clients. */
import { readFile } from "node:fs/promises";
import { type IncomingHttpHeaders, request } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { buffer } from "node:stream/consumers";
import { vi } from "vitest";
import { Companion, type Ended } from "./companion.ts";

export interface ProxyAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What a client asks; a body that is a list of pieces goes without a length. */
export interface ProxyAsk {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** A running proxy, on a port of its own. */
export class RunningProxy {
  readonly url: string;
  readonly #run: Companion;
  readonly #errors: () => string;

  private constructor(run: Companion, url: string, errors: () => string) {
    this.#run = run;
    this.url = url;
    this.#errors = errors;
  }

  /** Starts it; settled when it listens. */
  static async start(
    registry: string,
    args: readonly string[] = [],
    environment: Readonly<Record<string, string>> = {},
    stdin = "",
  ): Promise<RunningProxy> {
    const nowhere = { HOME: "/nonexistent" };
    const command = ["proxy", registry, "--port", "0", ...args];
    const run = new Companion(command, { ...nowhere, ...environment }, stdin);
    let errors = "";
    run.process.stderr?.on("data", (data) => (errors += String(data)));
    const url = await vi.waitFor(
      () => {
        const [, found] = /listens on (http:\S+)/.exec(errors) ?? [];
        if (found === undefined) throw new Error(`no proxy: ${errors}`);
        return found;
      },
      { timeout: 30_000, interval: 20 },
    );
    return new RunningProxy(run, url, () => errors);
  }

  /** What it has said. */
  get said(): string {
    return this.#errors();
  }

  async ask(line: string, { headers = {}, body }: ProxyAsk = {}): Promise<ProxyAnswer> {
    return askHttp(this.url, line, { headers, ...(body === undefined ? {} : { body }) });
  }

  /** Begins an upload; answers its Location. */
  async begin(repository: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
    const answer = await this.ask(`POST /v2/${repository}/blobs/uploads/`, { headers });
    return answer.headers.location ?? `none: ${answer.status}`;
  }

  /** The most memory it has had, in bytes (Linux). */
  async peakBytes(): Promise<number> {
    const status = await readFile(`/proc/${this.#run.process.pid}/status`, "utf8");
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
  }

  /** Ctrl-C. */
  async stop(): Promise<Ended> {
    this.#run.process.kill("SIGINT");
    return this.#run.ended;
  }
}

/** Asks a server: `PUT /v2/…`. */
export async function askHttp(
  origin: string,
  line: string,
  { headers = {}, body }: ProxyAsk = {},
): Promise<ProxyAnswer> {
  const [method = "GET", path = "/"] = line.split(" ");
  const bytes = body instanceof Uint8Array ? body : undefined;
  const length = body === undefined || bytes !== undefined ? String(bytes?.length ?? 0) : undefined;
  const { promise, resolve, reject } = Promise.withResolvers<ProxyAnswer>();
  const asked = request(origin, {
    method,
    path,
    headers: { ...(length === undefined ? {} : { "content-length": length }), ...headers },
  });
  asked.once("error", reject);
  asked.once("response", (answer) => {
    buffer(answer).then(
      (read) => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: read }),
      reject,
    );
  });
  if (body === undefined || bytes !== undefined) asked.end(bytes);
  else pipeline(Readable.from(body as Iterable<Uint8Array>), asked).catch(reject);
  return promise;
}

/** The first error of an answer's body. */
export function errorOf({ body }: ProxyAnswer): { code: string; message: string; detail: string } {
  const { errors } = JSON.parse(body.toString()) as {
    errors: [{ code: string; message: string; detail: string }];
  };
  return errors[0];
}
