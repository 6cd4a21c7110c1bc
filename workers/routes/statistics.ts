import { nextLink, parsePage } from "../../schemas/pagination.ts";
import { catalogName } from "../../schemas/storage-keys.ts";
import type { RegistryContext } from "../context.ts";
import { jsonResponse } from "../json-response.ts";

/** How many of the open upload sessions are named. */
const uploadsMax = 100;

/**
 * What the registry has: totals, what pushes found there already, a page of the repositories (`n` and
 * `last`, as in `_catalog`) and the upload sessions that are open for more than five seconds.
 */
export async function statistics(context: RegistryContext): Promise<Response> {
  const { env, req, var: variables } = context;
  const page = parsePage(req.query("n"), req.query("last"), variables.configuration.pageLimits);
  const catalog = env.CATALOG.getByName(catalogName);
  const [totals, { details, more }, uploads] = await Promise.all([
    catalog.statistics(),
    catalog.details(page),
    catalog.uploads(uploadsMax),
  ]);
  const { cacheHits, cacheMisses } = totals;
  const body = {
    repositories: totals.repositories,
    images: totals.images,
    tags: totals.tags,
    layers: {
      layers: totals.layers,
      totalSize: totals.layerBytes,
      cacheHits,
      cacheMisses,
      hitRate: percentage(cacheHits, cacheHits + cacheMisses),
    },
    repositoryDetails: details.map(({ name, tags, images, layerBytes, lastPushMs }) => ({
      name,
      tags,
      imageCount: images,
      totalSize: layerBytes,
      lastPush: isoTime(lastPushMs),
    })),
    uploads: {
      active: totals.uploadsActive,
      sessions: uploads.map(({ repository, startedMs }) => ({
        repository,
        startedAt: isoTime(startedMs),
      })),
    },
  };
  const last = details.at(-1)?.name;
  const isLast = !more || last === undefined;
  const headers = isLast ? {} : { Link: nextLink("/_stats", { n: String(page.limit), last }) };
  return jsonResponse(body, { headers });
}

/** With two decimals; 0 of nothing. */
function percentage(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.round((10_000 * part) / whole) / 100;
}

function isoTime(timeMs: number | null): string | null {
  return timeMs === null ? null : new Date(timeMs).toISOString();
}
