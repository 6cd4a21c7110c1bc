/**
 * `npm start` is killed at random moments while clients push, pull and delete and collections run.
 * After each start: what was answered 201 is there byte for byte, what was deleted is gone, and what
 * was under way is one or the other.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Random } from "../fuzz/random.ts";
import { storedBytes } from "./bucket.ts";
import { Clients } from "./clients.ts";
import { collectAll, collectUntilClean } from "./collection.ts";
import { HttpClient } from "./http-client.ts";
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
const loadMsMax = 5000;
/** How long nobody asks for a collection after the last one. */
const collectionMs = 300;
/** At every so many kills all is collected, and deleted things are looked for again. */
const collectedRounds = 5;
const uploadTimeoutSeconds = 20;
const storedBytesMax = 2 ** 30;
const roundMsMax = 60_000;

const variables = {
  // No collection under load may touch what is pushed meanwhile.
  REGISTRY_GC_GRACE: "3600",
  REGISTRY_UPLOAD_TIMEOUT: String(uploadTimeoutSeconds),
  REGISTRY_UPLOAD_CLEANUP_INTERVAL: "1",
};

const random = new Random(seed, 1_000_000);
const load = new Load({ seed, graceMs: 3_600_000, newBytesPerSecond: 5_000_000 });
const lost: string[] = [];
const leftOver: string[] = [];
let folder = "";
let registry: RegistryProcess;
let largestBytes = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "longshore-kills-"));
  registry = await RegistryProcess.start(folder, variables);
}, roundMsMax);

afterAll(async () => {
  await registry.kill();
  await rm(folder, { recursive: true, maxRetries: 10 });
});

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
  await sleep(random.below(pauseMsMax));
  await registry.kill(random.pick(killTargets));
  await working.stop();
  registry = await RegistryProcess.start(folder, variables);
  const http = new HttpClient(registry.url);
  try {
    await inspect(http, { since, unneeded: "kept" });
    largestBytes = Math.max(largestBytes, await storedBytes(folder));
    if (number % collectedRounds === 0) {
      await collectAll(http);
      await inspect(http, { since: 0, unneeded: "collected" });
    }
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
  const { pushes, deletes, collections } = load.counts;
  expect(Math.min(pushes, deletes, collections)).toBeGreaterThan(0);
  expect(largestBytes).toBeLessThan(storedBytesMax);
});

test("then the bucket has what is reachable and nothing else", { timeout: 180_000 }, async () => {
  const http = new HttpClient(registry.url);
  try {
    const { reachable } = await inspect(http, { since: 0, unneeded: "kept" });
    const waitMs = uploadTimeoutSeconds * 1000 + 60_000;
    const wrong = await collectUntilClean(http, folder, reachable.keys(), waitMs);
    const seen = await inspect(http, { since: 0, unneeded: "collected" });
    const { pushes, pulls, deletes, collections } = load.counts;
    console.log(
      `${kills} kills: ${pushes} pushes, ${pulls} pulls, ${deletes} deletes, ` +
        `${collections} collections, ${lost.length} lost, ${leftOver.length + wrong.length} left over, ` +
        `${Math.round(largestBytes / 2 ** 20)} MiB at most`,
    );
    expect([wrong, lost, leftOver]).toEqual([[], [], []]);
    await expectStats(http, seen);
  } finally {
    http.close();
  }
});
