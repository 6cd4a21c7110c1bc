import { env } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import {
  blobsAtOnce,
  blobsOfImage,
  callsInTurnMax,
  callsPerSecondMax,
  delaysMs,
  hotImageRows,
  layers,
  nodes,
  seconds,
} from "../../bench/scale/hot-image.ts";
import { strongPull } from "../../bench/scale/budgets.ts";
import type { Digest } from "../../schemas/digest.ts";
import type { RepositoryName } from "../../schemas/reference.ts";
import { manifestReplicaKey } from "../../schemas/storage-keys.ts";
import { pushImage, randomBytes } from "../client.ts";
import { takeOperations } from "../doubles/counted-operations.ts";
import { CalledObjects, DataCentre, useCachesOfDataCentres } from "../doubles/data-centre.ts";
import { SimulatedClock } from "../doubles/simulated-clock.ts";

const repository = "budget/hot";
const noDelays = { cacheRead: 0, cacheWrite: 0, kv: 0, r2: 0, object: 0 };

let digest = "";
let blobs: string[] = [];

beforeAll(async () => {
  const bytes = Array.from({ length: layers }, () => randomBytes(100));
  const image = await pushImage(repository, "1", bytes);
  const manifest = JSON.parse(image.manifest) as { config: { digest: string } };
  digest = image.digest;
  blobs = [manifest.config.digest, ...image.layers];
  const key = manifestReplicaKey(repository as RepositoryName, digest as Digest);
  await vi.waitFor(async () => expect(await env.MANIFESTS.get(key)).not.toBeNull(), 20_000);
});

beforeEach(() => {
  useCachesOfDataCentres();
  // The registry's limits of time are none of the simulation's.
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  takeOperations();
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

async function ask(centre: DataCentre, method: string, path: string): Promise<void> {
  const status = await centre.status(method, `/v2/${repository}/${path}`);
  if (status !== 200) throw new Error(`${method} ${path} is ${status}`);
}

/** Pulls as docker and containerd do. */
async function pull(centre: DataCentre, by: "tag" | "digest"): Promise<void> {
  if (by === "tag") await ask(centre, "HEAD", "manifests/1");
  await ask(centre, "GET", `manifests/${digest}`);
  for (let at = 0; at < blobs.length; at += blobsAtOnce) {
    const some = blobs.slice(at, at + blobsAtOnce);
    // oxlint-disable-next-line no-await-in-loop
    await Promise.all(some.map((blob) => ask(centre, "GET", `blobs/${blob}`)));
  }
}

test(`${nodes} nodes that pull by digest one after the other cost ${callsInTurnMax} calls in all`, async () => {
  const clock = new SimulatedClock();
  const centre = new DataCentre(clock, new CalledObjects(), noDelays, true);
  const inTurn = async (): Promise<void> => {
    for (let node = 0; node < nodes; node += 1) {
      // oxlint-disable-next-line no-await-in-loop
      await pull(centre, "digest");
    }
  };
  await clock.run([inTurn()]);
  const { objects, r2, kv } = takeOperations();
  expect(objects.length).toBeLessThanOrEqual(callsInTurnMax);
  expect(r2.length).toBe(nodes * blobsOfImage);
  expect(kv.length).toBe(nodes);
});

test.each(hotImageRows)(
  "of 1,000 nodes, $name, no object gets more than $callsMax calls",
  async ({ together, everyMs, by, dataCentres, hasReplicas, callsMax, callsInASecondMax }) => {
    const [clock, called] = [new SimulatedClock(), new CalledObjects()];
    const centres = Array.from(
      { length: dataCentres },
      () => new DataCentre(clock, called, delaysMs, hasReplicas),
    );
    const pulls = Array.from({ length: nodes }, async (_, node) => {
      await clock.wait(Math.floor(node / together) * everyMs);
      const centre = centres[node % dataCentres];
      if (centre !== undefined) await pull(centre, by);
    });
    await clock.run(pulls);
    const { calls, r2, kv } = takeOperations();
    const most = Math.max(0, ...calls.values());
    expect(most).toBeLessThanOrEqual(callsMax);
    expect(most).toBeLessThanOrEqual(seconds * callsPerSecondMax);
    expect(called.mostInASecond).toBeLessThanOrEqual(callsInASecondMax);
    expect(r2.length).toBe(nodes * blobsOfImage);
    expect(kv.length).toBe(nodes);
    // The last node has its image.
    expect(clock.nowMs).toBeLessThanOrEqual(seconds * 1000);
  },
);

test("without a data centre's cache each pull by tag costs a call for each thing that is read", async () => {
  const variables = { REGISTRY_READS: "strong" };
  const clock = new SimulatedClock();
  const centre = new DataCentre(clock, new CalledObjects(), noDelays, true, variables);
  await clock.run([pull(centre, "tag")]);
  const { objects, r2, kv } = takeOperations();
  const budget = strongPull(blobsOfImage);
  expect({ objects, r2, kv }).toEqual({ objects: budget.objects, r2: budget.r2, kv: budget.kv });
});
