import { describe, expect, test } from "vitest";
import {
  digestOf,
  indexOf,
  newRepository,
  pushBlob,
  pushManifest,
  refusal,
  send,
} from "./client.ts";

/** A repository with tags, all of one manifest. */
async function tagged(tags: readonly string[]): Promise<string> {
  const repository = newRepository();
  const manifest = indexOf();
  await Promise.all(tags.map((tag) => pushManifest(repository, tag, manifest)));
  return repository;
}

/** The tags of a page, and where its Link leads. */
async function page(path: string): Promise<{ tags: string[]; next: string | undefined }> {
  const response = await send("GET", path);
  expect(response.status).toBe(200);
  expect(response.headers.get("Content-Type")).toMatch(/^application\/json/);
  const { tags } = await response.json<{ tags: string[] }>();
  const link = response.headers.get("Link");
  const next = link === null ? undefined : /^<(\/v2\/[^>]*)>; rel="next"$/.exec(link)?.[1];
  expect(link === null).toBe(next === undefined);
  return { tags, next };
}

const five = ["a", "b", "c", "d", "e"];

function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `t${String(at).padStart(5, "0")}`);
}

describe("the list of tags", () => {
  test.each([
    ["", five, undefined],
    ["?n=5", five, undefined],
    ["?n=6", five, undefined],
    ["?n=2", ["a", "b"], "n=2&last=b"],
    ["?n=2&last=b", ["c", "d"], "n=2&last=d"],
    ["?n=2&last=d", ["e"], undefined],
    ["?n=2&last=bb", ["c", "d"], "n=2&last=d"],
    ["?last=c", ["d", "e"], undefined],
    ["?last=e", [], undefined],
    ["?last=z", [], undefined],
    ["?last=", five, undefined],
    ["?last=%00", five, undefined],
    ["?n=2&last=..%2F", ["a", "b"], "n=2&last=b"],
    ["?n=0", [], undefined],
    ["?n=0&last=a", [], undefined],
    ["?n=00002", ["a", "b"], "n=2&last=b"],
  ])("with %j answers %j and leads to %s", async (query, tags, next) => {
    const repository = await tagged(["c", "a", "e", "d", "b"]);
    const path = `/v2/${repository}/tags/list`;
    expect(await page(path + query)).toEqual({
      tags,
      next: next === undefined ? undefined : `${path}?${next}`,
    });
  });

  test("names its repository, and is empty where only blobs are", async () => {
    const repository = newRepository();
    await pushBlob(repository, "blob");
    const response = await send("GET", `/v2/${repository}/tags/list`);
    expect(await response.json()).toEqual({ name: repository, tags: [] });
  });

  test("has no manifest that was pushed by digest", async () => {
    const repository = await tagged(["a"]);
    await pushManifest(repository, "", indexOf());
    expect((await page(`/v2/${repository}/tags/list`)).tags).toEqual(["a"]);
  });

  test("of an unknown repository is 404", async () => {
    const response = await send("GET", `/v2/${newRepository()}/tags/list`);
    expect(await refusal(response)).toEqual([404, "NAME_UNKNOWN"]);
  });

  test("is in the order of bytes", async () => {
    const tags = ["10", "2", "A", "B", "_", "a", "a-b", "a.b", "a_b", "ab", "b"];
    const repository = await tagged(tags.toReversed());
    const sorted = (await page(`/v2/${repository}/tags/list`)).tags;
    expect(sorted).toEqual(["10", "2", "A", "B", "_", "a", "a-b", "a.b", "a_b", "ab", "b"]);
  });

  test("of 1,001 has 100 without n, at most 1,000 with it, and leads to all", async () => {
    const tags = numbered(1001);
    const repository = await tagged(tags);
    const path = `/v2/${repository}/tags/list`;
    for (const [query, size, limit] of [
      ["", 100, 100],
      ["?n=1000", 1000, 1000],
      ["?n=1001", 1000, 1000],
      ["?n=1000000000000", 1000, 1000],
      [`?n=${"9".repeat(400)}`, 1000, 1000],
    ]) {
      // oxlint-disable-next-line no-await-in-loop
      const first = await page(`${path}${query}`);
      expect(first.tags).toEqual(tags.slice(0, Number(size)));
      expect(first.next).toBe(`${path}?n=${limit}&last=${tags[Number(size) - 1]}`);
    }
    const all: string[] = [];
    let next: string | undefined = `${path}?n=300`;
    while (next !== undefined) {
      // oxlint-disable-next-line no-await-in-loop
      const { tags: some, next: after }: Awaited<ReturnType<typeof page>> = await page(next);
      all.push(...some);
      next = after;
    }
    expect(all).toEqual(tags);
  });
});

test("a tag pushed by twenty clients at once names what one of them pushed", async () => {
  const repository = newRepository();
  const manifests = Array.from({ length: 20 }, () => indexOf());
  await Promise.all(manifests.map((manifest) => pushManifest(repository, "latest", manifest)));
  const got = await send("GET", `/v2/${repository}/manifests/latest`);
  const text = await got.text();
  expect(manifests).toContain(text);
  expect(got.headers.get("Docker-Content-Digest")).toBe(digestOf(text));
});
