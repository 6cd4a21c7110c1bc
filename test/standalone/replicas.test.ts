import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { RestartedRegistry } from "./restarted-registry.ts";
import { digestOf } from "./running-registry.ts";
import { waiting } from "./start-process.ts";

const repository = "team/app";
const mediaType = "application/vnd.oci.image.index.v1+json";
const manifest = JSON.stringify({ schemaVersion: 2, mediaType, manifests: [] });
const byDigest = `/v2/${repository}/manifests/${digestOf(manifest)}`;

const registry = new RestartedRegistry();

async function start(reads: "strong" | "digest"): Promise<string> {
  return registry.start({ REGISTRY_READS: reads }).url();
}

async function ask(method: string, url: string, status: number, body?: string): Promise<unknown> {
  const headers = { "Content-Type": mediaType };
  const answer = await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) });
  expect(answer.status).toBe(status);
  return answer.status === 200 ? answer.json() : undefined;
}

/** Has no read answer what was deleted. */
async function expectGone(url: string): Promise<void> {
  for (const reference of [digestOf(manifest), "v1", "v2"]) {
    // oxlint-disable-next-line no-await-in-loop
    await ask("GET", `${url}/v2/${repository}/manifests/${reference}`, 404);
  }
}

/** How many manifests and tags KV has. */
async function replicas(): Promise<[manifests: number, tags: number]> {
  return [await fileCount("manifests"), await fileCount("tags")];
}

async function fileCount(folder: string): Promise<number> {
  const path = join(registry.storagePath, folder);
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).length;
}

test("replicas are written where reads ask for them", { timeout: 90_000 }, async () => {
  let url = await start("strong");
  await ask("PUT", `${url}/v2/${repository}/manifests/v1`, 201, manifest);
  // The catalog is told with the replicas.
  await vi.waitFor(async () => {
    const { repositories } = (await ask("GET", `${url}/_stats`, 200)) as { repositories: number };
    expect(repositories).toBe(1);
  }, waiting);
  expect(await replicas()).toEqual([0, 0]);
  await registry.stop();

  url = await start("digest");
  await ask("GET", url + byDigest, 200);
  await vi.waitFor(async () => expect(await replicas()).toEqual([1, 0]), waiting);
  await ask("PUT", `${url}/v2/${repository}/manifests/v2`, 201, manifest);
  await vi.waitFor(async () => expect(await replicas()).toEqual([1, 1]), waiting);
  await registry.stop();

  url = await start("strong");
  await ask("DELETE", url + byDigest, 202);
  await expectGone(url);
  await vi.waitFor(async () => expect(await replicas()).toEqual([0, 0]), waiting);
  await registry.stop();

  url = await start("digest");
  await expectGone(url);
  await ask("PUT", `${url}/v2/${repository}/manifests/v1`, 201, manifest);
  await vi.waitFor(async () => expect(await replicas()).toEqual([1, 1]), waiting);
  await ask("GET", url + byDigest, 200);
  await ask("DELETE", url + byDigest, 202);
  // The replicas may still be there.
  await expectGone(url);
});
