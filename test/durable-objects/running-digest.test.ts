import { describe, expect, test } from "vitest";
import {
  beginDigest,
  resumeDigest,
  type RunningDigest,
} from "../../durable-objects/running-digest.ts";
import { digestOf, randomBytes } from "../client.ts";

const algorithms = ["sha256", "sha512"] as const;

/** Parts end where a block of the hash ends: 64 bytes (sha256), 128 bytes (sha512). */
const block = 128;
const cuts: readonly (readonly number[])[] = [
  [],
  [block],
  [block, block],
  [block, 2 * block, 3 * block],
  [64 * block, block, 64 * block],
  [8192 * block, 8192 * block],
  Array.from({ length: 20 }, (_, at) => (at + 1) * block),
];
const tails = [0, 1, 55, 56, 63, 64, 65, 111, 112, 127, 128, 129, 1000];

function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  let at = 0;
  return sizes.map((size) => bytes.subarray(at, (at += size)));
}

describe.for(algorithms)("a %s of parts and a tail", (algorithm) => {
  const table = cuts.flatMap((sizes) => tails.map((tail) => ({ sizes, tail })));

  test.for(table)("of $sizes and $tail bytes is that of the runtime", ({ sizes, tail }) => {
    const length = sizes.reduce((sum, size) => sum + size, 0);
    const bytes = randomBytes(length + tail);
    const expected = digestOf(bytes, algorithm);
    const native = beginDigest(algorithm, false);
    const savable = beginDigest(algorithm, true);
    let resumed: RunningDigest = beginDigest(algorithm, true);
    for (const part of cut(bytes, sizes)) {
      for (const digest of [native, savable, resumed]) digest.update(part);
      // As an object does that is restarted at each end of a part.
      const saved = resumed.save();
      expect(saved).toBeDefined();
      resumed = resumeDigest(algorithm, saved ?? new Uint8Array());
    }
    for (const digest of [native, savable, resumed]) {
      expect(digest.algorithm).toBe(algorithm);
      expect(digest.withTail(bytes.subarray(length))).toBe(expected);
    }
  });

  test.for([true, false])("goes its own way as a copy (savable: %s)", (savable) => {
    const bytes = randomBytes(3 * block);
    const digest = beginDigest(algorithm, savable);
    digest.update(bytes.subarray(0, block));
    const copy = digest.copy();
    copy.update(bytes.subarray(block, 2 * block));
    expect(digest.withTail(new Uint8Array())).toBe(digestOf(bytes.slice(0, block), algorithm));
    expect(copy.withTail(bytes.subarray(2 * block))).toBe(digestOf(bytes, algorithm));
    // Asking for the digest does not end it.
    digest.update(bytes.subarray(block));
    expect(digest.withTail(new Uint8Array())).toBe(digestOf(bytes, algorithm));
  });

  test("can be saved only by the kind for chunks", () => {
    expect(beginDigest(algorithm, false).save()).toBeUndefined();
    expect(beginDigest(algorithm, true).save()).toBeInstanceOf(Uint8Array);
  });

  test("is resumed from bytes that lie within others, as SQLite gives them", () => {
    const bytes = randomBytes(2 * block);
    const digest = beginDigest(algorithm, true);
    digest.update(bytes.subarray(0, block));
    const saved = digest.save() ?? new Uint8Array();
    const within = new Uint8Array(saved.length + 7);
    within.set(saved, 5);
    const resumed = resumeDigest(algorithm, within.subarray(5, 5 + saved.length));
    expect(resumed.withTail(bytes.subarray(block))).toBe(digestOf(bytes, algorithm));
  });
});

test.for(algorithms)("a saved %s counts its bytes beyond 4 GiB", (algorithm) => {
  const length = 2 ** 33 + 128;
  const saved = beginDigest(algorithm, true).save() ?? new Uint8Array();
  new DataView(saved.buffer).setBigUint64(0, BigInt(length));
  const again = resumeDigest(algorithm, saved).save() ?? new Uint8Array();
  expect(new DataView(again.buffer).getBigUint64(0)).toBe(BigInt(length));
});
