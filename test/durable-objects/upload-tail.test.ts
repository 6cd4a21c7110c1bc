import { runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { digestOf, randomBytes } from "../client.ts";
import { newRepository } from "./names.ts";
import { chunk, close, expectReadable, mebibyte, start, uploadSession } from "./upload.ts";

const kibibyte = 1024;
const rowBytes = 128 * kibibyte;
const partBytes = 8 * mebibyte;

/** The rows of a session's tail: the number and the digest of each. */
function storedRows(location: string): Promise<string[]> {
  return runInDurableObject(uploadSession(location), (_, { storage }) =>
    storage.sql
      .exec<{ number: number; bytes: ArrayBuffer }>(
        "SELECT number, bytes FROM tail ORDER BY number",
      )
      .toArray()
      .map(({ number, bytes }) => `${number} ${digestOf(new Uint8Array(bytes))}`),
  );
}

function rowsOf(tail: Uint8Array): string[] {
  return Array.from(
    { length: Math.ceil(tail.length / rowBytes) },
    (_, at) => `${at} ${digestOf(tail.subarray(at * rowBytes, (at + 1) * rowBytes))}`,
  );
}

test.for([
  { name: "of nothing, to the border of a row", before: 0, count: 260 },
  { name: "of some bytes, over the borders of rows", before: 512, count: 260 },
  { name: "of all but the last bytes of a part", before: partBytes - 1500, count: 5 },
  { name: "of a part but two chunks", before: partBytes - 2 * kibibyte, count: 5 },
  { name: "of two parts", before: 2 * partBytes, count: 140 },
])(
  "behind a chunk $name each chunk of 1 KiB leaves the right rows",
  { timeout: 120_000 },
  async ({ before, count }) => {
    const repository = newRepository();
    const location = await start(repository);
    const bytes = randomBytes(before + count * kibibyte);
    // A first chunk that is short leaves parts as long as they are without one.
    const first = Math.min(before, kibibyte / 2);
    if (first > 0) await chunk("PATCH", location, bytes.slice(0, first), 0);
    if (first < before) await chunk("PATCH", location, bytes.slice(first, before), first);
    /* oxlint-disable no-await-in-loop */
    for (let at = before; at < bytes.length; at += kibibyte) {
      const patch = await chunk("PATCH", location, bytes.slice(at, at + kibibyte), at);
      expect(patch.status).toBe(202);
      const end = at + kibibyte;
      expect(await storedRows(location)).toEqual(
        rowsOf(bytes.subarray(end - (end % partBytes), end)),
      );
    }
    /* oxlint-enable no-await-in-loop */
    expect((await close(location, digestOf(bytes))).status).toBe(201);
    await expectReadable(repository, digestOf(bytes), bytes);
    expect(await storedRows(location)).toEqual([]);
  },
);
