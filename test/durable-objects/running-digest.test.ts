import { describe, expect, test } from "vitest";
import { RunningDigest } from "../../durable-objects/running-digest.ts";
import { digestOfBytes } from "../../streams/hash.ts";
import { digestOf, randomBytes } from "../client.ts";

const algorithms = ["sha256", "sha512"] as const;

/** Bytes of parts: ends of blocks of the hash (64 and 128 bytes) and what lies between them. */
const cuts: readonly (readonly number[])[] = [
  [],
  [128],
  [128, 128],
  [1, 63, 127],
  [8192, 128, 8192],
  [1_048_576, 1_048_576],
];
const tails = [0, 1, 55, 56, 64, 111, 112, 128, 1000];

function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  let at = 0;
  return sizes.map((size) => bytes.subarray(at, (at += size)));
}

describe.for(algorithms)("a %s of parts and a tail", (algorithm) => {
  const table = cuts.flatMap((sizes) => tails.map((tail) => ({ sizes, tail })));

  test.for(table)("of $sizes and $tail bytes is that of all bytes", ({ sizes, tail }) => {
    const length = sizes.reduce((sum, size) => sum + size, 0);
    const bytes = randomBytes(length + tail);
    const digest = new RunningDigest(algorithm);
    for (const part of cut(bytes, sizes)) digest.update(part);
    expect(digest.algorithm).toBe(algorithm);
    expect(digest.withTail(bytes.subarray(length))).toBe(digestOf(bytes, algorithm));
  });
});

test.for([...algorithms, "blake3"] as const)("a %s goes its own way as a copy", (algorithm) => {
  const bytes = randomBytes(384);
  const digest = new RunningDigest(algorithm);
  digest.update(bytes.subarray(0, 128));
  const copy = digest.copy();
  copy.update(bytes.subarray(128, 256));
  const first = digestOfBytes(bytes.subarray(0, 128), algorithm);
  const all = digestOfBytes(bytes, algorithm);
  expect(digest.withTail(new Uint8Array())).toBe(first);
  expect(copy.withTail(bytes.subarray(256))).toBe(all);
  // Asking for the digest does not end it.
  digest.update(bytes.subarray(128));
  expect(digest.withTail(new Uint8Array())).toBe(all);
});
