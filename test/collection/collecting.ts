/** Collections of the whole registry, as an administrator asks for them. */
import { runDurableObjectAlarm } from "cloudflare:test";
import { expect } from "vitest";
import { send } from "../client.ts";
import { advance, secondMs } from "../durable-objects/clock.ts";
import { maintenanceObject } from "./time.ts";

/** What POST and GET of a collection answer. */
export interface CollectionBody {
  readonly status: string;
  readonly deletedLayers: number;
  readonly reclaimedBytes: number;
  readonly deletedManifests: number;
  readonly failures: number;
  readonly force: boolean;
  readonly dryRun: boolean;
  readonly startedAt: string;
  readonly finishedAt: string | null;
  readonly repositories: readonly RepositoryBody[];
}

export interface RepositoryBody {
  readonly name: string;
  readonly layers: readonly {
    readonly digest: string;
    readonly size: number;
    readonly reason: string;
  }[];
  readonly manifests: readonly { readonly digest: string; readonly reason: string }[];
}

/**
 * The answer to a request that waits for a run, which takes place meanwhile; `stepMs` pass between its
 * steps. A forced collection begins when what was just pushed has been told.
 */
export async function answered(answering: Promise<Response>, stepMs = secondMs): Promise<Response> {
  for (;;) {
    /* oxlint-disable no-await-in-loop */
    const answer = await Promise.race([answering, scheduler.wait(20)]);
    if (answer instanceof Response) return answer;
    advance(stepMs);
    await runDurableObjectAlarm(maintenanceObject());
    /* oxlint-enable no-await-in-loop */
  }
}

/** POST of a collection, until it has ended. */
export async function collect(query = ""): Promise<CollectionBody> {
  const response = await answered(send("POST", `/_gc${query}`));
  expect(response.status).toBe(200);
  const body = await response.json<CollectionBody>();
  expect(body).toMatchObject({ status: "done", failures: 0 });
  return body;
}

/** What a collection says of one repository. */
export function ofRepository(body: CollectionBody, name: string): RepositoryBody | undefined {
  return body.repositories.find((repository) => repository.name === name);
}

/** The sums that a collection tells. */
export function sums({ deletedLayers, reclaimedBytes, deletedManifests }: CollectionBody) {
  return { deletedLayers, reclaimedBytes, deletedManifests };
}
