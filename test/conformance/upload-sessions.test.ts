import { describe, expect, test } from "vitest";
import { digestOf, newRepository, randomBytes, refusal, send, stream } from "../client.ts";
import { gone, presence } from "./answers.ts";
import { begin, type BlobPush, lastByte, sendChunk } from "./uploads.ts";

/** How far a session has got; answers its Location. */
const stages: [string, number, (push: BlobPush) => Promise<string>][] = [
  ["that nothing was sent to", -1, begin],
  [
    "with a stream",
    2999,
    async (push) => {
      const answer = await send("PATCH", await begin(push), { body: stream(push.bytes) });
      return answer.headers.get("Location") ?? "";
    },
  ],
  [
    "with a chunk",
    999,
    async (push) => {
      const answer = await sendChunk("PATCH", await begin(push), push, [0, 1000]);
      return answer.headers.get("Location") ?? "";
    },
  ],
];

describe.each([
  ["sha256", ""],
  ["sha512", "?digest-algorithm=sha512"],
])("a session for %s", (algorithm, query) => {
  function newPush(): BlobPush {
    const bytes = randomBytes(3000);
    const digest = digestOf(bytes, algorithm);
    return { repository: newRepository(), bytes, digest, query, chunkBytes: 1000 };
  }

  test.each(stages)(
    "%s: end-13 GET 204 with a Location and the last byte %i",
    async (_stage, last, reach) => {
      const { next, ...status } = await lastByte(await reach(newPush()));
      expect(status).toEqual({ last });
      expect((await lastByte(next)).last).toBe(last);
    },
  );

  test.each(stages)(
    "%s: end-14 DELETE 204, then 404 to all, and no blob",
    async (_stage, _last, reach) => {
      const push = newPush();
      const location = await reach(push);
      const cancelled = await send("DELETE", location);
      expect([cancelled.status, await cancelled.text()]).toEqual([204, ""]);
      for (const method of ["GET", "PATCH", "PUT", "DELETE"]) {
        const hasBody = method === "PATCH" || method === "PUT";
        const path = method === "PUT" ? `${location}?digest=${push.digest}` : location;
        /* oxlint-disable no-await-in-loop */
        const answer = await send(method, path, { body: hasBody ? push.bytes : null });
        expect([method, ...(await refusal(answer))]).toEqual([method, 404, "BLOB_UPLOAD_UNKNOWN"]);
        /* oxlint-enable no-await-in-loop */
      }
      expect(await presence(`/v2/${push.repository}/blobs/${push.digest}`)).toEqual(gone);
    },
  );

  test.each([
    ["end-5 PATCH", "PATCH", "behind a gap", [2000, 3000]],
    ["end-5 PATCH", "PATCH", "that is there", [0, 1000]],
    ["end-6 PUT", "PUT", "behind a gap", [2000, 3000]],
    ["end-6 PUT", "PUT", "that is there", [0, 1000]],
  ] as const)("with a chunk: %s (%s) of one %s 416, which keeps nothing", async (...row) => {
    const [, method, , range] = row;
    const push = newPush();
    const begun = await sendChunk("PATCH", await begin(push), push, [0, 1000]);
    const location = begun.headers.get("Location") ?? "";
    const refused = await sendChunk(method, location, push, range);
    expect(await refusal(refused)).toEqual([416, "RANGE_INVALID"]);
    const { last, next } = await lastByte(refused.headers.get("Location") ?? "");
    expect(last).toBe(999);
    expect((await sendChunk("PUT", next, push, [1000, 3000])).status).toBe(201);
  });
});
