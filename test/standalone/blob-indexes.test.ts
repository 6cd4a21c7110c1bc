import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { RestartedRegistry } from "./restarted-registry.ts";
import { digestOf } from "./running-registry.ts";

const blobs = Array.from({ length: 20 }, (_, at) => `blob ${at}`);

const registry = new RestartedRegistry();

async function push(url: string, repository: string, blob: string): Promise<number> {
  const path = `${url}/v2/${repository}/blobs/uploads/?digest=${digestOf(blob)}`;
  const headers = { "Content-Type": "application/octet-stream" };
  return (await fetch(path, { method: "POST", body: blob, headers })).status;
}

async function pushAll(url: string, repository: string): Promise<number[]> {
  return Promise.all(blobs.map((blob) => push(url, repository, blob)));
}

/** How many BlobIndexes there are in a folder; undefined if there is no such folder. */
async function indexes(folder: string): Promise<number | undefined> {
  const path = join(registry.storagePath, "durable-objects", folder);
  const names = await readdir(path).catch(() => undefined);
  return names?.filter((name) => /^[0-9a-f]{64}\.sqlite$/.test(name)).length;
}

const allCreated = blobs.map(() => 201);
const firstDigits = new Set(blobs.map((blob) => digestOf(blob).slice(0, "sha256:ab".length)));

test("a new storage folder has one index for all digests", { timeout: 60_000 }, async () => {
  const url = await registry.start().url();
  expect(await pushAll(url, "team/app")).toEqual(allCreated);
  expect([await indexes("OneBlobIndex"), await indexes("BlobIndex")]).toEqual([1, undefined]);
});

test("an empty folder of the others makes no difference", { timeout: 60_000 }, async () => {
  await mkdir(join(registry.storagePath, "durable-objects/BlobIndex"), { recursive: true });
  const url = await registry.start().url();
  expect(await pushAll(url, "team/app")).toEqual(allCreated);
  expect([await indexes("OneBlobIndex"), await indexes("BlobIndex")]).toEqual([1, 0]);
});

test("one with an index for each first digits keeps them", { timeout: 60_000 }, async () => {
  await makeDatabase("BlobIndex");
  let url = await registry.start().url();
  expect(await pushAll(url, "team/app")).toEqual(allCreated);
  expect(await indexes("BlobIndex")).toBe(1 + firstDigits.size);
  expect(await indexes("OneBlobIndex")).toBeUndefined();
  await registry.stop();

  // What is held is found there again: its bytes are stored once.
  url = await registry.start().url();
  expect(await pushAll(url, "team/other")).toEqual(allCreated);
  const objects = await readdir(join(registry.storagePath, "blobs/objects"), { recursive: true });
  expect(objects.filter((path) => path.endsWith(".object"))).toHaveLength(blobs.length);
});

test("one that has both is not opened, as each would miss what the other holds", async () => {
  await makeDatabase("BlobIndex");
  await makeDatabase("OneBlobIndex");
  const start = registry.start();
  expect(await start.ended).toBe(1);
  expect(start.errors).toContain("opened by an older version");
}, 60_000);

/** As if an object had been there. */
async function makeDatabase(className: string): Promise<void> {
  const folder = join(registry.storagePath, "durable-objects", className);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, `${"0".repeat(64)}.sqlite`), "");
}
