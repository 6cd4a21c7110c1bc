/** Several ranges of a blob that lies in several files, as docker's streams are stored. */
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { digestOf } from "./running-registry.ts";
import { Start } from "./start-process.ts";

const mebibyte = 1024 * 1024;
const bytes = randomBytes(17 * mebibyte);
const path = `/v2/ranges/app/blobs/${digestOf(bytes)}`;
let folder: string;
let start: Start;
let url: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "longshore-ranges-"));
  start = new Start([process.execPath, "standalone/start.ts"], {
    REGISTRY_PORT: "0",
    REGISTRY_STORAGE_PATH: folder,
  });
  url = await start.url();
  const begun = await fetch(`${url}/v2/ranges/app/blobs/uploads/`, { method: "POST" });
  const location = `${url}${begun.headers.get("Location")}`;
  expect((await fetch(location, { method: "PATCH", body: bytes })).status).toBe(202);
  const query = `?digest=${digestOf(bytes)}`;
  expect((await fetch(location + query, { method: "PUT" })).status).toBe(201);
});

afterAll(async () => {
  start.process.kill("SIGTERM");
  await start.ended;
  await rm(folder, { recursive: true, maxRetries: 10 });
});

describe("several ranges are sent as parts,", () => {
  test.each([
    [
      "each within a file",
      [
        [0, 10],
        [9_000_000, 9_000_010],
      ],
    ],
    [
      "one over the end of a file",
      [
        [0, 10],
        [8_388_600, 8_388_700],
      ],
    ],
    [
      "over all files",
      [
        [5, 8_388_700],
        [8_388_800, 16_777_300],
      ],
    ],
  ] as [string, [number, number][]][])("%s", async (_case, ranges) => {
    const Range = `bytes=${ranges.map((range) => range.join("-")).join(",")}`;
    const response = await fetch(url + path, { headers: { Range } });
    expect(response.status).toBe(206);
    const body = Buffer.from(await response.arrayBuffer());
    expect(response.headers.get("Content-Length")).toBe(String(body.length));
    for (const [first, last] of ranges) {
      const heading = `Content-Range: bytes ${first}-${last}/${bytes.length}\r\n\r\n`;
      const at = body.indexOf(heading) + heading.length;
      const part = body.subarray(at, at + last - first + 1);
      expect(digestOf(part)).toBe(digestOf(bytes.subarray(first, last + 1)));
    }
  });
});

test("a client that goes away in the middle leaves the server able to serve", async () => {
  for (let count = 0; count < 20; count += 1) {
    const client = new AbortController();
    const headers = { Range: "bytes=0-8000000,8100000-16000000" };
    // oxlint-disable-next-line no-await-in-loop
    const response = await fetch(url + path, { headers, signal: client.signal });
    expect(response.status).toBe(206);
    client.abort();
  }
  const whole = await fetch(url + path);
  expect(digestOf(new Uint8Array(await whole.arrayBuffer()))).toBe(digestOf(bytes));
});

test("a blob whose file was cut is lost, and not looked for without end", async () => {
  const blob = randomBytes(100_000);
  const query = `?digest=${digestOf(blob)}`;
  const posted = await fetch(`${url}/v2/ranges/cut/blobs/uploads/${query}`, {
    method: "POST",
    body: blob,
  });
  expect(posted.status).toBe(201);
  const objects = join(folder, "blobs", "objects");
  const files = await readdir(objects, { recursive: true, withFileTypes: true });
  const cut = files.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name));
  await Promise.all(cut.map((file) => truncate(file, 50_000).catch(() => undefined)));
  const response = await fetch(`${url}/v2/ranges/cut/blobs/${digestOf(blob)}`);
  expect(response.status).toBe(404);
  expect(await response.text()).toContain("are lost: push the blob again");
});
