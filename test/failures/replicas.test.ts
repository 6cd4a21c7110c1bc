import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { RepositoryName } from "../../schemas/reference.ts";
import {
  indexOf,
  ociIndex,
  pushBlob,
  pushImage,
  pushManifest,
  putManifest,
  randomBytes,
  send,
} from "../client.ts";
import {
  failCaches,
  failNamespace,
  failures,
  restoreStores,
  shortenLimits,
} from "../doubles/failing-stores.ts";
import { newRepository, repositoryObject } from "../durable-objects/names.ts";
import { restart } from "../durable-objects/restart.ts";
import { expectReadable } from "../durable-objects/upload.ts";

beforeEach(() => {
  shortenLimits();
  vi.spyOn(console, "warn").mockImplementation(() => undefined);
  vi.spyOn(console, "error").mockImplementation(() => undefined);
});

afterEach(restoreStores);

/** A replica is asked for again once it has rested for so long. */
function rest(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 1000);
  });
}

/** What KV has of a repository, by key; the outbox is sent until nothing of it is left. */
async function replicas(repository: RepositoryName): Promise<string[]> {
  await rest();
  await runDurableObjectAlarm(repositoryObject(repository));
  const found = await Promise.all(
    [env.MANIFESTS, env.TAGS].map((namespace) => namespace.list({ prefix: repository })),
  );
  return found
    .flatMap(({ keys }) => keys.map(({ name }) => name.slice(repository.length)))
    .toSorted();
}

async function caughtUp(repository: RepositoryName, expected: string[]): Promise<void> {
  await vi.waitFor(async () => expect(await replicas(repository)).toEqual(expected.toSorted()), {
    timeout: 40_000,
  });
}

describe("while KV is not read", () => {
  test.each(failures)("%s, manifests are answered by digest and by tag", async (how) => {
    const repository = newRepository();
    const manifest = indexOf();
    const digest = await pushManifest(repository, "latest", manifest);
    const asked = failNamespace("MANIFESTS", "getWithMetadata", how);
    await rest();
    for (const reference of [digest, "latest", digest]) {
      const path = `/v2/${repository}/manifests/${reference}`;
      const answer = await send("GET", path);
      expect([answer.status, await answer.text()]).toEqual([200, manifest]);
      const head = await send("HEAD", path);
      expect([head.status, head.headers.get("Docker-Content-Digest")]).toEqual([200, digest]);
    }
    expect(asked()).toBeGreaterThan(0);
  });

  test("that it is silent is met by one reader, not by each", async () => {
    const repository = newRepository();
    const digest = await pushManifest(repository, "latest", indexOf());
    await rest();
    const asked = failNamespace("MANIFESTS", "getWithMetadata", "silent");
    const path = `/v2/${repository}/manifests/${digest}`;
    expect((await send("GET", path)).status).toBe(200);
    for (let at = 0; at < 10; at++) expect((await send("GET", path)).status).toBe(200);
    expect(asked()).toBe(1);
    await rest();
    restoreStores();
    const read = vi.spyOn(env.MANIFESTS, "getWithMetadata");
    expect((await send("GET", path)).status).toBe(200);
    expect(read).toHaveBeenCalledTimes(1);
  });
});

test.each(failures)("while KV is away altogether (%s), pushes and pulls go on", async (how) => {
  const repository = newRepository();
  await rest();
  for (const name of ["MANIFESTS", "TAGS"] as const) {
    for (const operation of ["getWithMetadata", "put", "delete"] as const) {
      failNamespace(name, operation, how);
    }
  }
  const bytes = randomBytes(1000);
  const { manifest, digest, layers } = await pushImage(repository, "v1", [bytes]);
  const gone = await pushManifest(repository, "gone", indexOf());
  await runDurableObjectAlarm(repositoryObject(repository));
  for (const reference of ["v1", digest]) {
    const answer = await send("GET", `/v2/${repository}/manifests/${reference}`);
    expect([answer.status, await answer.text()]).toEqual([200, manifest]);
  }
  await expectReadable(repository, layers[0] ?? "", bytes);
  expect((await send("DELETE", `/v2/${repository}/manifests/${gone}`)).status).toBe(202);
  expect((await send("GET", `/v2/${repository}/manifests/${gone}`)).status).toBe(404);
  restoreStores();
  shortenLimits();
  await caughtUp(repository, [`@${digest}`, ":v1"]);
});

test("a write that KV does late is not the last one", async () => {
  const repository = newRepository();
  await rest();
  failNamespace("MANIFESTS", "put", "afterwards", 1);
  const digest = await pushManifest(repository, "v1", indexOf());
  await runDurableObjectAlarm(repositoryObject(repository));
  expect((await send("DELETE", `/v2/${repository}/manifests/${digest}`)).status).toBe(202);
  await caughtUp(repository, []);
  // It would have come by now.
  await rest();
  await rest();
  expect(await replicas(repository)).toEqual([]);
});

test("replicas catch up when their repository was restarted meanwhile", async () => {
  const repository = newRepository();
  await rest();
  failNamespace("MANIFESTS", "put", "silent");
  failNamespace("TAGS", "put", "throws");
  const digest = await pushManifest(repository, "v1", indexOf());
  await runDurableObjectAlarm(repositoryObject(repository));
  restoreStores();
  shortenLimits();
  await restart(() => repositoryObject(repository), "evicted");
  await caughtUp(repository, [`@${digest}`, ":v1"]);
});

describe("while the data centre's cache fails", () => {
  test.each(failures)("%s, blobs and manifests are pushed, read and deleted", async (how) => {
    const repository = newRepository();
    await rest();
    const asked = failCaches(how);
    const bytes = randomBytes(1000);
    const digest = await pushBlob(repository, bytes);
    await expectReadable(repository, digest, bytes);
    await expectReadable(repository, digest, bytes);
    const manifest = indexOf();
    expect((await putManifest(repository, "v1", manifest, ociIndex)).status).toBe(201);
    const path = `/v2/${repository}/manifests/v1`;
    const answer = await send("GET", path);
    expect([answer.status, await answer.text()]).toEqual([200, manifest]);
    expect((await send("DELETE", `/v2/${repository}/blobs/${digest}`)).status).toBe(202);
    expect((await send("HEAD", `/v2/${repository}/blobs/${digest}`)).status).toBe(404);
    const location = (await send("POST", `/v2/${repository}/blobs/uploads/`)).headers.get(
      "Location",
    );
    expect((await send("PATCH", location ?? "", { body: bytes })).status).toBe(202);
    expect((await send("DELETE", location ?? "")).status).toBe(204);
    expect(asked()).toBeGreaterThan(0);
  });
});
