import { type Amounts, sayCount } from "../amounts.ts";
import type { Figures, Job } from "../load.ts";
import { isRegistry } from "../peer.ts";
import type { Row, Step, Suite } from "../scenario.ts";
import { freshSeed, type Visit } from "../visit.ts";

const repository = "bench/growth";

/** How many clients fill the repository; one alone is measured. */
const fillers = 10;

/** Entries of the page of tags that is asked for. */
const pageTags = 100;

/** What one more of everything costs in a repository that gets larger. */
export function growth({ growth: sizes }: Amounts): Suite {
  return {
    name: "growth",
    isOnce: true,
    warmsUp: true,
    steps: sizes.flatMap((tags) => [
      pushOneMore(tags),
      getManifest(tags),
      page(tags),
      collect(tags),
    ]),
  };
}

/** Fills the repository up to so many tags, once: answers the seed of all of them. */
async function filled(visit: Visit, tags: number): Promise<number> {
  const seed = await visit.once("seed", async () => freshSeed());
  await visit.once(`filled to ${tags}`, async () => {
    const existing = await visit.once("tags", async () => ({ count: 0 }));
    const count = tags - existing.count;
    if (count <= 0) return;
    const more = { task: "fill", repository, clients: fillers, seed, count } as const;
    await visit.load({ ...more, existing: existing.count });
    existing.count = tags;
    await visit.rest();
  });
  return seed;
}

function row(of: string, at: number): Row {
  const name = `${of}, ${sayCount(at)} tags`;
  return { name, unit: "ms", better: "lower", growth: { of, at } };
}

/** The median, in ms, of the same job done one request at a time. */
async function medianMs(visit: Visit, job: Job): Promise<number> {
  const { p50 }: Figures = await visit.load({ ...job, clients: 1 });
  return p50 * 1000;
}

function pushOneMore(tags: number): Step {
  return {
    rows: [row("push one more manifest", tags)],
    takes: isRegistry,
    run: async (visit) => {
      const seed = await filled(visit, tags);
      // Behind the numbers of those that the repository is filled with.
      const existing = 500_000 + tags;
      return [await medianMs(visit, { task: "fill", repository, seed, count: 9, existing })];
    },
  };
}

function getManifest(tags: number): Step {
  return {
    rows: [row("GET manifest by tag", tags)],
    takes: isRegistry,
    run: async (visit) => {
      const seed = await filled(visit, tags);
      const job = { task: "manifests", repository, method: "GET", seed, existing: tags } as const;
      return [await medianMs(visit, { ...job, count: 200 })];
    },
  };
}

function page(tags: number): Step {
  return {
    rows: [row(`page of ${pageTags} tags from the middle`, tags)],
    takes: isRegistry,
    run: async (visit) => {
      await filled(visit, tags);
      const last = `v${String(tags / 2).padStart(6, "0")}`;
      const path = `/v2/${repository}/tags/list?n=${pageTags}&last=${last}`;
      const job = { task: "request", method: "GET", path, status: 200 } as const;
      return [await medianMs(visit, { ...job, count: 50 })];
    },
  };
}

/** Only ours collects while it serves. */
function collect(tags: number): Step {
  return {
    rows: [row("collection", tags)],
    takes: ({ isOurs }) => isOurs === true,
    run: async (visit) => {
      await filled(visit, tags);
      await visit.rest();
      const job = { task: "request", method: "POST", path: "/_gc", status: 200 } as const;
      return [await medianMs(visit, { ...job, count: 3 })];
    },
  };
}
