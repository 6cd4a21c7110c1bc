/** What the statistics tell, and what a test changes of it. */
import { expect } from "vitest";
import { send } from "./client.ts";
import { settle } from "./collection/time.ts";

export interface Details {
  readonly name: string;
  readonly tags: number;
  readonly imageCount: number;
  readonly totalSize: number;
  readonly lastPush: string | null;
}

export interface Stats {
  readonly repositories: number;
  readonly images: number;
  readonly tags: number;
  readonly layers: {
    readonly layers: number;
    readonly totalSize: number;
    readonly cacheHits: number;
    readonly cacheMisses: number;
    readonly hitRate: number;
  };
  readonly repositoryDetails: readonly Details[];
  readonly uploads: {
    readonly active: number;
    readonly sessions: readonly { readonly repository: string; readonly startedAt: string }[];
  };
}

/** The statistics once everybody has told what there is. */
export async function stats(query = ""): Promise<Stats> {
  await settle();
  const response = await send("GET", `/_stats${query}`);
  expect(response.status).toBe(200);
  return response.json();
}

/** What a test changes, as differences. */
export async function change(work: () => Promise<unknown>) {
  const before = await stats();
  await work();
  const after = await stats();
  return {
    repositories: after.repositories - before.repositories,
    images: after.images - before.images,
    tags: after.tags - before.tags,
    layers: after.layers.layers - before.layers.layers,
    bytes: after.layers.totalSize - before.layers.totalSize,
    hits: after.layers.cacheHits - before.layers.cacheHits,
    misses: after.layers.cacheMisses - before.layers.cacheMisses,
  };
}
