import { DurableObject } from "cloudflare:workers";
import { done, type Outcome, refuse } from "../schemas/outcome.ts";
import { boundedEnv } from "../stores/bounded-env.ts";
import {
  beginCollection,
  CollectionRun,
  type CollectionState,
  type RepositoryReport,
} from "./collection-run.ts";
import { sweepObjects, sweepProbes } from "./object-sweep.ts";
import type { CollectionTerms } from "./repository-collection.ts";
import { RunState } from "./run-state.ts";
import { beginScrub, type ScrubState, scrubStep } from "./scrub-run.ts";
import { Tables } from "./tables.ts";
import { Tasks } from "./tasks.ts";

/** A collection, and what it took in which repositories: at most 500 of them, 50 blobs of each. */
export interface CollectionReport {
  readonly state: CollectionState;
  readonly repositories: readonly RepositoryReport[];
}

/** How long one alarm works before it stores where it stands and asks for the next. */
const workMsMax = 20_000;
const retryMs = 5000;
/** Repositories tell the catalog of themselves within a second. */
const settleMs = 1500;
const sweepAgainMs = 24 * 60 * 60 * 1000;
/** A caller that waits for the end of a run looks so often. */
const lookMs = 100;

/**
 * One per deployment: what is done to the whole registry, step by step, in alarms. Where each stands
 * is stored behind every step, so that one that is cut off goes on there.
 */
export class Maintenance extends DurableObject<Env> {
  readonly #tables: Tables;
  readonly #tasks: Tasks<"collection" | "scrub" | "sweep">;
  readonly #collection: CollectionRun;
  readonly #collectionRow: RunState<CollectionState>;
  readonly #scrubRow: RunState<ScrubState>;
  /** The key behind which the sweep goes on. */
  readonly #sweepRow: RunState<string>;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, boundedEnv(env));
    this.#tables = new Tables(ctx.storage, [RunState.table, ...CollectionRun.tables, Tasks.table]);
    this.#tasks = new Tasks(ctx.storage, this.#tables);
    const { sql } = ctx.storage;
    this.#collection = new CollectionRun(this.env, sql, () => this.#sweepRow.get() ?? "");
    this.#collectionRow = new RunState(sql, "collection");
    this.#scrubRow = new RunState(sql, "scrub");
    this.#sweepRow = new RunState(sql, "sweep");
  }

  /** Begins a collection of the whole registry. COLLECTION_RUNNING while there is one. */
  beginCollection(terms: CollectionTerms): Outcome<undefined> {
    const running = this.#collectionState();
    if (running !== undefined && running.phase !== "done") {
      this.#wake("collection");
      return refuse("COLLECTION_RUNNING", `it began ${isoTime(running.startedMs)}`, {
        "Retry-After": "5",
      });
    }
    const nowMs = Date.now();
    this.#tables.write(() => {
      this.#collection.clear();
      this.#collectionRow.put(beginCollection(terms, nowMs));
      // By force, what was pushed just now counts too.
      this.#tasks.schedule("collection", nowMs + (terms.force ? settleMs : 0));
    });
    return done(undefined);
  }

  /** The collection that runs, or ran last, once it has ended or `waitMs` are over. */
  async collection(waitMs: number): Promise<CollectionReport | undefined> {
    await this.#until(() => this.#collectionState()?.phase === "done", waitMs);
    const state = this.#collectionState();
    return state && { state, repositories: this.#collection.reports() };
  }

  /**
   * Begins to read all blobs again, `rate` bytes a second, or goes on where a scrub was paused.
   * SCRUB_RUNNING while there is one.
   */
  beginScrub(rate: number): Outcome<undefined> {
    const former = this.#scrubState();
    if (former?.stage === "running") {
      this.#wake("scrub");
      return refuse("SCRUB_RUNNING", `it began ${isoTime(former.startedMs)}`, {
        "Retry-After": "60",
      });
    }
    this.#tables.write(() => {
      const next: ScrubState =
        former?.stage === "paused"
          ? { ...former, stage: "running", rate }
          : beginScrub(rate, Date.now());
      this.#scrubRow.put(next);
      this.#tasks.schedule("scrub", Date.now());
    });
    return done(undefined);
  }

  /** Has a scrub rest until it is begun again. */
  pauseScrub(): void {
    const state = this.#scrubState();
    if (state?.stage !== "running") return;
    this.#tables.write(() => this.#scrubRow.put({ ...state, stage: "paused" }));
  }

  /** The scrub that runs, or ran last, once it has ended or `waitMs` are over. */
  async scrub(waitMs: number): Promise<ScrubState | undefined> {
    await this.#until(() => this.#scrubState()?.stage !== "running", waitMs);
    return this.#scrubState();
  }

  /** Has objects deleted that nobody claimed for eight days, now and as long as there are younger ones. */
  sweep(): void {
    this.#tables.write(() => this.#tasks.schedule("sweep", Date.now()));
  }

  override async alarm(): Promise<void> {
    await this.#tasks.run(Date.now(), retryMs, async (kind) => {
      switch (kind) {
        case "collection":
          return this.#collect();
        case "scrub":
          return this.#scrub();
        case "sweep":
          return this.#sweep();
      }
    });
  }

  async #collect(): Promise<void> {
    const endMs = Date.now() + workMsMax;
    let state = this.#collectionState();
    while (state !== undefined && state.phase !== "done") {
      try {
        // oxlint-disable-next-line no-await-in-loop
        state = await this.#collection.step(state);
      } catch (error) {
        this.#collectionRow.put({ ...state, error: String(error) });
        throw error;
      }
      this.#collectionRow.put(state);
      if (Date.now() > endMs) return this.#tasks.schedule("collection", Date.now());
    }
  }

  async #scrub(): Promise<void> {
    const endMs = Date.now() + workMsMax;
    for (;;) {
      const state = this.#scrubState();
      if (state?.stage !== "running") return;
      const beganMs = Date.now();
      // oxlint-disable-next-line no-await-in-loop
      const { next, bytes } = await scrubStep(this.env, state);
      // Paused meanwhile: what was read counts, and it rests.
      const stage = this.#scrubState()?.stage === "paused" ? "paused" : next.stage;
      this.#scrubRow.put({ ...next, stage });
      const nextMs = beganMs + (bytes / next.rate) * 1000;
      if (nextMs > Date.now() || Date.now() > endMs) {
        return this.#tasks.schedule("scrub", Math.ceil(nextMs));
      }
    }
  }

  async #sweep(): Promise<void> {
    const endMs = Date.now() + workMsMax;
    await sweepProbes(this.env);
    for (;;) {
      const after = this.#sweepRow.get() ?? "";
      // oxlint-disable-next-line no-await-in-loop
      const { last, isEnd, hasYoung, failures } = await sweepObjects(this.env, {
        after,
        sweptUntil: after,
        force: false,
        dryRun: false,
      });
      if (failures > 0) throw new Error("an index did not answer");
      // The next sweep begins there: each day is looked through once.
      this.#sweepRow.put(last);
      if (isEnd && hasYoung) this.#tasks.schedule("sweep", Date.now() + sweepAgainMs);
      if (isEnd) return;
      if (Date.now() > endMs) return this.#tasks.schedule("sweep", Date.now());
    }
  }

  /** Sets an alarm again that the platform gave up after failures, as long as somebody asks. */
  #wake(kind: "collection" | "scrub"): void {
    this.#tables.write(() => this.#tasks.schedule(kind, Date.now() + retryMs));
  }

  #collectionState(): CollectionState | undefined {
    return this.#tables.exist ? this.#collectionRow.get() : undefined;
  }

  #scrubState(): ScrubState | undefined {
    return this.#tables.exist ? this.#scrubRow.get() : undefined;
  }

  async #until(isSo: () => boolean, waitMs: number): Promise<void> {
    const endMs = Date.now() + waitMs;
    // oxlint-disable-next-line no-await-in-loop
    while (!isSo() && Date.now() < endMs) await scheduler.wait(lookMs);
  }
}

function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
