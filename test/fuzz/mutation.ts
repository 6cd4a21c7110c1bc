import {
  oddMethods,
  oddSegments,
  oddTargets,
  queryNames,
  oddQueryValues,
  headerNames,
  oddHeaderValues,
} from "./odd-texts.ts";
import type { Random } from "./random.ts";
import { brokenFraming, inChunks, type Request, withLength } from "./request.ts";

const mebibyte = 1024 * 1024;

type Mutation = (random: Random, request: Request) => Request;
type Header = readonly [string, string];

/** A place of a list, at random, with something else there. */
function replaced<T>(random: Random, items: readonly T[], ...others: readonly T[]): T[] {
  return items.toSpliced(random.below(items.length), 1, ...others);
}

const changedMethod: Mutation = (random, request) => ({
  ...request,
  method: random.pick(oddMethods),
});

const changedPath: Mutation = (random, request) => {
  const segments = request.path.split("/");
  const odd = random.pick(oddSegments);
  const at = random.below(segments.length + 1);
  const segment = segments[at] ?? "";
  const paths = [
    () => replaced(random, segments, odd).join("/"),
    () => replaced(random, segments, odd).join("/"),
    () => segments.toSpliced(at, 0, odd).join("/"),
    () => segments.toSpliced(at, 0, odd, "..").join("/"),
    () => segments.toSpliced(at, 1).join("/"),
    () => `${request.path}/`,
    () => segments.toSpliced(at, 1, segment.toUpperCase()).join("/"),
    () => segments.toSpliced(at, 1, escaped(random, segment)).join("/"),
    () => escaped(random, request.path),
    () => request.path.replace("/", "//"),
    () => `http://registry.test${request.path}`,
    () => random.pick(oddTargets),
  ] as const;
  return { ...request, path: random.pick<() => string>(paths)() };
};

/** The text with some characters escaped, once or twice. */
function escaped(random: Random, text: string): string {
  const percent = random.pick(["%", "%25"]);
  return Array.from(text, (character) =>
    random.oneIn(3) ? percent + Buffer.from(character, "latin1").toString("hex") : character,
  ).join("");
}

const changedQuery: Mutation = (random, request) => {
  const parameters = request.query.slice(1).split("&").filter(Boolean);
  const odd = `${random.pick(queryNames)}=${random.pick(oddQueryValues)}`;
  const queries = [
    () => parameters.toSpliced(random.below(parameters.length + 1), 0, odd),
    () => replaced(random, parameters, odd),
    () => [...parameters, ...parameters],
    () => parameters.map((parameter) => escaped(random, parameter)),
    () => parameters.map((parameter) => parameter.slice(0, random.below(parameter.length))),
    () => [
      ...parameters,
      random.pick(["&&", "=", "a", "unknown=1", "?", "#x", "digest", "\u0000"]),
    ],
    () => Array.from({ length: 200 }, () => odd),
  ] as const;
  return { ...request, query: `?${random.pick<() => string[]>(queries)().join("&")}` };
};

const changedHeaders: Mutation = (random, request) => {
  const { headers } = request;
  const odd: Header = [random.pick(headerNames), random.pick(oddHeaderValues)];
  const lists: readonly [() => Header[], ...(() => Header[])[]] = [
    () => [...headers, odd],
    () => [...headers, odd],
    () => [...headers.filter(([name]) => name !== odd[0]), odd],
    () => replaced(random, headers),
    () => [...headers, ...headers],
    () => headers.map(([name, value]): Header => [name.toLowerCase(), value]),
    () => headers.map(([name, value]): Header => [name, random.oneIn(2) ? value : odd[1]]),
    () => [...headers, [random.pick(["X Y", "X:", "", "X\u0000", "É", "(x)"]), "value"]],
    () => [...headers, ["X", "folded\r\n value"]],
    () => [...headers, ["X", "x".repeat(random.pick([8000, 60_000, 200_000, 1_000_000]))]],
    () => [...headers, ...Array.from({ length: 500 }, (_, at): Header => [`X-${at}`, "value"])],
  ];
  // Huge values are rare: what is of interest is whether they are answered.
  const kind = random.oneIn(10) ? random.below(lists.length) : random.below(lists.length - 2);
  return { ...request, headers: (lists[kind] ?? lists[0])() };
};

const changedFraming: Mutation = (random, request) => {
  const { payload } = request.framing;
  return { ...request, framing: brokenFraming(random, payload.subarray(0, 65_536)) };
};

const changedBody: Mutation = (random, request) => {
  const { payload } = request.framing;
  const flipped = Buffer.from(payload);
  if (flipped.length > 0) flipped.writeUInt8(random.below(256), random.below(flipped.length));
  const body = random.pick([
    () => Buffer.alloc(0),
    () => random.bytes(random.below(random.pick([10, 65_536]))),
    () => Buffer.from(random.text('{}[]",:0123456789eE+-.truefalsn \\u', 200)),
    () => payload.subarray(0, random.below(payload.length)),
    () => Buffer.concat([payload, payload]),
    () => flipped,
    () => Buffer.from("[".repeat(random.below(60_000))),
    // More than the buffers between take: who is answered early has to be able to read it.
    () => Buffer.alloc(random.oneIn(5) ? 2 * mebibyte : 0),
  ] as const)();
  return { ...request, framing: random.oneIn(3) ? inChunks(random, body) : withLength(body) };
};

const changedVersion: Mutation = (random, request) => ({
  ...request,
  version: random.pick(["HTTP/1.0", "HTTP/2.0", "HTTP/1.2", "HTTP/1.10", "http/1.1", "", "HTTP/"]),
});

const brokenOff: Mutation = (_random, request) => ({ ...request, isBrokenOff: true });

const mutations: readonly [Mutation, ...Mutation[]] = [
  changedPath,
  changedPath,
  changedPath,
  changedPath,
  changedQuery,
  changedQuery,
  changedQuery,
  changedHeaders,
  changedHeaders,
  changedHeaders,
  changedHeaders,
  changedBody,
  changedBody,
  changedFraming,
  changedFraming,
  changedMethod,
  changedMethod,
  changedVersion,
  brokenOff,
];

/** The request with one to three things changed. */
export function mutated(random: Random, request: Request): Request {
  let changed = request;
  for (let left = 1 + random.below(3); left > 0; left -= 1) {
    changed = random.pick(mutations)(random, changed);
  }
  return changed;
}

const harmless = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/**
 * True if the request could be understood as one that changes the repository: its path, after all
 * that a URL's parser may do to it, names the repository and something in it.
 */
export function mayChange(repository: string, { method, path, query }: Request): boolean {
  if (harmless.has(method)) return false;
  const target = path + query;
  const readings = [target, decoded(target)].flatMap((text) => {
    const url = URL.parse(text, "http://registry.test");
    return url === null ? [text] : [text, url.pathname, decoded(url.pathname)];
  });
  return readings.some((reading) => reading.includes(`${repository}/`));
}

/** With the escapes of unreserved characters taken back (RFC 3986 section 6.2.2.2). */
function decoded(text: string): string {
  return text.replaceAll(/%([0-9a-f]{2})/gi, (escape, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return /[\w.~-]/.test(character) ? character : escape;
  });
}
