/**
 * Eight clients push images that share layers, pull and delete them, with a collection each second
 * and a grace of one second. A push that takes longer than that may be refused and sends its blobs
 * again; what was answered 201 is readable until it is deleted, and nothing else is left in the end.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { storedBytes } from "./bucket.ts";
import { Clients } from "./clients.ts";
import { collectUntilClean } from "./collection.ts";
import { HttpClient } from "./http-client.ts";
import { Inspection } from "./inspection.ts";
import { Load } from "./load.ts";
import { RegistryProcess } from "./registry-process.ts";
import { expectStats } from "./stats.ts";

const seed = Number(process.env["SOAK_SEED"] ?? Date.now());
const seconds = Number(process.env["SOAK_SECONDS"] ?? 60);
const clients = 8;
const collectionMs = 1000;
const uploadTimeoutSeconds = 10;
const storedBytesMax = 2 ** 30;
/** How often it is looked how much is stored. */
const measuredMs = 5000;

// What is deleted stays for three minutes, and all of it has to fit.
const load = new Load({ seed, graceMs: 1000, newBytesPerSecond: 2_500_000 });
let folder = "";
let registry: RegistryProcess;
let largestBytes = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "longshore-soak-"));
  registry = await RegistryProcess.start(folder, {
    REGISTRY_GC_GRACE: "1",
    REGISTRY_UPLOAD_TIMEOUT: String(uploadTimeoutSeconds),
    REGISTRY_UPLOAD_CLEANUP_INTERVAL: "1",
  });
}, 60_000);

afterAll(async () => {
  await registry.kill();
  await rm(folder, { recursive: true, maxRetries: 10 });
});

const timeout = seconds * 1000 + 120_000;

test(`${seconds} s of load of seed ${seed} lose nothing`, { timeout }, async () => {
  console.log(
    `again: SOAK_SEED=${seed} SOAK_SECONDS=${seconds} npx vitest run --project soak soak.test`,
  );
  const endMs = Date.now() + seconds * 1000;
  const working = new Clients(load, registry.url, clients, 0);
  working.collecting(registry.url, collectionMs);
  while (Date.now() < endMs && load.violations.length === 0) {
    // oxlint-disable-next-line no-await-in-loop
    await sleep(Math.min(measuredMs, endMs - Date.now()));
    // oxlint-disable-next-line no-await-in-loop
    largestBytes = Math.max(largestBytes, await storedBytes(folder));
  }
  await working.stop();
  expect(load.violations).toEqual([]);
  expect(largestBytes).toBeLessThan(storedBytesMax);
  // A load that does nothing shows nothing.
  const { pushes, pulls, deletes, collections } = load.counts;
  expect(Math.min(pushes, pulls, deletes, collections)).toBeGreaterThan(0);
});

test("then there is what is reachable and nothing else", { timeout: 180_000 }, async () => {
  const http = new HttpClient(registry.url);
  try {
    const before = await Inspection.of(load, http, { since: 0, unneeded: "either" });
    const waitMs = uploadTimeoutSeconds * 1000 + 60_000;
    const wrong = await collectUntilClean(http, folder, before.reachable.keys(), { waitMs });
    const after = await Inspection.of(load, http, { since: 0, unneeded: "either" });
    const lost = [...before.lost, ...after.lost];
    const leftOver = [...before.leftOver, ...after.leftOver, ...wrong];
    const { pushes, pulls, deletes, collections, refused } = load.counts;
    console.log(
      `${seconds} s: ${pushes} pushes, ${refused} of them refused and sent again, ${pulls} pulls, ` +
        `${deletes} deletes, ${collections} collections, ${lost.length} lost, ` +
        `${leftOver.length} left over, ${Math.round(largestBytes / 2 ** 20)} MiB at most`,
    );
    expect({ lost, leftOver }).toEqual({ lost: [], leftOver: [] });
    await expectStats(http, after);
  } finally {
    http.close();
  }
});
