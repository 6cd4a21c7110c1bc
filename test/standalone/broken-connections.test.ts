/** Clients that go away in the middle, and what is left behind them. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { describe, expect, test, vi } from "vitest";
import type { Connection } from "./connection.ts";
import { digestOf, expectUsable, RunningRegistry } from "./running-registry.ts";
import { waiting } from "./start-process.ts";

const registry = new RunningRegistry();
const mebibyte = 1024 * 1024;

/** How a client ends a connection. */
const endings: Record<string, (connection: Connection) => void> = {
  "closes it": ({ socket }) => socket.destroy(),
  "resets it": ({ socket }) => socket.resetAndDestroy(),
  "ends its side of it": ({ socket }) => void socket.end(),
  "sends a chunk that is none": ({ socket }) => void socket.write("\r\nzz\r\n"),
};

describe.each(Object.entries(endings))("a client that %s", (_how, end) => {
  test.each([
    ["within the first part", 1000],
    ["behind a part", 9 * mebibyte],
  ])("in the middle of a PATCH, %s, leaves the session as it was", async (_where, size) => {
    const location = await registry.startUpload("broken/app");
    const first = await registry.connect();
    expect((await first.ask(`PATCH ${location}`, "hello")).status).toBe(202);
    const connection = await registry.connect();
    connection.head(`PATCH ${location}`, "Transfer-Encoding: chunked");
    connection.socket.write(`${size.toString(16)}\r\n`);
    await new Promise((sent) => connection.socket.write(Buffer.alloc(size), sent));
    end(connection);
    await vi.waitFor(async () => {
      const patch = await (await registry.connect()).ask(`PATCH ${location}`, " world");
      expect([patch.status, patch.headers.get("range")]).toEqual([202, "0-10"]);
    }, waiting);
    expect(await registry.range(location)).toBe("0-10");
    const put = `PUT ${location}?digest=${digestOf("hello world")}`;
    expect((await first.ask(put, "")).status).toBe(201);
  });

  test("in the middle of a whole blob leaves none, and the same PUT is 201", async () => {
    const bytes = randomBytes(mebibyte);
    const location = await registry.startUpload("broken/app");
    const put = `PUT ${location}?digest=${digestOf(bytes)}`;
    const connection = await registry.connect();
    connection.head(put, "Transfer-Encoding: chunked");
    connection.socket.write(`${(500_000).toString(16)}\r\n`);
    await new Promise((sent) => connection.socket.write(bytes.subarray(0, 500_000), sent));
    end(connection);
    const other = await registry.connect();
    const head = await other.ask(`HEAD /v2/broken/app/blobs/${digestOf(bytes)}`);
    expect(head.status).toBe(404);
    await vi.waitFor(async () => {
      expect((await (await registry.connect()).ask(put, bytes)).status).toBe(201);
    }, waiting);
    const blob = await other.ask(`GET /v2/broken/app/blobs/${digestOf(bytes)}`);
    expect(digestOf(blob.body)).toBe(digestOf(bytes));
  });
});

test("a client that ends its side behind its request gets its answer", async () => {
  const location = await registry.startUpload("broken/app");
  const connection = await registry.connect();
  connection.request(`PUT ${location}?digest=${digestOf("hello")}`, "hello");
  connection.socket.end();
  expect((await connection.answer()).status).toBe(201);
});

/** Asks, waits for the answer's first bytes, and drops the connection. */
async function drop(path: string, ...headers: readonly string[]): Promise<string> {
  const connection = await registry.connect();
  connection.request(`GET ${path}`, undefined, ...headers);
  const [data] = (await once(connection.socket, "data")) as [Buffer];
  connection.close();
  return data.toString("latin1").split("\r\n", 1).join("");
}

describe("a client that goes away in the middle of an answer", () => {
  test("containerd's parallel fetch: after 100 ranges opened and dropped the blob is served", async () => {
    const bytes = randomBytes(12 * mebibyte);
    const path = await registry.pushBlob("dropped/app", bytes);
    for (let count = 0; count < 100; count += 1) {
      // oxlint-disable-next-line no-await-in-loop
      expect(await drop(path, "Range: bytes=0-")).toBe("HTTP/1.1 206 Partial Content");
    }
    const blob = await (await registry.connect()).ask(`GET ${path}`);
    expect([blob.status, digestOf(blob.body)]).toEqual([200, digestOf(bytes)]);
  });

  test("containerd's parallel fetch: 50 ranges at once, each dropped, leave the blob served", async () => {
    const bytes = randomBytes(12 * mebibyte);
    const path = await registry.pushBlob("dropped/app", bytes);
    const drops = Array.from({ length: 50 }, (_, at) => drop(path, `Range: bytes=${at * 1000}-`));
    expect(new Set(await Promise.all(drops))).toEqual(new Set(["HTTP/1.1 206 Partial Content"]));
    const blob = await (await registry.connect()).ask(`GET ${path}`, undefined, "Range: bytes=0-");
    expect([blob.status, digestOf(blob.body)]).toEqual([206, digestOf(bytes)]);
  });

  test("kubelet: pulls that are cancelled leave everything served", async () => {
    const bytes = randomBytes(12 * mebibyte);
    const path = await registry.pushBlob("dropped/app", bytes);
    await Promise.all(Array.from({ length: 20 }, () => drop(path)));
    await expectUsable(await registry.connect());
    const blob = await (await registry.connect()).ask(`GET ${path}`);
    expect([blob.status, digestOf(blob.body)]).toEqual([200, digestOf(bytes)]);
  });
});

describe("containerd 2.3, docker 29: an answer begins within 30 s of the last byte", () => {
  const headersMsMax = 30_000;

  test.each([
    ["PUT of a whole blob", async (location: string) => location, "PUT"],
    [
      "PUT behind a PATCH",
      async (location: string, bytes: Buffer) => {
        const patch = await (await registry.connect()).ask(`PATCH ${location}`, bytes);
        return patch.headers.get("location") ?? "";
      },
      "",
    ],
  ])("to a %s of 128 MiB", { timeout: 120_000 }, async (_case, before, form) => {
    const bytes = randomBytes(128 * mebibyte);
    const location = await before(await registry.startUpload("patient/app"), bytes);
    const connection = await registry.connect();
    const put = `PUT ${location}?digest=${digestOf(bytes)}`;
    const body = form === "PUT" ? bytes : Buffer.alloc(0);
    connection.head(put, `Content-Length: ${body.length}`);
    await new Promise((sent) => connection.socket.write(body, sent));
    // The client's own clock: it drops a connection that says nothing for so long.
    connection.socket.setTimeout(headersMsMax, () => connection.close());
    expect((await connection.answer()).status).toBe(201);
  });
});
