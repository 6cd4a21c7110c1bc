import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Amounts } from "./amounts.ts";
import { diskUsage } from "./disk-usage.ts";
import { type Peer, startPeer } from "./peer.ts";
import { Measurements } from "./results.ts";
import type { Step, Suite } from "./scenario.ts";
import { warmUp } from "./scenarios/images.ts";
import { Visit } from "./visit.ts";

/** What is run, and for how long. */
export interface Plan {
  readonly peers: readonly Peer[];
  readonly suites: readonly Suite[];
  readonly amounts: Amounts;
  readonly rounds: number;
  /** After the first round, no suite begins that would probably end later than this. */
  readonly secondsMax: number;
  /** An empty folder on the disk to measure. */
  readonly folder: string;
  /** Is told what happens. */
  readonly say: (line: string) => void;
}

/** Rounds as they were run. */
export interface Run {
  readonly measurements: Measurements;
  readonly rounds: number;
  readonly seconds: number;
  readonly failures: readonly string[];
}

/** Has the disk do what earlier visits left it to do, so that the next one pays for nothing but its own. */
async function writtenBack(folder: string): Promise<void> {
  await promisify(execFile)("sync", ["--file-system", folder]);
}

/** What is larger does not stay until the end. */
const keptBytesMax = 2 * 2 ** 30;

/**
 * Removes what a visit stored if it is large, and thus of few files. The inodes of removed files are
 * not used again for minutes by an ext4 without a journal, and each file that is made has to search
 * past them: thousands of files stay until the end, or the next visit would pay for them.
 */
async function removeIfLarge(folder: string): Promise<void> {
  const { bytes } = await diskUsage(folder);
  if (bytes > keptBytesMax) await rm(folder, { recursive: true, force: true });
}

function stepsFor(suite: Suite, peer: Peer): readonly Step[] {
  return suite.steps.filter(({ takes }) => takes?.(peer) !== false);
}

/** What a suite stored of a peer for all rounds. */
interface Prepared {
  readonly folder: string;
  readonly kept: Map<string, unknown>;
}

/**
 * Runs every suite on every peer, one after the other, each in a registry of its own, and all that
 * again in the next round, in another order.
 */
export class Rounds {
  readonly #plan: Plan;
  readonly #measurements = new Measurements();
  readonly #failures: string[] = [];
  readonly #begin = performance.now();
  /** The seconds that a suite took with all peers, in the last round that had it. */
  readonly #took = new Map<string, number>();
  readonly #prepared = new Map<string, Prepared>();

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  async run(): Promise<Run> {
    const { rounds, suites, say } = this.#plan;
    let ran = 0;
    for (let round = 0; round < rounds; round += 1) {
      for (const suite of suites) {
        if (!this.#hasTime(suite, round)) continue;
        ran = round + 1;
        const begin = this.#seconds();
        for (const peer of this.#order(suite, round)) await this.#runSuite(suite, peer, round);
        this.#took.set(suite.name, this.#seconds() - begin);
      }
      say(`round ${round + 1} of ${rounds} ended after ${Math.round(this.#seconds())} s`);
    }
    const [measurements, failures] = [this.#measurements, this.#failures];
    return { measurements, rounds: ran, seconds: this.#seconds(), failures };
  }

  #seconds(): number {
    return (performance.now() - this.#begin) / 1000;
  }

  /** Whether a suite would end in time if it took as long as before. */
  #hasTime(suite: Suite, round: number): boolean {
    if (round === 0) return true;
    if (suite.isOnce === true) return false;
    const expected = this.#took.get(suite.name) ?? 0;
    if (this.#seconds() + expected < this.#plan.secondsMax) return true;
    this.#plan.say(`round ${round + 1}: no time for ${suite.name}`);
    return false;
  }

  /** The peers that have steps in the suite, each of them first in one round or another. */
  #order(suite: Suite, round: number): Peer[] {
    const peers = this.#plan.peers.filter((peer) => stepsFor(suite, peer).length > 0);
    const taking = peers.filter(
      ({ isNothing, isFormer }) =>
        (round === 0 || isNothing !== true) && (round % 2 === 0 || isFormer !== true),
    );
    const first = round % Math.max(1, taking.length);
    return [...taking.slice(first), ...taking.slice(0, first)];
  }

  async #runSuite(suite: Suite, peer: Peer, round: number): Promise<void> {
    const begin = this.#seconds();
    try {
      await this.#visit(suite, peer, round);
    } catch (error) {
      this.#fail(`round ${round + 1}, ${suite.name}, ${peer.name}: ${String(error)}`);
    }
    const took = (this.#seconds() - begin).toFixed(1);
    this.#plan.say(`round ${round + 1}: ${suite.name}, ${peer.name}: ${took} s`);
  }

  async #visit(suite: Suite, peer: Peer, round: number): Promise<void> {
    const { amounts } = this.#plan;
    const { folder, kept } = await this.#storage(suite, peer, round);
    await writtenBack(this.#plan.folder);
    const running = await startPeer(peer, folder);
    try {
      const visit = new Visit({ peer, running, amounts, round, kept });
      if (peer.isNothing === true) await suite.prepare?.(visit);
      if (suite.warmsUp === true) await warmUp(visit);
      for (const step of stepsFor(suite, peer)) await this.#measure(visit, step, round);
    } finally {
      await running.stop();
      if (suite.prepare === undefined) await removeIfLarge(folder);
    }
  }

  async #measure(visit: Visit, step: Step, round: number): Promise<void> {
    const { peer } = visit;
    try {
      await visit.rest();
      const figures = await step.run(visit);
      for (const [index, row] of step.rows.entries()) {
        this.#measurements.add(row, peer.name, round, figures[index]);
      }
    } catch (error) {
      this.#fail(`round ${round + 1}, ${peer.name}, ${step.rows[0]?.name}: ${String(error)}`);
    }
  }

  /** A new folder, or the one that the suite has filled for this peer: in a start of its own. */
  async #storage(suite: Suite, peer: Peer, round: number): Promise<Prepared> {
    const name = `${suite.name} ${peer.name}`.replaceAll(/[^\w.]+/g, "-");
    if (suite.prepare === undefined || peer.isNothing === true) {
      return { folder: join(this.#plan.folder, `${name}-${round}`), kept: new Map() };
    }
    const { amounts } = this.#plan;
    const known = this.#prepared.get(name);
    if (known !== undefined) return known;
    const made = { folder: join(this.#plan.folder, name), kept: new Map<string, unknown>() };
    const running = await startPeer(peer, made.folder);
    try {
      await suite.prepare(new Visit({ peer, running, amounts, round, kept: made.kept }));
    } finally {
      await running.stop();
    }
    this.#prepared.set(name, made);
    return made;
  }

  #fail(text: string): void {
    this.#failures.push(text);
    this.#plan.say(`FAILED: ${text}`);
  }
}
