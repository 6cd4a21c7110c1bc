import { describe, expect, test } from "vitest";
import {
  algorithmOf,
  digestOf,
  hexOf,
  parseDigest,
  parseDigestAlgorithm,
} from "../../schemas/digest.ts";

const sha256 = `sha256:${"0123456789abcdef".repeat(4)}`;
const sha512 = `sha512:${"0123456789abcdef".repeat(8)}`;

test.each([
  [sha256, "sha256", sha256.slice(7)],
  [sha512, "sha512", sha512.slice(7)],
])("%s is a digest of %s", (text, algorithm, hex) => {
  const digest = parseDigest(text);
  if (digest === undefined) throw new Error("no digest");
  expect(digest).toBe(text);
  expect(algorithmOf(digest)).toBe(algorithm);
  expect(hexOf(digest)).toBe(hex);
});

test.each([
  ["nothing", ""],
  ["a word", "latest"],
  ["an algorithm alone", "sha256"],
  ["no hex", "sha256:"],
  ["no algorithm", `:${"0".repeat(64)}`],
  ["hex alone", "0".repeat(64)],
  ["a digit less", sha256.slice(0, -1)],
  ["a digit more", `${sha256}0`],
  ["another algorithm's length", `sha512:${"0".repeat(64)}`],
  ["sha512's length", `sha256:${"0".repeat(128)}`],
  ["upper-case hex", sha256.toUpperCase().replace("SHA", "sha")],
  ["an upper-case algorithm", sha256.replace("sha", "SHA")],
  ["a letter that is no hex", `sha256:${"g".repeat(64)}`],
  ["a new line behind it", `${sha256}\n`],
  ["a new line for a digit", `sha256:${"0".repeat(63)}\n`],
  ["a space before it", ` ${sha256}`],
  ["a path", "../../etc/passwd"],
  ["md5", `md5:${"0".repeat(32)}`],
  ["sha384", `sha384:${"0".repeat(96)}`],
  ["two algorithms", `sha256+b64:${"0".repeat(64)}`],
  ["a name of every object", `constructor:${"0".repeat(64)}`],
])("%s is no digest: %j", (_case, text) => {
  expect(parseDigest(text)).toBeUndefined();
});

describe("an algorithm", () => {
  test.each([["sha256"], ["sha512"]])("%s is known", (text) => {
    expect(parseDigestAlgorithm(text)).toBe(text);
  });

  test.each([[""], ["md5"], ["SHA256"], ["toString"]])("%j is not", (text) => {
    expect(parseDigestAlgorithm(text)).toBeUndefined();
  });
});

test("the digest of a hash has two digits for each byte", () => {
  const hash = Uint8Array.from({ length: 32 }, (_, at) => at);
  const hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
  expect(digestOf("sha256", hash)).toBe(`sha256:${hex}`);
  expect(parseDigest(digestOf("sha256", hash))).toBe(`sha256:${hex}`);
});
