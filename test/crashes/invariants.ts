import { evictAllDurableObjects, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect } from "vitest";
import type { CollectionState } from "../../durable-objects/collection-run.ts";
import type { CollectionTerms } from "../../durable-objects/repository-collection.ts";
import { maintenanceName } from "../../schemas/storage-keys.ts";
import { ociIndex, send } from "../client.ts";
import { type Call, namesOf, takeOpenMultiparts } from "../doubles/call-seam.ts";
import { advance, hourMs, secondMs } from "../durable-objects/clock.ts";
import {
  expectClean,
  expectCounted,
  expectSound,
  type Scope,
  type StoredState,
  storedState,
} from "../stored-state.ts";
import { runAlarms } from "./alarms.ts";

/** A step of a collection that fails is tried again after so long. */
const collectionRetryMs = 6 * secondMs;
const triesMax = 4;

/** By name: an object that is asked for by its id alone does not know its name. */
function scope(): Scope {
  return { repositories: namesOf("REPOSITORY"), indexes: namesOf("BLOB_INDEX") };
}

/** Expects that nothing is missing which anything in the stores needs. */
export async function expectNothingMissing(): Promise<void> {
  await expectSound(await storedState(scope()));
}

/** Sessions that have a row, and their stages. */
async function uploads(): Promise<string[]> {
  const stages = namesOf("UPLOAD_SESSION").map((name) =>
    runInDurableObject(env.UPLOAD_SESSION.getByName(name), (_, { storage: { sql } }) => {
      const tables = sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'session'").toArray();
      if (tables.length === 0) return [];
      return sql
        .exec<{ stage: string }>("SELECT stage FROM session")
        .toArray()
        .map(({ stage }) => stage);
    }),
  );
  return (await Promise.all(stages)).flat();
}

function maintenance() {
  return env.MAINTENANCE.getByName(maintenanceName);
}

/** Has a collection of the whole registry run to its end, one that was begun before if there is. */
export async function collectAll(terms: CollectionTerms): Promise<CollectionState> {
  const begun = await maintenance().beginCollection(terms);
  if (!begun.ok) expect(begun.code).toBe("COLLECTION_RUNNING");
  for (let tries = 0; tries < triesMax; tries++) {
    advance(collectionRetryMs);
    // oxlint-disable-next-line no-await-in-loop
    await runAlarms();
    // oxlint-disable-next-line no-await-in-loop
    const { state } = (await maintenance().collection(0)) ?? {};
    if (state?.phase === "done") return state;
  }
  throw new Error("the collection does not end");
}

/**
 * Has all alarms run for four hours, in which a commit ends and then its session, and a forced collection; then expects that the stores have what is
 * reachable and nothing else, that it is counted right, and that objects need nothing of their memory.
 */
export async function expectNothingLeft(): Promise<void> {
  for (const waitMs of [2 * hourMs, 2 * hourMs]) {
    advance(waitMs);
    // oxlint-disable-next-line no-await-in-loop
    await runAlarms();
  }
  expect((await collectAll({ force: true, dryRun: false })).failures).toBe(0);
  advance(2 * secondMs);
  await runAlarms();
  await evictAllDurableObjects();
  const state = await storedState(scope());
  await expectSound(state, { hash: true });
  expectClean(state);
  expect(await uploads()).toEqual([]);
  await expectCounted(scope());
  await expectStatistics(state);
}

/** Expects that the totals that administrators are told are those of the rows. */
async function expectStatistics({ repositories, indexes }: StoredState): Promise<void> {
  const used = repositories.filter(({ manifests }) => manifests.length > 0);
  const manifests = used.flatMap((repository) => repository.manifests);
  const blobs = indexes.flatMap((index) => index.blobs);
  const told = await (await send("GET", "/_stats")).json();
  expect(told).toMatchObject({
    repositories: used.length,
    images: manifests.filter(({ media_type: type }) => type !== ociIndex).length,
    tags: used.flatMap(({ tags }) => tags).length,
    layers: {
      layers: blobs.length,
      totalSize: blobs.reduce((sum, { size }) => sum + size, 0),
    },
    uploads: { active: 0, sessions: [] },
  });
}

/**
 * Expects that no multipart upload is left open. One whose beginning was cut off before its id could
 * be stored is R2's to end, after seven days.
 */
export function expectNoMultiparts(isBeginningCutOff: boolean): void {
  const open = takeOpenMultiparts();
  expect(open.length).toBeLessThanOrEqual(isBeginningCutOff ? 1 : 0);
}

/** Expects that each token was used for one claim, or take, and one link at most. */
export function expectTokensUsedOnce(calls: readonly Call[]): void {
  for (const methods of [/\.(?:claim|take)$/, /\.linkBlob$/]) {
    const tokens = calls
      .filter(({ name }) => methods.test(name))
      .map(({ input }) => (input.find((given) => isHolder(given)) as { token: string }).token);
    expect(tokens).toEqual([...new Set(tokens)]);
  }
}

function isHolder(given: unknown): boolean {
  return typeof given === "object" && given !== null && "token" in given;
}
