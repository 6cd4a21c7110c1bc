/** Holders whose link never came: a push that was cut off between claim and link. */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { ClaimedBlob } from "../../durable-objects/link-store.ts";
import { Repository } from "../../durable-objects/repository.ts";
import type { Digest } from "../../schemas/digest.ts";
import type { RepositoryName } from "../../schemas/reference.ts";
import { digestOf, pushBlob, randomBytes, send } from "../client.ts";
import { advance, hourMs, minuteMs, secondMs } from "./clock.ts";
import { isStored } from "./held-blob.ts";
import { claimed, holders, link, tell } from "./linked-blob.ts";
import { blobIndex, newRepository, newToken, repositoryObject } from "./names.ts";
import { type Restart, restart, restarts } from "./restart.ts";

beforeAll(() => {
  advance(hourMs);
  vi.spyOn(console, "info").mockImplementation(() => undefined);
});
afterAll(() => {
  vi.useRealTimers();
});

const garbageMs = 3 * minuteMs + secondMs;
/** Holders are asked for when they are so old, some of them together. */
const askedMs = hourMs + 10 * minuteMs;

function runIndex(digest: Digest): Promise<boolean> {
  return runDurableObjectAlarm(blobIndex(digest));
}

/** How many tables a repository has, and when its alarm stands. */
function stored(repository: RepositoryName): Promise<{ tables: number; alarm: number | null }> {
  return runInDurableObject(repositoryObject(repository), async (_, { storage }) => ({
    tables: storage.sql
      .exec(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'",
      )
      .toArray().length,
    alarm: await storage.getAlarm(),
  }));
}

describe("a holder whose link did not come", () => {
  test("is asked for after an hour, dropped, and its blob deleted as garbage", async () => {
    const repository = newRepository();
    const { digest, key } = await claimed(repository);
    advance(hourMs - secondMs);
    await runIndex(digest);
    expect(await holders(digest)).toHaveLength(1);
    advance(askedMs - hourMs + secondMs);
    expect(await runIndex(digest)).toBe(true);
    expect(await holders(digest)).toEqual([]);
    expect(await isStored(key)).toBe(true);
    advance(garbageMs);
    await runIndex(digest);
    expect(await isStored(key)).toBe(false);
    expect(await runIndex(digest)).toBe(false);
  });

  test("leaves nothing in a repository that there was not", async () => {
    const repository = newRepository();
    const { digest } = await claimed(repository);
    advance(askedMs);
    await runIndex(digest);
    await tell(repository);
    expect(await stored(repository)).toEqual({ tables: 0, alarm: null });
  });

  test.for(restarts)("is dropped though the index was %s before it could ask", async (how) => {
    const { digest, key } = await claimed(newRepository());
    await restart(() => blobIndex(digest), how);
    advance(askedMs);
    await runIndex(digest);
    expect(await holders(digest)).toEqual([]);
    advance(garbageMs);
    await runIndex(digest);
    expect(await isStored(key)).toBe(false);
  });

  test("is dropped alone: who linked the same blob keeps it", async () => {
    const [ours, theirs] = [newRepository(), newRepository()];
    const bytes = randomBytes(100);
    await pushBlob(ours, bytes);
    const lost = await claimed(theirs, bytes);
    expect(await holders(lost.digest)).toHaveLength(2);
    advance(askedMs);
    await runIndex(lost.digest);
    const left = await holders(lost.digest);
    expect(left).toHaveLength(1);
    expect(left).not.toContain(lost.token);
    advance(garbageMs);
    await runIndex(lost.digest);
    const got = await send("GET", `/v2/${ours}/blobs/${lost.digest}`);
    expect(digestOf(await got.bytes())).toBe(lost.digest);
  });

  test("is dropped in a repository that has the blob by another token", async () => {
    const repository = newRepository();
    const bytes = randomBytes(100);
    const lost = await claimed(repository, bytes);
    await pushBlob(repository, bytes);
    advance(askedMs);
    await runIndex(lost.digest);
    expect(await holders(lost.digest)).not.toContain(lost.token);
    const got = await send("GET", `/v2/${repository}/blobs/${lost.digest}`);
    expect(digestOf(await got.bytes())).toBe(lost.digest);
  });

  test("600 of them in one index are all asked for", async () => {
    const repository = newRepository();
    const { digest } = await claimed(repository);
    await runInDurableObject(blobIndex(digest), (_, { storage }) => {
      for (let at = 0; at < 600; at += 1) {
        storage.sql.exec(
          "INSERT INTO holders VALUES (?, ?, ?, ?)",
          digest,
          newToken(),
          repository,
          Date.now() + hourMs,
        );
      }
    });
    advance(askedMs);
    await runIndex(digest);
    expect(await holders(digest)).toEqual([]);
  });

  test("is asked for again where its repository did not answer; others are dropped", async () => {
    const [broken, fine] = [newRepository(), newRepository()];
    const bytes = randomBytes(100);
    const [first, second] = [await claimed(broken, bytes), await claimed(fine, bytes)];
    // oxlint-disable-next-line typescript/unbound-method
    const { holds } = Repository.prototype;
    const failing = vi.spyOn(Repository.prototype, "holds").mockImplementation(function (
      this: Repository,
      name,
      tokens,
    ) {
      if (name === broken) throw new Error("no answer");
      return holds.call(this, name, tokens);
    });
    const errors = vi.spyOn(console, "error").mockImplementation(() => undefined);
    advance(askedMs);
    await runIndex(first.digest);
    expect(await holders(first.digest)).toEqual([first.token]);
    failing.mockRestore();
    errors.mockRestore();
    advance(minuteMs);
    expect(await runIndex(second.digest)).toBe(true);
    expect(await holders(first.digest)).toEqual([]);
  });
});

async function pushed(repository: RepositoryName): Promise<ClaimedBlob> {
  const blob = await claimed(repository);
  expect((await link(repository, blob)).ok).toBe(true);
  return blob;
}

describe("a link", () => {
  test("that came is confirmed, and not asked for again", async () => {
    const repository = newRepository();
    const { digest, token } = await pushed(repository);
    advance(askedMs);
    expect(await runIndex(digest)).toBe(true);
    expect(await holders(digest)).toEqual([token]);
    expect(await runIndex(digest)).toBe(false);
    expect((await send("HEAD", `/v2/${repository}/blobs/${digest}`)).status).toBe(200);
  });

  test("by a token that is 50 minutes old, that came at once or not at all", async () => {
    const repository = newRepository();
    const blob = await claimed(repository);
    advance(50 * minuteMs + 1);
    expect(await link(repository, blob)).toMatchObject({ ok: false, code: "OVERLOADED" });
    advance(20 * minuteMs);
    await runIndex(blob.digest);
    expect(await holders(blob.digest)).toEqual([]);
  });

  test("that is late is refused once force has had its token dropped", async () => {
    const repository = newRepository();
    const blob = await claimed(repository);
    await blobIndex(blob.digest).collect({ force: true });
    expect(await holders(blob.digest)).toEqual([]);
    expect(await isStored(blob.key)).toBe(false);
    expect(await link(repository, blob)).toMatchObject({ ok: false, code: "OVERLOADED" });
    expect((await send("HEAD", `/v2/${repository}/blobs/${blob.digest}`)).status).toBe(404);
  });

  test.for<Restart>(restarts)(
    "that is late is refused also if its repository was %s",
    async (how) => {
      const repository = newRepository();
      const blob = await claimed(repository);
      await blobIndex(blob.digest).collect({ force: true });
      await tell(repository);
      await restart(() => repositoryObject(repository), how);
      expect((await link(repository, blob)).ok).toBe(false);
    },
  );

  test("that came before force asked stays", async () => {
    const repository = newRepository();
    const { digest, key, token } = await pushed(repository);
    expect(await blobIndex(digest).collect({ force: true })).toMatchObject({ layers: 0 });
    expect(await holders(digest)).toEqual([token]);
    expect(await isStored(key)).toBe(true);
  });

  test("by a new token is taken after one was refused", async () => {
    const repository = newRepository();
    const bytes = randomBytes(100);
    const lost = await claimed(repository, bytes);
    await blobIndex(lost.digest).collect({ force: true });
    expect((await link(repository, lost)).ok).toBe(false);
    const digest = await pushBlob(repository, bytes);
    const got = await send("GET", `/v2/${repository}/blobs/${digest}`);
    expect(digestOf(await got.bytes())).toBe(digest);
  });
});

test("a repository that promised to refuse a link keeps the promise, and then ends", async () => {
  const repository = newRepository();
  const blob = await claimed(repository);
  await blobIndex(blob.digest).collect({ force: true });
  await tell(repository);
  expect((await stored(repository)).tables).toBeGreaterThan(0);
  // No link by the token is taken any more, whoever remembers it.
  advance(2 * hourMs);
  await runDurableObjectAlarm(repositoryObject(repository));
  expect(await stored(repository)).toEqual({ tables: 0, alarm: null });
  expect((await link(repository, blob)).ok).toBe(false);
});
