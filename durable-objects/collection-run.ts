import type { RepositoryName } from "../schemas/reference.ts";
import { blobIndexName, catalogName } from "../schemas/storage-keys.ts";
import { log } from "../telemetry/log.ts";
import { atOnceMax } from "./at-once.ts";
import type { HeldToken } from "./blob-store.ts";
import { sweepObjects } from "./object-sweep.ts";
import type { CollectedRepository, CollectionTerms } from "./repository-collection.ts";

/** Where a collection of the whole registry stands, and what it did until there. */
export interface CollectionState extends CollectionTerms {
  readonly phase: "repositories" | "objects" | "indexes" | "done";
  /** The name or key behind which the phase goes on. */
  readonly position: string;
  readonly deletedLayers: number;
  readonly reclaimedBytes: number;
  readonly deletedManifests: number;
  /** Repositories and indexes that could not be asked: the next collection asks them again. */
  readonly failures: number;
  /** Why the last step has to be done again; null once one succeeds. */
  readonly error: string | null;
  readonly startedMs: number;
  readonly finishedMs: number | null;
}

/** What a collection did in a repository. */
export interface RepositoryReport {
  readonly name: RepositoryName;
  readonly layers: readonly {
    readonly digest: string;
    readonly size: number;
    readonly reason: string;
  }[];
  readonly manifests: readonly { readonly digest: string; readonly reason: string }[];
}

/** Of a repository, the report names at most so many blobs and manifests. */
const reportedMax = 50;
const reportedRepositoriesMax = 500;

export function beginCollection(terms: CollectionTerms, nowMs: number): CollectionState {
  return {
    ...terms,
    phase: "repositories",
    position: "",
    deletedLayers: 0,
    reclaimedBytes: 0,
    deletedManifests: 0,
    failures: 0,
    error: null,
    startedMs: nowMs,
    finishedMs: null,
  };
}

/**
 * One collection of the whole registry: first each repository lets go of what its rules say, then
 * objects of R2 are looked through that nobody claimed, then each index deletes what nobody holds.
 * Each step may be repeated, so one that is cut off goes on where it was.
 */
export class CollectionRun {
  readonly #env: Env;
  readonly #sql: SqlStorage;
  readonly #sweptUntil: () => string;

  /** `sweptUntil` answers the key up to which the sweep has asked about every object. */
  constructor(env: Env, sql: SqlStorage, sweptUntil: () => string) {
    this.#env = env;
    this.#sql = sql;
    this.#sweptUntil = sweptUntil;
  }

  static readonly tables = [
    "CREATE TABLE IF NOT EXISTS repository_reports (name TEXT PRIMARY KEY, report TEXT NOT NULL) WITHOUT ROWID",
    // Of a dry run: the tokens that would be dropped.
    `CREATE TABLE IF NOT EXISTS dropped_tokens (
       blob_index TEXT, digest TEXT, token TEXT, PRIMARY KEY (blob_index, digest, token)) WITHOUT ROWID`,
  ];

  /** Forgets what the last collection did. */
  clear(): void {
    this.#sql.exec("DELETE FROM repository_reports");
    this.#sql.exec("DELETE FROM dropped_tokens");
  }

  reports(): RepositoryReport[] {
    return this.#sql
      .exec<{ report: string }>("SELECT report FROM repository_reports ORDER BY name")
      .toArray()
      .map(({ report }) => JSON.parse(report) as RepositoryReport);
  }

  /** The next step. @throws what R2 or the catalog throws: the step is to be repeated */
  async step(state: CollectionState): Promise<CollectionState> {
    if (state.phase === "repositories") return this.#collectRepositories(state);
    if (state.phase === "objects") return this.#sweep(state);
    return state.phase === "indexes" ? this.#collectIndexes(state) : state;
  }

  async #collectRepositories(state: CollectionState): Promise<CollectionState> {
    const page = { limit: atOnceMax, last: state.position };
    const { names, more } = await this.#env.CATALOG.getByName(catalogName).listAll(page);
    const collected = await Promise.all(names.map((name) => this.#collectRepository(name, state)));
    let next = state;
    for (const result of collected) next = added(next, result);
    if (more) return { ...next, position: names.at(-1) ?? state.position };
    return { ...next, phase: "objects", position: state.force ? "" : this.#sweptUntil() };
  }

  async #collectRepository(
    name: RepositoryName,
    terms: CollectionTerms,
  ): Promise<Partial<CollectionState>> {
    const { force, dryRun } = terms;
    const sums = { deletedManifests: 0, deletedLayers: 0, reclaimedBytes: 0, failures: 0 };
    try {
      for (let isEnd = false; !isEnd;) {
        const repository = this.#env.REPOSITORY.getByName(name);
        // oxlint-disable-next-line no-await-in-loop
        const step: CollectedRepository = await repository.collect({ force, dryRun });
        this.#report(name, step);
        if (dryRun) this.#keepTokens(step.layers);
        sums.deletedManifests += step.manifests.length;
        // By force, they are counted when they are deleted.
        sums.deletedLayers += force ? 0 : step.freed.layers;
        sums.reclaimedBytes += force ? 0 : step.freed.bytes;
        ({ isEnd } = step);
      }
    } catch (error) {
      log("warn", "repository not collected", { repository: name, error: String(error) });
      sums.failures = 1;
    }
    return sums;
  }

  async #sweep(state: CollectionState): Promise<CollectionState> {
    const { force, dryRun } = state;
    const page = await sweepObjects(this.#env, {
      after: state.position,
      sweptUntil: this.#sweptUntil(),
      force,
      dryRun,
    });
    // By force, they are counted when they are deleted.
    const isCounted = !force || dryRun;
    const after = added(state, {
      deletedLayers: isCounted ? page.layers : 0,
      reclaimedBytes: isCounted ? page.bytes : 0,
      failures: page.failures,
    });
    if (!page.isEnd) return { ...after, position: page.last };
    return { ...after, phase: "indexes", position: "" };
  }

  async #collectIndexes(state: CollectionState): Promise<CollectionState> {
    const all = await this.#env.CATALOG.getByName(catalogName).indexes();
    const left = all.filter((name) => name > state.position);
    const names = left.slice(0, atOnceMax);
    const collected = await Promise.all(names.map((name) => this.#collectIndex(name, state)));
    let next = state;
    for (const result of collected) next = added(next, result);
    if (names.length < left.length) return { ...next, position: names.at(-1) ?? "" };
    this.#sql.exec("DELETE FROM dropped_tokens");
    return { ...next, phase: "done", position: "", finishedMs: Date.now() };
  }

  async #collectIndex(name: string, terms: CollectionTerms): Promise<Partial<CollectionState>> {
    const { force, dryRun } = terms;
    const index = this.#env.BLOB_INDEX.getByName(name);
    try {
      const { layers, bytes } = dryRun
        ? await index.wouldFree(this.#tokens(name), force)
        : await index.collect({ force });
      return force || dryRun ? { deletedLayers: layers, reclaimedBytes: bytes } : {};
    } catch (error) {
      log("warn", "index not collected", { index: name, error: String(error) });
      return { failures: 1 };
    }
  }

  #report(name: RepositoryName, { layers, manifests }: CollectedRepository): void {
    if (layers.length + manifests.length === 0) return;
    const former = this.#sql
      .exec<{ report: string }>("SELECT report FROM repository_reports WHERE name = ?", name)
      .toArray()[0];
    const { count } = this.#sql
      .exec<{ count: number }>("SELECT count(*) AS count FROM repository_reports")
      .one();
    if (former === undefined && count >= reportedRepositoriesMax) return;
    const known =
      former === undefined ? undefined : (JSON.parse(former.report) as RepositoryReport);
    const report: RepositoryReport = {
      name,
      layers: merged(
        known?.layers ?? [],
        layers.map(({ digest, size, reason }) => ({ digest, size, reason })),
      ),
      manifests: merged(known?.manifests ?? [], manifests),
    };
    this.#sql.exec(
      "INSERT OR REPLACE INTO repository_reports VALUES (?, ?)",
      name,
      JSON.stringify(report),
    );
  }

  #keepTokens(tokens: readonly HeldToken[]): void {
    for (const { digest, token } of tokens) {
      this.#sql.exec(
        "INSERT OR REPLACE INTO dropped_tokens VALUES (?, ?, ?)",
        blobIndexName(this.#env, digest),
        digest,
        token,
      );
    }
  }

  #tokens(index: string): HeldToken[] {
    return this.#sql
      .exec<{ digest: HeldToken["digest"]; token: HeldToken["token"] }>(
        "SELECT digest, token FROM dropped_tokens WHERE blob_index = ?",
        index,
      )
      .toArray();
  }
}

function added(state: CollectionState, result: Partial<CollectionState>): CollectionState {
  return {
    ...state,
    error: null,
    deletedLayers: state.deletedLayers + (result.deletedLayers ?? 0),
    reclaimedBytes: state.reclaimedBytes + (result.reclaimedBytes ?? 0),
    deletedManifests: state.deletedManifests + (result.deletedManifests ?? 0),
    failures: state.failures + (result.failures ?? 0),
  };
}

/** Each digest once, as a step that was cut off is repeated. */
function merged<T extends { readonly digest: string }>(
  known: readonly T[],
  more: readonly T[],
): T[] {
  const ofDigests = new Map([...known, ...more].map((item) => [item.digest, item]));
  return [...ofDigests.values()].slice(0, reportedMax);
}
