/**
 * Measures Longshore and other registries side by side on this machine: `npm run bench`, whose script
 * runs `bench/install.sh` first.
 */
import { rmSync } from "node:fs";
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { full, smoke, standard } from "./amounts.ts";
import { growthChart } from "./growth-chart.ts";
import { describeMachine, sayMachine } from "./machine.ts";
import { type Options, parseOptions, usage } from "./options.ts";
import { page } from "./page.ts";
import { choosePeers, foremostPeer } from "./peers.ts";
import { ratioChart } from "./ratio-chart.ts";
import type { Results } from "./results.ts";
import { Rounds } from "./rounds.ts";
import { rowsOf, suitesOf } from "./suites.ts";
import { sayRounds, textTable } from "./table.ts";

const repository = join(import.meta.dirname, "..");

async function measure(options: Options): Promise<Results> {
  const peers = choosePeers(options.peers, options.urls);
  const amounts = options.isSmoke ? smoke : options.isFull ? full : standard;
  const suites = suitesOf(amounts, options.only);
  if (suites.length === 0) throw new Error(`no scenario matches ${String(options.only)}`);
  const folder = await mkdtemp(join(options.storage, "longshore-bench-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }));
  const machine = describeMachine(folder);
  console.log(sayMachine(machine));
  const run = await new Rounds({
    peers,
    suites,
    amounts,
    folder,
    rounds: options.rounds,
    secondsMax: options.minutes * 60,
    say: (line) => console.log(line),
  }).run();
  return {
    date: new Date().toISOString(),
    seconds: Math.round(run.seconds),
    machine,
    peers: peers.map(({ name }) => name),
    rounds: run.rounds,
    rows: rowsOf(suites).map((row) => run.measurements.result(row, peers)),
    failures: run.failures,
  };
}

/** Where the results go, and the page with its two pictures; nowhere for a part of a run, unless asked for. */
function destinations({ out, only, peers, isSmoke }: Options) {
  if (out !== undefined) return out;
  if (only !== undefined || peers.length > 0 || isSmoke) return undefined;
  return join(repository, "docs");
}

async function write(results: Results, folder: string): Promise<void> {
  const files = {
    [join(folder, "bench.json")]: `${JSON.stringify(results, undefined, 2)}\n`,
    [join(folder, "bench.md")]: page(results),
    [join(folder, "bench.svg")]: ratioChart(results, foremostPeer),
    [join(folder, "bench-growth.svg")]: growthChart(results),
  };
  await mkdir(folder, { recursive: true });
  for (const [path, content] of Object.entries(files)) {
    await writeFile(path, content);
    console.log(`written: ${path}`);
  }
}

if (process.argv.includes("--help")) {
  console.log(usage);
  process.exit(0);
}
try {
  const options = parseOptions(process.argv.slice(2));
  const results = await measure(options);
  console.log(`\n${textTable(results)}\n`);
  console.log(`${sayRounds(results.rounds)}, ended after ${results.seconds} s`);
  const to = destinations(options);
  if (to !== undefined) await write(results, to);
  for (const failure of results.failures) console.error(`FAILED: ${failure}`);
  process.exit(results.failures.length === 0 ? 0 : 1);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
