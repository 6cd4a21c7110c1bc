import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { removeEmptyObjects } from "../../standalone/leftovers.ts";
import { prepareFiles } from "../../standalone/machine-files.ts";
import { WorkerdProcess } from "../../standalone/workerd-process.ts";

let storagePath = "";
let workerd: WorkerdProcess | undefined;

beforeEach(async () => {
  storagePath = await mkdtemp(join(tmpdir(), "longshore-durability-"));
});

afterEach(async () => {
  await kill();
  await rm(storagePath, { recursive: true });
});

/** Starts workerd on the storage folder; its URL. */
async function start(): Promise<string> {
  const configPath = await prepareFiles({
    storagePath,
    address: "127.0.0.1:0",
    variableNames: [],
    workerPath: join(import.meta.dirname, "durable-worker.ts"),
  });
  workerd = new WorkerdProcess(configPath, {});
  return `http://127.0.0.1:${await workerd.listening}`;
}

async function kill(): Promise<void> {
  workerd?.kill();
  await workerd?.ended;
}

async function json(url: string, body?: unknown): Promise<unknown> {
  const request = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  return (await fetch(url, request)).json();
}

test("what objects leave of themselves is removed, and no more", { timeout: 60_000 }, async () => {
  const objects = join(storagePath, "durable-objects");
  const databases = async (): Promise<number> =>
    (await readdir(join(objects, "Repository"))).filter((name) => name.endsWith(".sqlite")).length;
  let url = await start();
  await json(`${url}/store?alarm=${Date.now() + 60_000}`);
  await json(`${url}/forget`);
  await workerd?.stop(10_000);

  const before = await databases();
  await removeEmptyObjects(objects);
  expect(await databases()).toBe(before - 1);
  url = await start();
  expect(await json(`${url}/look`)).toMatchObject({ words: ["word"] });
});

test("what was answered is there after a kill", { timeout: 60_000 }, async () => {
  let url = await start();
  const alarmMs = Date.now() + 1000;
  const upload = await json(`${url}/store?alarm=${alarmMs}`);
  await kill();

  url = await start();
  expect(await json(`${url}/look`)).toEqual({
    object: ["object", { repository: "a" }],
    deleted: null,
    entry: { value: "manifest", metadata: { mediaType: "x" }, cacheStatus: null },
    words: ["word"],
  });
  const partBytes = 5 * 1024 * 1024;
  expect(await json(`${url}/finish`, upload)).toEqual({
    refused: expect.stringContaining("(10025)"),
    size: partBytes + 3,
    customMetadata: { a: "1" },
    bytes: [1, ...new TextEncoder().encode("end")],
  });
  // The object's alarm comes to a process that never heard of it, and knows the object's name.
  await vi.waitFor(async () => expect(await json(`${url}/alarm`)).toBe("team/app"), {
    timeout: 30_000,
    interval: 100,
  });
});
