import {
  type Question,
  partBytes,
  pattern,
  sha256,
  failure,
  code,
  knownLength,
  uploadParts,
  completed,
} from "./contract-question.ts";

/** What is asked of a bucket about multipart uploads. */
export const multipartQuestions: readonly Question[] = [
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
