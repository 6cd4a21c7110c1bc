import { env } from "cloudflare:test";
import { describe, expect, test } from "vitest";
import {
  digestOf,
  newRepository,
  pushBlob,
  randomBytes,
  send,
  startUpload,
  stream,
} from "./client.ts";

const digits = "0123456789";

describe.each(["sha256", "sha512"])("a blob by its %s digest", (algorithm) => {
  test("HEAD answers its size and digest, without a body", async () => {
    const repository = newRepository();
    const digest = await pushBlob(repository, digits, algorithm);
    const response = await send("HEAD", `/v2/${repository}/blobs/${digest}`);
    expect(response.status).toBe(200);
    expect(response.headers.get("Content-Length")).toBe("10");
    expect(response.headers.get("Docker-Content-Digest")).toBe(digest);
    expect(response.headers.get("Content-Type")).toBe("application/octet-stream");
    expect(response.headers.get("Accept-Ranges")).toBe("bytes");
    expect(response.headers.get("Docker-Distribution-API-Version")).toBe("registry/2.0");
    expect(await response.bytes()).toHaveLength(0);
  });

  test("GET answers its bytes", async () => {
    const repository = newRepository();
    const bytes = randomBytes(300_000);
    const digest = await pushBlob(repository, bytes, algorithm);
    const response = await send("GET", `/v2/${repository}/blobs/${digest}`);
    expect(response.status).toBe(200);
    expect(response.headers.get("Content-Length")).toBe("300000");
    expect(response.headers.get("Docker-Content-Digest")).toBe(digest);
    expect(response.headers.get("Content-Type")).toBe("application/octet-stream");
    expect(response.headers.get("Cache-Control")).toContain("no-transform");
    expect(digestOf(await response.bytes(), algorithm)).toBe(digest);
  });
});

describe("a part of a blob of ten bytes", () => {
  test.each([
    ["bytes=0-0", 206, "bytes 0-0/10", "0"],
    ["bytes=0-9", 206, "bytes 0-9/10", digits],
    ["bytes=2-5", 206, "bytes 2-5/10", "2345"],
    ["bytes=0-", 206, "bytes 0-9/10", digits],
    ["bytes=7-", 206, "bytes 7-9/10", "789"],
    ["bytes=9-9", 206, "bytes 9-9/10", "9"],
    ["bytes=-3", 206, "bytes 7-9/10", "789"],
    ["bytes=-10", 206, "bytes 0-9/10", digits],
    ["bytes=-500", 206, "bytes 0-9/10", digits],
    ["bytes=5-10", 206, "bytes 5-9/10", "56789"],
    ["bytes=5-99999999999999999999", 206, "bytes 5-9/10", "56789"],
  ])("%s answers %i with Content-Range %s", async (range, status, contentRange, expected) => {
    const repository = newRepository();
    const digest = await pushBlob(repository, digits);
    const headers = { Range: range };
    const response = await send("GET", `/v2/${repository}/blobs/${digest}`, { headers });
    expect(response.status).toBe(status);
    expect(response.headers.get("Content-Range")).toBe(contentRange);
    expect(response.headers.get("Content-Length")).toBe(String(expected.length));
    expect(response.headers.get("Docker-Content-Digest")).toBe(digest);
    expect(new TextDecoder().decode(await response.bytes())).toBe(expected);
  });

  test("the first byte and the last of a blob of several parts are those that were pushed", async () => {
    const repository = newRepository();
    const bytes = randomBytes(9 * 1024 * 1024);
    const location = await startUpload(repository);
    await send("PATCH", location, { body: stream(bytes) });
    await send("PUT", `${location}?digest=${digestOf(bytes)}`);
    const path = `/v2/${repository}/blobs/${digestOf(bytes)}`;
    const border = 8 * 1024 * 1024;
    const response = await send("GET", path, {
      headers: { Range: `bytes=${border - 2}-${border + 1}` },
    });
    expect(response.status).toBe(206);
    expect(await response.bytes()).toEqual(bytes.slice(border - 2, border + 2));
  });
});

describe("a blob that is not there", () => {
  const hex = "0".repeat(64);

  test.each([["GET"], ["HEAD"], ["DELETE"]])(
    "%s answers 404 for a digest that nobody pushed",
    async (method) => {
      const response = await send(method, `/v2/${newRepository()}/blobs/sha256:${hex}`);
      expect(response.status).toBe(404);
      expect(response.headers.get("Content-Type")).toBe("application/json");
      const body = await response.text();
      expect(body.includes('"code":"BLOB_UNKNOWN"')).toBe(method !== "HEAD");
    },
  );

  test.each([["GET"], ["HEAD"], ["DELETE"]])(
    "%s answers 404 for a blob of another repository",
    async (method) => {
      const digest = await pushBlob(newRepository(), randomBytes(10));
      expect((await send(method, `/v2/${newRepository()}/blobs/${digest}`)).status).toBe(404);
    },
  );
});

/** How many objects of the bucket have this size, which no other test's blob has. */
async function storedWithSize(size: number): Promise<number> {
  let stored = 0;
  let cursor: string | undefined;
  do {
    // oxlint-disable-next-line no-await-in-loop
    const page = await env.BLOBS.list(cursor === undefined ? {} : { cursor });
    stored += page.objects.filter((object) => object.size === size).length;
    cursor = page.truncated ? page.cursor : undefined;
  } while (cursor !== undefined);
  return stored;
}

async function pushByPatch(repository: string, bytes: Uint8Array): Promise<void> {
  const location = await startUpload(repository);
  await send("PATCH", location, { body: stream(bytes) });
  const put = await send("PUT", `${location}?digest=${digestOf(bytes)}`);
  if (put.status !== 201) throw new Error(await put.text());
}

describe("the same bytes are stored once", () => {
  const ours = newRepository();
  const theirs = newRepository();

  test.each([
    ["pushed twice whole", 70_001, [ours, ours], false, pushBlob],
    ["pushed twice by PATCH", 70_002, [ours, ours], false, pushByPatch],
    ["pushed whole by four clients at once", 70_003, [ours, ours, ours, ours], true, pushBlob],
    [
      "pushed by PATCH by four clients at once",
      70_004,
      [ours, ours, ours, ours],
      true,
      pushByPatch,
    ],
    ["pushed into two repositories", 70_005, [ours, theirs], false, pushBlob],
    ["pushed into two repositories by PATCH", 70_006, [ours, theirs], false, pushByPatch],
    ["pushed into two repositories at once", 70_007, [ours, theirs], true, pushBlob],
    ["of two parts and pushed twice at once", 8_388_609, [ours, theirs], true, pushByPatch],
  ])("%s", async (_case, size, repositories, atOnce, push) => {
    const bytes = randomBytes(size);
    const pushes = [];
    for (const repository of repositories) {
      const pushing = push(repository, bytes);
      // oxlint-disable-next-line no-await-in-loop
      if (!atOnce) await pushing;
      pushes.push(pushing);
    }
    await Promise.all(pushes);
    // A newcomer that came too late is deleted a moment after its push was answered.
    await expect.poll(() => storedWithSize(size), { timeout: 3000 }).toBe(1);
    for (const repository of repositories) {
      // oxlint-disable-next-line no-await-in-loop
      const response = await send("GET", `/v2/${repository}/blobs/${digestOf(bytes)}`);
      // oxlint-disable-next-line no-await-in-loop
      expect(digestOf(await response.bytes())).toBe(digestOf(bytes));
    }
  });
});
