import {
  type Question,
  helloSha256,
  wrongSha256,
  helloSha512,
  pattern,
  sha256,
  failure,
  code,
  knownLength,
  failing,
  unknownLength,
  range,
} from "./contract-question.ts";

/** What is asked of a bucket about ranges, checksums, streams and limits. */
export const rangeQuestions: readonly Question[] = [
  {
    name: "a range gives the bytes that lie in it",
    ask: async ({ bucket }) => {
      await bucket.put("range", "hello");
      const ranges: R2Range[] = [
        { offset: 1, length: 2 },
        { offset: 3 },
        { length: 2 },
        { suffix: 2 },
        { suffix: 99 },
        { offset: 3, length: 99 },
        { offset: 0, length: 5 },
      ];
      const answers = [await range(bucket, "range")];
      for (const asked of ranges) answers.push(await range(bucket, "range", asked));
      return answers;
    },
    answer: [
      [5, { offset: 0, length: 5 }, "hello"],
      [5, { offset: 1, length: 2 }, "el"],
      [5, { offset: 3, length: 2 }, "lo"],
      [5, { offset: 0, length: 2 }, "he"],
      [5, { offset: 3, length: 2 }, "lo"],
      [5, { offset: 0, length: 5 }, "hello"],
      [5, { offset: 3, length: 2 }, "lo"],
      [5, { offset: 0, length: 5 }, "hello"],
    ],
  },
  {
    name: "a range with nothing in it is refused",
    ask: async ({ bucket }) => {
      await bucket.put("no-range", "hello");
      const ranges: R2Range[] = [
        { offset: 5 },
        { offset: 6, length: 1 },
        { offset: 1, length: 0 },
        { suffix: 0 },
      ];
      const codes = [];
      for (const asked of ranges) codes.push(await code(range(bucket, "no-range", asked)));
      codes.push(await failure(range(bucket, "no-range", { offset: -1 })));
      return codes;
    },
    answer: [
      "10039",
      "10039",
      "10039",
      "10039",
      "RangeError: Invalid range. Starting offset (-1) must be greater than or equal to 0.",
    ],
  },
  {
    name: "an empty object has no bytes",
    ask: async ({ bucket }) => {
      await bucket.put("empty", "", { sha256: await sha256(new Uint8Array()) });
      await bucket.put("empty-stream", knownLength(), { sha256: await sha256(new Uint8Array()) });
      return [await range(bucket, "empty"), await range(bucket, "empty-stream")];
    },
    answer: [
      [0, { offset: 0, length: 0 }, ""],
      [0, { offset: 0, length: 0 }, ""],
    ],
  },
  {
    name: "a right checksum is kept with the object",
    ask: async ({ bucket }) => {
      const bytes = Uint8Array.from(helloSha256.match(/../g) ?? [], (pair) => Number(`0x${pair}`));
      const hello = new TextEncoder().encode("hello");
      const objects = [
        await bucket.put("sum/text", "hello", { sha256: helloSha256.toUpperCase() }),
        await bucket.put("sum/bytes", hello, { sha256: bytes }),
        await bucket.put("sum/stream", knownLength(hello), { sha256: bytes.buffer }),
        await bucket.put("sum/512", knownLength(hello), { sha512: helloSha512 }),
        await bucket.head("sum/512"),
      ];
      return objects.map((object) => {
        const { sha256: short, sha512: long } = object?.checksums.toJSON() ?? {};
        return [short, long, object?.checksums.sha256?.byteLength];
      });
    },
    answer: [
      [helloSha256, null, 32],
      [helloSha256, null, 32],
      [helloSha256, null, 32],
      [null, helloSha512, null],
      [null, helloSha512, null],
    ],
  },
  {
    name: "a stream of many blocks is verified and stored",
    ask: async ({ bucket }) => {
      const blocks = [pattern(700_001, 1), pattern(600_000, 2), pattern(1, 3), pattern(524_288, 4)];
      const all = await new Blob(blocks).bytes();
      const sum = await sha256(all);
      const { size } = await bucket.put("blocks", knownLength(...blocks), { sha256: sum });
      const stored = await bucket.get("blocks");
      return [size, (await sha256((await stored?.bytes()) ?? new Uint8Array())) === sum];
    },
    answer: [1_824_290, true],
  },
  {
    name: "a wrong checksum stores nothing and leaves what was there",
    ask: async ({ bucket }) => {
      const blocks = [pattern(700_001), pattern(600_000)];
      await bucket.put("wrong/kept", "kept");
      return [
        await code(bucket.put("wrong/text", "hello", { sha256: wrongSha256 })),
        await code(bucket.put("wrong/stream", knownLength(...blocks), { sha256: wrongSha256 })),
        await code(bucket.put("wrong/512", knownLength(...blocks), { sha512: "00".repeat(64) })),
        await code(bucket.put("wrong/kept", "other", { sha256: wrongSha256 })),
        await bucket.head("wrong/text"),
        await bucket.head("wrong/stream"),
        await bucket.head("wrong/512"),
        await (await bucket.get("wrong/kept"))?.text(),
      ];
    },
    answer: ["10037", "10037", "10037", "10037", null, null, null, "kept"],
  },
  {
    name: "a wrong checksum is told with what was expected and what came",
    ask: ({ bucket }) => failure(bucket.put("told", "hello", { sha256: wrongSha256 })),
    answer:
      "Error: put: The SHA-256 checksum you specified did not match what we received.\n" +
      `You provided a SHA-256 checksum with value: ${wrongSha256}\n` +
      `Actual SHA-256 was: ${helloSha256} (10037)`,
  },
  {
    name: "what is no checksum is refused",
    ask: async ({ bucket }) => [
      await failure(bucket.put("sum", "a", { sha256: "zz" })),
      await failure(bucket.put("sum", "a", { sha256: "zz".repeat(32) })),
      await failure(bucket.put("sum", "a", { sha256: new Uint8Array(3) })),
      await failure(bucket.put("sum", "a", { sha256: helloSha256, sha512: helloSha512 })),
      await bucket.head("sum"),
    ],
    answer: [
      "TypeError: SHA-256 is 64 hex characters, not 2",
      "TypeError: Provided SHA-256 wasn't a valid hex string",
      "TypeError: SHA-256 is 32 bytes, not 3",
      "TypeError: You cannot specify multiple hashing algorithms.",
      null,
    ],
  },
  {
    name: "a stream of unknown length is refused",
    ask: async ({ bucket }) => {
      const upload = await bucket.createMultipartUpload("unknown-part");
      const made = new ReadableStream({ start: (controller) => controller.close() });
      return [
        await failure(bucket.put("unknown", unknownLength())),
        await failure(bucket.put("unknown", unknownLength(), { sha256: helloSha256 })),
        await failure(bucket.put("unknown", made)),
        await failure(upload.uploadPart(1, unknownLength())),
        await bucket.head("unknown"),
      ];
    },
    answer: [
      ...Array.from(
        { length: 4 },
        () =>
          "TypeError: Provided readable stream must have a known length (request/response body or readable half of FixedLengthStream)",
      ),
      null,
    ],
  },
  {
    name: "a body that fails on its way stores nothing",
    ask: async ({ bucket }) => {
      const upload = await bucket.createMultipartUpload("failing/part");
      return [
        (await failure(bucket.put("failing/native", failing()))) !== "none",
        (await failure(bucket.put("failing/hashed", failing(), { sha256: helloSha256 }))) !==
          "none",
        (await failure(upload.uploadPart(1, failing()))) !== "none",
        await bucket.head("failing/native"),
        await bucket.head("failing/hashed"),
      ];
    },
    answer: [true, true, true, null, null],
  },
  {
    name: "keys and metadata have R2's limits",
    ask: async ({ bucket }) => {
      const most = { customMetadata: { m: "x".repeat(8191) } };
      const more = { customMetadata: { m: "x".repeat(8192) } };
      const long = "é".repeat(513);
      return [
        await code(bucket.put(long, "a")),
        await code(bucket.head(long)),
        await code(bucket.get(long)),
        await code(bucket.delete(long)),
        await code(bucket.createMultipartUpload(long)),
        await code(bucket.put("limits", "a", more)),
        await code(bucket.createMultipartUpload("limits", more)),
        await code(bucket.put("limits", "a", most)),
      ];
    },
    answer: ["10020", "10020", "10020", "10020", "10020", "10012", "10012", "none"],
  },
];
