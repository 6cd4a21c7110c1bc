import { expect, test } from "vitest";
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

function parsed<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("not parsed");
  return value;
}

const name = (text: string): RepositoryName => parsed(parseRepositoryName(text));
const tag = (text: string): Tag => parsed(parseTag(text));
const digest = (text: string): Digest => parsed(parseDigest(text));

const sha256 = digest(`sha256:ab${"0".repeat(62)}`);
const sha512 = digest(`sha512:ab${"0".repeat(126)}`);
const random = "3f1f3f54-7f2f-4fdd-bf6e-0d7ea0e8a8a1";

test.each([
  [0, "1970-01-01"],
  [Date.UTC(2026, 0, 31, 23, 59, 59, 999), "2026-01-31"],
  [Date.UTC(2026, 1, 1), "2026-02-01"],
])("a blob's key at %i is of the day %s, and says so", (nowMs, day) => {
  const key = newBlobKey(nowMs, random);
  expect(key).toBe(`blobs/${day}/${random}`);
  expect(blobKeyTimeMs(key)).toBe(Date.parse(day));
});

test.each([[0], [1], [Date.UTC(2026, 0, 31, 23, 59, 59, 999)]])(
  "a holder's token of %i says its time",
  (nowMs) => {
    const token = newHolderToken(nowMs, random);
    expect(token).toContain(random);
    expect(tokenTimeMs(token)).toBe(nowMs);
  },
);

test.each([
  [sha256, "sha256:ab"],
  [sha512, "sha512:ab"],
])("the index of %s is %s", (of, expected) => {
  expect(blobIndexName({}, of)).toBe(expected);
});

test("no two of repository, tag and digest have one key", () => {
  const names = ["a", "a/b", "a/b/c", "a-b", "a_b", "a.b", "a/manifests", "a/sha256"].map(name);
  const tags = ["a", "b", "b_c", "sha256", "latest"].map(tag);
  const keys = names.flatMap((repository) => [
    ...tags.map((of) => tagReplicaKey(repository, of)),
    ...[sha256, sha512].map((of) => manifestReplicaKey(repository, of)),
    ...[sha256, sha512].map((of) => cachedLinkUrl(repository, of)),
    ...[sha256, sha512].map((of) => tombstoneUrl(repository, of)),
  ]);
  expect(new Set(keys).size).toBe(keys.length);
});

test("the longest keys are shorter than KV's 512 bytes", () => {
  const longest = name("a".repeat(255));
  expect(manifestReplicaKey(longest, sha512).length).toBeLessThan(512);
  expect(tagReplicaKey(longest, tag("x".repeat(128))).length).toBeLessThan(512);
});
