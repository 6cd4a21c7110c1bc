import { describe, expect, test } from "vitest";
import { digestOf, newRepository, randomBytes, refusal, send } from "../client.ts";
import { blobContent, gone, presence, read } from "./answers.ts";
import { begin, type BlobPush, chunkedWays, sendChunk, wholeWays } from "./uploads.ts";

const ways = Object.entries({ ...wholeWays, ...chunkedWays });

describe.each(["sha256", "sha512"])("a blob whose bytes do not have its %s digest", (algorithm) => {
  function corrupted(): BlobPush & { readonly whole: Uint8Array<ArrayBuffer> } {
    const bytes = randomBytes(3 * 1024);
    const digest = digestOf(bytes.slice(0, -5), algorithm);
    const whole = bytes.slice(0, -5);
    return { repository: newRepository(), bytes, digest, query: "", chunkBytes: 1024, whole };
  }

  test.each(ways)("%s: 400, and neither digest is there", async (_way, push) => {
    const blob = corrupted();
    expect(await refusal(await push(blob))).toEqual([400, "DIGEST_INVALID"]);
    for (const digest of [blob.digest, digestOf(blob.bytes, algorithm)]) {
      // oxlint-disable-next-line no-await-in-loop
      expect(await presence(`/v2/${blob.repository}/blobs/${digest}`)).toEqual(gone);
    }
  });

  test.each(ways)("%s: 400, and with the right bytes 201", async (_way, push) => {
    const blob = corrupted();
    expect((await push(blob)).status).toBe(400);
    expect((await push({ ...blob, bytes: blob.whole })).status).toBe(201);
    const path = `/v2/${blob.repository}/blobs/${blob.digest}`;
    expect(await read("GET", path)).toEqual(blobContent("GET", blob.digest, blob.whole));
  });
});

describe("a blob by what is no digest that the registry knows", () => {
  test.each([
    ["without hex digits", "sha256:baddigeststring"],
    ["too short", `sha256:${"a".repeat(63)}`],
    ["of sha512, too short", `sha512:${"a".repeat(64)}`],
    ["of an algorithm that nobody has", `sha999:${"a".repeat(64)}`],
    ["empty", ""],
  ])("%s: end-4b POST, end-6 PUT of the blob and of a chunk 400", async (_case, digest) => {
    const repository = newRepository();
    const blob = { repository, bytes: randomBytes(10), digest, query: "", chunkBytes: 10 };
    const path = `/v2/${repository}/blobs/uploads/?digest=${digest}`;
    const answers = [
      await send("POST", path, { body: blob.bytes }),
      await send("PUT", `${await begin(blob)}?digest=${digest}`, { body: blob.bytes }),
      await sendChunk("PUT", await begin(blob), blob, [0, 10]),
    ];
    expect(await Promise.all(answers.map(refusal))).toEqual(
      answers.map(() => [400, "DIGEST_INVALID"]),
    );
  });

  test("end-4c POST for an algorithm that nobody has 400", async () => {
    const path = `/v2/${newRepository()}/blobs/uploads/?digest-algorithm=sha999`;
    expect(await refusal(await send("POST", path))).toEqual([400, "DIGEST_INVALID"]);
  });
});
