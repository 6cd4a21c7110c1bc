/** POST of a scrub: blobs are read again, and those are told of that are not what they say. */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { Digest } from "../schemas/digest.ts";
import { newRepository, pushBlob, randomBytes, refusal, send } from "./client.ts";
import { answered } from "./collection/collecting.ts";
import { alarmOf, maintenanceObject, settle, takeTime } from "./collection/time.ts";
import { advance, secondMs } from "./durable-objects/clock.ts";
import { blobIndex } from "./durable-objects/names.ts";
import { restart } from "./durable-objects/restart.ts";

beforeAll(takeTime);
beforeEach(() => {
  vi.spyOn(console, "info").mockImplementation(() => undefined);
});
afterEach(() => {
  vi.restoreAllMocks();
});

interface ScrubBody {
  readonly status: string;
  readonly checkedLayers: number;
  readonly checkedBytes: number;
  readonly damagedLayers: number;
  readonly bytesPerSecond: number;
  readonly startedAt: string;
  readonly finishedAt: string | null;
  readonly damaged: readonly {
    readonly digest: string;
    readonly key: string;
    readonly size: number;
    readonly damage: string;
    readonly repositories: readonly string[];
  }[];
}

async function scrubState(): Promise<ScrubBody> {
  const response = await send("GET", "/_scrub");
  expect(response.status).toBe(200);
  return response.json();
}

/** Has the alarm of the maintenance run until the scrub rests or has ended. */
async function goOn(): Promise<ScrubBody> {
  for (let round = 0; round < 100; round += 1) {
    /* oxlint-disable no-await-in-loop */
    await runInDurableObject(maintenanceObject(), (maintenance) => maintenance.alarm());
    const body = await scrubState();
    /* oxlint-enable no-await-in-loop */
    if (body.status !== "running") return body;
    advance(10 * secondMs);
  }
  throw new Error("the scrub does not end");
}

/** A scrub from its beginning to its end. */
async function scrub(): Promise<ScrubBody> {
  await settle();
  expect(await maintenanceObject().beginScrub(50_000_000)).toEqual({ ok: true });
  return goOn();
}

async function keyOf(digest: string): Promise<string> {
  const [row] = await runInDurableObject(blobIndex(digest as Digest), (_, { storage }) =>
    storage.sql.exec<{ key: string }>("SELECT key FROM blobs WHERE digest = ?", digest).toArray(),
  );
  return row?.key ?? "";
}

test("before the first scrub, GET says that there was none", async () => {
  expect(await scrubState()).toEqual({ status: "never" });
});

describe("a scrub", () => {
  test("finds no damage where there is none, and counts what it read", async () => {
    const before = await scrub();
    const repository = newRepository();
    await pushBlob(repository, randomBytes(1000));
    await pushBlob(repository, randomBytes(2000), "sha512");
    await pushBlob(repository, "");
    const body = await scrub();
    expect(body).toMatchObject({ status: "done", damagedLayers: 0, damaged: [] });
    expect(body.checkedLayers - before.checkedLayers).toBe(3);
    expect(body.checkedBytes - before.checkedBytes).toBe(3000);
    expect(Date.parse(body.finishedAt ?? "")).toBeGreaterThanOrEqual(Date.parse(body.startedAt));
  });

  const bytes = randomBytes(1000);
  const flipped = Uint8Array.from(bytes, (byte, at) => (at === 500 ? byte ^ 1 : byte));

  test.for<{ name: string; spoil: (key: string) => Promise<unknown>; damage: RegExp }>([
    {
      name: "a byte is another",
      spoil: (key) => env.BLOBS.put(key, flipped),
      damage: /^bytes of sha256:[0-9a-f]{64}$/,
    },
    {
      name: "is shorter",
      spoil: (key) => env.BLOBS.put(key, bytes.slice(0, 999)),
      damage: /^999 bytes$/,
    },
    {
      name: "is longer",
      spoil: (key) => env.BLOBS.put(key, new Uint8Array([...bytes, 0])),
      damage: /^1001 bytes$/,
    },
    { name: "is missing", spoil: (key) => env.BLOBS.delete(key), damage: /^missing$/ },
  ])("finds a blob of which $name, and who has it", async ({ spoil, damage }) => {
    const repositories = [newRepository(), newRepository()].toSorted();
    for (const repository of repositories) {
      // oxlint-disable-next-line no-await-in-loop
      await pushBlob(repository, bytes);
    }
    const other = await pushBlob(repositories[0] ?? "", randomBytes(1000));
    const digest = await pushBlob(repositories[1] ?? "", bytes);
    const key = await keyOf(digest);
    await spoil(key);
    const body = await scrub();
    expect(body.damagedLayers).toBe(1);
    expect(body.damaged).toHaveLength(1);
    const [found] = body.damaged;
    expect(found).toMatchObject({ digest, key, size: 1000 });
    expect(found?.damage).toMatch(damage);
    // Tests before this one have pushed it, too.
    expect(found?.repositories).toEqual(expect.arrayContaining(repositories));
    expect(JSON.stringify(body.damaged)).not.toContain(other);
    await env.BLOBS.put(key, bytes);
    expect(await scrub()).toMatchObject({ damagedLayers: 0, damaged: [] });
  });

  test("has what is damaged not be there until it is pushed again, and deletes nothing", async () => {
    const [repository, pushed] = [newRepository(), randomBytes(100)];
    const digest = await pushBlob(repository, pushed);
    const path = `/v2/${repository}/blobs/${digest}`;
    const [key, wrong] = [await keyOf(digest), randomBytes(100)];
    await env.BLOBS.put(key, wrong);
    expect((await scrub()).damagedLayers).toBe(1);
    expect(await (await env.BLOBS.get(key))?.bytes()).toEqual(wrong);
    await expect.poll(async () => (await send("HEAD", path)).status).toBe(404);
    expect((await send("GET", path)).status).toBe(404);
    await pushBlob(repository, pushed);
    expect(await (await send("GET", path)).bytes()).toEqual(pushed);
    expect((await scrub()).damagedLayers).toBe(0);
  });
});

describe("POST and DELETE", () => {
  test("POST answers what was found, in the end", async () => {
    await settle();
    const response = await answered(send("POST", "/_scrub"), 10);
    expect(response.status).toBe(200);
    const body = await response.json<ScrubBody>();
    expect(body).toMatchObject({ status: "done", bytesPerSecond: 50_000_000 });
    expect(await scrubState()).toEqual(body);
  });

  test("a second POST while one runs is 409; DELETE has it rest, POST has it go on", async () => {
    const damaged = await pushBlob(newRepository(), randomBytes(100));
    await env.BLOBS.delete(await keyOf(damaged));
    await settle();
    expect(await maintenanceObject().beginScrub(1_000_000)).toEqual({ ok: true });
    const begun = await scrubState();
    expect(begun).toMatchObject({ status: "running", finishedAt: null });
    const second = await send("POST", "/_scrub");
    expect(second.headers.get("Retry-After")).toMatch(/^\d+$/);
    expect(await refusal(second)).toEqual([409, "SCRUB_RUNNING"]);
    const paused = await send("DELETE", "/_scrub");
    expect([paused.status, await paused.text()]).toEqual([204, ""]);
    expect(await scrubState()).toEqual({ ...begun, status: "paused" });
    // Its alarm finds nothing to do.
    expect((await goOn()).status).toBe("paused");
    expect((await send("DELETE", "/_scrub")).status).toBe(204);
    const reads = vi.spyOn(env.BLOBS, "get");
    advance(secondMs);
    await runDurableObjectAlarm(maintenanceObject());
    expect(reads).not.toHaveBeenCalled();
    expect(await maintenanceObject().beginScrub(2_000_000)).toEqual({ ok: true });
    const done = await goOn();
    expect(done).toMatchObject({
      status: "done",
      bytesPerSecond: 2_000_000,
      startedAt: begun.startedAt,
    });
    expect(done.damaged.map(({ digest }) => digest)).toContain(damaged);
  });

  test("one that is paused while it reads rests behind what it read", async () => {
    await settle();
    const get = env.BLOBS.get.bind(env.BLOBS);
    let reads = 0;
    vi.spyOn(env.BLOBS, "get").mockImplementation(async (key: string) => {
      reads += 1;
      if (reads === 2) await maintenanceObject().pauseScrub();
      return get(key);
    });
    expect(await maintenanceObject().beginScrub(50_000_000)).toEqual({ ok: true });
    const paused = await goOn();
    expect(paused.status).toBe("paused");
    const { layers } = await env.CATALOG.getByName("catalog").statistics();
    expect(paused.checkedLayers).toBeLessThan(layers);
    expect(await maintenanceObject().beginScrub(50_000_000)).toEqual({ ok: true });
    const done = await goOn();
    expect([done.status, done.checkedLayers]).toEqual(["done", layers]);
    expect(reads).toBe(layers);
  });

  test("DELETE without a scrub is nothing to complain of", async () => {
    const before = await scrubState();
    expect((await send("DELETE", "/_scrub")).status).toBe(204);
    expect(await scrubState()).toEqual(before);
  });

  test.for(["PUT", "PATCH"])("%s is 405", async (method) => {
    const response = await send(method, "/_scrub");
    expect(response.headers.get("Allow")).toBe("GET, HEAD, POST, DELETE, OPTIONS");
    expect(await refusal(response)).toEqual([405, "UNSUPPORTED"]);
  });
});

describe("a scrub goes on where it was", () => {
  test("when its object is aborted while it reads", async () => {
    await settle();
    const get = env.BLOBS.get.bind(env.BLOBS);
    let reads = 0;
    const held = vi.spyOn(env.BLOBS, "get").mockImplementation(async (key: string) => {
      reads += 1;
      return reads > 3 ? new Promise(() => undefined) : get(key);
    });
    expect(await maintenanceObject().beginScrub(50_000_000)).toEqual({ ok: true });
    let alarm: Promise<unknown> = Promise.resolve();
    while (held.mock.calls.length < 4) {
      advance(secondMs);
      alarm = runDurableObjectAlarm(maintenanceObject()).catch(() => undefined);
      // oxlint-disable-next-line no-await-in-loop
      await Promise.race([alarm, scheduler.wait(200)]);
    }
    await restart(maintenanceObject, "aborted");
    await alarm;
    held.mockRestore();
    const { checkedLayers } = await scrubState();
    expect(checkedLayers).toBeGreaterThan(0);
    const again = vi.spyOn(env.BLOBS, "get");
    const done = await goOn();
    const { layers } = await env.CATALOG.getByName("catalog").statistics();
    expect([done.status, done.checkedLayers]).toEqual(["done", layers]);
    expect(again).toHaveBeenCalledTimes(layers - checkedLayers);
  });

  test("past a blob that R2 does not send, which it tells of", async () => {
    await settle();
    vi.spyOn(env.BLOBS, "get").mockRejectedValueOnce(new Error("R2 fails"));
    expect(await maintenanceObject().beginScrub(50_000_000)).toEqual({ ok: true });
    const done = await goOn();
    const { layers } = await env.CATALOG.getByName("catalog").statistics();
    expect([done.status, done.checkedLayers]).toEqual(["done", layers]);
    const unreadable = "unreadable: Error: R2 fails";
    expect(done.damaged.map(({ damage }) => damage)).toContain(unreadable);
    expect((await scrub()).damaged.map(({ damage }) => damage)).not.toContain(unreadable);
  });
});

describe("the rate", () => {
  test("has the next step be due when what was read may have been", async () => {
    const repository = newRepository();
    await pushBlob(repository, randomBytes(3_000_000));
    await settle();
    expect(await maintenanceObject().beginScrub(1_000_000)).toEqual({ ok: true });
    const pauses: { bytes: number; pauseMs: number }[] = [];
    let { checkedBytes, status } = await scrubState();
    while (status === "running") {
      const beganMs = Date.now();
      /* oxlint-disable no-await-in-loop */
      await runDurableObjectAlarm(maintenanceObject());
      const after = await scrubState();
      const alarmMs = await alarmOf(maintenanceObject());
      /* oxlint-enable no-await-in-loop */
      if (after.status === "running" && alarmMs !== null) {
        pauses.push({ bytes: after.checkedBytes - checkedBytes, pauseMs: alarmMs - beganMs });
        advance(alarmMs - beganMs);
      }
      ({ checkedBytes, status } = after);
    }
    // A millisecond for each 1,000 bytes.
    for (const { bytes, pauseMs } of pauses) expect(pauseMs).toBe(Math.ceil(bytes / 1000));
    expect(pauses.some(({ bytes }) => bytes >= 3_000_000)).toBe(true);
  });
});
