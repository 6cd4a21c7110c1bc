/** R2 objects that a push left before it could claim them, and how they are found. */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { sweepObjects } from "../../durable-objects/object-sweep.ts";
import { type BlobKey, catalogName, maintenanceName } from "../../schemas/storage-keys.ts";
import { digestOf, pushBlob, randomBytes, send } from "../client.ts";
import { advance, dayMs, hourMs, minuteMs, secondMs } from "./clock.ts";
import { claim, isStored } from "./held-blob.ts";
import { totalsWith } from "./repository-totals.ts";
import { blobIndex, digestFor, newKey, newRepository, newToken } from "./names.ts";
import { restart } from "./restart.ts";
import { close, start, streamed } from "./upload.ts";

const maintenance = () => env.MAINTENANCE.getByName(maintenanceName);
const byForce = { after: "", sweptUntil: "", force: true, dryRun: false };
const catalog = () => env.CATALOG.getByName(catalogName);

beforeAll(() => advance(hourMs));
beforeEach(() => {
  vi.spyOn(console, "info").mockImplementation(() => undefined);
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** An object that a push wrote and did not claim, with what a whole push says in its metadata. */
async function unclaimed(saysDigest = true, bytes = randomBytes(100)) {
  const [key, digest] = [newKey(), digestFor(bytes)];
  const repository = newRepository();
  await env.BLOBS.put(key, bytes, {
    customMetadata: { repository, ...(saysDigest ? { digest } : { algorithm: "sha256" }) },
  });
  return { key, digest, bytes, repository };
}

/** Looks for what nobody claimed, and has it deleted. */
async function sweep(): Promise<void> {
  await maintenance().sweep();
  await runDurableObjectAlarm(maintenance());
  advance(secondMs);
  for (const name of await indexNames()) {
    // oxlint-disable-next-line no-await-in-loop
    await runDurableObjectAlarm(env.BLOB_INDEX.getByName(name));
  }
}

/** The indexes that may have something to delete: those of the objects that are left. */
async function indexNames(): Promise<string[]> {
  const page = await env.BLOBS.list({ include: ["customMetadata"] });
  const prefixes = page.objects.flatMap(({ customMetadata }) => {
    const digest = customMetadata?.["digest"];
    return digest === undefined ? [] : [digest.slice(0, "sha256:00".length)];
  });
  return [...new Set(["sha256:00", ...prefixes])];
}

describe("an object that nobody claimed", () => {
  test.for([
    { name: "by a whole push", saysDigest: true },
    { name: "by an upload session", saysDigest: false },
  ])("$name is deleted when it is nine days old", async ({ saysDigest }) => {
    const { key } = await unclaimed(saysDigest);
    advance(9 * dayMs);
    await sweep();
    expect(await isStored(key)).toBe(false);
  });

  test.for([
    { name: "by a whole push", saysDigest: true },
    { name: "by an upload session", saysDigest: false },
  ])("$name stays as long as it may be claimed", async ({ saysDigest }) => {
    const { key, digest, repository } = await unclaimed(saysDigest);
    advance(6 * dayMs);
    await sweep();
    expect(await isStored(key)).toBe(true);
    const answer = await claim(digest, newToken(), key, repository);
    expect(answer.ok).toBe(true);
  });

  test("is refused to who claims it when it was let go of, and pushed again it is there", async () => {
    const { key, digest, bytes, repository } = await unclaimed();
    advance(9 * dayMs);
    await sweep();
    expect(await claim(digest, newToken(), key, repository)).toMatchObject({
      ok: false,
      code: "BLOB_UPLOAD_INVALID",
    });
    await pushBlob(repository, bytes);
    const got = await send("GET", `/v2/${repository}/blobs/${digest}`);
    expect(digestOf(await got.bytes())).toBe(digest);
  });

  test("of a digest that others hold by another object goes alone", async () => {
    const { key, bytes, digest } = await unclaimed();
    const repository = newRepository();
    await pushBlob(repository, bytes);
    advance(9 * dayMs);
    await sweep();
    expect(await isStored(key)).toBe(false);
    const head = await send("HEAD", `/v2/${repository}/blobs/${digest}`);
    expect(head.status).toBe(200);
    const got = await send("GET", `/v2/${repository}/blobs/${digest}`);
    expect(digestOf(await got.bytes())).toBe(digest);
  });
});

describe("a claimed object stays, however old,", () => {
  test("of a whole push", async () => {
    const [repository, bytes] = [newRepository(), randomBytes(100)];
    const digest = await pushBlob(repository, bytes);
    advance(30 * dayMs);
    await sweep();
    const got = await send("GET", `/v2/${repository}/blobs/${digest}`);
    expect(digestOf(await got.bytes())).toBe(digest);
  });

  test.for(["sha256", "sha512"])(
    "of an upload by PATCH, which does not say its digest (%s)",
    async (algorithm) => {
      const [repository, bytes] = [newRepository(), randomBytes(1000)];
      const location = await start(repository, algorithm);
      await streamed(location, bytes);
      const digest = digestOf(bytes, algorithm);
      expect((await close(location, digest)).status).toBe(201);
      advance(30 * dayMs);
      await sweep();
      const got = await send("GET", `/v2/${repository}/blobs/${digest}`);
      expect(digestOf(await got.bytes(), algorithm)).toBe(digest);
    },
  );

  test("that is garbage is deleted once", async () => {
    const [repository, bytes] = [newRepository(), randomBytes(100)];
    const digest = digestFor(bytes);
    await pushBlob(repository, bytes);
    advance(9 * dayMs);
    await blobIndex(digest).collect({ force: false });
    const before = await blobIndex(digest).totals();
    await sweep();
    expect(await blobIndex(digest).totals()).toEqual(before);
  });
});

describe("the sweep", () => {
  test("looks again a day later as long as there are young objects", async () => {
    const { key } = await unclaimed();
    const beganMs = Date.now();
    await maintenance().sweep();
    await runDurableObjectAlarm(maintenance());
    const alarmMs = await runInDurableObject(maintenance(), (_, { storage }) => storage.getAlarm());
    expect(alarmMs).toBe(beganMs + dayMs);
    for (let day = 0; day < 9; day += 1) {
      advance(dayMs);
      // oxlint-disable-next-line no-await-in-loop
      await runDurableObjectAlarm(maintenance());
    }
    await sweep();
    expect(await isStored(key)).toBe(false);
  });

  test("ends when there are none", async () => {
    advance(9 * dayMs);
    await maintenance().sweep();
    await runDurableObjectAlarm(maintenance());
    expect(
      await runInDurableObject(maintenance(), (_, { storage }) => storage.getAlarm()),
    ).toBeNull();
  });

  test("begins eight days after a repository told the catalog of itself", async () => {
    const { key } = await unclaimed();
    await catalog().set(newRepository(), totalsWith(), Date.now());
    advance(9 * dayMs);
    expect(await runDurableObjectAlarm(catalog())).toBe(true);
    await runDurableObjectAlarm(maintenance());
    await sweep();
    expect(await isStored(key)).toBe(false);
  });

  test("begins eight days after an upload that came no further than R2", async () => {
    const repository = newRepository();
    const { key } = await unclaimed();
    await catalog().setUpload({ id: "an upload", repository, startedMs: Date.now() }, true);
    await catalog().setUpload({ id: "an upload", repository, startedMs: Date.now() }, false);
    advance(9 * dayMs);
    expect(await runDurableObjectAlarm(catalog())).toBe(true);
    await runDurableObjectAlarm(maintenance());
    await sweep();
    expect(await isStored(key)).toBe(false);
  });

  test(
    "looks through more than 1,000 objects, of which many are claimed",
    { timeout: 120_000 },
    async () => {
      const repository = newRepository();
      const kept = await pushBlob(repository, randomBytes(100));
      const bytes = randomBytes(10);
      const digest = digestFor(bytes);
      const keys: BlobKey[] = Array.from({ length: 1050 }, () => newKey());
      for (let at = 0; at < keys.length; at += 50) {
        // oxlint-disable-next-line no-await-in-loop
        await Promise.all(
          keys
            .slice(at, at + 50)
            .map((key) => env.BLOBS.put(key, bytes, { customMetadata: { digest } })),
        );
      }
      advance(9 * dayMs);
      await maintenance().sweep();
      await runDurableObjectAlarm(maintenance());
      await runDurableObjectAlarm(blobIndex(digest));
      const left = await env.BLOBS.list();
      const unclaimedLeft = left.objects.filter(({ key }) => keys.includes(key as BlobKey));
      expect(unclaimedLeft.length).toBe(0);
      const got = await send("GET", `/v2/${repository}/blobs/${kept}`);
      expect(digestOf(await got.bytes())).toBe(kept);
    },
  );

  test("that R2 fails is tried again where it was", async () => {
    const { key } = await unclaimed();
    advance(9 * dayMs);
    const error = vi.spyOn(console, "error").mockImplementation(() => undefined);
    vi.spyOn(env.BLOBS, "list").mockRejectedValueOnce(new Error("R2 fails"));
    await maintenance().sweep();
    await runDurableObjectAlarm(maintenance());
    expect(error).toHaveBeenCalledTimes(1);
    expect(await isStored(key)).toBe(true);
    advance(minuteMs);
    expect(await runDurableObjectAlarm(maintenance())).toBe(true);
    await sweep();
    expect(await isStored(key)).toBe(false);
  });

  test("that is cut off goes on", async () => {
    const { key } = await unclaimed();
    advance(9 * dayMs);
    const list = vi.spyOn(env.BLOBS, "list").mockImplementation(() => new Promise(() => undefined));
    await maintenance().sweep();
    const alarm = runDurableObjectAlarm(maintenance()).catch(() => undefined);
    await vi.waitFor(() => expect(list).toHaveBeenCalledTimes(1));
    await restart(maintenance, "aborted");
    await alarm;
    list.mockRestore();
    advance(minuteMs);
    await runInDurableObject(maintenance(), (object) => object.alarm());
    await sweep();
    expect(await isStored(key)).toBe(false);
  });
});

describe("by force, an object that nobody claimed goes though it is young,", () => {
  test("if it says its digest: who is about to claim it is told to push again", async () => {
    const { key, digest, bytes, repository } = await unclaimed();
    expect((await sweepObjects(env, byForce)).layers).toBeGreaterThan(0);
    expect((await claim(digest, newToken(), key, repository)).ok).toBe(false);
    await runDurableObjectAlarm(blobIndex(digest));
    expect(await isStored(key)).toBe(false);
    await pushBlob(repository, bytes);
    const got = await send("GET", `/v2/${repository}/blobs/${digest}`);
    expect(digestOf(await got.bytes())).toBe(digest);
  });

  test("but not that of an upload session, which may yet claim it", async () => {
    const { key, digest, repository } = await unclaimed(false);
    await sweepObjects(env, byForce);
    expect((await claim(digest, newToken(), key, repository)).ok).toBe(true);
    expect(await isStored(key)).toBe(true);
  });
});
