import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { objectBytes } from "../soak/bucket.ts";
import { digestOf } from "./running-registry.ts";
import { S3StandIn } from "./s3-stand-in.ts";
import { Start } from "./start-process.ts";

const reader = {
  accessKeyId: "0123456789abcdef0123456789abcdef",
  secretAccessKey: "a+secret/with=signs",
  bucket: "longshore-test-blobs",
};
const headers = { Authorization: `Basic ${btoa("alice:correct-horse")}` };
const small = Buffer.from("the bytes of a small blob");
const large = Buffer.alloc(9 * 1024 * 1024, "the bytes of a blob in two parts, ");

let folder = "";
let store: S3StandIn;
let start: Start;
let url = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "longshore-direct-"));
  store = new S3StandIn(reader, (key) => objectBytes(folder, key));
  start = new Start([process.execPath, "standalone/start.ts"], {
    REGISTRY_PORT: "0",
    REGISTRY_STORAGE_PATH: folder,
    USERNAME: "alice",
    PASSWORD: "correct-horse",
    REGISTRY_R2_ENDPOINT: await store.listen(),
    REGISTRY_R2_BUCKET: reader.bucket,
    REGISTRY_R2_ACCESS_KEY_ID: reader.accessKeyId,
    REGISTRY_R2_SECRET_ACCESS_KEY: reader.secretAccessKey,
    REGISTRY_R2_URL_LIFETIME: "60",
  });
  url = await start.url();
  for (const bytes of [small, large]) {
    // oxlint-disable-next-line no-await-in-loop
    await push(bytes);
  }
});

afterAll(async () => {
  start.process.kill("SIGTERM");
  await start.ended;
  await store.close();
  await rm(folder, { recursive: true, maxRetries: 10 });
});

beforeEach(() => {
  store.requests.length = 0;
  store.laterMs = 0;
});

/** Pushes a blob by a session, so that a large one has parts. */
async function push(bytes: Buffer): Promise<void> {
  const post = await fetch(`${url}/v2/team/app/blobs/uploads/`, { method: "POST", headers });
  const session = url + (post.headers.get("Location") ?? "");
  const patch = { method: "PATCH", headers, body: new Uint8Array(bytes) };
  expect((await fetch(session, patch)).status).toBe(202);
  const put = await fetch(`${session}?digest=${digestOf(bytes)}`, { method: "PUT", headers });
  expect(put.status).toBe(201);
}

function blobUrl(bytes: Buffer): string {
  return `${url}/v2/team/app/blobs/${digestOf(bytes)}`;
}

/** Where a client is sent for a blob. */
async function redirectOf(bytes: Buffer): Promise<URL> {
  const response = await fetch(blobUrl(bytes), { headers, redirect: "manual" });
  expect(response.status).toBe(307);
  return new URL(response.headers.get("Location") ?? "");
}

describe("a client that follows redirects reads from the store itself", () => {
  test.each([
    ["a small blob", small],
    ["a blob in parts", large],
  ])("%s", async (_case, bytes) => {
    const response = await fetch(blobUrl(bytes), { headers });
    expect([response.status, response.redirected]).toEqual([200, true]);
    expect(response.headers.get("Content-Type")).toBe("application/octet-stream");
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true);
    expect(store.requests).toMatchObject([{ method: "GET", status: 200, range: undefined }]);
  });

  test.each([
    ["bytes=0-9", 0, 10],
    [`bytes=${large.length - 5}-`, large.length - 5, large.length],
  ])("a part of one, %s, to which it goes with its Range", async (range, from, to) => {
    const response = await fetch(blobUrl(large), { headers: { ...headers, Range: range } });
    expect([response.status, response.redirected]).toEqual([206, true]);
    const bytes = Buffer.from(await response.arrayBuffer());
    expect(bytes.equals(large.subarray(from, to))).toBe(true);
    expect(store.requests).toMatchObject([{ status: 206, range }]);
  });
});

test("HEAD is answered here", async () => {
  const response = await fetch(blobUrl(small), { method: "HEAD", headers });
  expect([response.status, response.redirected]).toEqual([200, false]);
  expect(response.headers.get("Content-Length")).toBe(String(small.length));
  expect(store.requests).toEqual([]);
});

describe("the URL is good", () => {
  test("for its lifetime, and not longer", async () => {
    const direct = await redirectOf(small);
    store.laterMs = 55_000;
    expect((await fetch(direct)).status).toBe(200);
    store.laterMs = 61_000;
    expect((await fetch(direct)).status).toBe(403);
  });

  test.each<[string, (direct: URL) => URL | Promise<URL>, string]>([
    ["another method", (direct) => direct, "HEAD"],
    [
      "another blob",
      async (direct) => new URL((await redirectOf(large)).pathname + direct.search, direct),
      "GET",
    ],
    [
      "a longer lifetime",
      (direct) => new URL(direct.href.replace("X-Amz-Expires=60", "X-Amz-Expires=600")),
      "GET",
    ],
    [
      "another type of content",
      (direct) => new URL(direct.href.replace("octet-stream", "html")),
      "GET",
    ],
  ])("not for %s", async (_what, change, method) => {
    const changed = await change(await redirectOf(small));
    expect((await fetch(changed, { method })).status).toBe(403);
  });
});

test("no secret is in the URL, nor in what the process writes", async () => {
  const direct = await redirectOf(small);
  for (const text of [decodeURIComponent(direct.href), start.output]) {
    expect(text).not.toContain(reader.secretAccessKey);
  }
});

test("who may not read is told so here", async () => {
  expect((await fetch(blobUrl(small))).status).toBe(401);
  expect(store.requests).toEqual([]);
});
