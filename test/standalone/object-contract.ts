import { type Question, pattern, failure, knownLength, completed } from "./contract-question.ts";

/** What is asked of a bucket about whole objects. */
export const objectQuestions: readonly Question[] = [
  {
    name: "an object is what was put, by head and by get",
    ask: async ({ bucket }) => {
      const put = await bucket.put("whole", "hello", { customMetadata: { repository: "a/b" } });
      const head = await bucket.head("whole");
      const get = await bucket.get("whole");
      const told = [put, head, get].map((object) => [
        object?.key,
        object?.size,
        object?.customMetadata,
        object?.etag === put.etag && object.httpEtag === `"${put.etag}"`,
        object?.version === put.version,
        object?.uploaded instanceof Date,
      ]);
      return [told, await get?.text(), get?.bodyUsed];
    },
    answer: [
      Array.from({ length: 3 }, () => ["whole", 5, { repository: "a/b" }, true, true, true]),
      "hello",
      true,
    ],
  },
  {
    name: "nothing is under a key that was never put",
    ask: async ({ bucket }) => [await bucket.head("never"), await bucket.get("never")],
    answer: [null, null],
  },
  {
    name: "values of all kinds are stored",
    ask: async ({ bucket }) => {
      const bytes = pattern(300);
      const values = {
        text: "héllo",
        buffer: bytes.buffer,
        view: bytes.subarray(7, 9),
        nothing: null,
        blob: new Blob([bytes]),
        stream: knownLength(bytes, bytes),
        body: new Response(bytes).body,
      };
      const sizes: unknown[] = [];
      for (const [name, value] of Object.entries(values)) {
        const put = await bucket.put(`values/${name}`, value);
        const stored = await (await bucket.get(`values/${name}`))?.bytes();
        sizes.push([name, put?.size, stored?.byteLength, stored?.at(-1)]);
      }
      return sizes;
    },
    answer: [
      ["text", 6, 6, 111],
      ["buffer", 300, 300, pattern(300)[299]],
      ["view", 2, 2, pattern(300)[8]],
      ["nothing", 0, 0, undefined],
      ["blob", 300, 300, pattern(300)[299]],
      ["stream", 600, 600, pattern(300)[299]],
      ["body", 300, 300, pattern(300)[299]],
    ],
  },
  {
    name: "the bytes can be had in every form, once",
    ask: async ({ bucket }) => {
      await bucket.put("forms", `{"a":[1]}`);
      const get = async () => {
        const object = await bucket.get("forms");
        if (object === null) throw new Error("not there");
        return object;
      };
      const used = await get();
      await used.text();
      return [
        await (await get()).json(),
        (await (await get()).arrayBuffer()).byteLength,
        (await (await get()).blob()).size,
        await new Response((await get()).body).text(),
        await failure(used.text()),
      ];
    },
    answer: [
      { a: [1] },
      9,
      9,
      `{"a":[1]}`,
      "TypeError: Body has already been used. It can only be used once. Use tee() first if you need to read it twice.",
    ],
  },
  {
    name: "keys of any characters stand side by side",
    ask: async ({ bucket }) => {
      const keys = [
        "K",
        "k",
        "k/",
        "/k",
        "k//k",
        "k/k",
        "k.json",
        "k/../k",
        "..",
        "ü ~=%2f?#",
        "=6b",
      ];
      keys.push("s".repeat(1024), `${"s".repeat(1000)}/t`, "s".repeat(200), "s".repeat(180));
      for (const key of keys) await bucket.put(`keys:${key}`.slice(0, 1024), key);
      const wrong: string[] = [];
      for (const key of keys) {
        const stored = await bucket.get(`keys:${key}`.slice(0, 1024));
        if ((await stored?.text()) !== key || stored?.key !== `keys:${key}`.slice(0, 1024)) {
          wrong.push(key);
        }
      }
      return wrong;
    },
    answer: [],
  },
  {
    name: "a put replaces what was there",
    ask: async ({ bucket }) => {
      await bucket.put("again", "first", { customMetadata: { a: "1" } });
      await bucket.put("again", "second");
      await completed(bucket, "again-parts", [10]);
      await bucket.put("again-parts", "third");
      const object = await bucket.get("again");
      return [
        object?.customMetadata,
        await object?.text(),
        await (await bucket.get("again-parts"))?.text(),
      ];
    },
    answer: [{}, "second", "third"],
  },
  {
    name: "a get beside puts gives one of the objects, whole",
    ask: async ({ bucket }) => {
      const put = (size: number) =>
        bucket.put("raced", "x".repeat(size), { customMetadata: { size: String(size) } });
      const wrong: unknown[] = [];
      const putAll = async () => {
        for (let size = 2; size < 60; size++) await put(size * 11);
      };
      const getAll = async () => {
        for (let count = 0; count < 150; count++) {
          const object = await bucket.get("raced");
          const text = await object?.text();
          const told = Number(object?.customMetadata?.["size"]);
          if (text?.length !== told || object?.size !== told) wrong.push([text?.length, told]);
        }
      };
      await put(1);
      await Promise.all([putAll(), getAll()]);
      return wrong;
    },
    answer: [],
  },
  {
    name: "a delete removes one key or many, there or not",
    ask: async ({ bucket }) => {
      await bucket.put("gone/a", "a");
      await bucket.put("gone/b", "b");
      await completed(bucket, "gone/c", [7]);
      await bucket.put("gone/d", "d");
      await bucket.delete("gone/a");
      await bucket.delete(["gone/b", "gone/c", "gone/never"]);
      await bucket.delete("gone");
      await bucket.delete([]);
      const left: unknown[] = [];
      for (const name of "abcd") left.push((await bucket.head(`gone/${name}`))?.key ?? null);
      return left;
    },
    answer: [null, null, null, "gone/d"],
  },
];
