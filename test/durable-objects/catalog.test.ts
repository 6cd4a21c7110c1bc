import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import type { RepositoryName } from "../../schemas/reference.ts";
import { newRepository } from "./names.ts";
import { restart, restarts } from "./restart.ts";
import { totalsWith } from "./repository-totals.ts";

function newCatalog() {
  const name = crypto.randomUUID();
  return () => env.CATALOG.getByName(name);
}

const page = { limit: 100, last: "" };

describe("what a repository tells of itself", () => {
  const [present, absent] = [true, false];
  test.for<{ name: string; told: [boolean, number][]; listed: boolean }>([
    { name: "once", told: [[present, 1]], listed: true },
    {
      name: "that it is gone",
      told: [
        [present, 1],
        [absent, 2],
      ],
      listed: false,
    },
    {
      name: "that it is back",
      told: [
        [present, 1],
        [absent, 2],
        [present, 3],
      ],
      listed: true,
    },
    {
      name: "late",
      told: [
        [absent, 2],
        [present, 1],
      ],
      listed: false,
    },
    {
      name: "late, that it is gone",
      told: [
        [present, 3],
        [absent, 2],
      ],
      listed: true,
    },
    {
      name: "twice",
      told: [
        [present, 1],
        [present, 1],
      ],
      listed: true,
    },
    {
      name: "late and again",
      told: [
        [present, 3],
        [absent, 2],
        [present, 3],
      ],
      listed: true,
    },
  ])("$name", async ({ told, listed }) => {
    const catalog = newCatalog()();
    const name = newRepository();
    const nowMs = Date.now();
    for (const [isPresent, version] of told) {
      const totals = totalsWith({ manifests: isPresent ? 1 : 0 });
      // One after the other: the order in which it is told is the point.
      // oxlint-disable-next-line no-await-in-loop
      await catalog.set(name, totals, nowMs + version);
    }
    expect(await catalog.list(page)).toEqual({ names: listed ? [name] : [], more: false });
  });
});

test("names are listed in byte order, page by page", async () => {
  const catalog = newCatalog()();
  const names = ["a", "a-b", "a.b", "a/b", "a0", "a_b", "b", "b/c/d"] as RepositoryName[];
  await Promise.all(
    names.toReversed().map((name) => catalog.set(name, totalsWith({ manifests: 1 }), 1)),
  );
  const listed: string[] = [];
  for (let more = true; more;) {
    // oxlint-disable-next-line no-await-in-loop
    const answer = await catalog.list({ limit: 3, last: listed.at(-1) ?? "" });
    expect(answer.names.length).toBeLessThanOrEqual(3);
    listed.push(...answer.names);
    ({ more } = answer);
  }
  expect(listed).toEqual(names);
});

test.for(restarts)("the sealing key and the names stay when the object is %s", async (how) => {
  const catalog = newCatalog();
  const name = newRepository();
  const key = await catalog().sealingKey();
  expect(key).toHaveLength(32);
  await catalog().set(name, totalsWith({ manifests: 1 }), 1);
  await restart(catalog, how);
  expect(await catalog().sealingKey()).toEqual(key);
  expect(await catalog().list(page)).toEqual({ names: [name], more: false });
});

test("calls at once get one sealing key, and another deployment another", async () => {
  const catalog = newCatalog();
  const keys = await Promise.all(Array.from({ length: 5 }, () => catalog().sealingKey()));
  expect(new Set(keys.map((key) => key.join())).size).toBe(1);
  expect(await newCatalog()().sealingKey()).not.toEqual(keys[0]);
});

test("asking for names writes nothing", async () => {
  const catalog = newCatalog()();
  expect(await catalog.list(page)).toEqual({ names: [], more: false });
  const tables = await runInDurableObject(catalog, (_, { storage }) =>
    storage.sql
      .exec("SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'")
      .toArray(),
  );
  expect(tables).toEqual([]);
});
