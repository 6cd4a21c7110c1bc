import { beforeAll, describe, expect, test } from "vitest";
import { newRepository, send } from "../client.ts";
import { dataKinds, rowsOf } from "./data-kinds.ts";
import { ImageData } from "./image-data.ts";
import { pushData } from "./pushed-data.ts";

/** The tags of a page, and the path that its Link leads to. */
async function page(path: string): Promise<{ tags: string[]; next: string | undefined }> {
  const response = await send("GET", path);
  expect(response.status).toBe(200);
  const { tags } = await response.json<{ tags: string[] }>();
  const next = /^<([^>]+)>; rel="next"$/.exec(response.headers.get("Link") ?? "")?.[1];
  return { tags, next };
}

/** The pages that begin with `path`, as a client goes from Link to Link. */
async function pages(path: string): Promise<string[][]> {
  const all: string[][] = [];
  for (let next: string | undefined = path; next !== undefined;) {
    // oxlint-disable-next-line no-await-in-loop
    const found: Awaited<ReturnType<typeof page>> = await page(next);
    all.push(found.tags);
    expect(found.next).not.toBe(next);
    next = found.next;
  }
  return all;
}

describe.each(rowsOf(dataKinds))("%s", (_name, kind) => {
  const data = kind.make();
  const repository = newRepository();
  const path = `/v2/${repository}/tags/list`;
  const sorted = [...data.tags.keys()].toSorted();
  beforeAll(async () => {
    await pushData(data, kind.tagging, repository);
  });

  test("end-8a GET: 200 with the name and all tags in order", async () => {
    const response = await send("GET", path);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ name: repository, tags: sorted });
  });

  test("end-8b GET with n=1: tag by tag; with n=0: none", async () => {
    const alone = sorted.length === 0 ? [[]] : sorted.map((tag) => [tag]);
    expect(await pages(`${path}?n=1`)).toEqual(alone);
    expect(await page(`${path}?n=0`)).toEqual({ tags: [], next: undefined });
  });

  test("end-8b GET with last: what comes after it", async () => {
    const afters = ["", ...sorted].map((last) => page(`${path}?last=${last}`));
    expect((await Promise.all(afters)).map(({ tags }) => tags)).toEqual([
      sorted,
      ...sorted.map((_, at) => sorted.slice(at + 1)),
    ]);
  });
});

const tags = ["0", "1.0", "A", "Z", "_x", "a", "a-b", "a.b", "ab", "b", "latest"];

describe("a repository with eleven tags", () => {
  const repository = newRepository();
  const path = `/v2/${repository}/tags/list`;
  beforeAll(async () => {
    const data = new ImageData();
    const image = data.image();
    for (const tag of tags.toReversed()) data.tag(tag, image);
    await pushData(data, "query", repository);
  });

  test.each([1, 2, 3, 5, 10, 11, 12, 100])(
    "end-8b GET with n=%i: pages that lead to all",
    async (n) => {
      const expected = [];
      for (let at = 0; at < tags.length; at += n) expected.push(tags.slice(at, at + n));
      expect(await pages(`${path}?n=${n}`)).toEqual(expected);
    },
  );

  test.each(tags)(
    "end-8b GET with last=%s: what comes after it, by n=4 and without n",
    async (last) => {
      const after = tags.slice(tags.indexOf(last) + 1);
      expect((await page(`${path}?last=${last}`)).tags).toEqual(after);
      expect((await page(`${path}?n=4&last=${last}`)).tags).toEqual(after.slice(0, 4));
      expect((await pages(`${path}?n=4&last=${last}`)).flat()).toEqual(after);
    },
  );

  test.each([
    ["a tag that is not there", "a.a", ["a.b", "ab", "b", "latest"]],
    ["a tag after all", "zzz", []],
    ["a tag before all", "-", tags],
  ])("end-8b GET with last of %s", async (_case, last, expected) => {
    expect((await page(`${path}?last=${last}`)).tags).toEqual(expected);
  });
});
