import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { Link } from "../../durable-objects/link-store.ts";
import type { ManifestReplica } from "../../durable-objects/outbox-sender.ts";
import type { RepositoryName } from "../../schemas/reference.ts";
import { catalogName } from "../../schemas/storage-keys.ts";
import {
  digestOf,
  imageManifest,
  ociManifest,
  pushBlob,
  pushImage,
  putManifest,
  randomBytes,
  send,
} from "../client.ts";
import { advance, minuteMs, secondMs } from "./clock.ts";
import { newRepository, repositoryObject } from "./names.ts";
import { restart, restarts } from "./restart.ts";

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Lets a moment pass, and has the repository tell what it has to tell. */
async function tell(repository: RepositoryName): Promise<boolean> {
  advance(6 * secondMs);
  return runDurableObjectAlarm(repositoryObject(repository));
}

async function manifestReplica(repository: string, digest: string) {
  const { value, metadata } = await env.MANIFESTS.getWithMetadata<ManifestReplica>(
    `${repository}@${digest}`,
    "arrayBuffer",
  );
  if (value === null || metadata === null) return undefined;
  const text = new TextDecoder().decode(value.slice(metadata.size));
  return {
    metadata,
    manifest: new TextDecoder().decode(value.slice(0, metadata.size)),
    links: JSON.parse(text) as Link[],
  };
}

async function tagReplica(repository: string, tag: string): Promise<unknown> {
  return (await env.TAGS.getWithMetadata(`${repository}:${tag}`)).metadata;
}

function outbox(repository: RepositoryName): Promise<unknown[]> {
  return runInDurableObject(repositoryObject(repository), (_, { storage }) =>
    storage.sql.exec("SELECT kind, key FROM outbox").toArray(),
  );
}

/** An image of no layers; each has another digest. */
async function newManifest(repository: string): Promise<string> {
  const config = JSON.stringify({ id: crypto.randomUUID() });
  const digest = await pushBlob(repository, config);
  return imageManifest({ digest, size: config.length }, []);
}

test("after its alarm, the replicas hold what the repository holds", async () => {
  const repository = newRepository();
  const layer = randomBytes(1000);
  const { manifest, digest } = await pushImage(repository, "1.0", [layer]);
  expect(await manifestReplica(repository, digest)).toBeUndefined();
  expect(await tell(repository)).toBe(true);
  const size = manifest.length;
  const replica = await manifestReplica(repository, digest);
  expect(replica?.manifest).toBe(manifest);
  expect(replica?.metadata).toEqual({ mediaType: ociManifest, size });
  expect(replica?.links.map((link) => link.digest)).toContain(digestOf(layer));
  for (const link of replica?.links ?? []) {
    // oxlint-disable-next-line no-await-in-loop
    const object = await env.BLOBS.get(link.key);
    // oxlint-disable-next-line no-await-in-loop
    const bytes = (await object?.bytes()) ?? new Uint8Array();
    expect(digestOf(bytes)).toBe(link.digest);
    expect(bytes).toHaveLength(link.size);
  }
  expect(await tagReplica(repository, "1.0")).toEqual({ digest, mediaType: ociManifest, size });
  expect(await outbox(repository)).toEqual([]);
  const { names } = await env.CATALOG.getByName(catalogName).list({ limit: 1000, last: "" });
  expect(names).toContain(repository);
});

test("a tag that moves is written once, with its last manifest", async () => {
  const repository = newRepository();
  const put = vi.spyOn(env.TAGS, "put");
  const manifests = await Promise.all([1, 2, 3].map(() => newManifest(repository)));
  for (const manifest of manifests) {
    // oxlint-disable-next-line no-await-in-loop
    expect((await putManifest(repository, "latest", manifest)).status).toBe(201);
  }
  await tell(repository);
  const mine = () => put.mock.calls.filter(([key]) => key === `${repository}:latest`);
  expect(mine()).toHaveLength(1);
  expect(await tagReplica(repository, "latest")).toMatchObject({
    digest: digestOf(manifests[2] ?? ""),
  });
  // What changes nothing moves no tag.
  await putManifest(repository, "latest", manifests[2] ?? "");
  await tell(repository);
  expect(mine()).toHaveLength(1);
});

test.for([
  { ageMs: 30 * minuteMs, isRestored: false },
  { ageMs: 61 * minuteMs, isRestored: true },
])(
  "a replica that KV lost $ageMs ms after its write comes again by a read: $isRestored",
  async (row) => {
    const repository = newRepository();
    const { digest, manifest } = await pushImage(repository, "1", [randomBytes(100)]);
    await tell(repository);
    const replica = await manifestReplica(repository, digest);
    expect(replica?.manifest).toBe(manifest);
    await env.MANIFESTS.delete(`${repository}@${digest}`);
    advance(row.ageMs);
    const answer = await send("GET", `/v2/${repository}/manifests/${digest}`);
    expect(await answer.text()).toBe(manifest);
    await tell(repository);
    expect(await manifestReplica(repository, digest)).toEqual(row.isRestored ? replica : undefined);
  },
);

describe("the replica goes", () => {
  test("of a manifest that is deleted, and of its tags", async () => {
    const repository = newRepository();
    const manifest = await newManifest(repository);
    const digest = digestOf(manifest);
    await putManifest(repository, "1.0", manifest);
    await putManifest(repository, "1", manifest);
    await tell(repository);
    expect((await send("DELETE", `/v2/${repository}/manifests/${digest}`)).status).toBe(202);
    await tell(repository);
    expect(await manifestReplica(repository, digest)).toBeUndefined();
    expect(await tagReplica(repository, "1.0")).toBeNull();
    expect(await tagReplica(repository, "1")).toBeNull();
    const { names } = await env.CATALOG.getByName(catalogName).list({ limit: 1000, last: "" });
    expect(names).not.toContain(repository);
  });

  test("of a tag that is deleted, while its manifest's stays", async () => {
    const repository = newRepository();
    const manifest = await newManifest(repository);
    await putManifest(repository, "1.0", manifest);
    await tell(repository);
    expect((await send("DELETE", `/v2/${repository}/manifests/1.0`)).status).toBe(202);
    await tell(repository);
    expect(await tagReplica(repository, "1.0")).toBeNull();
    expect((await manifestReplica(repository, digestOf(manifest)))?.manifest).toBe(manifest);
  });
});

test.for(["MANIFESTS", "TAGS"] as const)("a write of %s that fails is made again", async (name) => {
  const repository = newRepository();
  const manifest = await newManifest(repository);
  await putManifest(repository, "1.0", manifest);
  vi.spyOn(env[name], "put").mockRejectedValueOnce(new Error("429"));
  await tell(repository);
  expect(await outbox(repository)).toHaveLength(1);
  expect(await tell(repository)).toBe(true);
  expect(await outbox(repository)).toEqual([]);
  expect((await manifestReplica(repository, digestOf(manifest)))?.manifest).toBe(manifest);
  expect(await tagReplica(repository, "1.0")).toMatchObject({ digest: digestOf(manifest) });
});

test("a failing write of one key keeps no other key back", async () => {
  const repository = newRepository();
  const manifests = await Promise.all([1, 2, 3].map(() => newManifest(repository)));
  for (const [at, manifest] of manifests.entries()) {
    // oxlint-disable-next-line no-await-in-loop
    await putManifest(repository, `v${at}`, manifest);
  }
  vi.spyOn(env.TAGS, "put").mockRejectedValue(new Error("429"));
  await tell(repository);
  const replicas = await Promise.all(
    manifests.map((manifest) => manifestReplica(repository, digestOf(manifest))),
  );
  expect(replicas.map((replica) => replica?.manifest)).toEqual(manifests);
  expect(await outbox(repository)).toHaveLength(3);
});

test("a tag that moves while it is written ends at its last manifest", async () => {
  const repository = newRepository();
  const [first, second] = [await newManifest(repository), await newManifest(repository)];
  await putManifest(repository, "latest", first);
  const write = env.TAGS.put.bind(env.TAGS);
  const put = vi.spyOn(env.TAGS, "put").mockImplementationOnce(async (...input) => {
    // It moves when the value to be written is chosen already.
    await putManifest(repository, "latest", second);
    return write(...input);
  });
  await tell(repository);
  expect(await tagReplica(repository, "latest")).toMatchObject({ digest: digestOf(first) });
  expect(await tell(repository)).toBe(true);
  expect(put).toHaveBeenCalledTimes(2);
  expect(await tagReplica(repository, "latest")).toMatchObject({ digest: digestOf(second) });
  expect(await outbox(repository)).toEqual([]);
});

test("a manifest that is deleted while it is written is gone in the end", async () => {
  const repository = newRepository();
  const manifest = await newManifest(repository);
  const digest = digestOf(manifest);
  await putManifest(repository, "1.0", manifest);
  const write = env.MANIFESTS.put.bind(env.MANIFESTS);
  vi.spyOn(env.MANIFESTS, "put").mockImplementationOnce(async (...input) => {
    await send("DELETE", `/v2/${repository}/manifests/${digest}`);
    return write(...input);
  });
  await tell(repository);
  await tell(repository);
  expect(await manifestReplica(repository, digest)).toBeUndefined();
  expect(await tagReplica(repository, "1.0")).toBeNull();
});

test("more keys than one alarm sends are sent by the next ones", async () => {
  const repository = newRepository();
  const manifest = await newManifest(repository);
  const tags = Array.from({ length: 350 }, (_, at) => `v${at}`);
  const digest = digestOf(manifest);
  // A second after the first of them, the alarm begins by itself.
  for (let at = 0; at < tags.length; at += 100) {
    const query = tags
      .slice(at, at + 100)
      .map((tag) => `tag=${tag}`)
      .join("&");
    // oxlint-disable-next-line no-await-in-loop
    expect((await putManifest(repository, `${digest}?${query}`, manifest)).status).toBe(201);
  }
  expect(await tell(repository)).toBe(true);
  expect((await outbox(repository)).length).toBeGreaterThan(0);
  expect(await tell(repository)).toBe(true);
  expect(await outbox(repository)).toEqual([]);
  const replicas = await Promise.all(tags.map((tag) => tagReplica(repository, tag)));
  expect(replicas.filter((replica) => replica === null)).toEqual([]);
});

test.for(restarts)("what was not told before the object was %s is told after", async (how) => {
  const repository = newRepository();
  const manifest = await newManifest(repository);
  await putManifest(repository, "1.0", manifest);
  await restart(() => repositoryObject(repository), how);
  expect(await tell(repository)).toBe(true);
  expect((await manifestReplica(repository, digestOf(manifest)))?.manifest).toBe(manifest);
  expect(await tagReplica(repository, "1.0")).toMatchObject({ digest: digestOf(manifest) });
});

test("what was being told when the object was aborted is told by the alarm that is called again", async () => {
  const repository = newRepository();
  const manifest = await newManifest(repository);
  await putManifest(repository, "1.0", manifest);
  const cut = vi.fn(() => new Promise<never>(() => undefined));
  vi.spyOn(env.MANIFESTS, "put").mockImplementation(cut);
  const alarm = tell(repository).catch(() => undefined);
  await vi.waitFor(() => expect(cut).toHaveBeenCalledTimes(1));
  await restart(() => repositoryObject(repository), "aborted");
  await alarm;
  vi.restoreAllMocks();
  advance(6 * secondMs);
  // The platform calls again an alarm that did not come to its end.
  await runInDurableObject(repositoryObject(repository), (object) => object.alarm());
  expect((await manifestReplica(repository, digestOf(manifest)))?.manifest).toBe(manifest);
  expect(await outbox(repository)).toEqual([]);
});
