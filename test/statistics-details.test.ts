/** What the statistics tell of each repository, and of upload sessions. */
import { runDurableObjectAlarm } from "cloudflare:test";
import { beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import {
  digestOf,
  indexOf,
  newRepository,
  ociManifest,
  pushBlob,
  pushManifest,
  randomBytes,
  refusal,
  send,
} from "./client.ts";
import { pushOneLayer, remove, statusOf } from "./collection/blobs.ts";
import { settle, takeTime } from "./collection/time.ts";
import { advance, hourMs, secondMs } from "./durable-objects/clock.ts";
import { close, start, streamed, uploadSession } from "./durable-objects/upload.ts";
import { type Details, type Stats, stats } from "./statistics.ts";

beforeAll(takeTime);
beforeEach(() => {
  vi.spyOn(console, "info").mockImplementation(() => undefined);
});

async function detailsOf(name: string): Promise<Details | undefined> {
  const { repositoryDetails } = await stats(`?n=1&last=${name.slice(0, -1)}`);
  return repositoryDetails.find((details) => details.name === name);
}

describe("the details of a repository", () => {
  test("are its tags, images, bytes, and when a manifest was pushed last", async () => {
    const repository = newRepository();
    const first = await pushOneLayer(repository, "a");
    await pushManifest(repository, "index", indexOf());
    await pushBlob(repository, randomBytes(50));
    const pushedAt = new Date(Date.now()).toISOString();
    const expected = {
      name: repository,
      tags: 2,
      imageCount: 1,
      totalSize: 1150,
      lastPush: pushedAt,
    };
    expect(await detailsOf(repository)).toEqual(expected);
    advance(hourMs);
    await statusOf("GET", `/v2/${repository}/manifests/a`);
    await remove(`/v2/${repository}/manifests/index`);
    expect(await detailsOf(repository)).toEqual({ ...expected, tags: 1 });
    await pushManifest(repository, "again", first.manifest, ociManifest);
    const againAt = new Date(Date.now()).toISOString();
    expect(await detailsOf(repository)).toEqual({ ...expected, lastPush: againAt });
  });

  test("are not there for one that has only blobs, or nothing any more", async () => {
    const repository = newRepository();
    await pushBlob(repository, randomBytes(50));
    expect(await detailsOf(repository)).toBeUndefined();
    const { digest } = await pushOneLayer(repository, "a");
    expect(await detailsOf(repository)).toBeDefined();
    await remove(`/v2/${repository}/manifests/${digest}`);
    expect(await detailsOf(repository)).toBeUndefined();
  });

  test("come in pages, by name, with a Link to the next", async () => {
    const prefix = `paged/p${crypto.randomUUID()}`;
    const names = ["a", "b", "c", "d", "e"].map((name) => `${prefix}/${name}`);
    for (const name of names.toReversed()) {
      // oxlint-disable-next-line no-await-in-loop
      await pushManifest(name, "latest", indexOf());
    }
    await settle();
    const pages: string[][] = [];
    let path = `/_stats?n=2&last=${prefix}`;
    while (pages.flat().length < 5) {
      /* oxlint-disable no-await-in-loop */
      const response = await send("GET", path);
      const { repositoryDetails, repositories } = await response.json<Stats>();
      /* oxlint-enable no-await-in-loop */
      pages.push(repositoryDetails.map(({ name }) => name).filter((name) => names.includes(name)));
      expect(repositories).toBeGreaterThanOrEqual(5);
      const [, next] = /^<(.*)>; rel="next"$/.exec(response.headers.get("Link") ?? "") ?? [];
      if (next === undefined) break;
      expect(next.startsWith("/_stats?")).toBe(true);
      path = next;
    }
    expect(pages).toEqual([names.slice(0, 2), names.slice(2, 4), names.slice(4)]);
  });

  test("are all there without a Link where they fit in a page", async () => {
    const response = await send("GET", "/_stats?n=1000");
    const { repositories, repositoryDetails } = await response.json<Stats>();
    expect(response.headers.get("Link")).toBeNull();
    expect(repositoryDetails).toHaveLength(repositories);
    expect(repositoryDetails.map(({ name }) => name)).toEqual(
      repositoryDetails.map(({ name }) => name).toSorted(),
    );
  });

  test.for(["n=x", "n=-1", "n=1.5"])("%s is 400", async (query) => {
    const [status] = await refusal(await send("GET", `/_stats?${query}`));
    expect(status).toBe(400);
  });
});

async function open(repository: string): Promise<string> {
  const location = await start(repository);
  await streamed(location, randomBytes(1000));
  return location;
}

async function isListed(repository: string): Promise<boolean> {
  const { uploads } = await stats();
  return uploads.sessions.some((session) => session.repository === repository);
}

/** Has an upload's alarm run behind so many seconds. */
async function wait(location: string, ms: number): Promise<void> {
  advance(ms);
  await runDurableObjectAlarm(uploadSession(location));
}

describe("an upload session", () => {
  test("is named once it is open for five seconds, with its beginning", async () => {
    const repository = newRepository();
    const startedAt = new Date(Date.now()).toISOString();
    const location = await open(repository);
    const before = await stats();
    expect(await isListed(repository)).toBe(false);
    await wait(location, 6 * secondMs);
    const { uploads } = await stats();
    expect(uploads.active).toBe(before.uploads.active + 1);
    expect(uploads.sessions).toContainEqual({ repository, startedAt });
    await send("DELETE", location);
    await wait(location, secondMs);
  });

  test("that nothing was sent to is not named", async () => {
    const repository = newRepository();
    const location = await start(repository);
    await wait(location, 6 * secondMs);
    expect(await isListed(repository)).toBe(false);
  });

  test("that ends within five seconds is never named", async () => {
    const repository = newRepository();
    const location = await start(repository);
    const bytes = randomBytes(100);
    await streamed(location, bytes);
    expect((await close(location, digestOf(bytes))).status).toBe(201);
    await wait(location, 6 * secondMs);
    expect(await isListed(repository)).toBe(false);
  });

  test.for<{ name: string; end: (location: string, bytes: Uint8Array) => Promise<unknown> }>([
    {
      name: "closed",
      end: async (location, bytes) => {
        expect((await close(location, digestOf(bytes))).status).toBe(201);
        await wait(location, secondMs);
      },
    },
    {
      name: "cancelled",
      end: async (location) => {
        expect(await statusOf("DELETE", location)).toBe(204);
        await wait(location, secondMs);
      },
    },
    { name: "expired", end: (location) => wait(location, 2 * hourMs) },
  ])("is not named any more once it is $name", async ({ end }) => {
    const repository = newRepository();
    const location = await start(repository);
    const bytes = randomBytes(1000);
    await streamed(location, bytes);
    await wait(location, 6 * secondMs);
    expect(await isListed(repository)).toBe(true);
    const { active } = (await stats()).uploads;
    await end(location, bytes);
    expect(await isListed(repository)).toBe(false);
    expect((await stats()).uploads.active).toBe(active - 1);
  });
});
