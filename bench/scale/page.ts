/** docs/scale.md: prose by hand, and tables of the model between comments that name them. */
import { assumptions, bill, comparison, hotImage, limits, rollouts } from "./tables.ts";
import { type Workload, workloads } from "./workload.ts";

/** The tables of the page by their names. */
export function tablesOf(loads: readonly Workload[]): Record<string, string> {
  return {
    assumptions: assumptions(loads),
    bill: bill(loads),
    comparison: comparison(loads),
    limits: limits(loads),
    rollouts: rollouts(),
    "hot image": hotImage(),
  };
}

/** The page with its tables as the model has them now. @throws Error if it has no place for one */
export function withTables(page: string): string {
  let next = page;
  for (const [name, text] of Object.entries(tablesOf(workloads))) {
    const [begin, end] = [`<!-- table: ${name} -->`, `<!-- end of table: ${name} -->`];
    const [from, to] = [next.indexOf(begin), next.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`the page has no table "${name}"`);
    next = `${next.slice(0, from)}${begin}\n\n${text}\n\n${next.slice(to)}`;
  }
  return next;
}
