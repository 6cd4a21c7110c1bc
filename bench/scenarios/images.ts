import { type Amounts, type ImageAmounts, sayBytes, sayCount } from "../amounts.ts";
import { isOwnRegistry, isRegistry } from "../peer.ts";
import type { Step, Suite } from "../scenario.ts";
import { freshSeed, type Visit } from "../visit.ts";

/** How many clients push and pull at once. */
const clients = 10;

/** What the names of the repositories begin with. */
const repository = "bench/image";

/** Images of one layer, each in a new repository, from ten clients. */
export function images(amounts: Amounts): Suite {
  const [smallest] = amounts.images;
  return {
    name: "images",
    warmsUp: true,
    steps: [
      ...amounts.images.flatMap((sized) => [push(sized), pull(sized), mixed(sized)]),
      ...(smallest === undefined ? [] : [onDisk(smallest), pushAgain(smallest, amounts)]),
      pullAtOnce(amounts),
    ],
  };
}

/** Images of a size that were pushed, by whoever needs them first: their seed, and the pushes a second. */
async function pushed(visit: Visit, { bytes, pushes }: ImageAmounts) {
  return visit.once(`images of ${bytes}`, async () => {
    const seed = freshSeed();
    const before = await visit.disk();
    const figures = await visit.load({
      task: "images",
      repository,
      clients,
      bytes,
      seed,
      count: pushes,
      pushes,
    });
    const after = await visit.disk();
    return { seed, rate: figures.count / figures.seconds, before, after };
  });
}

function push(sized: ImageAmounts): Step {
  const name = `push images of ${sayBytes(sized.bytes)}, ${clients} clients`;
  return {
    rows: [{ name, unit: "/s", better: "higher" }],
    run: async (visit) => [(await pushed(visit, sized)).rate],
  };
}

function pull(sized: ImageAmounts): Step {
  const name = `pull images of ${sayBytes(sized.bytes)}, ${clients} clients`;
  return {
    rows: [{ name, unit: "/s", better: "higher" }],
    run: async (visit) => [await rateOf(visit, sized, sized.pulls, 0)],
  };
}

function mixed(sized: ImageAmounts): Step {
  const name = `3 pulls to 1 push of images of ${sayBytes(sized.bytes)}, ${clients} clients`;
  return {
    rows: [{ name, unit: "/s", better: "higher" }],
    run: async (visit) => [await rateOf(visit, sized, sized.mixed, sized.mixed / 4)],
  };
}

/** Pulls of the images that are there, and pushes of new ones in between: how many a second. */
async function rateOf(visit: Visit, sized: ImageAmounts, count: number, pushes: number) {
  const { seed: oldSeed } = await pushed(visit, sized);
  const figures = await visit.load({
    task: "images",
    repository,
    clients,
    bytes: sized.bytes,
    seed: freshSeed(),
    count,
    pushes,
    oldSeed,
    existing: sized.pushes,
    verify: visit.verifies,
  });
  return figures.count / figures.seconds;
}

function onDisk(sized: ImageAmounts): Step {
  const size = sayBytes(sized.bytes);
  return {
    rows: [
      { name: `disk per byte pushed (images of ${size})`, unit: "bytes", better: "lower" },
      { name: `files per image of ${size}`, unit: "files", better: "lower" },
    ],
    takes: isOwnRegistry,
    run: async (visit) => {
      const { before, after } = await pushed(visit, sized);
      if (before === undefined || after === undefined) return [undefined, undefined];
      const bytes = after.allocatedBytes - before.allocatedBytes;
      return [bytes / (sized.bytes * sized.pushes), (after.files - before.files) / sized.pushes];
    },
  };
}

function pushAgain(sized: ImageAmounts, { repeatedPushes: count }: Amounts): Step {
  const name = `push images that are there, ${clients} clients`;
  return {
    rows: [{ name, unit: "/s", better: "higher" }],
    takes: isRegistry,
    run: async (visit) => {
      const { seed: oldSeed } = await pushed(visit, sized);
      const figures = await visit.load({
        task: "images-again",
        repository,
        clients,
        bytes: sized.bytes,
        count,
        oldSeed,
        existing: sized.pushes,
      });
      return [figures.count / figures.seconds];
    },
  };
}

function pullAtOnce({ pullsAtOnce: count, pulledAtOnceBytes: bytes }: Amounts): Step {
  const name = `pull one image of ${sayBytes(bytes)} ${count} times at once`;
  return {
    rows: [{ name, unit: "s", better: "lower" }],
    takes: isRegistry,
    run: async (visit) => {
      const seed = freshSeed();
      const image = { task: "images", repository, bytes } as const;
      await visit.load({ ...image, clients: 1, seed, count: 1, pushes: 1 });
      const pulls = { ...image, clients: count, count, cold: true, verify: visit.verifies };
      return [(await visit.load({ ...pulls, oldSeed: seed, existing: 1 })).seconds];
    },
  };
}

/** A few pushes and pulls that are not measured: what is measured is a registry that runs. */
export async function warmUp(visit: Visit): Promise<void> {
  const bytes = 100_000;
  const image = { task: "images", repository: "bench/warm-up", clients, bytes } as const;
  const seed = freshSeed();
  const { warmUps: count } = visit.amounts;
  await visit.load({ ...image, seed, count, pushes: count });
  await visit.load({ ...image, count: 2 * count, oldSeed: seed, existing: count });
  await visit.rest();
}

/** Thousands of small images, each in a new repository: what is left of them in memory. */
export function manyImages(amounts: Amounts): readonly Suite[] {
  return amounts.manyImages.map((count) => manyOf(count));
}

function manyOf(count: number): Suite {
  const said = sayCount(count);
  return {
    name: `${said} images`,
    isOnce: true,
    steps: [
      {
        rows: [
          { name: `push ${said} images of 1 kB, ${clients} clients`, unit: "/s", better: "higher" },
          { name: `memory after ${said} images`, unit: "MiB", better: "lower" },
        ],
        takes: (peer) => isOwnRegistry(peer) && peer.isFormer !== true,
        run: async (visit) => {
          const figures = await visit.load({
            task: "images",
            repository,
            clients,
            bytes: 1000,
            seed: freshSeed(),
            count,
            pushes: count,
          });
          return [figures.count / figures.seconds, await visit.memory(visit.amounts.restMs)];
        },
      },
    ],
  };
}
