/**
 * `npm start` is killed at random moments while clients push, pull and delete and collections run.
 * After each start: what was answered 201 is there byte for byte, what was deleted is gone, and what
 * was under way is one or the other. Some rounds have a grace of a second, so that collections let
 * go of layers; in the others, nothing that was pushed goes. Between the two, a collection by force
 * is killed, which deletes files at once.
 */
import { once } from "node:events";
import { watch } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Random } from "../fuzz/random.ts";
import { storedBytes } from "./bucket.ts";
import { Clients } from "./clients.ts";
import { collectAll, collectUntilClean } from "./collection.ts";
import { HttpClient, Unanswered } from "./http-client.ts";
import { Inspection, type InspectionTerms } from "./inspection.ts";
import { Load } from "./load.ts";
import { killTargets, RegistryProcess } from "./registry-process.ts";
import { expectStats } from "./stats.ts";

const seed = Number(process.env["SOAK_SEED"] ?? Date.now());
const kills = Number(process.env["SOAK_KILLS"] ?? 20);
const clients = 10;
/** A kill comes after so many answered pushes and deletes and a pause, both at random, or in time. */
const changesMax = 15;
const pauseMsMax = 300;
/** Longer where the grace is short: nothing is collected before it is that old. */
const shortGracePauseMsMax = 2000;
const loadMsMax = 5000;
/** How long nobody asks for a collection after the last one. */
const collectionMs = 300;
/** After so many rounds all is collected, deleted things are looked for, and the grace is the other. */
const collectedRounds = 3;
/** How soon after its first change of the bucket a collection by force is killed. */
const forcedMsMax = 10;
/** By then it has changed the bucket, or has nothing to change. */
const unchangedMsMax = 4000;
/** A kill between the begin of a multipart upload and the row that has its id: fewer than one in ten. */
const killsPerBegun = 10;
const [shortGraceMs, longGraceMs] = [1000, 3_600_000];
/** From here on, layers were surely collected. */
const manyKills = 200;
const uploadTimeoutSeconds = 20;
const storedBytesMax = 2 ** 30;
const roundMsMax = 60_000;

const random = new Random(seed, 1_000_000);
const load = new Load({ seed, graceMs: shortGraceMs, newBytesPerSecond: 5_000_000 });
const lost: string[] = [];
const leftOver: string[] = [];
let folder = "";
let registry: RegistryProcess;
let largestBytes = 0;
/** Collections by force that were killed before their end. */
let cutCollections = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "longshore-kills-"));
  await start();
}, roundMsMax);

afterAll(async () => {
  await registry.kill();
  await rm(folder, { recursive: true, maxRetries: 10 });
});

/** Starts the registry with the grace of the load. */
async function start(): Promise<void> {
  registry = await RegistryProcess.start(folder, {
    REGISTRY_GC_GRACE: String(load.graceMs / 1000),
    REGISTRY_UPLOAD_TIMEOUT: String(uploadTimeoutSeconds),
    REGISTRY_UPLOAD_CLEANUP_INTERVAL: "1",
  });
}

/** What has become of blobs that no manifest needs, before all is collected by force. */
function unneeded(): InspectionTerms["unneeded"] {
  return load.graceMs === shortGraceMs ? "either" : "kept";
}

/** Reads all that is there, and notes what is wrong. */
async function inspect(http: HttpClient, terms: InspectionTerms): Promise<Inspection> {
  const inspection = await Inspection.of(load, http, terms);
  lost.push(...inspection.lost);
  leftOver.push(...inspection.leftOver);
  return inspection;
}

/** Waits until so many more pushes and deletes were answered, on a slow machine not for all of them. */
async function waitForChanges(changes: number): Promise<void> {
  const { counts } = load;
  const target = counts.pushes + counts.deletes + changes;
  const endMs = Date.now() + loadMsMax;
  // oxlint-disable-next-line no-await-in-loop
  while (counts.pushes + counts.deletes < target && Date.now() < endMs) await sleep(5);
}

/** A time of load, a kill, a start, and a look at what is there. */
async function round(number: number): Promise<void> {
  const since = load.journal.now;
  const working = new Clients(load, registry.url, clients, number);
  working.collecting(registry.url, collectionMs);
  await waitForChanges(random.below(changesMax));
  await sleep(random.below(load.graceMs === shortGraceMs ? shortGracePauseMsMax : pauseMsMax));
  await registry.kill(random.pick(killTargets));
  await working.stop();
  await start();
  await withHttp((http) => inspect(http, { since, unneeded: unneeded() }));
  largestBytes = Math.max(largestBytes, await storedBytes(folder));
  if (number % collectedRounds === 0) await collectedRound();
}

/** A kill while all is collected that nothing needs, a start with the other grace, and a look. */
async function collectedRound(): Promise<void> {
  await withHttp(async (http) => {
    const collecting = collectAll(http).catch((error: unknown) => {
      if (!(error instanceof Unanswered)) throw error;
      cutCollections += 1;
    });
    await bucketChange();
    await sleep(random.below(forcedMsMax));
    await registry.kill(random.pick(killTargets));
    await collecting;
  });
  load.graceMs = load.graceMs === shortGraceMs ? longGraceMs : shortGraceMs;
  await start();
  await withHttp(async (http) => {
    await inspect(http, { since: 0, unneeded: "either" });
    await collectAll(http);
    await inspect(http, { since: 0, unneeded: "collected" });
  });
}

/** Waits until a file of the bucket comes, changes or goes. */
async function bucketChange(): Promise<void> {
  const bucket = watch(join(folder, "blobs"), { recursive: true });
  await Promise.race([once(bucket, "change"), sleep(unchangedMsMax)]);
  bucket.close();
}

async function withHttp<T>(work: (http: HttpClient) => Promise<T>): Promise<T> {
  const http = new HttpClient(registry.url);
  try {
    return await work(http);
  } finally {
    http.close();
  }
}

test(`${kills} kills of seed ${seed} lose nothing`, { timeout: kills * roundMsMax }, async () => {
  console.log(`again: SOAK_SEED=${seed} SOAK_KILLS=${kills} npx vitest run --project soak kills`);
  for (let number = 1; number <= kills; number += 1) {
    // oxlint-disable-next-line no-await-in-loop
    await round(number);
    expect({ number, lost, leftOver, wrong: load.violations }).toEqual({
      number,
      lost: [],
      leftOver: [],
      wrong: [],
    });
  }
  // A load that does nothing shows nothing.
  const { pushes, deletes, collections, collectedLayers } = load.counts;
  expect(Math.min(pushes, deletes, collections)).toBeGreaterThan(0);
  if (kills >= manyKills) expect(collectedLayers).toBeGreaterThan(0);
  expect(largestBytes).toBeLessThan(storedBytesMax);
});

test("then the bucket has what is reachable and nothing else", { timeout: 180_000 }, async () => {
  await withHttp(async (http) => {
    const { reachable } = await inspect(http, { since: 0, unneeded: unneeded() });
    const waitMs = uploadTimeoutSeconds * 1000 + 60_000;
    const wrong = await collectUntilClean(http, folder, reachable.keys(), {
      waitMs,
      begunMax: Math.ceil(kills / killsPerBegun),
    });
    const seen = await inspect(http, { since: 0, unneeded: "collected" });
    const { pushes, pulls, deletes, collections, collectedLayers } = load.counts;
    console.log(
      `${kills} kills: ${pushes} pushes, ${pulls} pulls, ${deletes} deletes, ` +
        `${collections} collections of ${collectedLayers} layers, ${cutCollections} by force cut off, ` +
        `${lost.length} lost, ${leftOver.length + wrong.length} left over, ` +
        `${Math.round(largestBytes / 2 ** 20)} MiB at most`,
    );
    expect([wrong, lost, leftOver]).toEqual([[], [], []]);
    await expectStats(http, seen);
  });
});
