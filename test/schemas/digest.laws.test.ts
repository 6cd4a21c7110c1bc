import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { algorithmOf, digestOf, hexOf, parseDigest } from "../../schemas/digest.ts";
import { nearly, tries } from "./laws.ts";

/** descriptor.md of the image spec: the grammar, and what registered algorithms make of it. */
const grammar = /^[a-z0-9]+([+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/;
const registered = /^(sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}|blake3:[a-f0-9]{64})$/;

const algorithms = [
  ["sha256", 32],
  ["sha512", 64],
  ["blake3", 32],
] as const;

const right = fc.stringMatching(registered);
const ofTheGrammar = fc.stringMatching(grammar);
/** Hex digits of about the right number, and of the right characters. */
const nearBorders = fc
  .tuple(
    fc.constantFrom("sha256", "sha512", "blake3", "sha384", "md5", "SHA256", ""),
    fc.constantFrom(0, 1, 32, 63, 64, 65, 127, 128, 129),
    fc.constantFrom("0", "f", "F", "g"),
  )
  .map(([algorithm, digits, digit]) => `${algorithm}:${digit.repeat(digits)}`);

describe("a digest", () => {
  test("is what the grammar and a registered algorithm accept, and nothing else", () => {
    fc.assert(
      fc.property(fc.oneof(nearly(right), nearly(ofTheGrammar), nearBorders), (text) => {
        expect(parseDigest(text)).toBe(registered.test(text) ? text : undefined);
      }),
      tries,
    );
  });

  test("of a registered algorithm is of the grammar", () => {
    fc.assert(
      fc.property(right, (text) => {
        expect(text).toMatch(grammar);
      }),
      tries,
    );
  });

  test("is its algorithm, a colon and its hex digits", () => {
    fc.assert(
      fc.property(right, (text) => {
        const digest = parseDigest(text);
        if (digest === undefined) throw new Error("no digest");
        expect(`${algorithmOf(digest)}:${hexOf(digest)}`).toBe(text);
      }),
      tries,
    );
  });

  test("made of a hash is read again, and is those bytes", () => {
    const hash = fc
      .constantFrom(...algorithms)
      .chain(([algorithm, bytes]) =>
        fc.tuple(fc.constant(algorithm), fc.uint8Array({ minLength: bytes, maxLength: bytes })),
      );
    fc.assert(
      fc.property(hash, ([algorithm, bytes]) => {
        const digest = digestOf(algorithm, bytes);
        expect(parseDigest(digest)).toBe(digest);
        expect(algorithmOf(digest)).toBe(algorithm);
        const pairs = hexOf(digest).match(/../g) ?? [];
        expect(pairs.map((pair) => Number.parseInt(pair, 16))).toEqual([...bytes]);
      }),
      tries,
    );
  });
});
