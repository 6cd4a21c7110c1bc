import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Digest, parseDigest } from "../../schemas/digest.ts";
import {
  parseRepositoryName,
  parseTag,
  type RepositoryName,
  type Tag,
} from "../../schemas/reference.ts";
import {
  blobIndexName,
  blobKeyTimeMs,
  cachedLinkUrl,
  manifestReplicaKey,
  newBlobKey,
  newHolderToken,
  tagReplicaKey,
  tokenTimeMs,
  tombstoneUrl,
} from "../../schemas/storage-keys.ts";
import { tries } from "./laws.ts";

const dayMs = 24 * 60 * 60 * 1000;
const end9999Ms = Date.UTC(10_000, 0, 1) - 1;
const times = fc.integer({ min: 0, max: end9999Ms });

/** What a parser accepts, as it accepts it. */
function accepted<T>(texts: fc.Arbitrary<string>, parse: (text: string) => T | undefined) {
  return texts.map(parse).filter((value) => value !== undefined);
}

const names: fc.Arbitrary<RepositoryName> = accepted(
  fc.oneof(
    fc.stringMatching(/^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+)*$/),
    fc.constantFrom("a", "a/b", "a".repeat(255), "a/manifests", "x/tags/list", "a/b/c"),
  ),
  parseRepositoryName,
);
const digests: fc.Arbitrary<Digest> = accepted(
  fc.stringMatching(/^(sha256|blake3):[a-f0-9]{64}$|^sha512:[a-f0-9]{128}$/),
  parseDigest,
);
const tags: fc.Arbitrary<Tag> = accepted(
  fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/),
  parseTag,
);

describe("a key of KV", () => {
  test("of a manifest tells repository and digest, and is no longer than KV allows", () => {
    fc.assert(
      fc.property(names, digests, (name, digest) => {
        const key = manifestReplicaKey(name, digest);
        expect(key.split("@")).toEqual([name, digest]);
        expect(new TextEncoder().encode(key).length).toBeLessThanOrEqual(512);
      }),
      tries,
    );
  });

  test("of a tag tells repository and tag, and is no longer than KV allows", () => {
    fc.assert(
      fc.property(names, tags, (name, tag) => {
        const key = tagReplicaKey(name, tag);
        expect(key.split(":")).toEqual([name, tag]);
        expect(new TextEncoder().encode(key).length).toBeLessThanOrEqual(512);
      }),
      tries,
    );
  });
});

describe("a key of the data centre's cache", () => {
  test.each([
    ["of a link", cachedLinkUrl],
    ["of a tombstone", tombstoneUrl],
  ])("%s is a URL that nothing is normalised in", (_case, urlOf) => {
    fc.assert(
      fc.property(names, digests, (name, digest) => {
        const url = new URL(urlOf(name, digest));
        expect(url.href).toBe(urlOf(name, digest));
        expect(url.pathname).toBe(`/${name}/${digest}`);
      }),
      tries,
    );
  });
});

describe("what is made at a time tells it", () => {
  test("a key of R2 by its day", () => {
    fc.assert(
      fc.property(times, fc.uuid(), (timeMs, random) => {
        const key = newBlobKey(timeMs, random);
        expect(blobKeyTimeMs(key)).toBe(timeMs - (timeMs % dayMs));
        expect(key).toMatch(/^blobs\/\d{4}-\d\d-\d\d\/[0-9a-f-]{36}$/);
      }),
      tries,
    );
  });

  test("a holder's token by its millisecond", () => {
    fc.assert(
      fc.property(times, fc.uuid(), (timeMs, random) => {
        expect(tokenTimeMs(newHolderToken(timeMs, random))).toBe(timeMs);
      }),
      tries,
    );
  });
});

test("a digest has one of 256 indexes for its algorithm, and the beginning of its hex says which", () => {
  fc.assert(
    fc.property(digests, (digest) => {
      expect(blobIndexName({}, digest)).toMatch(/^(sha256|sha512|blake3):[0-9a-f]{2}$/);
      expect(digest.startsWith(blobIndexName({}, digest))).toBe(true);
    }),
    tries,
  );
});
