/** A dry run changes nothing, and tells what the collection after it does. */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { CollectionRun } from "../../durable-objects/collection-run.ts";
import type { Digest } from "../../schemas/digest.ts";
import type { RepositoryName } from "../../schemas/reference.ts";
import { blobIndexName } from "../../schemas/storage-keys.ts";
import {
  digestOf,
  imageManifest,
  newRepository,
  ociManifest,
  pushBlob,
  pushManifest,
  randomBytes,
  send,
} from "../client.ts";
import { advance, dayMs, hourMs, minuteMs } from "../durable-objects/clock.ts";
import { claimed } from "../durable-objects/linked-blob.ts";
import { digestFor, newKey } from "../durable-objects/names.ts";
import { restart } from "../durable-objects/restart.ts";
import { storedState } from "../stored-state.ts";
import { pushOneLayer, remove, statusOf } from "./blobs.ts";
import { collect, type CollectionBody, ofRepository, sums } from "./collecting.ts";
import { catalogObject, maintenanceObject, settle, takeTime } from "./time.ts";

beforeAll(takeTime);

beforeEach(async () => {
  await settle();
  await collect("?force=true");
}, 60_000);

const graceMs = 24 * hourMs;

/** What a scene leaves: the repositories and digests that a collection looks at. */
interface Scene {
  readonly repositories: readonly string[];
  readonly digests: readonly string[];
}

/** An object that a push left in R2, of a digest whose index has had blobs, or none yet. */
async function unclaimed(isIndexKnown: boolean): Promise<Scene> {
  await pushBlob(newRepository(), randomBytes(10));
  await settle();
  const known = await catalogObject().indexes();
  for (;;) {
    const bytes = randomBytes(100);
    const digest = digestFor(bytes);
    if (known.includes(blobIndexName(env, digest)) !== isIndexKnown) continue;
    // oxlint-disable-next-line no-await-in-loop
    await env.BLOBS.put(newKey(), bytes, { customMetadata: { digest } });
    advance(9 * dayMs);
    return { repositories: [], digests: [digest] };
  }
}

const scenes: readonly { name: string; make: () => Promise<Scene> }[] = [
  { name: "nothing", make: async () => ({ repositories: [], digests: [] }) },
  {
    name: "blobs past their grace, and young ones",
    make: async () => {
      const [old, young] = [newRepository(), newRepository()];
      const digests = [
        await pushBlob(old, randomBytes(100)),
        await pushBlob(old, randomBytes(200)),
      ];
      await settle();
      advance(graceMs);
      digests.push(await pushBlob(young, randomBytes(400)));
      return { repositories: [old, young], digests };
    },
  },
  {
    name: "a blob that one of two repositories lets go of",
    make: async () => {
      const [ours, theirs] = [newRepository(), newRepository()];
      const layer = randomBytes(300);
      const digest = await pushBlob(ours, layer);
      await pushOneLayer(theirs, "latest", layer);
      await settle();
      advance(graceMs);
      return { repositories: [ours, theirs], digests: [digest] };
    },
  },
  {
    name: "a blob that three repositories let go of",
    make: async () => {
      const repositories = [newRepository(), newRepository(), newRepository()];
      const layer = randomBytes(300);
      // oxlint-disable-next-line no-await-in-loop
      for (const repository of repositories) await pushBlob(repository, layer);
      await settle();
      advance(graceMs);
      return { repositories, digests: [digestOf(layer)] };
    },
  },
  {
    name: "a deleted manifest",
    make: async () => {
      const repository = newRepository();
      const { digest, config, layer } = await pushOneLayer(repository, "latest");
      await remove(`/v2/${repository}/manifests/${digest}`);
      await settle();
      advance(graceMs);
      return { repositories: [repository], digests: [config, layer] };
    },
  },
  {
    name: "garbage that waits for its time",
    make: async () => {
      const repository = newRepository();
      const digest = await pushBlob(repository, randomBytes(100));
      await remove(`/v2/${repository}/blobs/${digest}`);
      await settle();
      return { repositories: [repository], digests: [digest] };
    },
  },
  {
    name: "a blob that was pushed twice at once, whose second object is to go",
    make: async () => {
      const repository = newRepository();
      const bytes = randomBytes(100);
      await claimed(repository as RepositoryName, bytes);
      await claimed(repository as RepositoryName, bytes);
      await pushBlob(repository, bytes);
      await settle();
      return { repositories: [repository], digests: [digestOf(bytes)] };
    },
  },
  {
    name: "a claim whose link did not come",
    make: async () => {
      const repository = newRepository();
      await pushOneLayer(repository, "latest");
      const { digest } = await claimed(repository as RepositoryName, randomBytes(100));
      await settle();
      return { repositories: [repository], digests: [digest] };
    },
  },
  {
    name: "an object that nobody claimed for nine days, in an index that has blobs",
    make: () => unclaimed(true),
  },
  {
    name: "an object that nobody claimed for nine days, in an index that has none",
    make: () => unclaimed(false),
  },
];

/** All that is stored and that the scene is about, and what the catalog says. */
async function stores({ repositories, digests }: Scene) {
  const indexes = [...new Set(digests.map((digest) => blobIndexName(env, digest as Digest)))];
  const catalog = await catalogObject().details({ limit: 1000, last: "" });
  return { ...(await storedState({ repositories, indexes })), catalog };
}

describe.for(["", "&force=true"])("a dry run (%s), and then the collection, of", (query) => {
  test.for(scenes)("$name", { timeout: 120_000 }, async ({ make }) => {
    const scene = await make();
    const before = await stores(scene);
    const told = await collect(`?dry-run=true${query}`);
    expect(told.dryRun).toBe(true);
    expect(await stores(scene)).toEqual(before);
    const done = await collect(`?dry-run=false${query}`);
    expect(sums(told)).toEqual(sums(done));
    expect(told.repositories).toEqual(done.repositories);
  });
});

test("350 blobs of one repository are all counted", { timeout: 120_000 }, async () => {
  const repository = newRepository();
  for (let at = 0; at < 350; at += 1) {
    const text = `${repository} ${at}`;
    const path = `/v2/${repository}/blobs/uploads/?digest=${digestOf(text)}`;
    // oxlint-disable-next-line no-await-in-loop
    expect((await send("POST", path, { body: text })).status).toBe(201);
  }
  await settle();
  advance(graceMs);
  const told = await collect("?dry-run=true");
  expect(told.deletedLayers).toBe(350);
  expect(ofRepository(told, repository)?.layers).toHaveLength(50);
  expect(sums(await collect())).toEqual(sums(told));
});

test("a dry run keeps no lease and renews none: what it names goes when it is due", async () => {
  const repository = newRepository();
  const bytes = randomBytes(100);
  await pushBlob(repository, bytes);
  await settle();
  const told = await collect("?dry-run=true&force=true");
  expect(told.deletedLayers).toBe(1);
  expect(sums(await collect())).toMatchObject({ deletedLayers: 0 });
  advance(graceMs + minuteMs);
  expect(sums(await collect())).toMatchObject({ deletedLayers: 1, reclaimedBytes: 100 });
});

test("what a manifest uses that comes behind a dry run stays", async () => {
  const repository = newRepository();
  const bytes = randomBytes(100);
  const digest = await pushBlob(repository, bytes);
  await settle();
  expect((await collect("?dry-run=true&force=true")).deletedLayers).toBe(1);
  await pushManifest(repository, "latest", imageManifest({ digest, size: 100 }, []), ociManifest);
  expect((await collect("?force=true")).deletedLayers).toBe(0);
  expect(await statusOf("GET", `/v2/${repository}/blobs/${digest}`)).toBe(200);
});

test("a dry run that is cut off behind a step tells each thing once", async () => {
  const repository = newRepository();
  const digest = await pushBlob(repository, randomBytes(100));
  await settle();
  advance(graceMs);
  // oxlint-disable-next-line typescript/unbound-method
  const { step } = CollectionRun.prototype;
  const steps = vi.spyOn(CollectionRun.prototype, "step").mockImplementation(async function (
    this: CollectionRun,
    state,
  ) {
    await step.call(this, state);
    return new Promise(() => undefined);
  });
  const begun = await maintenanceObject().beginCollection({ force: false, dryRun: true });
  expect(begun.ok).toBe(true);
  const alarm = runDurableObjectAlarm(maintenanceObject()).catch(() => undefined);
  await vi.waitFor(async () => {
    const body = await (await send("GET", "/_gc")).json<CollectionBody>();
    expect(body.repositories).not.toEqual([]);
  });
  await restart(maintenanceObject, "aborted");
  await alarm;
  steps.mockRestore();
  advance(minuteMs);
  await runInDurableObject(maintenanceObject(), (maintenance) => maintenance.alarm());
  const told = await (await send("GET", "/_gc")).json<CollectionBody>();
  expect(told).toMatchObject({ status: "done", deletedLayers: 1 });
  expect(ofRepository(told, repository)?.layers.map((layer) => layer.digest)).toEqual([digest]);
});
