import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { sign } from "aws4";

/** Who may read from the stand-in, and what of it. */
export interface S3Reader {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly bucket: string;
}

/** What the stand-in was asked for. */
export interface S3Request {
  readonly method: string;
  readonly key: string;
  readonly range: string | undefined;
  readonly status: number;
}

/**
 * Stands in for R2's S3 API: answers GET of objects to URLs that are signed as S3 has it (Signature
 * Version 4, in the query), which another library than the registry's checks, and that have not
 * expired. Its errors are XML, as R2's are.
 */
export class S3StandIn {
  /** Each request, in order. */
  readonly requests: S3Request[] = [];
  /** How much later it is here than on the clock, in milliseconds. */
  laterMs = 0;
  readonly #server: Server;
  readonly #reader: S3Reader;
  readonly #bytesOf: (key: string) => Promise<Buffer | undefined>;

  constructor(reader: S3Reader, bytesOf: (key: string) => Promise<Buffer | undefined>) {
    this.#reader = reader;
    this.#bytesOf = bytesOf;
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  /** Begins to listen; answers its origin. */
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "", `http://${request.headers.host ?? ""}`);
    const [, bucket, ...rest] = url.pathname.split("/");
    const key = rest.join("/");
    const { range } = request.headers;
    const refusal =
      bucket === this.#reader.bucket ? this.#refusal(request, url) : "404 NoSuchBucket";
    const bytes = refusal === undefined ? await this.#bytesOf(key) : undefined;
    const [status, body, headers] =
      bytes === undefined ? refused(refusal ?? "404 NoSuchKey") : partOf(bytes, range);
    this.requests.push({ method: request.method ?? "", key, range, status });
    const contentType = url.searchParams.get("response-content-type") ?? "binary/octet-stream";
    response.writeHead(status, {
      "Content-Type": contentType,
      "Content-Length": Buffer.byteLength(body),
      "Accept-Ranges": "bytes",
      ...headers,
    });
    response.end(body);
  }

  /** Why a request is refused, by S3's rules; undefined if it is not. */
  #refusal(request: IncomingMessage, url: URL): string | undefined {
    // "Only one auth mechanism allowed": a client that hands its credentials on gets this.
    if (request.headers.authorization !== undefined) return "400 InvalidArgument";
    const query = url.searchParams;
    const signature = query.get("X-Amz-Signature");
    query.delete("X-Amz-Signature");
    const { accessKeyId, secretAccessKey } = this.#reader;
    const signed = sign(
      {
        service: "s3",
        region: "auto",
        signQuery: true,
        method: request.method ?? "",
        headers: { Host: request.headers.host },
        path: `${url.pathname}${url.search}`,
      },
      { accessKeyId, secretAccessKey },
    );
    const expected = new URL(signed.path ?? "", url).searchParams.get("X-Amz-Signature");
    if (signature === null || signature !== expected) return "403 SignatureDoesNotMatch";
    const signedMs = timeOf(query.get("X-Amz-Date") ?? "");
    const expiresMs = signedMs + 1000 * Number(query.get("X-Amz-Expires"));
    return Date.now() + this.laterMs < expiresMs ? undefined : "403 AccessDenied";
  }
}

type Answer = [status: number, body: Buffer | string, headers: Record<string, string>];

function refused(refusal: string): Answer {
  const [status, code] = refusal.split(" ");
  const headers = { "Content-Type": "application/xml" };
  return [Number(status), `<?xml version="1.0"?><Error><Code>${code}</Code></Error>`, headers];
}

function partOf(bytes: Buffer, range: string | undefined): Answer {
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(range ?? "") ?? [];
  if (from === undefined) return [200, bytes, {}];
  const last = to === "" ? bytes.length - 1 : Math.min(Number(to), bytes.length - 1);
  const contentRange = `bytes ${from}-${last}/${bytes.length}`;
  return [206, bytes.subarray(Number(from), last + 1), { "Content-Range": contentRange }];
}

/** 20261121T214200Z in milliseconds. */
function timeOf(text: string): number {
  return Date.parse(
    text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"),
  );
}
