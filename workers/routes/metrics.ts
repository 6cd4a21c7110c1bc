import { countedHere, metricsContentType, totalsText } from "../../telemetry/metrics.ts";
import type { RegistryContext } from "../context.ts";
import { readTotals } from "../totals.ts";

/** Why a deployment answers so little. */
const elsewhere = `# Isolates of a deployment share no counters: this answers what its objects own. Requests, uploads,
# collections and replicas are in Workers Analytics Engine, in the dataset of the binding ANALYTICS
# (longshore_requests, or longshore_requests_<environment>).
`;

const unknown = "# The totals are missing: the object that keeps them did not answer.\n";

/** Prometheus' text form, version 0.0.4: of one machine everything, of a deployment the totals. */
export async function readMetrics({ env }: RegistryContext): Promise<Response> {
  const totals = await readTotals(env);
  const owned = totals === undefined ? unknown : await totalsText(totals);
  const counted = env.ANALYTICS === undefined ? `${await countedHere()}\n` : elsewhere;
  const text = new TextEncoder().encode(counted + owned);
  return new Response(text, {
    headers: {
      "Content-Type": metricsContentType,
      "Content-Length": String(text.byteLength),
      "Cache-Control": "no-store",
    },
  });
}
