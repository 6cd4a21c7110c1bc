import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { RepositoryName } from "../../schemas/reference.ts";
import type { BlobKey } from "../../schemas/storage-keys.ts";
import {
  digestOf,
  errorCode,
  imageManifest,
  ociManifest,
  pushBlob,
  pushManifest,
  randomBytes,
  refusal,
  send,
  startUpload,
  stream,
} from "../client.ts";
import { failBucket, restoreStores, shortenLimits } from "../doubles/failing-stores.ts";
import { digestFor, newRepository, repositoryObject } from "../durable-objects/names.ts";
import { expectReadable } from "../durable-objects/upload.ts";

beforeEach(() => {
  vi.spyOn(console, "warn").mockImplementation(() => undefined);
});

afterEach(restoreStores);

async function keyOf(repository: RepositoryName, bytes: Uint8Array): Promise<BlobKey> {
  const link = await repositoryObject(repository).blob(digestFor(bytes), "read");
  if (!link.ok) throw new Error(link.what);
  return link.value.key;
}

/** How an object is lost behind the registry's back. */
const losses: readonly [string, (key: BlobKey) => Promise<unknown>][] = [
  ["deleted", (key) => env.BLOBS.delete(key)],
  ["cut short", (key) => env.BLOBS.put(key, "cut")],
];

/** How a blob is pushed again. */
const pushes: readonly [string, (repository: string, bytes: Uint8Array) => Promise<unknown>][] = [
  ["whole", pushBlob],
  [
    "in a session",
    async (repository, bytes) => {
      const location = await startUpload(repository);
      expect((await send("PATCH", location, { body: stream(bytes) })).status).toBe(202);
      expect((await send("PUT", `${location}?digest=${digestOf(bytes)}`)).status).toBe(201);
    },
  ],
];

describe.each(losses)("an object that was %s", (_loss, lose) => {
  test.each(pushes)("is 404, and repaired by a push %s", async (_push, push) => {
    const repository = newRepository();
    const bytes = randomBytes(1000);
    const digest = await pushBlob(repository, bytes);
    const path = `/v2/${repository}/blobs/${digest}`;
    // Cached from here on.
    await expectReadable(repository, digest, bytes);
    await lose(await keyOf(repository, bytes));
    expect(await refusal(await send("GET", path))).toEqual([404, "BLOB_UNKNOWN"]);
    expect((await send("HEAD", path)).status).toBe(404);
    expect((await send("GET", path, { headers: { Range: "bytes=0-1" } })).status).toBe(404);
    await push(repository, bytes);
    await expectReadable(repository, digest, bytes);
    expect((await send("HEAD", path)).status).toBe(200);
  });

  test("is 404 to who asks for a range, or for two", async () => {
    for (const range of ["bytes=500-509", "bytes=0-1,500-509"]) {
      const repository = newRepository();
      const bytes = randomBytes(1000);
      const path = `/v2/${repository}/blobs/${await pushBlob(repository, bytes)}`;
      await lose(await keyOf(repository, bytes));
      expect((await send("GET", path, { headers: { Range: range } })).status).toBe(404);
      expect((await send("HEAD", path)).status).toBe(404);
    }
  });

  test("is repaired in the other repositories that share it", async () => {
    const [one, other, third] = [newRepository(), newRepository(), newRepository()];
    const bytes = randomBytes(1000);
    const digest = await pushBlob(one, bytes);
    await pushBlob(other, bytes);
    await pushBlob(third, bytes);
    await lose(await keyOf(one, bytes));
    expect((await send("GET", `/v2/${one}/blobs/${digest}`)).status).toBe(404);
    await pushBlob(one, bytes);
    // They are told, soon.
    for (const repository of [other, third]) {
      // oxlint-disable-next-line no-await-in-loop
      await expect
        .poll(async () => (await send("HEAD", `/v2/${repository}/blobs/${digest}`)).status)
        .toBe(200);
    }
    await expectReadable(other, digest, bytes);
    await expectReadable(one, digest, bytes);
    await expectReadable(third, digest, bytes);
    expect(await keyOf(other, bytes)).toBe(await keyOf(one, bytes));
  });

  test("is repaired where another repository pushes it", async () => {
    const [one, other] = [newRepository(), newRepository()];
    const bytes = randomBytes(1000);
    const digest = await pushBlob(one, bytes);
    await pushBlob(other, bytes);
    await lose(await keyOf(one, bytes));
    for (const repository of [one, other]) {
      expect((await send("GET", `/v2/${repository}/blobs/${digest}`)).status).toBe(404);
    }
    const third = newRepository();
    await pushBlob(third, bytes);
    await expectReadable(third, digest, bytes);
    await pushBlob(other, bytes);
    await expectReadable(other, digest, bytes);
  });

  test("and that a manifest uses is repaired by the same push", async () => {
    const repository = newRepository();
    const bytes = randomBytes(1000);
    const digest = await pushBlob(repository, bytes);
    const config = await pushBlob(repository, "{}");
    const manifest = imageManifest({ digest: config, size: 2 }, [{ digest, size: bytes.length }]);
    const pushed = await pushManifest(repository, "v1", manifest, ociManifest);
    const path = `/v2/${repository}/manifests/${pushed}`;
    await lose(await keyOf(repository, bytes));
    expect((await send("GET", `/v2/${repository}/blobs/${digest}`)).status).toBe(404);
    expect((await send("GET", path)).status).toBe(200);
    await pushBlob(repository, bytes);
    await expectReadable(repository, digest, bytes);
    // It is in use as before.
    const refused = await send("DELETE", `/v2/${repository}/blobs/${digest}`);
    expect(await refusal(refused)).toEqual([405, "UNSUPPORTED"]);
  });
});

describe("an object that R2 does not find for a moment", () => {
  test.each([1, 2])("%i times loses nothing", async (times) => {
    const repository = newRepository();
    const bytes = randomBytes(1000);
    const digest = await pushBlob(repository, bytes);
    const path = `/v2/${repository}/blobs/${digest}`;
    const get = env.BLOBS.get.bind(env.BLOBS);
    let calls = 0;
    vi.spyOn(env.BLOBS, "get").mockImplementation((...args: Parameters<R2Bucket["get"]>) => {
      calls += 1;
      return calls > times ? get(...args) : Promise.resolve(null);
    });
    const answer = await send("GET", path);
    expect(answer.status).toBe(times === 1 ? 200 : 504);
    await answer.arrayBuffer();
    expect((await send("HEAD", path)).status).toBe(200);
    await expectReadable(repository, digest, bytes);
  });

  test.each(["throws", "silent"] as const)("is not lost while its head %s", async (how) => {
    shortenLimits();
    const repository = newRepository();
    const bytes = randomBytes(1000);
    const digest = await pushBlob(repository, bytes);
    const path = `/v2/${repository}/blobs/${digest}`;
    vi.spyOn(env.BLOBS, "get").mockResolvedValue(null);
    failBucket("head", how);
    const answer = await send("GET", path);
    expect([answer.status, await errorCode(answer)]).toEqual([504, "UNAVAILABLE"]);
    expect(answer.headers.get("Retry-After")).toMatch(/^\d+$/);
    restoreStores();
    expect((await send("HEAD", path)).status).toBe(200);
    await expectReadable(repository, digest, bytes);
  });
});

test.each([
  ["a chunk", "PATCH"],
  ["its end", "PUT"],
] as const)("%s of an upload whose parts R2 has ended is 404: begin anew", async (_, method) => {
  const uploads: Promise<R2MultipartUpload>[] = [];
  const create = env.BLOBS.createMultipartUpload.bind(env.BLOBS);
  vi.spyOn(env.BLOBS, "createMultipartUpload").mockImplementation((...args) => {
    const upload = create(...args);
    uploads.push(upload);
    return upload;
  });
  const location = await startUpload(newRepository());
  const bytes = randomBytes(9 * 1024 * 1024);
  expect((await send("PATCH", location, { body: stream(bytes) })).status).toBe(202);
  for (const upload of await Promise.all(uploads)) await upload.abort();
  const path = method === "PUT" ? `${location}?digest=${digestOf(bytes)}` : location;
  const body = method === "PATCH" ? { body: stream(bytes) } : {};
  expect(await refusal(await send(method, path, body))).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
});
