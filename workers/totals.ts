import { catalogName } from "../schemas/storage-keys.ts";
import { log } from "../telemetry/log.ts";
import type { Totals } from "../telemetry/metrics.ts";

/** What the objects own: Catalog keeps the totals. Undefined if it can't be asked. */
export async function readTotals(env: Env): Promise<Totals | undefined> {
  try {
    return await env.CATALOG.getByName(catalogName).statistics();
  } catch (error) {
    log("warn", "totals not read", { error: String(error) });
    return undefined;
  }
}
