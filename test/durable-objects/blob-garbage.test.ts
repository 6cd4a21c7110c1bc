import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { Digest } from "../../schemas/digest.ts";
import { randomBytes } from "../client.ts";
import { advance, secondMs } from "./clock.ts";
import {
  blobBytes,
  claim,
  collect,
  expectGone,
  garbageMs,
  held,
  isStored,
  take,
  tokens,
  written,
} from "./held-blob.ts";
import { blobIndex, digestFor, newToken } from "./names.ts";
import { restart } from "./restart.ts";

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe("drop", () => {
  test("of the last holder leaves the object as garbage, and then deletes it", async () => {
    const { digest, key, token } = await held();
    await blobIndex(digest).drop([{ digest, token }]);
    await runDurableObjectAlarm(blobIndex(digest));
    expect(await isStored(key)).toBe(true);
    await collect(digest);
    await expectGone(key);
    expect(await take(digest, newToken())).toBeUndefined();
  });

  test("removes only the token that it names", async () => {
    const { digest, key, token } = await held();
    const second = newToken();
    await take(digest, second);
    await blobIndex(digest).drop([{ digest, token }]);
    expect(await tokens(digest)).toEqual([second]);
    for (const harmless of [token, newToken()]) {
      // oxlint-disable-next-line no-await-in-loop
      await blobIndex(digest).drop([{ digest, token: harmless }]);
    }
    await collect(digest);
    expect(await isStored(key)).toBe(true);
    expect(await tokens(digest)).toEqual([second]);
  });

  test("of one digest does not touch another of the same index", async () => {
    const { digest, key, token } = await held();
    const other = `${digest.slice(0, -1)}${digest.endsWith("0") ? "1" : "0"}` as Digest;
    const otherKey = await written(randomBytes(blobBytes));
    await claim(other, token, otherKey);
    await blobIndex(digest).drop([{ digest, token }]);
    await collect(digest);
    await expectGone(key);
    expect(await isStored(otherKey)).toBe(true);
    expect(await tokens(other)).toEqual([token]);
  });

  test.for(["take", "claim"] as const)(
    "is undone by a %s before the garbage is due",
    async (how) => {
      const { bytes, digest, key, token } = await held();
      await blobIndex(digest).drop([{ digest, token }]);
      advance(100 * secondMs);
      const reviver = newToken();
      if (how === "take") expect(await take(digest, reviver)).toEqual({ key, size: blobBytes });
      else {
        const answer = await claim(digest, reviver, await written(bytes));
        expect(answer).toEqual({ ok: true, value: { key, size: blobBytes } });
      }
      await collect(digest);
      expect(await isStored(key)).toBe(true);
      expect(await tokens(digest)).toEqual([reviver]);
    },
  );

  test("that comes again late does not end who revived the blob", async () => {
    const { digest, key, token } = await held();
    await blobIndex(digest).drop([{ digest, token }]);
    const reviver = newToken();
    await take(digest, reviver);
    await blobIndex(digest).drop([{ digest, token }]);
    await collect(digest);
    expect(await isStored(key)).toBe(true);
  });

  test("of nothing, in an index that holds nothing, writes nothing", async () => {
    const index = env.BLOB_INDEX.getByName(crypto.randomUUID());
    await index.drop([{ digest: digestFor(""), token: newToken() }]);
    expect(await index.holders(digestFor(""), 20)).toEqual([]);
  });
});

test("a claim while the old object is being deleted takes the newcomer's", async () => {
  const { bytes, digest, key, token } = await held();
  await blobIndex(digest).drop([{ digest, token }]);
  advance(garbageMs);
  const [newcomer, second] = [await written(bytes), newToken()];
  const remove = env.BLOBS.delete.bind(env.BLOBS);
  vi.spyOn(env.BLOBS, "delete").mockImplementationOnce(async (keys) => {
    await claim(digest, second, newcomer);
    await remove(keys);
  });
  await runDurableObjectAlarm(blobIndex(digest));
  expect(await take(digest, newToken())).toEqual({ key: newcomer, size: blobBytes });
  expect(await isStored(newcomer)).toBe(true);
  await expectGone(key);
});

test("a deletion that fails is tried again", async () => {
  const { digest, key, token } = await held();
  await blobIndex(digest).drop([{ digest, token }]);
  vi.spyOn(env.BLOBS, "delete").mockRejectedValueOnce(new Error("R2 fails"));
  await collect(digest);
  expect(await isStored(key)).toBe(true);
  expect(await take(digest, newToken())).toBeUndefined();
  advance(31 * secondMs);
  expect(await runDurableObjectAlarm(blobIndex(digest))).toBe(true);
  await expectGone(key);
});

test("a deletion that is cut off is taken up by the alarm that is called again", async () => {
  const { digest, key, token } = await held();
  await blobIndex(digest).drop([{ digest, token }]);
  advance(garbageMs);
  const cut = vi.fn(() => new Promise<never>(() => undefined));
  vi.spyOn(env.BLOBS, "delete").mockImplementation(cut);
  const alarm = runDurableObjectAlarm(blobIndex(digest)).catch(() => undefined);
  await vi.waitFor(() => expect(cut).toHaveBeenCalledTimes(1));
  await restart(() => blobIndex(digest), "aborted");
  await alarm;
  vi.restoreAllMocks();
  advance(31 * secondMs);
  // The platform calls again an alarm that did not come to its end.
  await runInDurableObject(blobIndex(digest), (index) => index.alarm());
  await expectGone(key);
});
