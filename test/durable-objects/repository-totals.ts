import type { RepositoryTotals } from "../../durable-objects/repository-statistics.ts";

/** What a repository with these, and nothing else, tells the catalog. */
export function totalsWith(some: Partial<RepositoryTotals> = {}): RepositoryTotals {
  return {
    tags: 0,
    images: 0,
    manifests: 0,
    layers: 0,
    layerBytes: 0,
    hits: 0,
    lastPushMs: null,
    beganMs: 1,
    ...some,
  };
}
