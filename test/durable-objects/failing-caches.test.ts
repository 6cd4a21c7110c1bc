import { afterEach, beforeEach, expect, test, vi } from "vitest";
import {
  digestOf,
  indexOf,
  pushBlob,
  pushImage,
  pushManifest,
  randomBytes,
  send,
  stream,
} from "../client.ts";
import { newRepository } from "./names.ts";
import { expectReadable, start } from "./upload.ts";

const failing = vi.fn(() => Promise.reject(new Error("there is no cache here")));

beforeEach(() => {
  vi.spyOn(caches, "open").mockImplementation(failing);
  vi.spyOn(console, "warn").mockImplementation(() => undefined);
});

afterEach(() => {
  // Each of these asks a cache.
  expect(failing).toHaveBeenCalled();
  failing.mockClear();
  vi.restoreAllMocks();
});

test("without a cache a blob is pushed in a session, read and deleted", async () => {
  const repository = newRepository();
  const bytes = randomBytes(1000);
  const digest = digestOf(bytes);
  const location = await start(repository);
  expect((await send("PATCH", location, { body: stream(bytes) })).status).toBe(202);
  expect((await send("PUT", `${location}?digest=${digest}`)).status).toBe(201);
  await expectReadable(repository, digest, bytes);
  expect((await send("DELETE", `/v2/${repository}/blobs/${digest}`)).status).toBe(202);
  expect((await send("HEAD", `/v2/${repository}/blobs/${digest}`)).status).toBe(404);
});

test("without a cache a blob is pushed whole, and its session cancelled", async () => {
  const repository = newRepository();
  const bytes = randomBytes(1000);
  await expectReadable(repository, await pushBlob(repository, bytes), bytes);
  expect((await send("DELETE", await start(repository))).status).toBe(204);
});

test("without a cache a whole blob behind a PATCH is told where the session stands", async () => {
  const bytes = randomBytes(1000);
  const location = await start(newRepository());
  await send("PATCH", location, { body: stream(bytes.slice(0, 400)) });
  const put = `${location}?digest=${digestOf(bytes)}`;
  const answer = await send("PUT", put, { body: bytes.slice(400) });
  expect([answer.status, answer.headers.get("Range")]).toEqual([416, "0-399"]);
  const next = answer.headers.get("Location");
  const again = `${next}?digest=${digestOf(bytes)}`;
  expect((await send("PUT", again, { body: bytes.slice(400) })).status).toBe(201);
});

test("without a cache a manifest is pushed, read by tag and digest, and deleted", async () => {
  const repository = newRepository();
  const { manifest, digest } = await pushImage(repository, "latest", [randomBytes(10)]);
  for (const reference of ["latest", digest]) {
    const path = `/v2/${repository}/manifests/${reference}`;
    // oxlint-disable-next-line no-await-in-loop
    const [head, get] = [await send("HEAD", path), await send("GET", path)];
    expect([head.status, get.status]).toEqual([200, 200]);
    // oxlint-disable-next-line no-await-in-loop
    expect(await get.text()).toBe(manifest);
  }
  await pushManifest(repository, "other", indexOf());
  const path = `/v2/${repository}/manifests/${digest}`;
  expect((await send("DELETE", path)).status).toBe(202);
  expect((await send("HEAD", `/v2/${repository}/manifests/latest`)).status).toBe(404);
});
