import { describe, expect, test } from "vitest";
import { digestOf, newRepository, ociIndex, refusal, send } from "../client.ts";

test("end-1 GET /v2/: 200", async () => {
  expect((await send("GET", "/v2/")).status).toBe(200);
});

describe("a repository that nothing was pushed to", () => {
  test.each(["sha256", "sha512"])(
    "end-12a GET of referrers by %s: 200, none",
    async (algorithm) => {
      const subject = digestOf(crypto.randomUUID(), algorithm);
      const response = await send("GET", `/v2/${newRepository()}/referrers/${subject}`);
      expect([response.status, response.headers.get("Content-Type")]).toEqual([200, ociIndex]);
      expect(await response.json()).toEqual({
        schemaVersion: 2,
        mediaType: ociIndex,
        manifests: [],
      });
    },
  );

  test("end-8a GET of tags: 404", async () => {
    const response = await send("GET", `/v2/${newRepository()}/tags/list`);
    expect(await refusal(response)).toEqual([404, "NAME_UNKNOWN"]);
  });

  test.each([
    ["end-2", "blobs", digestOf("missing"), "BLOB_UNKNOWN"],
    ["end-2", "blobs", digestOf("missing", "sha512"), "BLOB_UNKNOWN"],
    ["end-3", "manifests", digestOf("missing"), "MANIFEST_UNKNOWN"],
    ["end-3", "manifests", digestOf("missing", "sha512"), "MANIFEST_UNKNOWN"],
    ["end-3", "manifests", "missing-tag", "MANIFEST_UNKNOWN"],
  ])("%s GET, HEAD and DELETE of %s/%s: 404", async (_end, kind, reference, code) => {
    const path = `/v2/${newRepository()}/${kind}/${reference}`;
    expect(await refusal(await send("GET", path))).toEqual([404, code]);
    expect((await send("HEAD", path)).status).toBe(404);
    expect(await refusal(await send("DELETE", path))).toEqual([404, code]);
  });
});
