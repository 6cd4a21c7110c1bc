import { type Amounts, sayBytes } from "../amounts.ts";
import type { Figures } from "../load.ts";
import { isOwnRegistry, isRegistry } from "../peer.ts";
import type { Step, Suite } from "../scenario.ts";
import { freshSeed, type Visit } from "../visit.ts";

const gib = 2 ** 30;

/** How many connections pull by range, as those clients do that pull one layer in parallel. */
const rangeClients = 4;

const repository = "bench/layers";

/** How long it takes a registry at most to have done what it does at its start. */
const idleMs = 1000;

/** One layer by itself: push in each way, pull, and what that takes. */
export function layers(amounts: Amounts): Suite {
  const { layerBytes, chunkBytes } = amounts;
  return {
    name: "layers",
    steps: [
      start,
      idleMemory,
      pushAsStream(layerBytes),
      pull(layerBytes),
      pullByRange(layerBytes, amounts.rangeBytes),
      pushWhole(layerBytes),
      ...chunkBytes.map((bytes) => pushInChunks(layerBytes, bytes)),
      uploadsAtOnce(amounts),
    ],
  };
}

/** Layers of GiB, each size in a registry of its own: disks are not endless. */
export function largeLayers({ largeLayerBytes }: Amounts): readonly Suite[] {
  return largeLayerBytes.map((bytes) => ({
    name: `layer of ${sayBytes(bytes)}`,
    steps: [pushLarge(bytes), pull(bytes), memoryOfPull(bytes)],
  }));
}

const start: Step = {
  rows: [{ name: "start, until /v2/ answers", unit: "s", better: "lower" }],
  takes: isOwnRegistry,
  run: async ({ running }) => [running.startSeconds],
};

const idleMemory: Step = {
  rows: [{ name: "memory, idle", unit: "MiB", better: "lower" }],
  takes: isOwnRegistry,
  run: async (visit) => [await visit.memory(idleMs)],
};

function pushAsStream(bytes: number): Step {
  return {
    rows: [
      { name: `push ${sayBytes(bytes)} in one PATCH (docker)`, unit: "s", better: "lower" },
      { name: `CPU seconds per GiB pushed (${sayBytes(bytes)})`, unit: "s", better: "lower" },
    ],
    run: async (visit) => {
      const { figures, cpuSeconds } = await streamedLayer(visit, bytes);
      return [figures.seconds, perGib(cpuSeconds, bytes)];
    },
  };
}

/** A layer pushed in one streamed PATCH, as docker does: the one that is pulled then. */
async function streamedLayer(visit: Visit, bytes: number) {
  return visit.once(`layer of ${bytes}`, async () => {
    const { result, cpuSeconds } = await visit.cpuOf(async () => pushOne(visit, bytes));
    return { figures: result, cpuSeconds, digest: result.digests?.[0] ?? "" };
  });
}

async function pushOne(visit: Visit, bytes: number): Promise<Figures> {
  const seed = freshSeed();
  return visit.load({ task: "push-layers", repository, way: "stream", bytes, count: 1, seed });
}

function perGib(cpuSeconds: number | undefined, bytes: number): number | undefined {
  return cpuSeconds === undefined ? undefined : cpuSeconds / (bytes / gib);
}

function pull(bytes: number): Step {
  return {
    rows: [
      { name: `pull ${sayBytes(bytes)}`, unit: "s", better: "lower" },
      { name: `CPU seconds per GiB pulled (${sayBytes(bytes)})`, unit: "s", better: "lower" },
    ],
    run: async (visit) => {
      const { digest } = await streamedLayer(visit, bytes);
      const job = { task: "pull-layer", repository, digest, bytes, clients: 1 } as const;
      if (visit.verifies) await visit.load({ ...job, verify: true });
      const { result, cpuSeconds } = await visit.cpuOf(async () => visit.load(job));
      return [result.seconds, perGib(cpuSeconds, bytes)];
    },
  };
}

function pullByRange(bytes: number, chunkBytes: number): Step {
  const name = `pull ${sayBytes(bytes)} by ranges of ${sayBytes(chunkBytes)}, ${rangeClients} at once`;
  return {
    rows: [{ name, unit: "s", better: "lower" }],
    takes: isRegistry,
    run: async (visit) => {
      const { digest } = await streamedLayer(visit, bytes);
      const job = { task: "pull-layer", repository, digest, bytes, chunkBytes } as const;
      return [(await visit.load({ ...job, clients: rangeClients })).seconds];
    },
  };
}

function pushWhole(bytes: number): Step {
  return {
    rows: [{ name: `push ${sayBytes(bytes)} in one PUT (containerd)`, unit: "s", better: "lower" }],
    run: async (visit) => {
      const job = { task: "push-layers", repository, way: "whole", bytes, count: 1 } as const;
      return [(await visit.load({ ...job, seed: freshSeed() })).seconds];
    },
  };
}

function pushInChunks(bytes: number, chunkBytes: number): Step {
  const name = `push ${sayBytes(bytes)} in chunks of ${sayBytes(chunkBytes)}`;
  return {
    rows: [{ name, unit: "s", better: "lower" }],
    takes: isRegistry,
    run: async (visit) => {
      const job = { task: "push-layers", repository, way: "chunks", bytes, chunkBytes } as const;
      return [(await visit.load({ ...job, count: 1, seed: freshSeed() })).seconds];
    },
  };
}

function uploadsAtOnce({ uploadsAtOnce: count, uploadBytes: bytes }: Amounts): Step {
  const name = `memory, most at ${count} uploads of ${sayBytes(bytes)} at once`;
  return {
    rows: [{ name, unit: "MiB", better: "lower" }],
    takes: isOwnRegistry,
    run: async (visit) => {
      const job = { task: "push-layers", repository, way: "stream", bytes, count } as const;
      const pushes = { ...job, clients: count, seed: freshSeed() };
      return [await visit.peakMemory(async () => visit.load(pushes))];
    },
  };
}

/** Memory is looked at while it is measured: in a push of that length that is little time. */
function pushLarge(bytes: number): Step {
  const { rows, run } = pushAsStream(bytes);
  const name = `memory, most while ${sayBytes(bytes)} are pushed`;
  return {
    rows: [...rows, { name, unit: "MiB", better: "lower" }],
    run: async (visit) => {
      const peak = await visit.peakMemory(async () => streamedLayer(visit, bytes));
      return [...(await run(visit)), peak];
    },
  };
}

function memoryOfPull(bytes: number): Step {
  const name = `memory, most while ${sayBytes(bytes)} are pulled`;
  return {
    rows: [{ name, unit: "MiB", better: "lower" }],
    takes: isOwnRegistry,
    run: async (visit) => {
      const { digest } = await streamedLayer(visit, bytes);
      const job = { task: "pull-layer", repository, digest, bytes, clients: 1 } as const;
      return [await visit.peakMemory(async () => visit.load(job))];
    },
  };
}
