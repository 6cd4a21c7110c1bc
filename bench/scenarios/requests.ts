import { setTimeout as sleep } from "node:timers/promises";
import { type Amounts, sayCount } from "../amounts.ts";
import { isOwnRegistry } from "../peer.ts";
import type { Step, Suite } from "../scenario.ts";
import { freshSeed, type Visit } from "../visit.ts";

/** How many clients ask at once. */
const clients = 10;

/** The repository that has all the tags. */
const repository = "bench/tags";

/** The most entries that every peer gives in one page. */
const pageEntries = 1000;

/** How long the names of new repositories may take to be listed. */
const listedMsMax = 3000;

/** Small requests against many repositories, one of which has many tags. */
export function requests(amounts: Amounts): Suite {
  const { tags, repositories } = amounts;
  const byName = [false, true].flatMap((byDigest) =>
    (["HEAD", "GET"] as const).map((method) => manifests(method, byDigest, amounts)),
  );
  return {
    name: "requests",
    warmsUp: false,
    prepare: async (visit) => prepare(visit, amounts),
    steps: [
      base(amounts),
      ...byName,
      list(`list ${sayCount(tags)} tags`, `/v2/${repository}/tags/list`, tags, amounts.tagLists),
      list(
        `_catalog of ${sayCount(repositories)} repositories`,
        "/v2/_catalog",
        repositories,
        amounts.catalogs,
      ),
    ],
  };
}

async function prepare(visit: Visit, { repositories, tags }: Amounts): Promise<void> {
  const others = repositories - 1;
  await visit.load({
    task: "images",
    repository: "bench/other",
    clients,
    bytes: 1000,
    seed: freshSeed(),
    count: others,
    pushes: others,
  });
  const seed = freshSeed();
  await visit.load({ task: "fill", repository, clients, seed, count: tags });
  visit.kept.set("seed", seed);
  await sleep(listedMsMax);
  await visit.rest();
}

function base({ manifestRequests: count }: Amounts): Step {
  return {
    rows: [{ name: `GET /v2/, ${clients} clients`, unit: "/s", better: "higher" }],
    run: async (visit) => {
      const asked = { task: "request", method: "GET", path: "/v2/", status: 200 } as const;
      const figures = await warmed(visit, { ...asked, clients, count });
      return [figures.count / figures.seconds];
    },
  };
}

function manifests(method: "GET" | "HEAD", byDigest: boolean, amounts: Amounts): Step {
  const name = `${method} manifest by ${byDigest ? "digest" : "tag"}, ${clients} clients`;
  return {
    rows: [
      { name, unit: "/s", better: "higher" },
      { name: `${name}, p50`, unit: "ms", better: "lower" },
      { name: `${name}, p99`, unit: "ms", better: "lower" },
    ],
    run: async (visit) => {
      const { count, seconds, p50, p99 } = await warmed(visit, {
        task: "manifests",
        repository,
        clients,
        method,
        byDigest,
        seed: Number(visit.kept.get("seed")),
        existing: amounts.tags,
        count: amounts.manifestRequests,
      });
      return [count / seconds, p50 * 1000, p99 * 1000];
    },
  };
}

/** A list read to its end, page by page. */
function list(name: string, path: string, existing: number, count: number): Step {
  return {
    rows: [{ name, unit: "/s", better: "higher" }],
    // Of one that runs anyway nobody knows what else it lists.
    takes: isOwnRegistry,
    run: async (visit) => {
      const asked = { task: "list", path: `${path}?n=${pageEntries}`, existing } as const;
      const figures = await warmed(visit, { ...asked, clients, count });
      return [figures.count / figures.seconds];
    },
  };
}

/** The figures of a job behind a tenth of it that does not count. */
async function warmed(visit: Visit, job: Parameters<Visit["load"]>[0] & { count: number }) {
  await visit.load({ ...job, count: Math.ceil(job.count / 10) });
  return visit.load(job);
}
