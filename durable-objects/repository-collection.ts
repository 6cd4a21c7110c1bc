import type { CollectionRules } from "../schemas/configuration.ts";
import type { Digest } from "../schemas/digest.ts";
import { audit } from "../telemetry/log.ts";
import { countCollected } from "../telemetry/telemetry.ts";
import { type BlobTotals, type HeldToken, noBlobs } from "./blob-store.ts";
import { ManifestRetention } from "./manifest-retention.ts";
import type { RepositoryRecords } from "./repository-records.ts";

/**
 * How a collection is to be done. `force` ignores grace and leases; a dry run changes nothing;
 * `everything` takes manifests and blobs whatever keeps them.
 */
export interface CollectionTerms {
  readonly force: boolean;
  readonly dryRun: boolean;
  readonly everything?: boolean;
}

/** What one step of a collection took out of a repository, in a dry run would take out, and why. */
export interface CollectedRepository {
  readonly layers: readonly CollectedLayer[];
  readonly manifests: readonly CollectedManifest[];
  /** Of the layers those that no other repository holds; zero in a dry run. */
  readonly freed: BlobTotals;
  /** False if there may be more to collect. */
  readonly isEnd: boolean;
}

interface CollectedLayer extends HeldToken {
  readonly size: number;
  readonly reason: string;
}

export interface CollectedManifest {
  readonly digest: Digest;
  readonly reason: string;
}

export const nothingCollected: CollectedRepository = {
  layers: [],
  manifests: [],
  freed: noBlobs,
  isEnd: true,
};

/** Thrown to undo the transaction of a dry run. */
class DryRun extends Error {}

/** What is taken out at once at most. */
const takenMax = 500;
/** What a dry run tells of fits into one answer. */
const dryRunStepsMax = 40;

/** Takes out of a repository what its rules let go. */
export class RepositoryCollection {
  readonly #records: RepositoryRecords;
  readonly #retention: ManifestRetention;
  readonly #rules: CollectionRules;

  constructor(sql: SqlStorage, records: RepositoryRecords, rules: CollectionRules) {
    this.#records = records;
    this.#retention = new ManifestRetention(sql);
    this.#rules = rules;
  }

  /**
   * One transaction that takes at most 500 manifests and 500 blobs, and schedules the next. A dry run
   * does all that the next ones would do too, up to 20,000 blobs, and undoes it.
   */
  collect({ force, dryRun, everything = false }: CollectionTerms): CollectedRepository {
    let collected = nothingCollected;
    try {
      this.#records.transaction(() => {
        collected = this.#takeOut(force, everything);
        if (dryRun) {
          for (let steps = 1; !collected.isEnd && steps < dryRunStepsMax; steps += 1) {
            collected = joined(collected, this.#takeOut(force, everything));
          }
          throw new DryRun();
        }
        const nextMs = this.#nextMs(Date.now());
        if (nextMs !== undefined) this.#records.tasks.schedule("collect", nextMs);
      });
    } catch (error) {
      if (error instanceof DryRun) return { ...collected, isEnd: true };
      throw error;
    }
    this.#tell(collected);
    return collected;
  }

  #tell({ layers, manifests }: CollectedRepository): void {
    if (layers.length + manifests.length === 0) return;
    countCollected({ layers: 0, bytes: 0, manifests: manifests.length });
    audit("info", {
      who: "collection",
      action: "collect",
      repository: this.#records.identity().name,
      layers: layers.map(({ digest }) => digest),
      manifests: manifests.map(({ digest }) => digest),
      outcome: "done",
    });
  }

  /** Collects what may be by now; one step in each alarm. */
  collectDue(): void {
    const { isEnd } = this.collect({ force: false, dryRun: false });
    if (!isEnd) this.#records.tasks.schedule("collect", Date.now());
  }

  #takeOut(force: boolean, everything: boolean): CollectedRepository {
    const nowMs = Date.now();
    const manifests = everything
      ? this.#records.manifests.any(takenMax).map((digest) => ({ digest, reason: "emptied" }))
      : this.#collectableManifests(nowMs, force);
    for (const { digest } of manifests) this.#records.removeManifest(digest);
    const layers = this.#records.links
      .collectable(nowMs, force, takenMax)
      .map(({ digest, token, size, sinceMs }) => {
        return { digest, token, size, reason: `unreferenced since ${isoTime(sinceMs)}` };
      });
    for (const { digest } of layers) this.#records.unlink(digest);
    const isEnd = manifests.length === 0 && layers.length < takenMax;
    return { layers, manifests, freed: noBlobs, isEnd };
  }

  #collectableManifests(nowMs: number, force: boolean): CollectedManifest[] {
    const { untaggedMs, deletesReferrers, graceMs } = this.#rules;
    const reasons = new Map<Digest, string>();
    if (untaggedMs !== undefined) {
      for (const { digest, sinceMs } of this.#retention.unneeded(nowMs - untaggedMs, takenMax)) {
        reasons.set(digest, `untagged since ${isoTime(sinceMs)}`);
      }
    }
    if (deletesReferrers) {
      const orphanedMs = force ? nowMs : nowMs - graceMs;
      for (const { digest, subject } of this.#retention.orphans(orphanedMs, takenMax)) {
        reasons.set(digest, `its subject ${subject} was deleted`);
      }
    }
    return Array.from(reasons, ([digest, reason]) => ({ digest, reason }));
  }

  /** When there may be something to collect next, if nothing happens meanwhile. */
  #nextMs(nowMs: number): number | undefined {
    const { untaggedMs, deletesReferrers, graceMs } = this.#rules;
    const dues = [this.#records.links.nextCollectableMs()];
    if (untaggedMs !== undefined) {
      dues.push(later(this.#retention.nextReleasedMs(nowMs - untaggedMs), untaggedMs));
    }
    if (deletesReferrers) {
      dues.push(later(this.#retention.nextOrphanedMs(nowMs - graceMs), graceMs));
    }
    const known = dues.filter((due) => due !== null);
    return known.length === 0 ? undefined : Math.min(...known);
  }
}

function joined(one: CollectedRepository, other: CollectedRepository): CollectedRepository {
  return {
    ...other,
    layers: [...one.layers, ...other.layers],
    manifests: [...one.manifests, ...other.manifests],
  };
}

function later(timeMs: number | null, afterMs: number): number | null {
  return timeMs === null ? null : timeMs + afterMs;
}

function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
