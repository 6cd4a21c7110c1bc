import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import { digestOf, randomBytes, send, startUpload, stream } from "../client.ts";
import { partBuffers } from "../../durable-objects/part-buffers.ts";
import { advance, secondMs } from "./clock.ts";
import { newRepository } from "./names.ts";
import { restart, restarts } from "./restart.ts";
import { storedSizes } from "./stored-objects.ts";
import {
  chunk,
  close,
  expectReadable,
  mebibyte,
  received,
  streamed,
  uploadSession,
} from "./upload.ts";

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** A body that stops for good after its bytes, and who is told that it was asked for more. */
function stalled(bytes: Uint8Array): { body: ReadableStream<Uint8Array>; silent: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let at = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at < bytes.length) {
        controller.enqueue(bytes.slice(at, at + mebibyte));
        at += mebibyte;
        return undefined;
      }
      resolve();
      return new Promise<void>(() => undefined);
    },
  });
  return { body, silent: promise };
}

/** A PATCH or PUT that is under way and has sent its bytes, but not its end. */
async function hang(method: string, path: string, bytes: Uint8Array, headers = {}) {
  const { body, silent } = stalled(bytes);
  const controller = new AbortController();
  const answer = send(method, path, { body, headers, signal: controller.signal });
  // Who breaks it off does not ask for its answer.
  answer.catch(() => undefined);
  await silent;
  return { answer, breakOff: () => controller.abort() };
}

/** Waits until no request is at work on a session: until then a PATCH is answered 416. */
async function released(): Promise<void> {
  await vi.waitFor(() => expect(partBuffers.bufferedBytes).toBe(0), { timeout: 5000 });
}

describe("a request whose body breaks off does not count, and the next one goes on", () => {
  test.for([
    { name: "at the beginning, before a part is full", before: 0, lost: 3 * mebibyte },
    { name: "at the beginning, behind a part", before: 0, lost: 9 * mebibyte },
    { name: "behind a tail", before: 1000, lost: 9 * mebibyte },
    { name: "behind a part and a tail", before: 9 * mebibyte, lost: 9 * mebibyte },
  ])("$name", async ({ before, lost }) => {
    const repository = newRepository();
    const location = await startUpload(repository);
    const bytes = randomBytes(before + 9 * mebibyte);
    if (before > 0) await streamed(location, bytes.slice(0, before));
    const hung = await hang("PATCH", location, randomBytes(lost));
    hung.breakOff();
    await released();
    expect(await received(location)).toBe(`0-${before - 1}`);
    const patch = await streamed(location, bytes.slice(before));
    expect(patch.status).toBe(202);
    expect(patch.headers.get("Range")).toBe(`0-${bytes.length - 1}`);
    expect((await close(location, digestOf(bytes))).status).toBe(201);
    await expectReadable(repository, digestOf(bytes), bytes);
    expect(await storedSizes(repository)).toEqual([bytes.length]);
  });

  test("of a chunk, that is sent again", async () => {
    const repository = newRepository();
    const location = await startUpload(repository);
    const bytes = randomBytes(9 * mebibyte);
    await chunk("PATCH", location, bytes.slice(0, mebibyte), 0);
    const hung = await hang("PATCH", location, bytes.slice(mebibyte, 3 * mebibyte), {
      "Content-Range": `${mebibyte}-${bytes.length - 1}`,
    });
    hung.breakOff();
    await released();
    expect(await received(location)).toBe(`0-${mebibyte - 1}`);
    expect((await chunk("PATCH", location, bytes.slice(mebibyte), mebibyte)).status).toBe(202);
    expect((await close(location, digestOf(bytes))).status).toBe(201);
    await expectReadable(repository, digestOf(bytes), bytes);
  });

  test("of a PUT with the last chunk, that is sent again", async () => {
    const repository = newRepository();
    const bytes = randomBytes(9 * mebibyte);
    const patch = await streamed(await startUpload(repository), bytes.slice(0, 100));
    const put = `${patch.headers.get("Location")}?digest=${digestOf(bytes)}`;
    const hung = await hang("PUT", put, randomBytes(8 * mebibyte));
    hung.breakOff();
    await released();
    const again = await send("PUT", put, { body: bytes.slice(100) });
    expect(again.status).toBe(201);
    await expectReadable(repository, digestOf(bytes), bytes);
  });
});

describe("a body that fails within the registry does not count", () => {
  test.for(["createMultipartUpload", "resumeMultipartUpload"] as const)(
    "as R2 fails at %s",
    async (method) => {
      const repository = newRepository();
      const location = await startUpload(repository);
      const bytes = randomBytes(17 * mebibyte);
      const before = method === "createMultipartUpload" ? 0 : 8 * mebibyte;
      if (before > 0) await streamed(location, bytes.slice(0, before));
      vi.spyOn(env.BLOBS, method).mockImplementationOnce(() => {
        throw new Error("R2 fails");
      });
      const failed = await streamed(location, bytes.slice(before));
      expect(failed.status).toBe(504);
      expect(failed.headers.get("Retry-After")).not.toBeNull();
      expect(await received(location)).toBe(`0-${before - 1}`);
      expect((await streamed(location, bytes.slice(before))).status).toBe(202);
      expect((await close(location, digestOf(bytes))).status).toBe(201);
      await expectReadable(repository, digestOf(bytes), bytes);
      expect(partBuffers.bufferedBytes).toBe(0);
    },
  );
});

test.for(restarts)("a request whose object is %s half way does not count", async (how) => {
  const repository = newRepository();
  const location = await startUpload(repository);
  const bytes = randomBytes(9 * mebibyte);
  await chunk("PATCH", location, bytes.slice(0, 1000), 0);
  const hung = await hang("PATCH", location, randomBytes(9 * mebibyte));
  if (how === "evicted") hung.breakOff();
  await restart(() => uploadSession(location), how);
  expect(await received(location)).toBe("0-999");
  expect((await chunk("PATCH", location, bytes.slice(1000), 1000)).status).toBe(202);
  expect((await close(location, digestOf(bytes))).status).toBe(201);
  await expectReadable(repository, digestOf(bytes), bytes);
});

describe("two requests at once on a session", () => {
  test("the second PATCH is told where the session stands, the first one goes on", async () => {
    const repository = newRepository();
    const location = await startUpload(repository);
    const bytes = randomBytes(3 * mebibyte);
    await streamed(location, bytes.slice(0, 1000));
    const { promise, resolve } = Promise.withResolvers<void>();
    let pulled = false;
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (!pulled) {
          pulled = true;
          return controller.enqueue(bytes.slice(1000, 2000));
        }
        await promise;
        controller.enqueue(bytes.slice(2000));
        controller.close();
      },
    });
    const others = partBuffers.bufferedBytes;
    const first = send("PATCH", location, { body });
    await vi.waitFor(() => expect(partBuffers.bufferedBytes).toBeGreaterThan(others));
    for (const second of [
      await streamed(location, bytes.slice(1000)),
      await close(location, digestOf(bytes)),
    ]) {
      expect(second.status).toBe(416);
      expect(second.headers.get("Range")).toBe("0-999");
      expect(second.headers.get("Location")).not.toBeNull();
    }
    resolve();
    expect((await first).headers.get("Range")).toBe(`0-${bytes.length - 1}`);
    expect((await close(location, digestOf(bytes))).status).toBe(201);
    await expectReadable(repository, digestOf(bytes), bytes);
  });

  test.for([
    { name: "PATCH", method: "PATCH" },
    { name: "PUT", method: "PUT" },
  ])("a PATCH that is silent for 10 s gives way to a $name", async ({ method }) => {
    const repository = newRepository();
    const bytes = randomBytes(9 * mebibyte);
    const patch = await streamed(await startUpload(repository), bytes.slice(0, 1000));
    const location = patch.headers.get("Location") ?? "";
    const path = method === "PUT" ? `${location}?digest=${digestOf(bytes)}` : location;
    const hung = await hang("PATCH", location, randomBytes(9 * mebibyte));
    expect((await send(method, path, { body: stream(bytes.slice(1000)) })).status).toBe(416);
    advance(11 * secondMs);
    const second = await send(method, path, { body: stream(bytes.slice(1000)) });
    expect(second.status).toBe(method === "PUT" ? 201 : 202);
    expect((await hung.answer).ok).toBe(false);
    expect((await close(location, digestOf(bytes))).status).toBe(201);
    await expectReadable(repository, digestOf(bytes), bytes);
    expect(await storedSizes(repository)).toEqual([bytes.length]);
  });

  test("a DELETE makes a PATCH give up at once", async () => {
    const repository = newRepository();
    const location = await startUpload(repository);
    const hung = await hang("PATCH", location, randomBytes(9 * mebibyte));
    expect((await send("DELETE", location)).status).toBe(204);
    expect((await hung.answer).ok).toBe(false);
    expect(await received(location)).toBe("404");
    expect(await storedSizes(repository)).toEqual([]);
  });

  test("the same PUT while it commits is answered with its outcome", async () => {
    const repository = newRepository();
    const bytes = randomBytes(9 * mebibyte);
    const patch = await streamed(await startUpload(repository), bytes.slice(0, 8 * mebibyte));
    const put = `${patch.headers.get("Location")}?digest=${digestOf(bytes)}`;
    const last = bytes.slice(8 * mebibyte);
    const answers = await Promise.all([
      send("PUT", put, { body: last }),
      send("PUT", put, { body: last }),
      send("PUT", put, { body: last }),
    ]);
    expect(answers.map((answer) => answer.status)).toEqual([201, 201, 201]);
    await expectReadable(repository, digestOf(bytes), bytes);
    expect(await storedSizes(repository)).toEqual([bytes.length]);
  });
});
