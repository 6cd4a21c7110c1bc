import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import { partBuffers } from "../../durable-objects/part-buffers.ts";
import {
  partBytesFor,
  partBytesForChunks,
  PartWriter,
  TooManyParts,
} from "../../durable-objects/part-writer.ts";
import { RunningDigest } from "../../durable-objects/running-digest.ts";
import { digestOf, randomBytes, send, startUpload, stream } from "../client.ts";
import { newKey, newRepository } from "./names.ts";
import { chunk, mebibyte } from "./upload.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

/** The sizes of the parts that are uploaded from now on, by number. */
function watchParts(): Map<number, number> {
  const sizes = new Map<number, number>();
  const watched = (multipart: R2MultipartUpload): R2MultipartUpload => {
    const uploadPart = multipart.uploadPart.bind(multipart);
    vi.spyOn(multipart, "uploadPart").mockImplementation((number, part) => {
      sizes.set(number, (part as Uint8Array).byteLength);
      return uploadPart(number, part);
    });
    return multipart;
  };
  const create = env.BLOBS.createMultipartUpload.bind(env.BLOBS);
  const resume = env.BLOBS.resumeMultipartUpload.bind(env.BLOBS);
  vi.spyOn(env.BLOBS, "createMultipartUpload").mockImplementation(async (...input) =>
    watched(await create(...input)),
  );
  vi.spyOn(env.BLOBS, "resumeMultipartUpload").mockImplementation((...input) =>
    watched(resume(...input)),
  );
  return sizes;
}

describe("the parts of a session", () => {
  test.for([
    { sizes: [9 * mebibyte + 1], chunked: false, parts: [8 * mebibyte, mebibyte + 1] },
    { sizes: [8 * mebibyte], chunked: false, parts: [8 * mebibyte] },
    { sizes: [8 * mebibyte - 1, 2], chunked: true, parts: [8 * mebibyte - 1, 2] },
    { sizes: [5 * mebibyte, 5 * mebibyte], chunked: true, parts: [5 * mebibyte, 5 * mebibyte] },
    { sizes: [5 * mebibyte - 1, 4 * mebibyte], chunked: true, parts: [8 * mebibyte, mebibyte - 1] },
    { sizes: [18 * mebibyte, 1], chunked: true, parts: [9 * mebibyte, 9 * mebibyte, 1] },
    {
      sizes: [3 * mebibyte, 3 * mebibyte, 3 * mebibyte],
      chunked: true,
      parts: [8 * mebibyte, mebibyte],
    },
    {
      sizes: [7, 17 * mebibyte],
      chunked: false,
      parts: [8 * mebibyte, 8 * mebibyte, mebibyte + 7],
    },
    { sizes: [1000, 1000], chunked: false, parts: [] },
  ])("are of one size but the last: $sizes", async ({ sizes, chunked, parts }) => {
    const uploaded = watchParts();
    const location = await startUpload(newRepository());
    const bytes = randomBytes(sizes.reduce((sum, size) => sum + size, 0));
    let offset = 0;
    /* oxlint-disable no-await-in-loop */
    for (const size of sizes) {
      const piece = bytes.slice(offset, offset + size);
      if (chunked) await chunk("PATCH", location, piece, offset);
      else await send("PATCH", location, { body: stream(piece, mebibyte) });
      offset += size;
    }
    /* oxlint-enable no-await-in-loop */
    const put = await send("PUT", `${location}?digest=${digestOf(bytes)}`);
    expect(put.status).toBe(201);
    expect([...uploaded.keys()].toSorted((a, b) => a - b)).toEqual(parts.map((_, at) => at + 1));
    expect(parts.map((_, at) => uploaded.get(at + 1))).toEqual(parts);
  });
});

test.for([
  { length: undefined, bytes: 8 * mebibyte },
  { length: 0, bytes: 8 * mebibyte },
  { length: 62 * 1024 * mebibyte, bytes: 8 * mebibyte },
  { length: 64_000 * mebibyte + 1, bytes: 9 * mebibyte },
  { length: 1024 * 1024 * mebibyte, bytes: 16 * mebibyte },
])("a blob of $length bytes has parts of $bytes", ({ length, bytes }) => {
  expect(partBytesFor(length)).toBe(bytes);
});

test.for([
  { chunk: 1, bytes: 8 * mebibyte },
  { chunk: 5 * mebibyte - 1, bytes: 8 * mebibyte },
  { chunk: 5 * mebibyte, bytes: 5 * mebibyte },
  { chunk: 8 * mebibyte, bytes: 8 * mebibyte },
  { chunk: 16 * mebibyte, bytes: 8 * mebibyte },
  { chunk: 16 * mebibyte + 1, bytes: 8 * mebibyte },
  { chunk: 50_000_000, bytes: 10_000_000 },
  { chunk: 64 * mebibyte, bytes: 8 * mebibyte },
  { chunk: 16_777_259, bytes: 8 * mebibyte },
])("a blob in chunks of $chunk bytes has parts of $bytes", ({ chunk: length, bytes }) => {
  expect(partBytesForChunks(length)).toBe(bytes);
});

/** A writer of small parts that R2 takes, but would not complete. */
function writer(partBytes: number, more: { partCount?: number; tail?: Uint8Array } = {}) {
  const began = vi.fn<(multipartId: string) => void>();
  const target = { bucket: env.BLOBS, metadata: {}, began };
  const written = new PartWriter(target, {
    key: newKey(),
    multipartId: undefined,
    partBytes,
    partCount: more.partCount ?? 0,
    tailBytes: more.tail?.length ?? 0,
    tail: () => more.tail ?? new Uint8Array(),
    digest: new RunningDigest("sha256"),
  });
  return { writer: written, began };
}

/** Reads a body as a request's is read. */
function read(written: PartWriter, bytes: Uint8Array): Promise<number> {
  const { readable, writable } = new FixedLengthStream(bytes.length);
  const sending = writable.getWriter();
  void sending
    .write(bytes)
    .then(() => sending.close())
    .catch(() => undefined);
  const watch = { awaitBytes: () => undefined, gotBytes: () => undefined };
  return written.read(readable.getReader({ mode: "byob" }), bytes.length, watch);
}

describe("a writer", () => {
  test("goes on behind a tail, and keeps what does not fill a part", async () => {
    const tail = randomBytes(300);
    const bytes = randomBytes(1024 * 3 - 300 + 5);
    const { writer: written, began } = writer(1024, { tail });
    expect(await read(written, bytes)).toBe(bytes.length);
    await written.settle();
    expect(began).toHaveBeenCalledTimes(1);
    expect(new Set(written.parts.map((part) => part.number))).toEqual(new Set([1, 2, 3]));
    expect(written.tail).toEqual(bytes.slice(-5));
    const all = new Uint8Array([...tail, ...bytes]);
    expect(written.digest?.withTail(written.tail)).toBe(digestOf(all));
    await written.release();
    expect(partBuffers.bufferedBytes).toBe(0);
  });

  test("has at most two parts in flight", async () => {
    let inFlight = 0;
    let most = 0;
    const create = env.BLOBS.createMultipartUpload.bind(env.BLOBS);
    vi.spyOn(env.BLOBS, "createMultipartUpload").mockImplementation(async (...input) => {
      const multipart = await create(...input);
      vi.spyOn(multipart, "uploadPart").mockImplementation(async (partNumber) => {
        inFlight += 1;
        most = Math.max(most, inFlight);
        await scheduler.wait(5);
        inFlight -= 1;
        return { partNumber, etag: "etag" };
      });
      return multipart;
    });
    const { writer: written } = writer(1024);
    await read(written, randomBytes(10 * 1024));
    await written.settle();
    await written.release();
    expect(most).toBe(2);
    expect(written.parts).toHaveLength(10);
  });

  test("takes 10,000 parts and no more", async () => {
    const { writer: full } = writer(1024, { partCount: 9999 });
    expect(await read(full, randomBytes(1024))).toBe(1024);
    await full.settle();
    expect(full.parts.map((part) => part.number)).toEqual([10_000]);
    await full.release();

    const { writer: over } = writer(1024, { partCount: 9999 });
    await expect(read(over, randomBytes(2048))).rejects.toBeInstanceOf(TooManyParts);
    await over.release();
    expect(partBuffers.bufferedBytes).toBe(0);
  });

  test("throws what the upload of a part threw, and gives its buffers back", async () => {
    const create = env.BLOBS.createMultipartUpload.bind(env.BLOBS);
    vi.spyOn(env.BLOBS, "createMultipartUpload").mockImplementation(async (...input) => {
      const multipart = await create(...input);
      vi.spyOn(multipart, "uploadPart").mockRejectedValue(new Error("R2 fails"));
      return multipart;
    });
    const { writer: written } = writer(1024);
    const reading = read(written, randomBytes(1024)).then(() => written.settle());
    await expect(reading).rejects.toThrow("R2 fails");
    await written.release();
    expect(partBuffers.bufferedBytes).toBe(0);
  });
});
