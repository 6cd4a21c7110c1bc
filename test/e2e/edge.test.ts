/** The edge that tests put before a registry: that it does to requests what it is there for. */
import { once } from "node:events";
import { createServer, request as ask, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Cleanup } from "./cleanup.ts";
import { Edge, type EdgeTroubles } from "./edge.ts";

const bodyBytesMax = 100_000;
const body = Buffer.alloc(bodyBytesMax, "0123456789");

/** Something to stand behind an edge: answers with the body that it gets, and notes what came. */
class Origin {
  readonly seen: string[] = [];
  /** The bytes of the bodies that broke off. */
  readonly broken: number[] = [];
  readonly #server: Server = createServer((request, response) => {
    this.seen.push(request.url ?? "");
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("error", () => this.broken.push(Buffer.concat(chunks).length));
    request.on("end", () => response.end(Buffer.concat(chunks)));
  });

  async start(): Promise<this> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

let cleanup: Cleanup;
let origin: Origin;

beforeEach(async () => {
  cleanup = new Cleanup();
  origin = cleanup.own(await new Origin().start());
});

afterEach(async () => cleanup.run());

async function edgeWith(troubles: EdgeTroubles = {}): Promise<Edge> {
  return cleanup.own(await Edge.start(origin, bodyBytesMax, troubles));
}

interface Answer {
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly body: Buffer;
}

/** PATCHes on a connection of its own; rejects where there is no whole answer. */
async function send(url: string, sent: Buffer, announced = true): Promise<Answer> {
  const headers = announced ? { "Content-Length": sent.length } : {};
  const request = ask(url, { method: "PATCH", headers, agent: false });
  const answered = once(request, "response");
  Readable.from([sent.subarray(0, sent.length / 2), sent.subarray(sent.length / 2)]).pipe(request);
  const [response] = await answered;
  const { statusCode, headers: got } = response;
  return { status: statusCode, type: got["content-type"], body: await buffer(response) };
}

/** Sends small requests one after the other, and answers the numbers of those without an answer. */
async function unanswered(edge: Edge, requests: number): Promise<number[]> {
  const numbers: number[] = [];
  for (let number = 0; number < requests; number += 1) {
    await send(`${edge.url}/${number}`, Buffer.from("a")).catch(() => numbers.push(number));
  }
  return numbers;
}

/** The bytes of the first body that breaks off on its way to the registry. */
async function brokenAt(seed: number): Promise<number> {
  origin.broken.length = 0;
  const edge = await edgeWith({ bytesPerCut: bodyBytesMax / 2, seed });
  await expect(send(`${edge.url}/cut`, body)).rejects.toThrow(/socket hang up|ECONNRESET/);
  await expect.poll(() => origin.broken).toHaveLength(1);
  expect(edge.counts.cut).toBe(1);
  return origin.broken[0] ?? NaN;
}

describe("a body", () => {
  test.each([
    ["as large as the limit, announced", body, true, 200],
    ["as large as the limit, streamed", body, false, 200],
    ["empty", Buffer.alloc(0), true, 200],
    ["a byte too large, announced", Buffer.alloc(bodyBytesMax + 1), true, 413],
    ["a byte too large, streamed", Buffer.alloc(bodyBytesMax + 1), false, 413],
  ])("%s", async (_, sent, announced, status) => {
    const edge = await edgeWith();
    const answer = await send(`${edge.url}/body`, sent, announced);
    expect(answer.status).toBe(status);
    if (status === 200) expect(answer.body.equals(sent)).toBe(true);
    else
      expect(`${answer.type}: ${answer.body.toString()}`).toMatch(
        /^text\/html: .*413[^]*cloudflare/,
      );
    expect(edge.counts.refused).toBe(status === 413 ? 1 : 0);
  });

  test("that is announced too large does not reach the registry", async () => {
    const edge = await edgeWith();
    await send(`${edge.url}/announced`, Buffer.alloc(bodyBytesMax + 1));
    expect(origin.seen).not.toContain("/announced");
  });
});

describe("one request in fifty", () => {
  test("is not answered, whatever its place", async () => {
    const numbers = await unanswered(await edgeWith({ dropOneIn: 50 }), 200);
    expect(numbers.map((number) => Math.floor(number / 50))).toEqual([0, 1, 2, 3]);
    expect(new Set(numbers.map((number) => number % 50)).size).toBeGreaterThan(1);
  });

  test("is the same one by the same seed, and another one by another", async () => {
    const [first, again, other] = await Promise.all(
      [7, 7, 8].map(async (seed) => unanswered(await edgeWith({ dropOneIn: 50, seed }), 100)),
    );
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });

  test("has reached the registry, or has not", async () => {
    const edge = await edgeWith({ dropOneIn: 2 });
    const numbers = await unanswered(edge, 40);
    const reached = numbers.filter((number) => origin.seen.includes(`/${number}`));
    expect(reached).not.toEqual([]);
    expect(reached.length).toBeLessThan(numbers.length);
    expect(edge.counts).toMatchObject({ requests: 40, dropped: 20 });
  });
});

describe("a connection is cut", () => {
  test("within a body, at another byte by another seed", async () => {
    const places = [await brokenAt(1), await brokenAt(2), await brokenAt(1)];
    expect(places[2]).toBe(places[0]);
    expect(places[1]).not.toBe(places[0]);
    for (const place of places) expect(place).toBeLessThan(body.length);
  });

  test("within an answer", async () => {
    // The first cut of this seed is behind what is sent, and before the end of what comes back.
    const edge = await edgeWith({ bytesPerCut: 0.9 * bodyBytesMax, seed: 3 });
    await expect(send(`${edge.url}/answer`, body)).rejects.toThrow("aborted");
    expect(edge.counts).toMatchObject({ cut: 1, bytesUp: body.length });
  });

  test("again and again", async () => {
    const edge = await edgeWith({ bytesPerCut: 50_000 });
    for (let turn = 0; turn < 10; turn += 1) {
      await send(`${edge.url}/again`, body.subarray(0, 50_000)).catch(() => undefined);
    }
    expect(edge.counts.cut).toBeGreaterThan(3);
  });
});

describe("far away", () => {
  test("requests and answers come later than those of who is near, and whole", async () => {
    const far = await edgeWith({ latencyMs: 300 });
    const near = await edgeWith();
    const answered: string[] = [];
    const late = send(`${far.url}/far`, body).then((answer) => {
      answered.push("/far");
      return answer;
    });
    for (const path of ["/near", "/nearer"]) {
      await send(`${near.url}${path}`, body);
      answered.push(path);
    }
    expect((await late).body.equals(body)).toBe(true);
    expect(origin.seen).toEqual(["/near", "/nearer", "/far"]);
    expect(answered).toEqual(["/near", "/nearer", "/far"]);
  });

  test.each([
    ["announced", true],
    ["streamed", false],
  ])("a body that is too large, %s, is refused with the page", async (_, announced) => {
    const edge = await edgeWith({ latencyMs: 5 });
    const answer = await send(`${edge.url}/large`, Buffer.alloc(bodyBytesMax + 1), announced);
    expect([answer.status, answer.type]).toEqual([413, "text/html"]);
  });
});
