/**
 * Answers to requests whose body was not read: clients that are answered before they have sent it
 * all hang, lose the answer, or take what is left of the body for their next request.
 */
import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { Connection } from "./connection.ts";
import { digestOf, expectUsable, RunningRegistry } from "./running-registry.ts";

const registry = new RunningRegistry();
const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;
const zeros = `sha256:${"0".repeat(64)}`;

/** Sends a body in chunks of a mebibyte, as far as the other side takes it. */
function sendChunks(connection: Connection, count: number): void {
  const mebi = Buffer.alloc(mebibyte, " ");
  for (let sent = 0; sent < count; sent += 1) {
    connection.socket.write("100000\r\n");
    connection.socket.write(mebi);
    connection.socket.write("\r\n");
  }
  connection.socket.write("0\r\n\r\n");
}

/** Requests that are refused by their head alone, or while their body is read. */
const refused: [string, () => Promise<string>, number][] = [
  ["PATCH to no session", async () => "PATCH /v2/early/app/blobs/uploads/none", 404],
  ["PUT to no session", async () => `PUT /v2/early/app/blobs/uploads/x?digest=${zeros}`, 404],
  ["a name that is none", async () => "PUT /v2/EARLY/manifests/latest", 400],
  ["a tag that is none", async () => "PUT /v2/early/app/manifests/-", 400],
  ["a method that is none here", async () => "POST /v2/early/app/manifests/latest", 405],
  ["no route", async () => "PUT /nowhere", 404],
  ["PUT without a digest", async () => `PUT ${await registry.startUpload("early/app")}`, 400],
  [
    "PUT with a digest that is none",
    async () => `PUT ${await registry.startUpload("early/app")}?digest=md5:0`,
    400,
  ],
  [
    "PUT with another blob's digest",
    async () => `PUT ${await registry.startUpload("early/app")}?digest=${zeros}`,
    400,
  ],
  [
    "POST with another blob's digest",
    async () => `POST /v2/early/app/blobs/uploads/?digest=${zeros}`,
    400,
  ],
];

describe.each(refused)("crane, regctl, oras: %s", (_case, request, status) => {
  test.each([
    ["10 KiB", 10 * kibibyte],
    ["1 MiB", mebibyte],
    ["12 MiB", 12 * mebibyte],
  ])("and %s are answered, and the connection takes the next request", async (_size, size) => {
    const line = await request();
    const connection = await registry.connect();
    const answer = await connection.ask(line, Buffer.alloc(size));
    expect(answer.status).toBe(status);
    expect(answer.headers.get("content-type")).toBe("application/json");
    expect(answer.headers.get("connection")).toBeUndefined();
    await expectUsable(connection);
  });
});

describe("regctl: a chunk of 12 MiB", () => {
  const chunk = Buffer.alloc(12 * mebibyte);

  test.each([
    ["at a wrong offset", `Content-Range: 5-${chunk.length + 4}`, 416, "0--1"],
    ["shorter than it says", `Content-Range: 0-${chunk.length}`, 400, undefined],
    ["that says nothing", "Content-Range: junk", 416, "0--1"],
  ])("%s is answered, and goes on the same connection", async (_case, header, status, range) => {
    const location = await registry.startUpload("early/app");
    const connection = await registry.connect();
    const answer = await connection.ask(`PATCH ${location}`, chunk, header);
    expect([answer.status, answer.headers.get("range")]).toEqual([status, range]);
    const right = `Content-Range: 0-${chunk.length - 1}`;
    const again = await connection.ask(`PATCH ${location}`, chunk, right);
    expect([again.status, again.headers.get("range")]).toEqual([202, `0-${chunk.length - 1}`]);
  });
});

test("helm: a manifest that is too large, as a stream, is 413, and the connection goes on", async () => {
  const connection = await registry.connect();
  connection.head("PUT /v2/early/app/manifests/latest", "Transfer-Encoding: chunked");
  sendChunks(connection, 12);
  expect((await connection.answer()).status).toBe(413);
  await expectUsable(connection);
});

describe("containerd 1.6, BuildKit 0.12: a body of 192 MiB to no session", () => {
  test.each([
    ["with a length", ["Content-Length: 201326592"]],
    ["in chunks", ["Transfer-Encoding: chunked"]],
  ])("%s is cut, and the client reads why", async (_case, headers) => {
    const connection = await registry.connect();
    connection.head("PATCH /v2/early/app/blobs/uploads/none", ...headers);
    sendChunks(connection, 192);
    const answer = await connection.answer();
    expect([answer.status, answer.headers.get("connection")]).toEqual([404, "close"]);
    expect(answer.body.toString()).toContain("BLOB_UPLOAD_UNKNOWN");
    expect(await connection.endsSilently()).toBe(true);
  });
});

test("docker: a layer that is longer than any may be is 413 while the client still sends", async () => {
  const location = await registry.startUpload("early/app");
  const connection = await registry.connect();
  connection.head(`PATCH ${location}`, "Content-Length: 10000000000000");
  // One write that is never through: a new one that met the closed connection would lose the answer unread.
  sendChunks(connection, 256);
  const answer = await connection.answer();
  expect([answer.status, answer.headers.get("content-type")]).toEqual([413, "application/json"]);
  await expectUsable(await registry.connect());
});

test(
  "ctr: a client that waits for its answer with its body half sent gets it",
  { timeout: 30_000 },
  async () => {
    const connection = await registry.connect();
    connection.head("PUT /v2/early/app/blobs/uploads/none", "Content-Length: 1000000");
    connection.socket.write(Buffer.alloc(500_000));
    const answer = await connection.answer();
    expect([answer.status, answer.headers.get("connection")]).toEqual([404, "close"]);
  },
);

describe("a PUT that is sent again with its whole body is 201, and the connection goes on:", () => {
  test.each([
    ["containerd: to a session that took it whole, 1 MiB", mebibyte, false],
    ["containerd: to a session that took it whole, 20 MiB", 20 * mebibyte, false],
    ["regctl: to a session that was closed behind a PATCH, 1 MiB", mebibyte, true],
    ["regctl: to a session that was closed behind a PATCH, 12 MiB", 12 * mebibyte, true],
  ])("%s", async (_case, size, isPatched) => {
    const bytes = randomBytes(size);
    const location = await registry.startUpload("early/app");
    const connection = await registry.connect();
    if (isPatched) await connection.ask(`PATCH ${location}`, bytes);
    const put = `PUT ${location}?digest=${digestOf(bytes)}`;
    expect((await connection.ask(put, isPatched ? "" : bytes)).status).toBe(201);
    expect((await connection.ask(put, bytes)).status).toBe(201);
    await expectUsable(connection);
  });
});
