import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { BlobKey } from "../../schemas/storage-keys.ts";
import { randomBytes } from "../client.ts";
import {
  blobBytes,
  claim,
  collect,
  expectGone,
  held,
  isStored,
  take,
  tokens,
  written,
} from "./held-blob.ts";
import { blobIndex, digestFor, newRepository, newToken } from "./names.ts";
import { restart, restarts } from "./restart.ts";

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe("take", () => {
  test("of a digest that nobody holds answers nothing and writes nothing", async () => {
    const digest = digestFor(randomBytes(blobBytes));
    const index = env.BLOB_INDEX.getByName(crypto.randomUUID());
    expect(
      await index.take({ digest, token: newToken(), repository: newRepository() }),
    ).toBeUndefined();
    const tables = await runInDurableObject(index, (_, { storage }) =>
      storage.sql
        .exec("SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'")
        .toArray(),
    );
    expect(tables).toEqual([]);
  });

  test("of a held digest answers where it is, and repeated holds it once", async () => {
    const { digest, key, token } = await held();
    const taker = newToken();
    expect(await take(digest, taker)).toEqual({ key, size: blobBytes });
    expect(await take(digest, taker)).toEqual({ key, size: blobBytes });
    expect(await tokens(digest)).toEqual([token, taker].toSorted());
  });
});

describe("claim", () => {
  test("of a new digest takes the newcomer's object, and repeated changes nothing", async () => {
    const { bytes, digest, key, token } = await held();
    expect(await claim(digest, token, key)).toEqual({ ok: true, value: { key, size: blobBytes } });
    expect(await tokens(digest)).toEqual([token]);
    await collect(digest);
    expect(await (await env.BLOBS.get(key))?.bytes()).toEqual(bytes);
  });

  test("of a held digest answers the object that holds it, and deletes the newcomer's", async () => {
    const { bytes, digest, key, token } = await held();
    const [newcomer, second] = [await written(bytes), newToken()];
    expect(await claim(digest, second, newcomer)).toEqual({
      ok: true,
      value: { key, size: blobBytes },
    });
    expect(await tokens(digest)).toEqual([token, second].toSorted());
    await runDurableObjectAlarm(blobIndex(digest));
    await expectGone(newcomer);
    expect(await isStored(key)).toBe(true);
    // Its answer was lost: the same again.
    expect(await claim(digest, second, newcomer)).toEqual({
      ok: true,
      value: { key, size: blobBytes },
    });
    expect(await tokens(digest)).toEqual([token, second].toSorted());
  });

  test.for([
    { name: "is gone", spoil: (key: BlobKey) => env.BLOBS.delete(key) },
    { name: "has another size", spoil: (key: BlobKey) => env.BLOBS.put(key, "short") },
  ])("of a digest whose object $name takes the newcomer's", async ({ spoil }) => {
    const { bytes, digest, key, token } = await held();
    await spoil(key);
    const [newcomer, second] = [await written(bytes), newToken()];
    const answer = { ok: true, value: { key: newcomer, size: blobBytes } };
    expect(await claim(digest, second, newcomer)).toEqual(answer);
    expect(await tokens(digest)).toEqual([token, second].toSorted());
    expect(await take(digest, newToken())).toEqual({ key: newcomer, size: blobBytes });
    await collect(digest);
    expect(await isStored(newcomer)).toBe(true);
    await expectGone(key);
  });

  test("while R2 does not answer is refused as overload, and holds nothing", async () => {
    const { bytes, digest, token } = await held();
    const newcomer = await written(bytes);
    vi.spyOn(env.BLOBS, "head").mockRejectedValueOnce(new Error("R2 fails"));
    expect(await claim(digest, newToken(), newcomer)).toMatchObject({
      ok: false,
      code: "OVERLOADED",
    });
    expect(await tokens(digest)).toEqual([token]);
    expect(await isStored(newcomer)).toBe(true);
  });

  test("by many at once ends with one object that all are given", async () => {
    const bytes = randomBytes(blobBytes);
    const digest = digestFor(bytes);
    const keys = await Promise.all(Array.from({ length: 8 }, () => written(bytes)));
    const answers = await Promise.all(keys.map((key) => claim(digest, newToken(), key)));
    const given = new Set(answers.map((answer) => (answer.ok ? answer.value.key : "refused")));
    expect(given.size).toBe(1);
    await collect(digest);
    await vi.waitFor(
      async () => {
        const stored = await Promise.all(keys.map(isStored));
        expect(keys.filter((_, at) => stored[at])).toEqual([...given]);
      },
      { timeout: 5000 },
    );
  });
});

test.for(restarts)("holders and garbage stay when the object is %s", async (how) => {
  const [kept, dropped] = [await held(), await held()];
  const index = () => blobIndex(kept.digest);
  await blobIndex(dropped.digest).drop([dropped]);
  await restart(index, how);
  await restart(() => blobIndex(dropped.digest), how);
  expect(await tokens(kept.digest)).toEqual([kept.token]);
  expect(await index().holders(kept.digest, 20)).toEqual([kept.repository]);
  await collect(dropped.digest);
  await expectGone(dropped.key);
  await collect(kept.digest);
  expect(await isStored(kept.key)).toBe(true);
});

test("holders names each repository once, and no more than asked for", async () => {
  const { digest, key, repository } = await held();
  await claim(digest, newToken(), key, repository);
  await Promise.all(Array.from({ length: 4 }, () => take(digest, newToken())));
  const holders = await blobIndex(digest).holders(digest, 20);
  expect(holders).toHaveLength(5);
  expect(new Set(holders).size).toBe(5);
  expect(await blobIndex(digest).holders(digest, 3)).toHaveLength(3);
});
