import { beforeAll, expect, test } from "vitest";
import {
  digestOf,
  imageManifest,
  pushBlob,
  pushImage,
  putManifest,
  randomBytes,
  send,
  startUpload,
} from "../client.ts";
import { takeOperations } from "../doubles/counted-operations.ts";

const repository = "budget/app";

/** What a request costs until it is answered. */
async function costOf(request: () => Promise<Response>, status: number) {
  takeOperations();
  const response = await request();
  expect(response.status).toBe(status);
  await response.arrayBuffer();
  const { objects, r2, kv } = takeOperations();
  return { objects, r2, kv };
}

/** Waits until the replicas of all repositories are written; answers what that took. */
async function replicas(): Promise<string[]> {
  const later: string[] = [];
  let quiet = 0;
  while (quiet < 3) {
    // Alarms are a second behind a change.
    // oxlint-disable-next-line no-await-in-loop
    await new Promise((resolve) => setTimeout(resolve, 600));
    const told = takeOperations().later;
    quiet = told.length === 0 ? quiet + 1 : 0;
    later.push(...told);
  }
  return later.toSorted();
}

beforeAll(async () => {
  // The sealing key is asked for once per isolate.
  await startUpload(repository);
});

test("HEAD and GET of a manifest by digest cost one KV read where its replica is", async () => {
  const { digest } = await pushImage(repository, "warm", [randomBytes(10)]);
  await replicas();
  for (const method of ["HEAD", "GET"]) {
    // oxlint-disable-next-line no-await-in-loop
    const cost = await costOf(() => send(method, `/v2/${repository}/manifests/${digest}`), 200);
    expect(cost).toEqual({ objects: [], r2: [], kv: ["KV.getWithMetadata"] });
  }
});

test("HEAD and GET of a manifest by tag cost one call", async () => {
  await pushImage(repository, "latest", [randomBytes(10)]);
  for (const method of ["HEAD", "GET"]) {
    // oxlint-disable-next-line no-await-in-loop
    const cost = await costOf(() => send(method, `/v2/${repository}/manifests/latest`), 200);
    expect(cost).toEqual({ objects: ["Repository.manifest"], r2: [], kv: [] });
  }
});

test("HEAD of a blob costs one call, GET one call and one R2 read", async () => {
  const digest = await pushBlob(repository, randomBytes(10));
  const path = `/v2/${repository}/blobs/${digest}`;
  const head = await costOf(() => send("HEAD", path), 200);
  expect(head).toEqual({ objects: ["Repository.blob"], r2: [], kv: [] });
  const get = await costOf(() => send("GET", path), 200);
  expect(get).toEqual({ objects: ["Repository.blob"], r2: ["get"], kv: [] });
});

test("GET of a blob costs one R2 read where its manifest was served", async () => {
  const { layers } = await pushImage(repository, "served", [randomBytes(10)]);
  await costOf(() => send("GET", `/v2/${repository}/manifests/served`), 200);
  await expect
    .poll(() => costOf(() => send("GET", `/v2/${repository}/blobs/${layers[0]}`), 200))
    .toEqual({ objects: [], r2: ["get"], kv: [] });
});

test("push of a new blob that arrives whole costs three calls and one R2 write", async () => {
  const bytes = randomBytes(1000);
  const location = await startUpload(repository);
  const put = () => send("PUT", `${location}?digest=${digestOf(bytes)}`, { body: bytes });
  expect(await costOf(put, 201)).toEqual({
    objects: ["BlobIndex.take", "BlobIndex.claim", "Repository.linkBlob"],
    r2: ["put"],
    kv: [],
  });
});

test("push of a held blob that arrives whole costs two calls and no R2 write", async () => {
  const bytes = randomBytes(1000);
  await pushBlob("budget/other", bytes);
  const location = await startUpload(repository);
  const put = () => send("PUT", `${location}?digest=${digestOf(bytes)}`, { body: bytes });
  expect(await costOf(put, 201)).toEqual({
    objects: ["BlobIndex.take", "Repository.linkBlob"],
    r2: [],
    kv: [],
  });
});

test.each([
  { chunks: [1000], parts: 0 },
  { chunks: [20 * 1024 * 1024], parts: 3 },
  { chunks: [9 * 1024 * 1024, 9 * 1024 * 1024, 9 * 1024 * 1024], parts: 4 },
])("push of a blob by $chunks costs at most a call per body and three", async (row) => {
  const bytes = randomBytes(row.chunks.reduce((sum, size) => sum + size, 0));
  let location = await startUpload(repository);
  takeOperations();
  let at = 0;
  for (const size of row.chunks) {
    // oxlint-disable-next-line no-await-in-loop
    const patch = await send("PATCH", location, {
      body: bytes.slice(at, at + size),
      headers: { "Content-Range": `${at}-${at + size - 1}` },
    });
    expect(patch.status).toBe(202);
    location = patch.headers.get("Location") ?? "";
    at += size;
  }
  const put = await send("PUT", `${location}?digest=${digestOf(bytes)}`);
  expect(put.status).toBe(201);
  const { objects, r2, kv } = takeOperations();
  expect(objects.length).toBeLessThanOrEqual(row.chunks.length + 3);
  expect(r2.length).toBeLessThanOrEqual(row.parts + 2);
  expect(kv).toEqual([]);
});

test("PUT of a manifest costs one call, and later one KV write for each of it and its tag", async () => {
  const name = "budget/fresh";
  const config = "{}";
  const digest = await pushBlob(name, config);
  const manifest = imageManifest({ digest, size: config.length }, []);
  await replicas();
  const cost = await costOf(() => putManifest(name, "1", manifest), 201);
  expect(cost).toEqual({ objects: ["Repository.putManifest"], r2: [], kv: [] });
  expect(await replicas()).toEqual(["Catalog.set", "KV.put", "KV.put"]);
});

test("all pulls of an image of ten layers together cost at most 12 calls", async () => {
  const pulls = 100;
  const layers = Array.from({ length: 10 }, () => randomBytes(100));
  const { digest, manifest } = await pushImage(repository, "", layers);
  await replicas();
  const image = JSON.parse(manifest) as {
    config: { digest: string };
    layers: { digest: string }[];
  };
  const blobs = [image.config, ...image.layers];
  takeOperations();
  for (let pull = 0; pull < pulls; pull += 1) {
    // One after the other is what is counted.
    /* oxlint-disable no-await-in-loop */
    await (await send("GET", `/v2/${repository}/manifests/${digest}`)).arrayBuffer();
    for (const blob of blobs) {
      const response = await send("GET", `/v2/${repository}/blobs/${blob.digest}`);
      expect(response.status).toBe(200);
      await response.arrayBuffer();
    }
    /* oxlint-enable no-await-in-loop */
  }
  const { objects, r2, kv } = takeOperations();
  expect(objects.length).toBeLessThanOrEqual(12);
  expect(r2.length).toBe(pulls * blobs.length);
  expect(kv.length).toBe(pulls);
});
