/** Files without their bytes, as a power cut leaves them where nothing was synced. */
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { digestOf } from "./running-registry.ts";
import { Start } from "./start-process.ts";

const mebibyte = 1024 * 1024;
const firstBytes = 17 * mebibyte;

type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes of their own, which all lie in one file or in three parts. */
function bytesOf(size: number): Bytes {
  return new Uint8Array(randomBytes(size));
}

let folder = "";
let registry: Start;
let url = "";

async function start(): Promise<void> {
  registry = new Start([process.execPath, "standalone/start.ts"], {
    REGISTRY_PORT: "0",
    REGISTRY_STORAGE_PATH: folder,
    REGISTRY_LOG_LEVEL: "error",
  });
  url = await registry.url();
}

async function stop(): Promise<void> {
  registry.process.kill("SIGTERM");
  await registry.ended;
}

async function send(method: string, path: string, init: RequestInit = {}): Promise<Response> {
  const answer = await fetch(url + path, { ...init, method });
  return new Response(answer.status === 204 ? null : await answer.bytes(), answer);
}

async function begin(): Promise<string> {
  const answer = await send("POST", "/v2/team/app/blobs/uploads/");
  return answer.headers.get("location") ?? "";
}

async function push(bytes: Bytes): Promise<void> {
  const location = await begin();
  if (bytes.length > mebibyte) await send("PATCH", location, { body: bytes });
  const init = bytes.length > mebibyte ? {} : { body: bytes };
  const answer = await send("PUT", `${location}?digest=${digestOf(bytes)}`, init);
  expect(answer.status).toBe(201);
}

/** The files of the bucket, in the order of their names. */
async function files(): Promise<string[]> {
  const all = await readdir(join(folder, "blobs"), { recursive: true, withFileTypes: true });
  const found = all
    .filter((file) => file.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  return found.toSorted();
}

/** What a push has stored. */
async function filesOf(pushing: () => Promise<void>): Promise<string[]> {
  const before = new Set(await files());
  await pushing();
  return (await files()).filter((path) => !before.has(path));
}

async function cut(path: string | undefined, share: number): Promise<void> {
  if (path === undefined) throw new Error("there is no such file");
  const { size } = await stat(path);
  await truncate(path, Math.floor(size * share));
}

const torn: { name: string; bytes: Bytes; file: RegExp; share: number }[] = [
  { name: "whose file is empty", bytes: bytesOf(1000), file: /\.object$/, share: 0 },
  { name: "whose file ends in its first line", bytes: bytesOf(10), file: /\.object$/, share: 0.1 },
  { name: "whose file ends in its bytes", bytes: bytesOf(50_000), file: /\.object$/, share: 0.5 },
  { name: "whose list of parts is empty", bytes: bytesOf(firstBytes), file: /\.object$/, share: 0 },
  { name: "whose first part is empty", bytes: bytesOf(firstBytes), file: /\/1\.[^/]+$/, share: 0 },
  { name: "whose last part is empty", bytes: bytesOf(firstBytes), file: /\/3\.[^/]+$/, share: 0 },
  { name: "whose second part ends", bytes: bytesOf(firstBytes), file: /\/2\.[^/]+$/, share: 0.7 },
];
const sessions = [
  { name: "whose first part is empty", file: /\/1\.[^/]+$/, location: "" },
  { name: "whose second part is empty", file: /\/2\.[^/]+$/, location: "" },
  { name: "that is not known to be open", file: /upload\.json$/, location: "" },
];
const chunks = bytesOf(firstBytes + 1000);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "longshore-torn-"));
  await start();
  const spoils: (() => Promise<void>)[] = [];
  for (const { bytes, file, share } of torn) {
    const stored = await filesOf(() => push(bytes));
    spoils.push(() =>
      cut(
        stored.find((path) => file.test(path)),
        share,
      ),
    );
  }
  for (const session of sessions) {
    const stored = await filesOf(async () => {
      session.location = await begin();
      const headers = { "Content-Range": `0-${firstBytes - 1}` };
      const init = { body: chunks.subarray(0, firstBytes), headers };
      expect((await send("PATCH", session.location, init)).status).toBe(202);
    });
    spoils.push(() =>
      cut(
        stored.find((path) => session.file.test(path)),
        0,
      ),
    );
  }
  await stop();
  for (const spoil of spoils) await spoil();
  await start();
}, 120_000);

afterAll(async () => {
  await stop();
  await rm(folder, { recursive: true, maxRetries: 10 });
});

describe.each(torn)("a blob $name", ({ bytes }) => {
  const path = `/v2/team/app/blobs/${digestOf(bytes)}`;

  test("is lost when it is read, and then for HEAD", async () => {
    const answer = await send("GET", path);
    expect(answer.status).toBe(404);
    expect(await answer.text()).toContain("are lost: push the blob again");
    expect((await send("HEAD", path)).status).toBe(404);
  });

  test("is there again once it was pushed again", async () => {
    await push(bytes);
    const answer = await send("GET", path);
    expect(answer.status).toBe(200);
    expect(digestOf(await answer.bytes())).toBe(digestOf(bytes));
  });
});

test.each(sessions)("an upload $name makes no blob", async ({ location }) => {
  const answer = await send("PUT", `${location}?digest=${digestOf(chunks)}`, {
    body: chunks.subarray(firstBytes),
    headers: { "Content-Range": `${firstBytes}-${chunks.length - 1}` },
  });
  expect(answer.status).toBe(404);
  expect((await send("GET", `/v2/team/app/blobs/${digestOf(chunks)}`)).status).toBe(404);
});
