import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { digestOf } from "./running-registry.ts";
import { Start } from "./start-process.ts";

const blobs = Array.from({ length: 20 }, (_, at) => `blob ${at}`);

let storagePath = "";
let running: Start | undefined;

beforeEach(async () => {
  storagePath = await mkdtemp(join(tmpdir(), "longshore-indexes-"));
});

afterEach(async () => {
  await stop();
  await rm(storagePath, { recursive: true, maxRetries: 10 });
});

function begin(): Start {
  running = new Start([process.execPath, "standalone/start.ts"], {
    REGISTRY_PORT: "0",
    REGISTRY_STORAGE_PATH: storagePath,
  });
  return running;
}

async function start(): Promise<string> {
  return begin().url();
}

async function stop(): Promise<void> {
  running?.process.kill("SIGTERM");
  await running?.ended;
}

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
  const path = join(storagePath, "durable-objects", folder);
  const names = await readdir(path).catch(() => undefined);
  return names?.filter((name) => /^[0-9a-f]{64}\.sqlite$/.test(name)).length;
}

const allCreated = blobs.map(() => 201);
const firstDigits = new Set(blobs.map((blob) => digestOf(blob).slice(0, "sha256:ab".length)));

test("a new storage folder has one index for all digests", { timeout: 60_000 }, async () => {
  const url = await start();
  expect(await pushAll(url, "team/app")).toEqual(allCreated);
  expect([await indexes("OneBlobIndex"), await indexes("BlobIndex")]).toEqual([1, undefined]);
});

test("an empty folder of the others makes no difference", { timeout: 60_000 }, async () => {
  await mkdir(join(storagePath, "durable-objects/BlobIndex"), { recursive: true });
  const url = await start();
  expect(await pushAll(url, "team/app")).toEqual(allCreated);
  expect([await indexes("OneBlobIndex"), await indexes("BlobIndex")]).toEqual([1, 0]);
});

test("one with an index for each first digits keeps them", { timeout: 60_000 }, async () => {
  await makeDatabase("BlobIndex");
  let url = await start();
  expect(await pushAll(url, "team/app")).toEqual(allCreated);
  expect(await indexes("BlobIndex")).toBe(1 + firstDigits.size);
  expect(await indexes("OneBlobIndex")).toBeUndefined();
  await stop();

  // What is held is found there again: its bytes are stored once.
  url = await start();
  expect(await pushAll(url, "team/other")).toEqual(allCreated);
  const objects = await readdir(join(storagePath, "blobs/objects"), { recursive: true });
  expect(objects.filter((path) => path.endsWith(".object"))).toHaveLength(blobs.length);
});

test("one that has both is not opened, as each would miss what the other holds", async () => {
  await makeDatabase("BlobIndex");
  await makeDatabase("OneBlobIndex");
  begin();
  expect(await running?.ended).toBe(1);
  expect(running?.errors).toContain("opened by an older version");
}, 60_000);

/** As if an object had been there. */
async function makeDatabase(className: string): Promise<void> {
  const folder = join(storagePath, "durable-objects", className);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, `${"0".repeat(64)}.sqlite`), "");
}
