import { createHash } from "node:crypto";
import { afterEach, describe, expect, test, vi } from "vitest";
import { NoBuffer, PartBuffers, partBuffers } from "../../durable-objects/part-buffers.ts";
import { digestOf, randomBytes, send, startUpload } from "../client.ts";
import { newRepository } from "./names.ts";
import { openBody } from "./open-body.ts";
import { close, mebibyte, streamed } from "./upload.ts";

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const bufferedBytesMax = 48 * mebibyte;

/** Bytes that are the same block again and again, and who sees what is buffered as they go. */
function repeated(blocks: number, seen: (bufferedBytes: number) => void) {
  const block = randomBytes(mebibyte);
  const hash = createHash("sha256");
  for (let at = 0; at < blocks; at += 1) hash.update(block);
  let left = blocks;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      seen(partBuffers.bufferedBytes);
      if (left === 0) return controller.close();
      left -= 1;
      controller.enqueue(block.slice());
    },
  });
  return { body, digest: `sha256:${hash.digest("hex")}` };
}

/**
 * No upload has to wait for another one here: this pool runs workerd without
 * handle_cross_request_promise_resolution, so one object can't wake another one.
 */
describe("uploads of one isolate", () => {
  test("that come at once share 48 MiB, and give them back", async () => {
    const repository = newRepository();
    let most = 0;
    const uploads = [24, 31].map((blocks) =>
      repeated(blocks, (bufferedBytes) => {
        most = Math.max(most, bufferedBytes);
      }),
    );
    const statuses = await Promise.all(
      uploads.map(async ({ body, digest }) => {
        const patch = await send("PATCH", await startUpload(repository), { body });
        const put = await send("PUT", `${patch.headers.get("Location")}?digest=${digest}`);
        return [patch.status, put.status];
      }),
    );
    expect(statuses).toEqual(uploads.map(() => [202, 201]));
    expect(most).toBeGreaterThanOrEqual(16 * mebibyte);
    expect(most).toBeLessThanOrEqual(bufferedBytesMax);
    expect(partBuffers.bufferedBytes).toBe(0);
  });

  test("that break off give their memory back", async () => {
    const repository = newRepository();
    const controller = new AbortController();
    const answers = Array.from({ length: 6 }, async () => {
      let left = 3;
      const body = new ReadableStream<Uint8Array>({
        pull(stream) {
          left -= 1;
          if (left < 0) return new Promise<void>(() => undefined);
          return stream.enqueue(new Uint8Array(mebibyte));
        },
      });
      const path = await startUpload(repository);
      return send("PATCH", path, { body, signal: controller.signal });
    });
    const settled = Promise.allSettled(answers);
    await vi.waitFor(() => expect(partBuffers.bufferedBytes).toBe(bufferedBytesMax), {
      timeout: 10_000,
    });
    controller.abort();
    expect((await settled).map(({ status }) => status)).toEqual(answers.map(() => "rejected"));
    await vi.waitFor(() => expect(partBuffers.bufferedBytes).toBe(0), { timeout: 10_000 });
  });
});

describe("an upload takes as much memory as it needs", () => {
  test.each([
    ["a PATCH of 1,000 bytes", 0, 1000, 1001],
    ["a PATCH of 1,000 bytes behind 5,000", 5000, 1000, 6001],
    ["a PATCH of more than a part", 0, 9 * mebibyte, 8 * mebibyte],
    ["a PATCH that goes over the end of a part", 8 * mebibyte - 100, 1000, 8 * mebibyte],
  ])("%s", async (_case, before, length, expected) => {
    const location = await startUpload(newRepository());
    if (before > 0) await streamed(location, randomBytes(before));
    const open = openBody(randomBytes(length));
    const answer = send("PATCH", location, { body: open.body, headers: open.headers });
    await open.send(10);
    await vi.waitFor(() => expect(partBuffers.bufferedBytes).toBe(expected), { timeout: 5000 });
    await open.end();
    expect((await answer).status).toBe(202);
    expect(partBuffers.bufferedBytes).toBe(0);
  });

  test("a PUT without a body, as much as its tail", async () => {
    const bytes = randomBytes(8 * mebibyte + 1000);
    const location = await startUpload(newRepository());
    await streamed(location, bytes);
    const reserve = vi.spyOn(partBuffers, "reserve");
    expect((await close(location, digestOf(bytes))).status).toBe(201);
    expect(reserve.mock.calls).toEqual([[1001]]);
    expect(partBuffers.bufferedBytes).toBe(0);
  });
});

describe("a reservation", () => {
  test("waits until there is room", async () => {
    const buffers = new PartBuffers();
    const first = await buffers.reserve(40 * mebibyte);
    let taken = false;
    const second = buffers.reserve(9 * mebibyte).then((reservation) => {
      taken = true;
      return reservation;
    });
    await Promise.resolve();
    expect(taken).toBe(false);
    buffers.release(first);
    await second;
    expect(buffers.bufferedBytes).toBe(9 * mebibyte);
    buffers.release(await second);
    expect(buffers.bufferedBytes).toBe(0);
  });

  test("released twice counts once", async () => {
    const buffers = new PartBuffers();
    const first = await buffers.reserve(8);
    await buffers.reserve(16);
    buffers.release(first);
    buffers.release(first);
    expect(buffers.bufferedBytes).toBe(16);
  });

  test("that was not touched for ten minutes is not counted when room is needed", async () => {
    vi.useFakeTimers();
    const buffers = new PartBuffers();
    const lost = await buffers.reserve(40 * mebibyte);
    vi.advanceTimersByTime(601_000);
    await buffers.reserve(40 * mebibyte);
    expect(buffers.bufferedBytes).toBe(40 * mebibyte);
    buffers.release(lost);
    expect(buffers.bufferedBytes).toBe(40 * mebibyte);
  });

  test("that finds no room for 25 s is refused", async () => {
    vi.useFakeTimers();
    const buffers = new PartBuffers();
    await buffers.reserve(48 * mebibyte);
    const refused = expect(buffers.reserve(1)).rejects.toBeInstanceOf(NoBuffer);
    await vi.advanceTimersByTimeAsync(26_000);
    await refused;
    expect(buffers.bufferedBytes).toBe(48 * mebibyte);
  });
});
