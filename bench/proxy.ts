/**
 * Measures pushes through `longshore proxy` beside direct ones, on this machine and with a registry
 * that is far away: `npm run bench:proxy`, whose script runs `bench/install.sh client` first.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { sayBytes, standard } from "./amounts.ts";
import { type Job, runLoad } from "./load.ts";
import { describeMachine, sayMachine } from "./machine.ts";
import { type Peer, type RunningPeer, startPeer } from "./peer.ts";
import { choosePeers } from "./peers.ts";
import { programs } from "./programs.ts";
import { Measurements } from "./results.ts";
import type { Row } from "./scenario.ts";
import { textTable } from "./table.ts";
import { freshSeed, Visit } from "./visit.ts";

const usage = `npm run bench:proxy -- [OPTION]…

  --rounds N         5 unless given; each has another order, and a registry of its own
  --bytes N          of the layer that is pushed alone; 512 MiB unless given
  --layers N         how many are pushed at once, of half that size; 3 unless given
  --latency MS       how far the registry is away, each way; 50 unless given
  --chunk-size SIZE  of the proxy; its own default unless given
  --storage FOLDER   on the disk to measure; the system's folder for temporary files unless given
`;

interface Options {
  readonly rounds: number;
  readonly bytes: number;
  readonly layers: number;
  readonly latencyMs: number;
  readonly chunkSize: string | undefined;
  readonly storage: string;
}

function parseOptions(): Options {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "5" },
      bytes: { type: "string", default: String(standard.layerBytes) },
      layers: { type: "string", default: "3" },
      latency: { type: "string", default: "50" },
      "chunk-size": { type: "string" },
      storage: { type: "string", default: tmpdir() },
    },
  });
  return {
    rounds: Number(values.rounds),
    bytes: Number(values.bytes),
    layers: Number(values.layers),
    latencyMs: Number(values.latency),
    chunkSize: values["chunk-size"],
    storage: values.storage,
  };
}

/** What a client does: the same in each place. */
interface Push {
  readonly name: string;
  readonly job: Omit<Job, "seed">;
}

function pushesOf({ bytes, layers }: Options): readonly Push[] {
  const ways = [
    ["stream", "in one PATCH (docker)"],
    ["whole", "in one PUT (containerd)"],
  ] as const;
  const half = Math.round(bytes / 2);
  return ways.flatMap(([way, how]) => {
    const job = { task: "push-layers", repository: "bench/proxy", way } as const;
    return [
      { name: `1 layer of ${sayBytes(bytes)} ${how}`, job: { ...job, bytes, count: 1 } },
      {
        name: `${layers} layers of ${sayBytes(half)} at once, each ${how}`,
        job: { ...job, bytes: half, count: layers, clients: layers },
      },
    ];
  });
}

/** The four ways that lead to one registry. */
const places = ["proxy", "direct", "far proxy", "far direct"] as const;
type Place = (typeof places)[number];

/** A program that passes requests on to an address. */
function passing(name: string, program: string, args: (port: number) => readonly string[]): Peer {
  return { name, command: async (_folder, port) => ({ program, args: args(port) }) };
}

function proxyTo(address: string, { chunkSize }: Options): Peer {
  const command = join(import.meta.dirname, "../cli/longshore.ts");
  const chunks = chunkSize === undefined ? [] : ["--chunk-size", chunkSize];
  return passing("longshore proxy", process.execPath, (port) => [
    command,
    "proxy",
    `http://${address}`,
    `--port=${port}`,
    "--quiet",
    ...chunks,
  ]);
}

function distanceTo(address: string, { latencyMs }: Options): Peer {
  const latency = `${latencyMs}ms`;
  return passing("distance", programs.load, (port) => [
    "delay",
    `127.0.0.1:${port}`,
    address,
    latency,
  ]);
}

/** One registry with all that leads to it. */
class Round {
  readonly #started: RunningPeer[] = [];
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async start(options: Options): Promise<{ visit: Visit; addresses: Record<Place, string> }> {
    const [peer] = choosePeers(["Longshore"], []);
    if (peer === undefined) throw new Error("there is no registry to measure");
    const running = await this.#begin(peer);
    const far = await this.#begin(distanceTo(running.address, options));
    const addresses = {
      proxy: (await this.#begin(proxyTo(running.address, options))).address,
      direct: running.address,
      "far proxy": (await this.#begin(proxyTo(far.address, options))).address,
      "far direct": far.address,
    };
    const visit = new Visit({ peer, running, amounts: standard, round: 0, kept: new Map() });
    return { visit, addresses };
  }

  async stop(): Promise<void> {
    for (const running of this.#started.toReversed()) await running.stop();
  }

  async #begin(peer: Peer): Promise<RunningPeer> {
    const folder = join(this.#folder, String(this.#started.length));
    const running = await startPeer(peer, folder);
    this.#started.push(running);
    return running;
  }
}

/** The seconds of each push in each place, in an order that changes from round to round. */
async function measureRound(
  round: number,
  options: Options,
  folder: string,
): Promise<Map<string, number>> {
  const seconds = new Map<string, number>();
  const own = new Round(folder);
  try {
    const { visit, addresses } = await own.start(options);
    const warm: Job = { task: "push-layers", repository: "warm", way: "stream", count: 1 };
    for (const place of places) {
      await runLoad(addresses[place], { ...warm, bytes: 2 ** 25, seed: freshSeed() });
    }
    const first = round % places.length;
    const ordered = [...places.slice(first), ...places.slice(0, first)];
    for (const { name, job } of pushesOf(options)) {
      for (const place of ordered) {
        await visit.rest();
        const figures = await runLoad(addresses[place], { ...job, seed: freshSeed() });
        seconds.set(`${name} ${place}`, figures.seconds);
      }
    }
  } finally {
    await own.stop();
  }
  return seconds;
}

async function measure(options: Options): Promise<string> {
  const away = `${options.latencyMs} ms away`;
  const columns: readonly (Peer & { readonly place: Place })[] = [
    { name: "through the proxy", place: "proxy", isOurs: true },
    { name: "direct", place: "direct" },
    { name: `direct, ${away}`, place: "far direct" },
  ];
  const measurements = new Measurements();
  const rows: Row[] = [];
  const folder = await mkdtemp(join(options.storage, "longshore-bench-"));
  try {
    for (let round = 0; round < options.rounds; round += 1) {
      const seconds = await measureRound(round, options, join(folder, String(round)));
      // A proxy whose registry is far away is compared with a push to one that is near, too.
      for (const { name } of pushesOf(options)) {
        for (const isFar of [false, true]) {
          const row = {
            name: isFar ? `${name}, ${away}` : name,
            unit: "s",
            better: "lower",
          } as const;
          if (round === 0) rows.push(row);
          for (const { name: column, place } of columns) {
            const own = isFar && place === "proxy" ? "far proxy" : place;
            if (!isFar && place === "far direct") continue;
            measurements.add(row, column, round, seconds.get(`${name} ${own}`));
          }
        }
      }
      console.log(`round ${round + 1} of ${options.rounds} ended`);
      await rm(join(folder, String(round)), { recursive: true });
    }
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  }
  const results = rows.map((row) => measurements.result(row, columns));
  return textTable({ peers: columns.map(({ name }) => name), rows: results });
}

if (process.argv.includes("--help")) {
  console.log(usage);
} else {
  const options = parseOptions();
  console.log(sayMachine(describeMachine(options.storage)));
  console.log(`\n${await measure(options)}`);
}
