import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { partBuffers } from "../../durable-objects/part-buffers.ts";
import { digestOf, randomBytes, send } from "../client.ts";
import { advance, minuteMs, secondMs } from "./clock.ts";
import { newRepository } from "./names.ts";
import { storedSizes } from "./stored-objects.ts";
import {
  chunk,
  close,
  expectReadable,
  mebibyte,
  received,
  start,
  streamed,
  uploadSession,
} from "./upload.ts";

/** The multipart uploads that the test's sessions began. */
const multiparts: R2MultipartUpload[] = [];

beforeEach(() => {
  multiparts.length = 0;
  const create = env.BLOBS.createMultipartUpload.bind(env.BLOBS);
  vi.spyOn(env.BLOBS, "createMultipartUpload").mockImplementation(async (...input) => {
    const multipart = await create(...input);
    multiparts.push(multipart);
    return multipart;
  });
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

async function expectMultipartsEnded(count: number): Promise<void> {
  expect(multiparts).toHaveLength(count);
  for (const { key, uploadId } of multiparts) {
    const again = env.BLOBS.resumeMultipartUpload(key, uploadId);
    // oxlint-disable-next-line no-await-in-loop
    await expect(again.uploadPart(1, new Uint8Array(10))).rejects.toThrow();
  }
}

/** What is left of a session in its object. */
function remains(location: string): Promise<{ tables: number; alarm: number | null }> {
  return runInDurableObject(uploadSession(location), async (_, { storage }) => ({
    tables: storage.sql
      .exec("SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'")
      .toArray().length,
    alarm: await storage.getAlarm(),
  }));
}

const timeoutMs = 60 * minuteMs;
const intervalMs = 5 * minuteMs;

const sessions: readonly {
  name: string;
  multiparts: number;
  begin: (location: string) => Promise<unknown>;
}[] = [
  {
    name: "with a tail",
    multiparts: 0,
    begin: (location) => streamed(location, randomBytes(3 * mebibyte)),
  },
  {
    name: "with an empty PATCH",
    multiparts: 0,
    begin: (location) => send("PATCH", location),
  },
  {
    name: "with parts",
    multiparts: 1,
    begin: (location) => streamed(location, randomBytes(9 * mebibyte)),
  },
  {
    name: "with a chunk",
    multiparts: 1,
    begin: (location) => chunk("PATCH", location, randomBytes(8 * mebibyte), 0),
  },
  {
    name: "whose first body failed behind a part",
    multiparts: 1,
    begin: async (location) => {
      const broken = new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(randomBytes(9 * mebibyte));
        },
      });
      const controller = new AbortController();
      const answer = send("PATCH", location, { body: broken, signal: controller.signal });
      await vi.waitFor(() => expect(multiparts).toHaveLength(1), { timeout: 5000 });
      controller.abort();
      await expect(answer).rejects.toThrow();
    },
  },
  {
    name: "that was cancelled",
    multiparts: 1,
    begin: async (location) => {
      await streamed(location, randomBytes(9 * mebibyte));
      expect((await send("DELETE", location)).status).toBe(204);
    },
  },
];

describe("an idle session is gone after its timeout, and leaves nothing", () => {
  test.for(sessions)("$name", async ({ begin, multiparts: count }) => {
    const repository = newRepository();
    const location = await start(repository);
    await begin(location);
    advance(timeoutMs + intervalMs);
    expect(await runDurableObjectAlarm(uploadSession(location))).toBe(true);
    expect(await remains(location)).toEqual({ tables: 0, alarm: null });
    expect(await received(location)).toBe("404");
    expect((await streamed(location, randomBytes(10))).status).toBe(404);
    expect((await close(location, digestOf(""))).status).toBe(404);
    expect((await send("DELETE", location)).status).toBe(404);
    expect(await storedSizes(repository)).toEqual([]);
    await expectMultipartsEnded(count);
    // Asking did not bring it back.
    expect(await remains(location)).toEqual({ tables: 0, alarm: null });
  });
});

test("a closed session keeps its blob when its row is gone", async () => {
  const repository = newRepository();
  const location = await start(repository);
  const bytes = randomBytes(9 * mebibyte);
  await streamed(location, bytes);
  expect((await close(location, digestOf(bytes))).status).toBe(201);
  advance(timeoutMs + intervalMs);
  await runDurableObjectAlarm(uploadSession(location));
  expect(await remains(location)).toEqual({ tables: 0, alarm: null });
  expect((await close(location, digestOf(bytes))).status).toBe(404);
  await expectReadable(repository, digestOf(bytes), bytes);
});

test("a session that was touched in between is kept, and expires by its last touch", async () => {
  const repository = newRepository();
  const location = await start(repository);
  const bytes = randomBytes(9 * mebibyte);
  await streamed(location, bytes.slice(0, mebibyte));
  const stub = uploadSession(location);
  advance(50 * minuteMs);
  expect((await streamed(location, bytes.slice(mebibyte))).status).toBe(202);
  advance(15 * minuteMs);
  expect(await runDurableObjectAlarm(stub)).toBe(true);
  expect(await received(location)).toBe(`0-${bytes.length - 1}`);
  advance(40 * minuteMs);
  expect(await runDurableObjectAlarm(stub)).toBe(true);
  expect(await received(location)).toBe(`0-${bytes.length - 1}`);
  advance(10 * minuteMs);
  expect(await runDurableObjectAlarm(stub)).toBe(true);
  expect(await received(location)).toBe("404");
  await expectMultipartsEnded(1);
});

test("the alarm stands at the timeout, rounded up to whole intervals", async () => {
  const location = await start(newRepository());
  const beforeMs = Date.now();
  await streamed(location, randomBytes(10));
  const afterMs = Date.now();
  // The first alarm tells the catalog that the session is open.
  expect((await remains(location)).alarm).toBeLessThan(afterMs + 6000);
  advance(6000);
  expect(await runDurableObjectAlarm(uploadSession(location))).toBe(true);
  const { alarm } = await remains(location);
  expect((alarm ?? 1) % intervalMs).toBe(0);
  expect(alarm).toBeGreaterThanOrEqual(beforeMs + timeoutMs);
  expect(alarm).toBeLessThan(afterMs + timeoutMs + intervalMs);
});

test("an alarm that comes too early ends nothing", async () => {
  const location = await start(newRepository());
  await streamed(location, randomBytes(10));
  await runDurableObjectAlarm(uploadSession(location));
  expect(await received(location)).toBe("0-9");
  expect((await remains(location)).alarm).not.toBeNull();
});

test("a session at which a request is at work does not expire", async () => {
  const location = await start(newRepository());
  const bytes = randomBytes(9 * mebibyte);
  await streamed(location, bytes.slice(0, 1000));
  const { promise: last, resolve } = Promise.withResolvers<void>();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await last;
      controller.enqueue(bytes.slice(1000));
      controller.close();
    },
  });
  advance(timeoutMs + intervalMs);
  const patch = send("PATCH", location, { body });
  await vi.waitFor(() => expect(partBuffers.bufferedBytes).toBeGreaterThan(0));
  advance(9 * secondMs);
  await runDurableObjectAlarm(uploadSession(location));
  resolve();
  expect((await patch).status).toBe(202);
  expect((await close(location, digestOf(bytes))).status).toBe(201);
});

test("a session that nothing reached expires by its seal", async () => {
  const location = await start(newRepository());
  expect(await received(location)).toBe("0--1");
  advance(timeoutMs + 1000);
  expect(await received(location)).toBe("404");
  expect((await streamed(location, randomBytes(10))).status).toBe(404);
  expect(await remains(location)).toEqual({ tables: 0, alarm: null });
});

describe("cancelling", () => {
  test.for(sessions.filter(({ name }) => name !== "that was cancelled"))(
    "a session $name ends its multipart upload and forgets its bytes",
    async ({ begin, multiparts: count }) => {
      const repository = newRepository();
      const location = await start(repository);
      await begin(location);
      expect((await send("DELETE", location)).status).toBe(204);
      expect(await received(location)).toBe("404");
      expect((await streamed(location, randomBytes(10))).status).toBe(404);
      expect((await close(location, digestOf(""))).status).toBe(404);
      expect((await send("DELETE", location)).status).toBe(404);
      expect(await storedSizes(repository)).toEqual([]);
      await expectMultipartsEnded(count);
    },
  );

  test("ends a session that nothing reached", async () => {
    const location = await start(newRepository());
    expect((await send("DELETE", location)).status).toBe(204);
    expect(await received(location)).toBe("404");
    expect((await streamed(location, randomBytes(10))).status).toBe(404);
  });
});
