/** A repository that has become empty ends, and its name is as if it had never been used. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, test, vi } from "vitest";
import type { RepositoryName } from "../../schemas/reference.ts";
import {
  indexOf,
  newRepository,
  pushBlob,
  pushManifest,
  randomBytes,
  refusal,
  send,
} from "../client.ts";
import { dayMs, hourMs, minuteMs, secondMs } from "../durable-objects/clock.ts";
import { repositoryObject } from "../durable-objects/names.ts";
import { totalsWith } from "../durable-objects/repository-totals.ts";
import { storedObjects } from "../durable-objects/stored-objects.ts";
import { pushOneLayer, remove, statusOf } from "./blobs.ts";
import { collect } from "./collecting.ts";
import { catalogObject, pass, settle, takeTime } from "./time.ts";

beforeAll(takeTime);

const graceMs = 24 * hourMs;

/** What an object has stored: its tables, and whether an alarm is set. */
function remains(repository: string) {
  const stub = repositoryObject(repository as RepositoryName);
  return runInDurableObject(stub, async (_, { storage }) => ({
    tables: storage.sql
      .exec(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'",
      )
      .toArray().length,
    alarm: await storage.getAlarm(),
  }));
}

const nothing = { tables: 0, alarm: null };

async function isListed(repository: string): Promise<boolean> {
  const last = repository.slice(0, -1);
  const response = await send("GET", `/v2/_catalog?n=1&last=${last}`);
  const { repositories } = await response.json<{ repositories: string[] }>();
  return repositories.includes(repository);
}

interface Way {
  readonly name: string;
  readonly empty: (repository: string) => Promise<unknown>;
}

/** How a repository with one image becomes empty. */
const ways: readonly Way[] = [
  {
    name: "its manifest is deleted, and its blobs go by their alarm",
    empty: async (repository) => {
      const { digest } = await pushOneLayer(repository, "latest");
      await settle();
      expect(await isListed(repository)).toBe(true);
      await remove(`/v2/${repository}/manifests/${digest}`);
      await pass(graceMs);
    },
  },
  {
    name: "its manifest and its blobs are deleted",
    empty: async (repository) => {
      const { digest, config, layer } = await pushOneLayer(repository, "latest");
      await remove(`/v2/${repository}/manifests/${digest}`);
      await remove(`/v2/${repository}/blobs/${config}`);
      await remove(`/v2/${repository}/blobs/${layer}`);
    },
  },
  {
    name: "its manifest is deleted, and a forced collection takes its blobs",
    empty: async (repository) => {
      const { digest } = await pushOneLayer(repository, "latest");
      await remove(`/v2/${repository}/manifests/${digest}`);
      await settle();
      await collect("?force=true");
    },
  },
  {
    name: "only blobs were ever in it",
    empty: async (repository) => {
      await pushBlob(repository, randomBytes(100));
      await settle();
      expect(await isListed(repository)).toBe(false);
      await pass(graceMs);
    },
  },
  {
    name: "only a manifest without blobs was in it",
    empty: async (repository) => {
      const digest = await pushManifest(repository, "latest", indexOf());
      await settle();
      expect(await isListed(repository)).toBe(true);
      await remove(`/v2/${repository}/manifests/${digest}`);
    },
  },
];

describe("a repository is empty once", () => {
  test.for(ways)("$name: nothing of it is stored", async ({ empty }) => {
    const repository = newRepository();
    await empty(repository);
    await settle();
    expect(await remains(repository)).toEqual(nothing);
    expect(await isListed(repository)).toBe(false);
    expect(await refusal(await send("GET", `/v2/${repository}/tags/list`))).toEqual([
      404,
      "NAME_UNKNOWN",
    ]);
    const keys = await env.MANIFESTS.list({ prefix: `${repository}@` });
    const tags = await env.TAGS.list({ prefix: `${repository}:` });
    expect([...keys.keys, ...tags.keys]).toEqual([]);
    await pass(4 * minuteMs);
    expect((await storedObjects(repository)).length).toBe(0);
    // Asking for it does not bring it back.
    expect(await remains(repository)).toEqual(nothing);
  });

  test.for(ways)(
    "$name: its name can be used again at once, and is listed again",
    async ({ empty }) => {
      const repository = newRepository();
      await empty(repository);
      const before = await pushOneLayer(repository, "again");
      expect(await statusOf("GET", `/v2/${repository}/manifests/again`)).toBe(200);
      await settle();
      expect(await isListed(repository)).toBe(true);
      await settle();
      expect(await statusOf("GET", `/v2/${repository}/blobs/${before.layer}`)).toBe(200);
      const { tags } = await (
        await send("GET", `/v2/${repository}/tags/list`)
      ).json<{ tags: string[] }>();
      expect(tags).toEqual(["again"]);
    },
  );

  test.for(ways)("$name: and used again after its end", async ({ empty }) => {
    const repository = newRepository();
    await empty(repository);
    await settle();
    expect(await remains(repository)).toEqual(nothing);
    await pushOneLayer(repository, "again");
    await settle();
    expect(await isListed(repository)).toBe(true);
    expect(await statusOf("GET", `/v2/${repository}/manifests/again`)).toBe(200);
  });
});

test("a name that is used and left ten times is listed as it is, each time", async () => {
  const repository = newRepository();
  for (let round = 0; round < 10; round += 1) {
    /* oxlint-disable no-await-in-loop */
    const digest = await pushManifest(repository, "latest", indexOf());
    await settle();
    expect([round, await isListed(repository)]).toEqual([round, true]);
    await remove(`/v2/${repository}/manifests/${digest}`);
    await settle();
    expect([round, await isListed(repository)]).toEqual([round, false]);
    expect(await remains(repository)).toEqual(nothing);
    /* oxlint-enable no-await-in-loop */
  }
});

test("what an ended repository told late does not hide its successor", async () => {
  const repository = newRepository() as RepositoryName;
  const digest = await pushManifest(repository, "latest", indexOf());
  await settle();
  await remove(`/v2/${repository}/manifests/${digest}`);
  const lateMs = Date.now();
  await settle();
  await pushManifest(repository, "latest", indexOf());
  await settle();
  await catalogObject().set(repository, totalsWith(), lateMs);
  expect(await isListed(repository)).toBe(true);
});

test("one that has tags or links yet does not end", async () => {
  const repository = newRepository();
  const digest = await pushManifest(repository, "latest", indexOf());
  await pushBlob(repository, randomBytes(100));
  await settle();
  await remove(`/v2/${repository}/manifests/${digest}`);
  await settle();
  expect((await remains(repository)).tables).toBeGreaterThan(0);
  expect(await isListed(repository)).toBe(false);
  const { tags } = await (
    await send("GET", `/v2/${repository}/tags/list`)
  ).json<{ tags: string[] }>();
  expect(tags).toEqual([]);
});

test("one whose end KV does not take waits, and ends then", async () => {
  const repository = newRepository() as RepositoryName;
  const digest = await pushManifest(repository, "latest", indexOf());
  await settle();
  await remove(`/v2/${repository}/manifests/${digest}`);
  const warnings = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  const failing = vi.spyOn(env.MANIFESTS, "delete").mockRejectedValueOnce(new Error("KV fails"));
  await settle();
  expect(failing).toHaveBeenCalledTimes(1);
  expect((await remains(repository)).tables).toBeGreaterThan(0);
  expect(await isListed(repository)).toBe(false);
  await pass(10 * secondMs);
  expect(await remains(repository)).toEqual(nothing);
  expect(await env.MANIFESTS.get(`${repository}@${digest}`)).toBeNull();
  warnings.mockRestore();
});

test("the catalog forgets an ended repository after a day", async () => {
  const repository = newRepository();
  const digest = await pushManifest(repository, "latest", indexOf());
  await settle();
  await remove(`/v2/${repository}/manifests/${digest}`);
  await settle();
  await pass(dayMs + hourMs);
  await pushManifest(newRepository(), "latest", indexOf());
  await settle();
  const rows = await runInDurableObject(catalogObject(), (_, { storage }) =>
    storage.sql.exec("SELECT name FROM repositories WHERE name = ?", repository).toArray(),
  );
  expect(rows).toEqual([]);
});
