import { beforeAll, describe, expect, test } from "vitest";
import { digestOf, newRepository, pushBlob, randomBytes, refusal, send } from "../client.ts";

describe.each(["sha256", "sha512"])("end-2 GET of a blob of 2048 bytes by %s", (algorithm) => {
  const bytes = randomBytes(2048);
  const digest = digestOf(bytes, algorithm);
  const repository = newRepository();
  const path = `/v2/${repository}/blobs/${digest}`;

  beforeAll(async () => {
    await pushBlob(repository, bytes, algorithm);
  });

  test.each([
    ["bytes=500-1499", 500, 1499],
    ["bytes=500-", 500, 2047],
    ["bytes=-500", 1548, 2047],
    ["bytes=2000-5000", 2000, 2047],
    ["bytes=0-0", 0, 0],
    ["bytes=0-2047", 0, 2047],
    ["bytes=2047-2047", 2047, 2047],
    ["bytes=-5000", 0, 2047],
  ])("with Range %s: 206 with bytes %i to %i", async (range, first, last) => {
    const response = await send("GET", path, { headers: { Range: range } });
    expect(response.status).toBe(206);
    expect(response.headers.get("Content-Range")).toBe(`bytes ${first}-${last}/2048`);
    expect(response.headers.get("Content-Length")).toBe(String(last - first + 1));
    expect(await response.bytes()).toEqual(bytes.slice(first, last + 1));
  });

  test.each([["bytes=500-0"], ["bytes=5000-10000"], ["bytes=2048-"]])(
    "with Range %s: 416 with the blob's size",
    async (range) => {
      const response = await send("GET", path, { headers: { Range: range } });
      expect(response.headers.get("Content-Range")).toBe("bytes */2048");
      expect(await refusal(response)).toEqual([416, "RANGE_INVALID"]);
    },
  );
});
