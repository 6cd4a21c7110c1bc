import { setTimeout as sleep } from "node:timers/promises";
import type { Amounts } from "./amounts.ts";
import { type DiskUsage, diskUsage } from "./disk-usage.ts";
import { type Figures, type Job, runLoad } from "./load.ts";
import { isRegistry, type Peer, type RunningPeer } from "./peer.ts";

/** A registry rests when it used less than this share of a core for so long. */
const restShare = 0.05;
const restMs = 100;

/** How long that is waited for. */
const unrestMsMax = 15_000;

/** How often memory is looked at while something runs. */
const sampleMs = 100;

/** Seeds are this far apart: a job makes content of its seed and of those that follow. */
const seedStep = 1_000_000;
let lastSeed = (Date.now() % 2 ** 32) * seedStep;

/** A seed that no job has had, also of earlier runs: what it makes is nowhere yet. */
export function freshSeed(): number {
  lastSeed += seedStep;
  return lastSeed;
}

/** One peer while it runs: everything a step may ask of it. */
export class Visit {
  readonly peer: Peer;
  readonly running: RunningPeer;
  readonly amounts: Amounts;
  readonly round: number;
  /** What prepare() of the suite made, for the visits that follow. */
  readonly kept: Map<string, unknown>;
  readonly #made = new Map<string, Promise<unknown>>();

  constructor(of: Pick<Visit, "peer" | "running" | "amounts" | "round" | "kept">) {
    this.peer = of.peer;
    this.running = of.running;
    this.amounts = of.amounts;
    this.round = of.round;
    this.kept = of.kept;
  }

  /** Whether what comes is hashed, too, outside of what is measured: once, as that takes time. */
  get verifies(): boolean {
    return this.round === 0 && isRegistry(this.peer);
  }

  async load(job: Job): Promise<Figures> {
    return runLoad(this.running.address, job);
  }

  /** What a step needs of an earlier one: made by whoever comes first, as steps may be left out. */
  async once<T>(name: string, make: () => Promise<T>): Promise<T> {
    const known = this.#made.get(name) ?? make();
    this.#made.set(name, known);
    return known as Promise<T>;
  }

  /** Waits until the registry has ended what it does behind its answers. */
  async rest(): Promise<void> {
    const { tree } = this.running;
    if (tree === undefined) return;
    const deadline = performance.now() + unrestMsMax;
    for (;;) {
      const before = tree.cpuSeconds();
      await sleep(restMs);
      const used = tree.cpuSeconds() - before;
      if (used * 1000 <= restMs * restShare || performance.now() > deadline) return;
    }
  }

  /** CPU seconds of the registry for something, with what it does behind its answers. */
  async cpuOf<T>(work: () => Promise<T>): Promise<{ result: T; cpuSeconds: number | undefined }> {
    const { tree } = this.running;
    if (tree === undefined || this.peer.isNothing === true) {
      return { result: await work(), cpuSeconds: undefined };
    }
    await this.rest();
    const before = tree.cpuSeconds();
    const result = await work();
    await this.rest();
    return { result, cpuSeconds: tree.cpuSeconds() - before };
  }

  /** The most memory, in MiB, while something runs. */
  async peakMemory(work: () => Promise<unknown>): Promise<number | undefined> {
    const { tree } = this.running;
    let peak = 0;
    const timer = setInterval(() => {
      peak = Math.max(peak, tree?.memoryBytes() ?? 0);
    }, sampleMs);
    try {
      await work();
    } finally {
      clearInterval(timer);
    }
    return tree === undefined ? undefined : Math.max(peak, tree.memoryBytes()) / 2 ** 20;
  }

  /** Memory in MiB, once it rests and so long after it. */
  async memory(afterMs: number): Promise<number | undefined> {
    await sleep(afterMs);
    await this.rest();
    const bytes = this.running.tree?.memoryBytes();
    return bytes === undefined ? undefined : bytes / 2 ** 20;
  }

  async disk(): Promise<DiskUsage | undefined> {
    const { storage } = this.running;
    await this.rest();
    return storage === undefined ? undefined : diskUsage(storage);
  }
}
