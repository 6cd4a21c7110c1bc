import { code, completed, type Question } from "./contract-question.ts";

async function putAll(bucket: R2Bucket, keys: readonly string[]): Promise<void> {
  await Promise.all(
    keys.map((key) => bucket.put(key, key.slice(0, 5), { customMetadata: { at: "1" } })),
  );
}

/** The keys of all pages. */
async function pages(bucket: R2Bucket, options: R2ListOptions): Promise<string[][]> {
  const found: string[][] = [];
  let cursor: string | undefined;
  do {
    const page = await bucket.list({ ...options, ...(cursor === undefined ? {} : { cursor }) });
    found.push(page.objects.map(({ key }) => key));
    cursor = page.truncated ? page.cursor : undefined;
  } while (cursor !== undefined);
  return found;
}

const long = "l".repeat(200);

/** Keys that another order than that of their bytes, or of their folders, would confuse. */
const keys = [
  "",
  "!",
  "-",
  "-a",
  ".",
  "/",
  "//a",
  "/a",
  "0",
  "=",
  "=61",
  "A",
  "a",
  "a!",
  "a-b",
  "a.b",
  "a/",
  "a//",
  "a/b",
  "a/b-c",
  "a/b/c",
  "a0",
  "aB",
  "ab",
  "~",
  long,
  `${long}-b/c`,
  `${long}/b`,
  `${long}0`,
  "ü".repeat(70),
  `${"ü".repeat(70)}/a`,
  `${"ü".repeat(70)}b`,
  "\u{FF5E}",
  "\u{1F600}",
];

function inOrder(): string[] {
  const encoder = new TextEncoder();
  const bytes = (key: string): string => String.fromCharCode(...encoder.encode(key));
  return keys.toSorted((a, b) => (bytes(a) < bytes(b) ? -1 : 1)).map((key) => `order:${key}`);
}

/** What is asked of a bucket about lists. */
export const listQuestions: readonly Question[] = [
  {
    name: "a list is in the order of the bytes of keys",
    ask: async ({ bucket }) => {
      await putAll(
        bucket,
        keys.map((key) => `order:${key}`),
      );
      return [
        await pages(bucket, { prefix: "order:" }),
        (await pages(bucket, { prefix: "order:", limit: 1 })).flat(),
        (await pages(bucket, { prefix: "order:", limit: 7 })).map((page) => page.length),
      ];
    },
    answer: [[inOrder()], inOrder(), [7, 7, 7, 7, 6]],
  },
  {
    name: "a list begins behind any key",
    ask: async ({ bucket }) => {
      await putAll(
        bucket,
        keys.map((key) => `after:${key}`),
      );
      const wrong: string[] = [];
      const all = (await pages(bucket, { prefix: "after:" })).flat();
      for (const [at, key] of all.entries()) {
        const behind = await pages(bucket, { prefix: "after:", startAfter: key });
        if (behind.flat().join("\n") !== all.slice(at + 1).join("\n")) wrong.push(key);
      }
      const between = await pages(bucket, { prefix: "after:a/", startAfter: "after:a/b-b" });
      return [wrong, between.flat(), await pages(bucket, { prefix: "after:", startAfter: "b" })];
    },
    answer: [[], ["after:a/b-c", "after:a/b/c"], [[]]],
  },
  {
    name: "a list has what begins with its prefix",
    ask: async ({ bucket }) => {
      await putAll(bucket, ["pre/a/1", "pre/a/2", "pre/a", "pre/ab/1", "pre/b", "pre", "prefix"]);
      const prefixes = [
        "pre/a/",
        "pre/a",
        "pre/",
        "pre/a/1",
        "pre/c",
        "pre/c/",
        "prefix",
        "pre/A/",
      ];
      const found: unknown[] = [];
      for (const prefix of prefixes) found.push((await pages(bucket, { prefix })).flat());
      return found;
    },
    answer: [
      ["pre/a/1", "pre/a/2"],
      ["pre/a", "pre/a/1", "pre/a/2", "pre/ab/1"],
      ["pre/a", "pre/a/1", "pre/a/2", "pre/ab/1", "pre/b"],
      ["pre/a/1"],
      [],
      [],
      ["prefix"],
      [],
    ],
  },
  {
    name: "a list tells of an object what head does",
    ask: async ({ bucket }) => {
      await putAll(bucket, ["told/whole"]);
      await completed(bucket, "told/parts", [10]);
      const upload = await bucket.createMultipartUpload("told/open");
      await upload.uploadPart(1, "a");
      const { objects, truncated, delimitedPrefixes } = await bucket.list({
        prefix: "told/",
        include: ["customMetadata"],
      });
      const heads = await Promise.all(objects.map(({ key }) => bucket.head(key)));
      const same = objects.map(
        ({ etag, version, uploaded }, at) =>
          etag === heads[at]?.etag &&
          version === heads[at]?.version &&
          uploaded.getTime() === heads[at]?.uploaded.getTime(),
      );
      return [
        objects.map(({ key, size, customMetadata }) => [key, size, customMetadata]),
        same,
        truncated,
        delimitedPrefixes,
      ];
    },
    answer: [
      [
        ["told/parts", 10, { kind: "parts" }],
        ["told/whole", 5, { at: "1" }],
      ],
      [true, true],
      false,
      [],
    ],
  },
  {
    name: "a list that goes on misses nothing of what was there all the time",
    ask: async ({ bucket }) => {
      await putAll(bucket, ["on/a", "on/b", "on/c", "on/d"]);
      const first = await bucket.list({ prefix: "on/", limit: 2 });
      await bucket.delete(["on/a", "on/b", "on/c"]);
      await bucket.put("on/0", "new");
      const cursor = first.truncated ? first.cursor : "";
      return [
        first.objects.map(({ key }) => key),
        (await bucket.list({ prefix: "on/", cursor })).objects.map(({ key }) => key),
      ];
    },
    answer: [["on/a", "on/b"], ["on/d"]],
  },
  {
    name: "a list has from 1 to 1,000 objects",
    ask: async ({ bucket }) => {
      const many = Array.from({ length: 1001 }, (_, at) => `many/${String(at).padStart(4, "0")}`);
      for (let at = 0; at < many.length; at += 100) await putAll(bucket, many.slice(at, at + 100));
      const found = await pages(bucket, { prefix: "many/" });
      return [
        found.map((page) => page.length),
        found.flat().join() === many.join(),
        await code(bucket.list({ limit: 0 })),
        await code(bucket.list({ limit: 1001 })),
      ];
    },
    answer: [[1000, 1], true, "10022", "10022"],
  },
];
