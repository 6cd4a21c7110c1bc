import { sayMachine } from "./machine.ts";
import type { Results, RowResult } from "./results.ts";
import { markdownTable, sayRounds } from "./table.ts";

/** The page that shows a run: what it was measured on, both pictures, and every figure. */
export function page(results: Results): string {
  const { date, rounds, machine, seconds, rows, failures } = results;
  const failed = failures.map((failure) => `- ${failure.split("\n")[0]}`);
  return `# Speed

\`npm run bench\` has written this page, ${date.slice(0, 10)}, in ${Math.round(seconds / 60)} minutes.

- Machine: ${sayMachine(machine)}. Registries and load client share the cores.
- ${sayRounds(rounds)}: the registries one after the other in each, in another order each time, an older
  release of a peer in every second one. A figure is the median of the rounds, with the least and the
  most behind it; a ratio is the median of the rounds' own ratios, and above 1 where Longshore is
  better. [\`bench.json\`](bench.json) has every round.
- Every registry has its default configuration, on loopback without TLS and without users, and stores
  on the same disk. What is pulled was pushed just before, so it is in the system's memory.
- An image is a layer and a config in a repository of its own, pushed as containerd does: HEAD, POST and
  PUT for each blob, HEAD and PUT for the manifest; pulled by tag, then everything by digest.
- "client alone" is the load client with a server that keeps nothing and does nothing: nobody can be
  faster than that with this client on this machine.

![How many times better Longshore is](bench.svg)

${markdownTable({ ...results, rows: rows.filter((row) => !isGrowth(row)) })}

## How cost grows

One request at a time, in one repository that gets more tags.

![Milliseconds by the number of tags](bench-growth.svg)

${markdownTable({ ...results, rows: rows.filter(isGrowth) })}
${failed.length === 0 ? "" : `\n## What failed\n\n${failed.join("\n")}\n`}`;
}

function isGrowth({ growth }: RowResult): boolean {
  return growth !== undefined;
}
