import type { Random } from "./random.ts";

/** How a body is sent: header lines that tell its end, and the bytes on the wire. */
interface Framing {
  readonly headers: readonly (readonly [string, string])[];
  readonly payload: Buffer;
  /** False: the server can't take it for a whole body, or takes less than is sent. */
  readonly isRight: boolean;
  /** False: the server has to wait for more. */
  readonly isWhole: boolean;
}

/** A request as it goes out. Texts are latin1: each character is a byte. */
export interface Request {
  readonly method: string;
  readonly path: string;
  /** With its question mark, or empty. */
  readonly query: string;
  readonly version: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly framing: Framing;
  /** True if only a part of it is sent, and then the connection is cut. */
  readonly isBrokenOff: boolean;
}

const nothing: Framing = {
  headers: [],
  payload: Buffer.alloc(0),
  isRight: true,
  isWhole: true,
};

export function request(
  method: string,
  path: string,
  query = "",
  headers: readonly (readonly [string, string])[] = [],
): Request {
  return {
    method,
    path,
    query,
    version: "HTTP/1.1",
    headers: [["Host", "registry.test"], ...headers],
    framing: nothing,
    isBrokenOff: false,
  };
}

/** The body with its length. */
export function withLength(body: Buffer): Framing {
  const headers = [["Content-Length", String(body.length)]] as const;
  return { headers, payload: body, isRight: true, isWhole: true };
}

const crlf = Buffer.from("\r\n");

/** The body in chunks of any size; some have extensions, some trailers behind. */
export function inChunks(random: Random, body: Buffer): Framing {
  const pieces: Buffer[] = [];
  for (let at = 0; at < body.length;) {
    const size = 1 + random.below(body.length > 1000 ? 70_000 : random.pick([10, 1000]));
    const chunk = body.subarray(at, at + size);
    const extension = random.oneIn(8) ? ";name=value" : "";
    pieces.push(Buffer.from(`${chunk.length.toString(16)}${extension}\r\n`), chunk, crlf);
    at += size;
  }
  pieces.push(Buffer.from(random.oneIn(8) ? "0\r\nTrailer: value\r\n\r\n" : "0\r\n\r\n"));
  const headers = [["Transfer-Encoding", "chunked"]] as const;
  return { headers, payload: Buffer.concat(pieces), isRight: true, isWhole: true };
}

/** What no reader of chunks can go on from. */
const brokenChunks = [
  "zz\r\n\r\n",
  "-1\r\n\r\n",
  "3\r\nhello\r\n0\r\n\r\n",
  "ffffffffffffffffff\r\nx",
  "\r\n\r\n",
  "0x5\r\nhello\r\n0\r\n\r\n",
  "5\r\nhello0\r\n\r\n",
] as const;

/** Chunks that a strict reader refuses and a lenient one reads, or waits for more of. */
const doubtfulChunks = [
  "5 \r\nhello\r\n0\r\n\r\n",
  "5\nhello\n0\n\n",
  "5\r\nhel",
  "0\r\n",
] as const;

const brokenLengths = ["-1", "+5", "5.0", "0x5", "5,5", "five", "", " ", "9".repeat(30)] as const;

/** A body whose end is told wrongly, or twice. */
export function brokenFraming(random: Random, body: Buffer): Framing {
  const length = body.length;
  const broken = (lines: readonly (readonly [string, string])[], payload = body): Framing => ({
    headers: lines,
    payload,
    isRight: false,
    isWhole: true,
  });
  const chunked = ["Transfer-Encoding", "chunked"] as const;
  switch (random.below(8)) {
    case 0:
      return broken([["Content-Length", random.pick(brokenLengths)]]);
    case 1:
      return broken([["Content-Length", String(random.below(length))]]);
    case 2: {
      const more = 1 + random.below(random.pick([2, 1000, 2 ** 31]));
      return { ...broken([["Content-Length", String(length + more)]]), isWhole: false };
    }
    case 3: {
      const lengths = [length, length + random.below(2)].map(String);
      return broken(lengths.map((text) => ["Content-Length", text]));
    }
    case 4:
      return broken([["Content-Length", String(length)], chunked], inChunks(random, body).payload);
    case 5: {
      const encoding = random.pick(["gzip", "identity", "chunked, gzip", "chunked, chunked", "x"]);
      return broken([["Transfer-Encoding", encoding]], inChunks(random, body).payload);
    }
    case 6: {
      const whole = inChunks(random, body).payload;
      const payload = whole.subarray(0, random.below(whole.length));
      return { ...broken([chunked], payload), isWhole: false };
    }
    default: {
      const isDoubtful = random.oneIn(3);
      const end = Buffer.from(random.pick(isDoubtful ? doubtfulChunks : brokenChunks));
      const isBehind = length > 0 && random.oneIn(2);
      const before = isBehind ? [Buffer.from(`${length.toString(16)}\r\n`), body, crlf] : [];
      const payload = Buffer.concat([...before, end]);
      return { ...broken([chunked], payload), isWhole: !isDoubtful };
    }
  }
}

/** The bytes of a request. */
export function bytesOf({ method, path, query, version, headers, framing }: Request): Buffer {
  const lines = [...headers, ...framing.headers].map(([name, value]) => `${name}: ${value}`);
  const head = [`${method} ${path}${query} ${version}`, ...lines, "", ""].join("\r\n");
  return Buffer.concat([Buffer.from(head, "latin1"), framing.payload]);
}

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const originForm = /^\/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*$/;
const queryForm = /^(?:\?(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?$/;
const authority = /^(?:[A-Za-z0-9-]+\.)*[A-Za-z0-9-]+(?::\d{1,4})?$/;
/** What RFC 9112 section 3 recommends that everybody takes in a request line, and headers as well. */
const targetCharactersMax = 8000;
const headCharactersMax = 64 * 1024;

/**
 * True if the request is HTTP/1.1 as RFC 9112 has it, in what a registry's clients send: what is not
 * may be answered by the HTTP server itself, or be cut off.
 */
export function isWellFormed({ method, path, query, version, headers, framing }: Request): boolean {
  const hosts = headers.filter(([name]) => name.toLowerCase() === "host");
  const head = headers.map(([name, value]) => name + value).join("");
  return (
    framing.isRight &&
    token.test(method) &&
    originForm.test(path) &&
    queryForm.test(query) &&
    version === "HTTP/1.1" &&
    path.length + query.length <= targetCharactersMax &&
    head.length <= headCharactersMax &&
    hosts.length === 1 &&
    hosts.every(([, host]) => authority.test(host)) &&
    headers.every(([name, value]) => token.test(name) && /^[\t\u0020-\u007E]*$/.test(value)) &&
    !headers.some(([name]) => /^(?:content-length|transfer-encoding)$/i.test(name))
  );
}
