/** `longshore proxy` behind connections that break, edges that refuse, and registries that are away. */
import { afterEach, describe, expect, test } from "vitest";
import { Edge, type EdgeTroubles } from "../e2e/edge.ts";
import { digestOf, RunningRegistry } from "../standalone/running-registry.ts";
import { askHttp, errorOf, RunningProxy } from "./running-proxy.ts";
import { type StandInAnswer, StandInRegistry } from "./stand-in-registry.ts";
import { noise } from "./written-image.ts";

const chunkBytes = 256 * 1024;
// Shorter chunks than it wants without this.
const registry = new RunningRegistry({ REGISTRY_MAX_BODY: `${chunkBytes}` });
const chunked = ["--chunk-size", `${chunkBytes}`];
const closing: (() => Promise<unknown>)[] = [];
let blobs = 0;

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function startProxy(url: string, args: readonly string[] = chunked): Promise<RunningProxy> {
  const proxy = await RunningProxy.start(url, args);
  closing.push(() => proxy.stop());
  return proxy;
}

async function startEdge(limit: number, troubles: EdgeTroubles): Promise<Edge> {
  const edge = await Edge.start({ url: registry.url }, limit, troubles);
  closing.push(() => edge.close());
  return edge;
}

/** Bytes that no other test has. */
function newBlob(length: number) {
  blobs += 1;
  const bytes = noise(`faults ${blobs}`, length);
  return { bytes, digest: digestOf(bytes) };
}

function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

describe.each<[string, number, EdgeTroubles]>([
  ["that drops one request in four", Infinity, { dropOneIn: 4, seed: 3 }],
  ["that cuts connections every 600 kB", Infinity, { bytesPerCut: 600_000, seed: 5 }],
  ["that takes bodies of 100 kB alone", 100_000, {}],
])("an edge %s", (_what, limit, troubles) => {
  test("passes a stream, a whole PUT and a whole POST without the client noticing", async () => {
    const edge = await startEdge(limit, troubles);
    const proxy = await startProxy(edge.url);
    const repository = "team/faults";
    const push = [
      async ({ bytes, digest }: ReturnType<typeof newBlob>) => {
        const location = await proxy.begin(repository);
        const patched = await proxy.ask(`PATCH ${location}`, { body: pieces(bytes) });
        expect(patched.headers.range).toBe(`0-${bytes.length - 1}`);
        return proxy.ask(`PUT ${patched.headers.location}?digest=${digest}`);
      },
      async ({ bytes, digest }: ReturnType<typeof newBlob>) => {
        const location = await proxy.begin(repository);
        return proxy.ask(`PUT ${location}?digest=${digest}`, { body: bytes });
      },
      async ({ bytes, digest }: ReturnType<typeof newBlob>) =>
        proxy.ask(`POST /v2/${repository}/blobs/uploads/?digest=${digest}`, { body: bytes }),
    ];
    for (const one of push) {
      const blob = newBlob(5 * chunkBytes + 1);
      const answer = await one(blob);
      expect([answer.status, answer.body.toString()]).toEqual([201, ""]);
      const read = await askHttp(registry.url, `GET /v2/${repository}/blobs/${blob.digest}`);
      expect(read.body.equals(blob.bytes)).toBe(true);
    }
    const { refused, dropped, cut } = edge.counts;
    expect(refused + dropped + cut).toBeGreaterThan(0);
  });
});

test("an edge that takes nothing is told of as a page, with what to do, and is not tried for long", async () => {
  const edge = await startEdge(1000, {});
  const proxy = await startProxy(edge.url);
  const { bytes } = newBlob(2 * chunkBytes);
  const location = await proxy.begin("team/faults");
  const refused = await proxy.ask(`PATCH ${location}`, { body: pieces(bytes) });
  // Docker does not try again what is DENIED.
  expect([refused.status, errorOf(refused).code]).toEqual([413, "DENIED"]);
  expect(errorOf(refused).message).toContain("413 Request Entity Too Large");
  expect(errorOf(refused).detail).toContain("--chunk-size");
});

async function startRegistry(answer: (line: string) => StandInAnswer): Promise<StandInRegistry> {
  const stand = await StandInRegistry.start(({ line }) => answer(line));
  closing.push(() => stand.close());
  return stand;
}

test("a registry that is gone is 502 in the spec's form, and is told of where the proxy runs", async () => {
  const proxy = await startProxy("http://127.0.0.1:1");
  const answer = await proxy.ask("GET /v2/");
  expect([answer.status, errorOf(answer).code]).toEqual([502, "UNAVAILABLE"]);
  expect(errorOf(answer).message).toMatch(/127\.0\.0\.1:1 can't be reached .*ECONNREFUSED/);
  expect(errorOf(answer).message).toContain("check the address");
  expect(proxy.said).toContain("GET /v2/: 127.0.0.1:1 can't be reached");
});

test("429 makes all uploads pause, and none of them fail", async () => {
  let refusals = 3;
  const location = "/v2/team/slow/blobs/uploads/one";
  const stand = await startRegistry((line) => {
    if (refusals > 0 && line.startsWith("PATCH")) {
      refusals -= 1;
      return { status: 429, headers: { "retry-after": "1" } };
    }
    return { status: line.startsWith("PUT") ? 201 : 202, headers: { location } };
  });
  const proxy = await startProxy(stand.url);
  const { bytes, digest } = newBlob(2 * chunkBytes);
  const push = async () => {
    const begun = await proxy.begin("team/slow");
    const patched = await proxy.ask(`PATCH ${begun}`, { body: pieces(bytes) });
    return proxy.ask(`PUT ${patched.headers.location}?digest=${digest}`);
  };
  const answers = await Promise.all([push(), push()]);
  expect(answers.map(({ status }) => status)).toEqual([201, 201]);
  expect(refusals).toBe(0);
});

test("429 of a log-in is the client's to see", async () => {
  const stand = await startRegistry(() => ({ status: 429, headers: { "retry-after": "60" } }));
  const proxy = await startProxy(stand.url);
  const answer = await proxy.ask("GET /v2/");
  expect([answer.status, answer.headers["retry-after"]]).toEqual([429, "60"]);
  expect(stand.lines).toEqual(["GET /v2/"]);
});

test.each([
  [
    "of a blob goes on to where it points",
    "GET /v2/team/app/blobs/x",
    "https://r2.example/x?sig=1",
    "https://r2.example/x?sig=1",
  ],
  [
    "to the registry itself comes here",
    "GET /v2/team/app/blobs/x",
    "SELF/v2/other?a=1",
    "/v2/other?a=1",
  ],
])("a redirect %s", async (_what, line, told, expected) => {
  let url = "";
  const stand = await startRegistry(() => ({
    status: 307,
    headers: { location: told.replace("SELF", url) },
  }));
  ({ url } = stand);
  const proxy = await startProxy(url);
  const answer = await proxy.ask(line);
  expect([answer.status, answer.headers.location]).toEqual([307, expected]);
});

test("an upload that another host is named for stays here", async () => {
  const stand = await startRegistry(() => ({
    status: 202,
    headers: { location: "https://upload.example/v2/team/app/blobs/uploads/one" },
  }));
  const proxy = await startProxy(stand.url);
  expect(await proxy.begin("team/app")).toBe("/v2/team/app/blobs/uploads/one");
});

test("an answer with a body begins an upload as one without", async () => {
  const location = "/v2/team/app/blobs/uploads/one";
  const stand = await startRegistry(() => ({ status: 202, headers: { location }, body: "{}" }));
  const proxy = await startProxy(stand.url);
  expect(await proxy.begin("team/app")).toBe(location);
});

test("headers that Connection names end here, on either side", async () => {
  const stand = await startRegistry(() => ({
    status: 200,
    headers: { connection: "close, X-Hop", "x-hop": "1", "x-end": "2" },
  }));
  const proxy = await startProxy(stand.url);
  const headers = { connection: "X-Mine", "x-mine": "1", "x-end": "2" };
  const answer = await proxy.ask("GET /v2/", { headers });
  expect([answer.headers["x-hop"], answer.headers["x-end"]]).toEqual([undefined, "2"]);
  const asked = stand.asked[0]?.headers ?? {};
  expect([asked["x-mine"], asked["x-end"]]).toEqual([undefined, "2"]);
});

test("what the proxy says has no upload session's id, which admits to it", async () => {
  const location = "/v2/team/app/blobs/uploads/abcdefgh-and-the-rest";
  const stand = await startRegistry((line) =>
    line.startsWith("POST") ? { status: 202, headers: { location } } : { status: 403 },
  );
  const proxy = await startProxy(stand.url);
  await proxy.begin("team/app");
  const refused = await proxy.ask(`PUT ${location}?digest=none`, { body: Buffer.from("bytes") });
  expect(refused.status).toBe(403);
  expect(proxy.said).toContain("/blobs/uploads/abcdefgh...");
  expect(proxy.said).not.toContain("and-the-rest");
});
