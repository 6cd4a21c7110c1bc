/** HTTP/1.1 as its bytes are: what no client library lets a test send or see. */
import { describe, expect, test } from "vitest";
import { digestOf, expectUsable, RunningRegistry } from "./running-registry.ts";

/** Open to everyone, whatever the Host. */
const registry = new RunningRegistry({ REGISTRY_AUTH_TYPE: "none" });
const zeros = `sha256:${"0".repeat(64)}`;
const index = JSON.stringify({
  schemaVersion: 2,
  mediaType: "application/vnd.oci.image.index.v1+json",
  manifests: [],
});

describe("HEAD", () => {
  test.each([
    ["/v2/", 200],
    ["/v2/_catalog", 200],
    ["/v2/head/app/tags/list", 200],
    ["/v2/head/app/manifests/latest", 200],
    [`/v2/head/app/manifests/${digestOf(index)}`, 200],
    [`/v2/head/app/blobs/${digestOf("hello")}`, 200],
    [`/v2/head/app/referrers/${zeros}`, 200],
    ["/v2/head/none/tags/list", 404],
    ["/v2/head/app/manifests/none", 404],
    [`/v2/head/app/manifests/${zeros}`, 404],
    [`/v2/head/app/blobs/${zeros}`, 404],
    ["/v2/head/app/blobs/uploads/none", 404],
    ["/nowhere", 404],
    ["/v2/HEAD/tags/list", 400],
    ["/v2/head/app/blobs/sha256:x", 400],
    ["/v2/_catalog?n=x", 400],
  ])("of %s is %i without a body, and the next answer follows at once", async (path, status) => {
    await registry.pushBlob("head/app", "hello");
    const connection = await registry.connect();
    await connection.ask("PUT /v2/head/app/manifests/latest", index);
    const head = await connection.ask(`HEAD ${path}`);
    expect(head.status).toBe(status);
    await expectUsable(connection);
    const get = await connection.ask(`GET ${path}`);
    expect([get.status, get.headers.get("content-type")]).toEqual([
      status,
      head.headers.get("content-type"),
    ]);
    // A length that a HEAD tells is that of GET's body.
    const told = head.headers.get("content-length") ?? String(get.body.length);
    expect(told).toBe(String(get.body.length));
  });

  test("of a route without it is 405 without a body, and the next answer follows at once", async () => {
    const connection = await registry.connect();
    expect((await connection.ask("HEAD /v2/head/app/blobs/uploads/")).status).toBe(405);
    await expectUsable(connection);
  });

  test("of an upload session is 204, and the next answer follows at once", async () => {
    const connection = await registry.connect();
    const head = await connection.ask(`HEAD ${await registry.startUpload("head/app")}`);
    expect([head.status, head.headers.get("range")]).toEqual([204, "0--1"]);
    await expectUsable(connection);
  });
});

describe("Expect: 100-continue", () => {
  test.each([
    ["PUT of a whole blob", "PUT", `?digest=${digestOf("hello")}`, 201],
    ["PATCH", "PATCH", "", 202],
  ])("with a %s is answered 100, then %4$i", async (_case, method, query, status) => {
    const location = await registry.startUpload("expect/app");
    const connection = await registry.connect();
    connection.head(`${method} ${location}${query}`, "Content-Length: 5", "Expect: 100-continue");
    expect((await connection.answer()).status).toBe(100);
    connection.socket.write("hello");
    expect((await connection.answer()).status).toBe(status);
    await expectUsable(connection);
  });

  test.each([
    ["to a session that is none", "PATCH /v2/expect/app/blobs/uploads/none", 5, 404],
    ["to a name that is none", "PATCH /v2/EXPECT/blobs/uploads/none", 5, 400],
    ["of a gibibyte to a session that is none", "PUT /v2/expect/app/blobs/uploads/x", 1 << 30, 404],
    ["with a manifest that is too large", "PUT /v2/expect/app/manifests/x", 5_000_000, 413],
  ])("%s is refused before its body is asked for", async (_case, request, length, status) => {
    const connection = await registry.connect();
    connection.head(request, `Content-Length: ${length}`, "Expect: 100-continue");
    expect((await connection.answer()).status).toBe(status);
  });
});

test("requests that are sent before their answers are answered in their order", async () => {
  const bytes = Buffer.alloc(100_000, 7);
  const path = await registry.pushBlob("pipelined/app", bytes);
  const location = await registry.startUpload("pipelined/app");
  const connection = await registry.connect();
  connection.request("GET /v2/");
  connection.request("HEAD /v2/pipelined/app/manifests/none");
  connection.request(`PATCH ${location}`, "hello");
  connection.request("PUT /v2/pipelined/app/manifests/latest", "{}");
  connection.request(`GET ${path}`);
  connection.request(`PUT ${location}?digest=${digestOf("hello")}`, "");
  const statuses = [];
  for (const isToHead of [false, true, false, false]) {
    // oxlint-disable-next-line no-await-in-loop
    statuses.push((await connection.answer(isToHead)).status);
  }
  const blob = await connection.answer();
  const put = await connection.answer();
  expect([...statuses, blob.status, put.status]).toEqual([200, 404, 202, 400, 200, 201]);
  expect(digestOf(blob.body)).toBe(digestOf(bytes));
});

describe("a body in chunks", () => {
  test.each([
    ["of one piece", "5\r\nhello\r\n0\r\n\r\n", "0-4"],
    ["of a byte each", "1\r\nh\r\n1\r\ne\r\n1\r\nl\r\n1\r\nl\r\n1\r\no\r\n0\r\n\r\n", "0-4"],
    ["with leading zeros", "00005\r\nhello\r\n000\r\n\r\n", "0-4"],
    ["with extensions", '5;a=b;c="d e"\r\nhello\r\n0;last\r\n\r\n', "0-4"],
    ["with a trailer", "5\r\nhello\r\n0\r\nX-Checksum: 1\r\n\r\n", "0-4"],
    ["with extensions and trailers", "5;a\r\nhello\r\n0;b\r\nX-One: 1\r\nX-Two: 2\r\n\r\n", "0-4"],
    ["of nothing", "0\r\n\r\n", "0-0"],
  ])("%s is appended as it is meant", async (_case, body, range) => {
    const location = await registry.startUpload("chunked/app");
    const connection = await registry.connect();
    connection.head(`PATCH ${location}`, "Transfer-Encoding: chunked");
    connection.socket.write(body);
    const patch = await connection.answer();
    expect([patch.status, patch.headers.get("range")]).toEqual([202, range]);
    await expectUsable(connection);
    const bytes = range === "0-0" ? "" : "hello";
    const put = await connection.ask(`PUT ${location}?digest=${digestOf(bytes)}`, "");
    expect(put.status).toBe(201);
  });

  test("that also has a length is read by its chunks, and nothing follows on its connection", async () => {
    const location = await registry.startUpload("chunked/app");
    const connection = await registry.connect();
    connection.head(`PATCH ${location}`, "Content-Length: 3", "Transfer-Encoding: chunked");
    connection.socket.write("5\r\nhello\r\n0\r\n\r\n");
    const patch = await connection.answer();
    expect([patch.status, patch.headers.get("range")]).toEqual([202, "0-4"]);
    expect(await connection.endsSilently()).toBe(true);
  });
});

test.each([
  ["with a length of 0", ["Content-Length: 0"]],
  ["without a length", []],
  ["with a length of 0 and a Content-Type", ["Content-Length: 0", "Content-Type: x/y"]],
])("a PATCH of nothing, %s, is 202 with Range 0-0", async (_case, headers) => {
  const location = await registry.startUpload("empty/app");
  const connection = await registry.connect();
  connection.head(`PATCH ${location}`, ...headers);
  const patch = await connection.answer();
  expect([patch.status, patch.headers.get("range")]).toEqual([202, "0-0"]);
  await expectUsable(connection);
});

async function sessionPath(): Promise<string> {
  return registry.startUpload("needless/app");
}

async function blobPath(): Promise<string> {
  return registry.pushBlob("needless/app", "hello");
}

describe.each([
  ["5 bytes", 5],
  ["10 KiB", 10 * 1024],
  ["1 MiB", 1024 * 1024],
  ["12 MiB", 12 * 1024 * 1024],
])("a body of %s that nobody needs", (_size, size) => {
  test.each([
    ["GET of the base", "GET", async () => "/v2/", 200],
    ["HEAD of the base", "HEAD", async () => "/v2/", 200],
    ["GET of the catalog", "GET", async () => "/v2/_catalog", 200],
    ["GET of no manifest", "GET", async () => "/v2/needless/app/manifests/none", 404],
    ["DELETE of no manifest", "DELETE", async () => "/v2/needless/app/manifests/none", 404],
    ["GET of an upload session", "GET", sessionPath, 204],
    ["DELETE of an upload session", "DELETE", sessionPath, 204],
    ["GET of a blob", "GET", blobPath, 200],
    ["DELETE of a blob", "DELETE", blobPath, 202],
    ["POST of an upload", "POST", async () => "/v2/needless/app/blobs/uploads/", 202],
    ["POST of a mount", "POST", async () => `/v2/a/blobs/uploads/?mount=${zeros}`, 202],
  ])("on %s leaves its connection usable", async (_case, method, path, status) => {
    const request = `${method} ${await path()}`;
    const connection = await registry.connect();
    const answer = await connection.ask(request, Buffer.alloc(size));
    expect(answer.status).toBe(status);
    await expectUsable(connection);
  });
});

describe("a request target", () => {
  test.each([
    ["in absolute form", "/v2/", 200],
    ["in absolute form with a query", "/v2/_catalog?n=0", 200],
    ["in absolute form, of nothing", "/v2/target/app/manifests/none?a=b", 404],
    ["in absolute form, of no route", "/nowhere", 404],
  ])("%s, http://<host>%s, is %i", async (_case, path, status) => {
    const connection = await registry.connect();
    const answer = await connection.ask(`GET http://${connection.host}${path}`);
    expect(answer.status).toBe(status);
    await expectUsable(connection);
  });

  test("of another host, in absolute form, is answered by its path", async () => {
    const connection = await registry.connect();
    const answer = await connection.ask("GET http://elsewhere.test:77/v2/target/app/tags/list");
    expect([answer.status, answer.body.toString()]).toEqual([
      404,
      expect.stringContaining("target/app"),
    ]);
  });

  test.each([["OPTIONS *"], ["GET *"]])(
    "%s is a client's error, not the server's",
    async (line) => {
      const connection = await registry.connect();
      const answer = await connection.ask(line);
      expect([400, 404, 405]).toContain(answer.status);
    },
  );

  test("with a space is 400, and the connection ends", async () => {
    const connection = await registry.connect();
    expect((await connection.ask("GET /v2/a b/tags/list")).status).toBe(400);
    expect(await connection.endsSilently()).toBe(true);
  });
});

describe("HTTP/1.0", () => {
  test.each([["GET"], ["HEAD"]])("%s is answered, and the connection ends", async (method) => {
    const connection = await registry.connect();
    connection.lines(`${method} /v2/ HTTP/1.0`, `Host: ${connection.host}`);
    const answer = await connection.answer(method === "HEAD");
    expect([answer.status, answer.body.toString()]).toEqual([200, method === "HEAD" ? "" : "{}"]);
    expect(await connection.endsSilently()).toBe(true);
  });

  test("a blob ends where its length says", async () => {
    const bytes = Buffer.alloc(300_000, 3);
    const path = await registry.pushBlob("old/app", bytes);
    const connection = await registry.connect();
    connection.lines(`GET ${path} HTTP/1.0`, `Host: ${connection.host}`);
    const answer = await connection.answer();
    expect(answer.headers.get("content-length")).toBe("300000");
    expect(digestOf(answer.body)).toBe(digestOf(bytes));
    expect(await connection.endsSilently()).toBe(true);
  });

  test("a body by its length is taken", async () => {
    const location = await registry.startUpload("old/app");
    const connection = await registry.connect();
    connection.lines(
      `PUT ${location}?digest=${digestOf("hello")} HTTP/1.0`,
      `Host: ${connection.host}`,
      "Content-Length: 5",
    );
    connection.socket.write("hello");
    expect((await connection.answer()).status).toBe(201);
  });
});

describe("the headers of a request", () => {
  test.each([
    ["in lower case", "host", "content-length", "content-range"],
    ["in upper case", "HOST", "CONTENT-LENGTH", "CONTENT-RANGE"],
    ["in mixed case", "hOsT", "Content-length", "cOnTeNt-RaNgE"],
  ])("may be %s", async (_case, host, length, range) => {
    const location = await registry.startUpload("case/app");
    const connection = await registry.connect();
    connection.lines(
      `PATCH ${location} HTTP/1.1`,
      `${host}: ${connection.host}`,
      `${length}: 5`,
      `${range}: 5-9`,
    );
    connection.socket.write("hello");
    const answer = await connection.answer();
    expect([answer.status, answer.headers.get("range")]).toEqual([416, "0--1"]);
    await expectUsable(connection);
  });

  test.each([
    ["one of 8 KiB, a token", [`Authorization: Bearer ${"x".repeat(8192)}`]],
    ["one of 32 KiB", [`Authorization: Bearer ${"x".repeat(32_768)}`]],
    ["a hundred", Array.from({ length: 100 }, (_, at) => `X-Number-${at}: ${at}`)],
    ["a cookie that is none", ["Cookie: ;;=;"]],
    ["an empty one", ["X-Empty:"]],
  ])("may be many and long: %s", async (_case, headers) => {
    const connection = await registry.connect();
    const answer = await connection.ask("GET /v2/", undefined, ...headers);
    expect(answer.status).toBe(200);
    await expectUsable(connection);
  });

  test.each([
    ["no Host", []],
    ["an empty Host", ["Host:"]],
    ["a Host with a path", ["Host: evil/v2/theirs"]],
    ["a Host with a query", ["Host: evil?"]],
    ["a Host with a space", ["Host: evil host"]],
    ["a Host with a user", ["Host: user@evil"]],
    ["two Hosts", ["Host: one.test", "Host: two.test"]],
    ["a length that is none", ["Host: registry.test", "Content-Length: abc"]],
    ["a length below zero", ["Host: registry.test", "Content-Length: -5"]],
    ["two lengths", ["Host: registry.test", "Content-Length: 5", "Content-Length: 6"]],
  ])("with %s are 400", async (_case, headers) => {
    const connection = await registry.connect();
    connection.lines("GET /v2/ours/app/tags/list HTTP/1.1", ...headers);
    expect((await connection.answer()).status).toBe(400);
    await expectUsable(await registry.connect());
  });

  test("Connection: close ends the connection behind the answer", async () => {
    const connection = await registry.connect();
    const answer = await connection.ask("GET /v2/", undefined, "Connection: close");
    expect([answer.status, answer.headers.get("connection")]).toEqual([200, "close"]);
    expect(await connection.endsSilently()).toBe(true);
  });

  test("what is no HTTP is 400, and the connection ends", async () => {
    const connection = await registry.connect();
    connection.lines("\u0016\u0003\u0001 hello");
    expect((await connection.answer()).status).toBe(400);
    expect(await connection.endsSilently()).toBe(true);
  });
});
