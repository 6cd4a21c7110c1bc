import * as fc from "fast-check";
import { expect, test } from "vitest";
import { parseDigest } from "../../schemas/digest.ts";
import { parseReference, parseRepositoryName, parseTag } from "../../schemas/reference.ts";
import { nearly, tries } from "./laws.ts";

/** Distribution spec, "Pulling manifests". It has no limit for a name; ours is 255 characters. */
const nameOfSpec = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagOfSpec = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

const names = fc.stringMatching(nameOfSpec);
/** Made of the grammar's characters alone, so that every order of separators comes. */
const nameLike = fc.string({ unit: fc.constantFrom(...Array.from("ab0.__--//")), maxLength: 16 });
const longNames = fc
  .tuple(fc.constantFrom("a", "a/", "ab.", "a__b-", "a---b/"), fc.integer({ min: 248, max: 262 }))
  .map(([piece, length]) => piece.repeat(length).slice(0, length));

const tags = fc.stringMatching(tagOfSpec);
const longTags = fc
  .tuple(fc.constantFrom("a", "_", "A.", ".-"), fc.integer({ min: 120, max: 135 }))
  .map(([piece, length]) => piece.repeat(length).slice(0, length));

test("a repository name is what the spec's expression accepts up to 255 characters", () => {
  fc.assert(
    fc.property(fc.oneof(nearly(names), nameLike, longNames, nearly(longNames)), (text) => {
      const isName = nameOfSpec.test(text) && text.length <= 255;
      expect(parseRepositoryName(text)).toBe(isName ? text : undefined);
    }),
    tries,
  );
});

test("a tag is what the spec's expression accepts", () => {
  fc.assert(
    fc.property(fc.oneof(nearly(tags), longTags, nearly(longTags)), (text) => {
      expect(parseTag(text)).toBe(tagOfSpec.test(text) ? text : undefined);
    }),
    tries,
  );
});

test("a reference is a tag or a digest, never both, and nothing else", () => {
  const digests = fc.stringMatching(/^(sha256|blake3):[a-f0-9]{64}$/);
  fc.assert(
    fc.property(fc.oneof(nearly(tags), nearly(digests), longTags), (text) => {
      const tag = tagOfSpec.test(text);
      const digest = parseDigest(text) !== undefined;
      expect(tag && digest).toBe(false);
      expect(parseReference(text)).toEqual(
        (tag ? { kind: "tag", tag: text } : undefined) ??
          (digest ? { kind: "digest", digest: text } : undefined),
      );
    }),
    tries,
  );
});
