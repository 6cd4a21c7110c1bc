/**
 * A manifest is pushed at the moment at which its blobs may be collected: their grace of one second
 * is just over. Either it is refused and all is sent again, or its blobs stay.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Random } from "../fuzz/random.ts";
import { collect, collectUntilClean } from "./collection.ts";
import { type Blob, digestOf, imageOf, layerOf, type Manifest, textBlob } from "./content.ts";
import { HttpClient } from "./http-client.ts";
import { RegistryProcess } from "./registry-process.ts";

const seed = Number(process.env["SOAK_SEED"] ?? Date.now());
const races = Number(process.env["SOAK_RACES"] ?? 50);
const graceMs = 1000;
/** Pushes that race with one collection, each of a repository of its own. */
const racers = 10;
/** How long before or after the moment at which it is as likely refused as taken one is sent, at most. */
const aroundMs = 20;
const attemptsMax = 20;

/** What a race pushes, and what became of it. */
interface Race {
  readonly repository: string;
  readonly blobs: readonly [Blob, Blob];
  readonly manifest: Manifest;
  /** Keeps the layer in another repository too, where it is not collected. */
  readonly isShared: boolean;
  status: number;
}

const random = new Random(seed, 0);
/**
 * How long after its blobs' grace a manifest is sent: later after one that was taken, earlier after one
 * that was refused, so that half of them are. As it is measured here, the grace ends sooner.
 */
let lateMs = -50;
let folder = "";
let registry: RegistryProcess;
let http: HttpClient;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "longshore-races-"));
  registry = await RegistryProcess.start(folder, { REGISTRY_GC_GRACE: String(graceMs / 1000) });
  http = new HttpClient(registry.url);
}, 60_000);

afterAll(async () => {
  http.close();
  await registry.kill();
  await rm(folder, { recursive: true, maxRetries: 10 });
});

function newRace(number: number): Race {
  const config = textBlob(JSON.stringify({ architecture: "amd64", os: "linux", seed, number }));
  const layer = layerOf(`${seed} ${number}`, 1024 + random.below(64 * 1024));
  return {
    repository: `race/${number}`,
    blobs: [config, layer],
    manifest: imageOf("race", config, [layer]),
    isShared: random.oneIn(4),
    status: 0,
  };
}

async function pushBlob(repository: string, blob: Blob): Promise<number> {
  const path = `/v2/${repository}/blobs/uploads/?digest=${blob.digest}`;
  return (await http.send("POST", path, {}, { bytes: blob.bytes() })).status;
}

async function putManifest({ repository, manifest }: Race): Promise<number> {
  const headers = { "Content-Type": manifest.mediaType };
  const path = `/v2/${repository}/manifests/v1`;
  return (await http.send("PUT", path, headers, { bytes: manifest.bytes })).status;
}

/** Pushes the blobs, and the manifest when their grace is about to be over. */
async function run(race: Race): Promise<void> {
  const pushed = await Promise.all(race.blobs.map((blob) => pushBlob(race.repository, blob)));
  expect(pushed).toEqual([201, 201]);
  await sleep(graceMs + lateMs - aroundMs + random.below(2 * aroundMs));
  race.status = await putManifest(race);
  lateMs += race.status === 201 ? aroundMs / 2 : -aroundMs / 2;
}

/** Sends all again until it is taken, as clients do. */
async function repeat(race: Race): Promise<void> {
  /* oxlint-disable no-await-in-loop */
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    for (const blob of race.blobs) await pushBlob(race.repository, blob);
    if ((await putManifest(race)) === 201) return;
  }
  /* oxlint-enable no-await-in-loop */
  throw new Error(`${race.repository}: a push is refused again and again`);
}

/** What can't be read of an image that was answered 201. */
async function lostOf({ repository, manifest }: Race): Promise<string[]> {
  const paths = [
    ["manifests/v1", manifest.digest],
    ...manifest.blobs.map(({ digest }) => [`blobs/${digest}`, digest]),
  ];
  const answers = paths.map(async ([path, digest]) => {
    const answer = await http.send("GET", `/v2/${repository}/${path}`);
    const isThere = answer.status === 200 && digestOf(answer.body) === digest;
    return isThere ? [] : [`${repository}/${path} is answered ${answer.status}`];
  });
  return (await Promise.all(answers)).flat();
}

/** Some races against one collection; answers what was lost. */
async function raceAll(some: readonly Race[]): Promise<string[]> {
  const kept = some.filter(({ isShared }) => isShared);
  await Promise.all(kept.map((race) => repeat({ ...race, repository: `kept/${race.repository}` })));
  const running = some.map((race) => run(race));
  const collecting = sleep(graceMs).then(() => collect(http));
  await Promise.all([...running, collecting]);
  const taken = some.filter(({ status }) => status === 201);
  const refused = some.filter(({ status }) => status === 400);
  expect([...taken, ...refused]).toHaveLength(some.length);
  const lost = await Promise.all(taken.map((race) => lostOf(race)));
  await Promise.all(refused.map((race) => repeat(race)));
  await collect(http);
  const lostLater = await Promise.all(some.map((race) => lostOf(race)));
  return [...lost, ...lostLater].flat();
}

test(
  `${races} races of seed ${seed} lose nothing`,
  { timeout: races * 2000 + 120_000 },
  async () => {
    const lost: string[] = [];
    const all = Array.from({ length: races }, (_, number) => newRace(number));
    for (let at = 0; at < races; at += racers) {
      // oxlint-disable-next-line no-await-in-loop
      lost.push(...(await raceAll(all.slice(at, at + racers))));
    }
    const needed = all.flatMap(({ blobs }) => blobs.map(({ digest }) => digest));
    const leftOver = await collectUntilClean(http, folder, needed, { waitMs: 30_000 });
    const stillLost = await Promise.all(all.map((race) => lostOf(race)));
    lost.push(...stillLost.flat());
    const refused = all.filter(({ status }) => status === 400).length;
    console.log(
      `${races} races of a push with a collection: ${races - refused} taken, ${refused} refused and ` +
        `sent again, ${lost.length} lost, ${leftOver.length} left over`,
    );
    expect({ lost, leftOver }).toEqual({ lost: [], leftOver: [] });
    // Where all come before the collection, or all behind it, there is no race.
    expect(Math.min(refused, races - refused)).toBeGreaterThan(0);
  },
);
