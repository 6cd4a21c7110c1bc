import {
  type Question,
  mebibyte,
  pattern,
  sha256,
  failure,
  knownLength,
} from "./contract-question.ts";

/** What is asked of a namespace. */
export const kvQuestions: readonly Question[] = [
  {
    name: "an entry is what was put, in every form",
    ask: async ({ kv }) => {
      await kv.put("entry", `{"a":1}`, { metadata: { mediaType: "x" } });
      return [
        await kv.get("entry"),
        await kv.get("entry", "text"),
        await kv.get("entry", { type: "json" }),
        (await kv.get("entry", "arrayBuffer"))?.byteLength,
        await new Response(await kv.get("entry", "stream")).text(),
        await kv.getWithMetadata("entry"),
        (await kv.getWithMetadata("entry", "arrayBuffer")).value?.byteLength,
      ];
    },
    answer: [
      `{"a":1}`,
      `{"a":1}`,
      { a: 1 },
      7,
      `{"a":1}`,
      { value: `{"a":1}`, metadata: { mediaType: "x" }, cacheStatus: null },
      7,
    ],
  },
  {
    name: "bytes of all values come back",
    ask: async ({ kv }) => {
      const bytes = pattern(70_000);
      await kv.put("bytes", bytes);
      await kv.put("bytes-stream", knownLength(bytes));
      await kv.put("bytes-view", bytes.subarray(10, 12));
      await kv.put("bytes-none", "", { metadata: "\n" });
      const sum = await sha256(bytes);
      return [
        (await sha256((await kv.get("bytes", "arrayBuffer")) ?? new ArrayBuffer())) === sum,
        (await sha256((await kv.get("bytes-stream", "arrayBuffer")) ?? new ArrayBuffer())) === sum,
        (await kv.get("bytes-view", "arrayBuffer"))?.byteLength,
        await kv.getWithMetadata("bytes-none"),
      ];
    },
    answer: [true, true, 2, { value: "", metadata: "\n", cacheStatus: null }],
  },
  {
    name: "what is not there is null",
    ask: async ({ kv }) => [
      await kv.get("never"),
      await kv.get("never", "json"),
      await kv.get("never", "arrayBuffer"),
      await kv.getWithMetadata("never"),
    ],
    answer: [null, null, null, { value: null, metadata: null, cacheStatus: null }],
  },
  {
    name: "several keys are answered as a map",
    ask: async ({ kv }) => {
      await kv.put("several", "1");
      return [...(await kv.get(["several", "several-not"]))];
    },
    answer: [
      ["several", "1"],
      ["several-not", null],
    ],
  },
  {
    name: "a put replaces value and metadata, a delete removes both",
    ask: async ({ kv }) => {
      await kv.put("again", "1", { metadata: 1 });
      await kv.put("again", "22");
      const replaced = await kv.getWithMetadata("again");
      await kv.delete("again");
      await kv.delete("again");
      return [replaced, await kv.get("again")];
    },
    answer: [{ value: "22", metadata: null, cacheStatus: null }, null],
  },
  {
    name: "keys have KV's limits",
    ask: async ({ kv }) => {
      const long = "é".repeat(257);
      return [
        await failure(kv.put(long, "a")),
        await failure(kv.get(long)),
        await failure(kv.delete(long)),
        await failure(kv.put("", "a")),
        await failure(kv.get("")),
        await failure(kv.delete("")),
        await failure(kv.put(".", "a")),
        await failure(kv.put("k".repeat(512), "a")),
      ];
    },
    answer: [
      "Error: KV PUT failed: 414 UTF-8 encoded length of 514 exceeds key length limit of 512.",
      "Error: KV GET failed: 414 UTF-8 encoded length of 514 exceeds key length limit of 512.",
      "Error: KV DELETE failed: 414 UTF-8 encoded length of 514 exceeds key length limit of 512.",
      "TypeError: Key name cannot be empty.",
      "TypeError: Key name cannot be empty.",
      "TypeError: Key name cannot be empty.",
      `TypeError: "." is not allowed as a key name.`,
      "none",
    ],
  },
  {
    name: "values and metadata have KV's limits",
    ask: async ({ kv }) => [
      await failure(kv.put("limits", "a", { metadata: "x".repeat(1023) })),
      await failure(kv.put("limits", "a", { metadata: "x".repeat(1022) })),
      await failure(kv.put("limits", new Uint8Array(25 * mebibyte + 1))),
      await failure(kv.put("limits", new Uint8Array(25 * mebibyte))),
    ],
    answer: [
      "Error: KV PUT failed: 413 Metadata length of 1025 exceeds limit of 1024.",
      "none",
      "Error: KV PUT failed: 413 Value length of 26214401 exceeds limit of 26214400.",
      "none",
    ],
  },
];
