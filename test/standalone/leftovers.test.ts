import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { removeLeftovers } from "../../standalone/leftovers.ts";

let storagePath = "";
const startedMs = Date.now() - 60_000;
const dayMs = 24 * 60 * 60 * 1000;
const id = "0123456789abcdef0123456789abcdef";
const otherId = "fedcba9876543210fedcba9876543210";

beforeAll(async () => {
  storagePath = await mkdtemp(join(tmpdir(), "longshore-leftovers-"));
});

afterAll(() => rm(storagePath, { recursive: true }));

/** A file that was last changed so long before the start, after it if negative. */
async function file(path: string, ageMs: number): Promise<void> {
  const whole = join(storagePath, path);
  const seconds = (startedMs - ageMs) / 1000;
  await mkdir(dirname(whole), { recursive: true });
  const descriptor = path.endsWith("/parts.object") ? { parts: { uploadId: id } } : {};
  await writeFile(whole, `${JSON.stringify(descriptor)}\n`);
  await utimes(whole, seconds, seconds);
  await utimes(dirname(whole), seconds, seconds);
}

const parts = "blobs/parts/blobs/2026-11-21";
const objects = "blobs/objects/blobs/2026-11-21";

const leftovers = [
  `${parts}/of-nothing.${id}/1.${id}-3`,
  `${parts}/whole.${id}/1.${id}-3`,
  `${parts}/parts.${otherId}/1.${id}-3`,
  `${objects}/.whole.object.77.1.tmp`,
  `manifests/aa/.bb.77.2.tmp`,
  `tags/aa/.bb.77.3.tmp`,
];

const kept = [
  `${objects}/whole.object`,
  `${objects}/parts.object`,
  `${parts}/parts.${id}/1.${id}-3`,
  `${parts}/parts.${id}/2.${id}-3`,
  `manifests/aa/bb`,
  `tags/aa/bb`,
];

test("removes what belongs to nothing, and only what is older than the start", async () => {
  for (const path of [...leftovers, ...kept]) await file(path, dayMs);
  const running = [`${parts}/coming.${id}/1.${id}-3`, `${objects}/.coming.object.78.0.tmp`];
  for (const path of running) await file(path, -1000);
  // R2 keeps an incomplete upload for seven days.
  await file(`${parts}/week.${id}/upload.json`, 8 * dayMs);
  await file(`${parts}/open.${id}/upload.json`, 6 * dayMs);
  await file(`${parts}/open.${id}/1.${id}-3`, 6 * dayMs);
  const open = [`${parts}/open.${id}/upload.json`, `${parts}/open.${id}/1.${id}-3`];

  await removeLeftovers(storagePath, startedMs);
  const entries = await readdir(storagePath, { recursive: true, withFileTypes: true });
  const left = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(storagePath.length + 1));
  expect(left.toSorted()).toEqual([...kept, ...running, ...open].toSorted());
});

test("an upload that is left alone for a week goes while the process runs", async () => {
  const folder = await mkdtemp(join(tmpdir(), "longshore-leftovers-"));
  try {
    for (const path of ["left", "going-on"].map((name) => `${folder}/${parts}/${name}.${id}`)) {
      await mkdir(path, { recursive: true });
      await writeFile(join(path, "upload.json"), "{}");
    }
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 8 * dayMs });
    const part = join(folder, `${parts}/going-on.${id}`);
    await utimes(part, Date.now() / 1000, Date.now() / 1000);
    await removeLeftovers(folder, startedMs);
    expect(await readdir(join(folder, parts))).toEqual([`going-on.${id}`]);
  } finally {
    vi.useRealTimers();
    await rm(folder, { recursive: true });
  }
});

test("has nothing to do in a storage folder that is new", async () => {
  await removeLeftovers(join(storagePath, "new"), startedMs);
});
