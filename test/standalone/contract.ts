/**
 * What is asked of a bucket, a namespace and a cache, as a table of questions that a Worker answers
 * and the answers that are right: the same ones from Cloudflare's own simulators and from what one
 * machine puts in their place. Each question has keys of its own, so that their order is of no matter.
 */

export interface Stores {
  readonly bucket: R2Bucket;
  readonly kv: KVNamespace;
}

interface Question {
  readonly name: string;
  /** Its outcome goes through JSON. */
  readonly ask: (stores: Stores) => Promise<unknown>;
  readonly answer: unknown;
}

const mebibyte = 1024 * 1024;
const partBytes = 5 * mebibyte;

/** SHA-256 of "hello", and of nothing that is asked for here. */
const helloSha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const wrongSha256 = "00".repeat(32);
const helloSha512 =
  "9b71d224bd62f3785d96d46ad3ea3d73319bfbc2890caadae2dff72519673ca72323c3d99ba5c11d7c7acc6e14b8c5da0c4663475c2e5c3adef46f73bcdec043";

/** `bytes` bytes that differ from place to place. */
function pattern(bytes: number, seed = 0): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at++) block[at] = (at * 31 + (at >> 9) + seed) & 0xff;
  return block;
}

async function sha256(bytes: ArrayBuffer | ArrayBufferView): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The error's kind and its text, or its R2 code alone where the text is not ours to repeat. */
async function failure(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "none";
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  }
}

async function code(promise: Promise<unknown>): Promise<string> {
  const text = await failure(promise);
  return /\((\d+)\)$/.exec(text)?.[1] ?? text;
}

function knownLength(...blocks: Uint8Array[]): ReadableStream {
  const length = blocks.reduce((sum, block) => sum + block.byteLength, 0);
  const { readable, writable } = new FixedLengthStream(length);
  void writeAll(writable, blocks);
  return readable;
}

async function writeAll(writable: WritableStream, blocks: readonly Uint8Array[]): Promise<void> {
  const writer = writable.getWriter();
  for (const block of blocks) await writer.write(block);
  await writer.close();
}

/** A stream that breaks off halfway. */
function failing(): ReadableStream {
  const { readable, writable } = new FixedLengthStream(2_000_000);
  const writer = writable.getWriter();
  void writer
    .write(pattern(1_000_000))
    .then(() => writer.abort(new Error("gone")))
    .catch(() => {});
  return readable;
}

function unknownLength(): ReadableStream {
  const { readable, writable } = new IdentityTransformStream();
  void writeAll(writable, [pattern(10)]).catch(() => {});
  return readable;
}

async function range(bucket: R2Bucket, key: string, asked?: R2Range): Promise<unknown> {
  const object = await bucket.get(key, asked === undefined ? {} : { range: asked });
  return object === null ? null : [object.size, object.range, await object.text()];
}

async function uploadParts(bucket: R2Bucket, key: string, sizes: readonly number[]) {
  const upload = await bucket.createMultipartUpload(key, { customMetadata: { kind: "parts" } });
  const parts: R2UploadedPart[] = [];
  for (const [at, size] of sizes.entries()) {
    parts.push(await upload.uploadPart(at + 1, pattern(size, at)));
  }
  return { upload, parts };
}

async function completed(bucket: R2Bucket, key: string, sizes: readonly number[]) {
  const { upload, parts } = await uploadParts(bucket, key, sizes);
  return upload.complete(parts);
}

const bucketQuestions: readonly Question[] = [
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
  {
    name: "the parts of an upload are one object",
    ask: async ({ bucket }) => {
      const object = await completed(bucket, "parts", [partBytes, partBytes, 10]);
      const all = await new Blob([
        pattern(partBytes),
        pattern(partBytes, 1),
        pattern(10, 2),
      ]).bytes();
      const stored = await bucket.get("parts");
      const ranges = [
        { offset: partBytes - 2, length: 4 },
        { offset: partBytes, length: partBytes },
        { offset: partBytes - 1, length: partBytes + 2 },
        { suffix: 12 },
        { suffix: 10 },
        { offset: 2 * partBytes + 9 },
        { offset: 3, length: 1 },
      ];
      const wrong: R2Range[] = [];
      for (const asked of ranges) {
        const part = await bucket.get("parts", { range: asked });
        const got = await part?.bytes();
        const offset = "suffix" in asked ? all.byteLength - asked.suffix : asked.offset;
        const length = "length" in asked ? asked.length : all.byteLength - offset;
        const right = all.subarray(offset, offset + (length ?? 0));
        if (got === undefined || (await sha256(got)) !== (await sha256(right))) wrong.push(asked);
      }
      return [
        object.size,
        stored?.size,
        stored?.etag === object.etag && object.etag.endsWith("-3"),
        stored?.customMetadata,
        stored?.checksums.toJSON(),
        (await sha256((await stored?.bytes()) ?? new Uint8Array())) === (await sha256(all)),
        wrong,
      ];
    },
    answer: [2 * partBytes + 10, 2 * partBytes + 10, true, { kind: "parts" }, {}, true, []],
  },
  {
    name: "parts come in any order and as streams",
    ask: async ({ bucket }) => {
      const { key, uploadId } = await bucket.createMultipartUpload("order");
      const upload = bucket.resumeMultipartUpload(key, uploadId);
      const parts = await Promise.all([
        upload.uploadPart(7, knownLength(pattern(9, 7))),
        upload.uploadPart(2, new Response(pattern(partBytes, 2)).body ?? ""),
        upload.uploadPart(1, knownLength(pattern(partBytes, 1))),
      ]);
      const numbers = parts.map(({ partNumber }) => partNumber);
      const object = await upload.complete([parts[2], parts[1], parts[0]]);
      const all = await new Blob([
        pattern(partBytes, 1),
        pattern(partBytes, 2),
        pattern(9, 7),
      ]).bytes();
      const stored = await (await bucket.get("order"))?.bytes();
      return [
        numbers,
        object.size,
        (await sha256(stored ?? all.subarray(1))) === (await sha256(all)),
      ];
    },
    answer: [[7, 2, 1], 2 * partBytes + 9, true],
  },
  {
    name: "an upload is no object before it is complete",
    ask: async ({ bucket }) => {
      const { upload, parts } = await uploadParts(bucket, "incomplete", [10]);
      const before = await bucket.head("incomplete");
      await upload.complete(parts);
      return [before, (await bucket.head("incomplete"))?.size];
    },
    answer: [null, 10],
  },
  {
    name: "a single part may be small, or empty",
    ask: async ({ bucket }) => [
      (await completed(bucket, "single", [10])).size,
      (await completed(bucket, "single-empty", [0])).size,
      await (await bucket.get("single-empty"))?.text(),
    ],
    answer: [10, 0, ""],
  },
  {
    name: "parts of the wrong sizes make no object",
    ask: async ({ bucket }) => [
      await code(completed(bucket, "sizes", [10, 10])),
      await code(completed(bucket, "sizes", [partBytes, partBytes - 1, 10])),
      await code(completed(bucket, "sizes", [partBytes, partBytes + 1, 1])),
      await code(completed(bucket, "sizes", [partBytes, partBytes + 1])),
      await bucket.head("sizes"),
    ],
    answer: ["10011", "10011", "10048", "10048", null],
  },
  {
    name: "after a refused complete the upload goes on",
    ask: async ({ bucket }) => {
      const { upload, parts } = await uploadParts(bucket, "refused", [10, 10]);
      const refused = await code(upload.complete(parts));
      const [, last] = parts;
      if (last === undefined) throw new Error("no part");
      const first = await upload.uploadPart(1, pattern(partBytes));
      return [refused, (await upload.complete([first, last])).size];
    },
    answer: ["10011", partBytes + 10],
  },
  {
    name: "a part that was replaced, or never was, can't be chosen",
    ask: async ({ bucket }) => {
      const upload = await bucket.createMultipartUpload("replaced");
      const old = await upload.uploadPart(1, pattern(10));
      const part = await upload.uploadPart(1, pattern(7, 1));
      return [
        old.etag === part.etag,
        await code(upload.complete([old])),
        await code(upload.complete([{ partNumber: 1, etag: "none" }])),
        await code(upload.complete([part, { partNumber: 2, etag: part.etag }])),
        (await upload.complete([part])).size,
      ];
    },
    answer: [false, "10025", "10025", "10025", 7],
  },
  {
    name: "parts that are not chosen are not in the object",
    ask: async ({ bucket }) => {
      const { upload, parts } = await uploadParts(bucket, "chosen", [partBytes, partBytes, 3]);
      const [first, , last] = parts;
      if (first === undefined || last === undefined) throw new Error("no part");
      const { size } = await upload.complete([first, last]);
      return [size, (await (await bucket.get("chosen"))?.bytes())?.byteLength];
    },
    answer: [partBytes + 3, partBytes + 3],
  },
  {
    name: "a completed upload takes nothing more and can't be undone",
    ask: async ({ bucket }) => {
      const { upload, parts } = await uploadParts(bucket, "done", [10]);
      await upload.complete(parts);
      return [
        await code(upload.complete(parts)),
        await code(upload.uploadPart(1, pattern(3))),
        await code(upload.abort()),
        (await (await bucket.get("done"))?.bytes())?.byteLength,
      ];
    },
    answer: ["10024", "10024", "none", 10],
  },
  {
    name: "an aborted upload is over",
    ask: async ({ bucket }) => {
      const { upload, parts } = await uploadParts(bucket, "aborted", [10]);
      await upload.abort();
      return [
        await code(upload.uploadPart(1, pattern(3))),
        await code(upload.complete(parts)),
        await code(upload.abort()),
        await bucket.head("aborted"),
      ];
    },
    answer: ["10024", "10024", "none", null],
  },
  {
    name: "an upload is found by its key and its id alone",
    ask: async ({ bucket }) => {
      const { uploadId } = await bucket.createMultipartUpload("mine");
      const ids = ["never", "../mine", "0".repeat(32), ""];
      const codes: string[] = [];
      for (const id of ids) {
        const upload = bucket.resumeMultipartUpload("mine", id);
        codes.push(await code(upload.uploadPart(1, pattern(3))));
      }
      codes.push(await code(bucket.resumeMultipartUpload("your", uploadId).uploadPart(1, "a")));
      codes.push(await code(bucket.resumeMultipartUpload("mine", uploadId).uploadPart(1, "a")));
      return codes;
    },
    answer: ["10024", "10024", "10024", "10024", "10024", "none"],
  },
  {
    name: "part numbers go from 1 to 10,000",
    ask: async ({ bucket }) => {
      const upload = await bucket.createMultipartUpload("numbers");
      return [
        await failure(upload.uploadPart(0, "a")),
        await failure(upload.uploadPart(10_001, "a")),
        (await upload.uploadPart(10_000, "a")).partNumber,
      ];
    },
    answer: [
      "TypeError: Part number must be between 1 and 10000 (inclusive). Actual value was: 0",
      "TypeError: Part number must be between 1 and 10000 (inclusive). Actual value was: 10001",
      10_000,
    ],
  },
];

const kvQuestions: readonly Question[] = [
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

const cacheQuestions: readonly Question[] = [
  {
    name: "a cached response is served until it is deleted, by its own cache only",
    ask: async () => {
      const cache = await caches.open("links");
      const url = "https://links.example/a?b=c";
      const headers = { "cache-control": "public, max-age=60", "content-type": "x/y", etag: `"1"` };
      await cache.put(url, new Response("body\r\n\r\nmore", { status: 203, headers }));
      const match = await cache.match(url);
      const other = await caches.open("other");
      return [
        match?.status,
        match?.headers.get("content-type"),
        match?.headers.get("etag"),
        match?.headers.get("cf-cache-status"),
        await match?.text(),
        (await other.match(url)) ?? null,
        (await cache.match("https://links.example/a")) ?? null,
        await cache.delete(url),
        await cache.delete(url),
        (await cache.match(url)) ?? null,
      ];
    },
    answer: [203, "x/y", `"1"`, "HIT", "body\r\n\r\nmore", null, null, true, false, null],
  },
  {
    name: "a response that may not be kept is not kept",
    ask: async () => {
      const cache = await caches.open("links");
      const kept: boolean[] = [];
      for (const control of ["no-store", "max-age=0", "private, max-age=60"]) {
        const url = `https://links.example/not/${encodeURIComponent(control)}`;
        const headers = { "cache-control": control };
        await failure(cache.put(url, new Response("a", { headers })));
        kept.push((await cache.match(url)) !== undefined);
      }
      return kept;
    },
    answer: [false, false, false],
  },
];

export const questions: readonly Question[] = [
  ...bucketQuestions.map((question) => ({ ...question, name: `bucket: ${question.name}` })),
  ...kvQuestions.map((question) => ({ ...question, name: `namespace: ${question.name}` })),
  ...cacheQuestions.map((question) => ({ ...question, name: `cache: ${question.name}` })),
];

/** Answers the question that the request's path names by its number in the table. */
export async function answer(request: Request, stores: Stores): Promise<Response> {
  const question = questions[Number(new URL(request.url).pathname.slice(1))];
  if (question === undefined) return new Response(null, { status: 404 });
  try {
    return Response.json((await question.ask(stores)) ?? null);
  } catch (error) {
    return Response.json({ threw: String(error) });
  }
}
