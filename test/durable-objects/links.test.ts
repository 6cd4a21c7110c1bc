import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import { imageManifest, pushBlob, putManifest, randomBytes, send } from "../client.ts";
import { advance, dayMs, hourMs, minuteMs } from "./clock.ts";
import { claimed, holders, link, row, tell } from "./linked-blob.ts";
import {
  blobIndex,
  digestFor,
  newKey,
  newRepository,
  newToken,
  repositoryObject,
} from "./names.ts";
import { restart, restarts } from "./restart.ts";
import { storedObjects } from "./stored-objects.ts";
import { close, expectReadable, start, streamed } from "./upload.ts";

afterEach(() => {
  vi.useRealTimers();
});

const done = { ok: true, value: undefined };

describe("linkBlob", () => {
  test("repeated with its token changes nothing", async () => {
    const repository = newRepository();
    const blob = await claimed(repository);
    expect(await link(repository, blob)).toEqual(done);
    expect(await link(repository, blob)).toEqual(done);
    await tell(repository);
    expect(await holders(blob.digest)).toEqual([blob.token]);
  });

  test("with a second token to the same object drops that one, and keeps the first", async () => {
    const repository = newRepository();
    const bytes = randomBytes(100);
    const [first, second] = [await claimed(repository, bytes), await claimed(repository, bytes)];
    expect(second.key).toBe(first.key);
    expect(await link(repository, first)).toEqual(done);
    expect(await link(repository, second)).toEqual(done);
    expect((await holders(first.digest)).toSorted()).toEqual(
      [first.token, second.token].toSorted(),
    );
    await tell(repository);
    expect(await holders(first.digest)).toEqual([first.token]);
    expect((await row(repository, first.digest))?.token).toBe(first.token);
    await expectReadable(repository, first.digest, bytes);
  });

  test("to another object takes that one, and drops the former token alone", async () => {
    const repository = newRepository();
    const bytes = randomBytes(100);
    const first = await claimed(repository, bytes);
    await link(repository, first);
    await env.BLOBS.delete(first.key);
    const second = await claimed(repository, bytes);
    expect(second.key).not.toBe(first.key);
    expect(await link(repository, second)).toEqual(done);
    await tell(repository);
    expect(await holders(first.digest)).toEqual([second.token]);
    advance(hourMs);
    await runDurableObjectAlarm(blobIndex(first.digest));
    await expectReadable(repository, first.digest, bytes);
  });

  test("again after a deletion is not undone by the late drop of the former token", async () => {
    const repository = newRepository();
    const bytes = randomBytes(100);
    const first = await claimed(repository, bytes);
    await link(repository, first);
    expect((await send("DELETE", `/v2/${repository}/blobs/${first.digest}`)).status).toBe(202);
    const second = await claimed(repository, bytes);
    await link(repository, second);
    await tell(repository);
    expect(await holders(first.digest)).toEqual([second.token]);
    advance(hourMs);
    await runDurableObjectAlarm(blobIndex(first.digest));
    await expectReadable(repository, first.digest, bytes);
  });

  test.for([
    { name: "49 minutes", ageMs: 49 * minuteMs, ok: true },
    { name: "51 minutes", ageMs: 51 * minuteMs, ok: false },
  ])("of a token that is $name old", async ({ ageMs, ok }) => {
    const repository = newRepository();
    const blob = await claimed(repository);
    advance(ageMs);
    expect((await link(repository, blob)).ok).toBe(ok);
    const head = await send("HEAD", `/v2/${repository}/blobs/${blob.digest}`);
    expect(head.status).toBe(ok ? 200 : 404);
  });

  test("bytes that nobody claimed for eight days are not readable any more", async () => {
    const repository = newRepository();
    const bytes = randomBytes(100);
    const [digest, token, key] = [digestFor(bytes), newToken(), newKey(8 * dayMs)];
    await env.BLOBS.put(key, bytes);
    const answer = await blobIndex(digest).claim({ digest, token, repository }, { key, size: 100 });
    if (answer.ok) await link(repository, { ...answer.value, digest, token });
    const head = await send("HEAD", `/v2/${repository}/blobs/${digest}`);
    expect(head.status).toBe(404);
  });
});

/** Another repository pushed it, and a manifest there keeps it. */
async function heldForAMonth() {
  const source = newRepository();
  const bytes = randomBytes(100);
  const digest = await pushBlob(source, bytes);
  const manifest = imageManifest({ digest, size: 100 }, []);
  expect((await putManifest(source, "1.0", manifest)).status).toBe(201);
  advance(30 * dayMs);
  return { source, bytes, digest };
}

describe("a blob that the registry has held for a month", () => {
  test("is pushed whole to another repository", async () => {
    const { bytes, digest } = await heldForAMonth();
    const repository = newRepository();
    const location = await start(repository);
    const put = await send("PUT", `${location}?digest=${digest}`, { body: bytes });
    expect(put.status).toBe(201);
    await expectReadable(repository, digest, bytes);
  });

  test("is pushed by PATCH to another repository", async () => {
    const { bytes, digest } = await heldForAMonth();
    const repository = newRepository();
    const location = await start(repository);
    await streamed(location, bytes);
    expect((await close(location, digest)).status).toBe(201);
    await expectReadable(repository, digest, bytes);
  });

  test("is mounted to another repository", async () => {
    const { source, bytes, digest } = await heldForAMonth();
    const repository = newRepository();
    const mount = `/v2/${repository}/blobs/uploads/?mount=${digest}&from=${source}`;
    expect((await send("POST", mount)).status).toBe(201);
    await expectReadable(repository, digest, bytes);
  });

  test("is pushed again to its own repository", async () => {
    const { source, bytes, digest } = await heldForAMonth();
    expect(await pushBlob(source, bytes)).toBe(digest);
    await expectReadable(source, digest, bytes);
  });
});

test.for(restarts)("links stay when the repository is %s, and its drops are told", async (how) => {
  const repository = newRepository();
  const bytes = randomBytes(100);
  const [kept, dropped] = [await claimed(repository, bytes), await claimed(repository)];
  await link(repository, kept);
  await link(repository, dropped);
  await restart(() => repositoryObject(repository), how);
  await expectReadable(repository, kept.digest, bytes);
  expect((await send("DELETE", `/v2/${repository}/blobs/${dropped.digest}`)).status).toBe(202);
  await restart(() => repositoryObject(repository), how);
  await tell(repository);
  expect(await holders(dropped.digest)).toEqual([]);
  expect(await holders(kept.digest)).toEqual([kept.token]);
});

test("a push whose digest is wrong holds nothing of a blob that was held already", async () => {
  const repository = newRepository();
  const bytes = randomBytes(100);
  const digest = digestFor(bytes);
  await pushBlob(repository, bytes);
  const before = await holders(digest);
  const other = newRepository();
  const put = await send("PUT", `${await start(other)}?digest=${digest}`, {
    body: randomBytes(100),
  });
  expect(put.status).toBe(400);
  expect(await holders(digest)).toEqual(before);
  expect(await storedObjects(other)).toEqual([]);
});
