import type { CollectionState, RepositoryReport } from "../../durable-objects/collection-run.ts";
import type { ScrubState } from "../../durable-objects/scrub-run.ts";
import { RegistryError } from "../../schemas/errors.ts";
import { expectDone } from "../../schemas/outcome.ts";
import { maintenanceName } from "../../schemas/storage-keys.ts";
import type { RegistryContext } from "../context.ts";
import { jsonResponse } from "../json-response.ts";

/** How long an answer waits for the end of what was begun; then it goes on by itself. */
const waitMsMax = 25_000;

/**
 * Begins a collection of the whole registry: `force=true` ignores grace and leases, `dry-run=true`
 * changes nothing. 200 with what was collected; 202 where that takes longer than 25 s, and GET tells;
 * 409 while one runs.
 */
export async function beginCollection(context: RegistryContext): Promise<Response> {
  const terms = { force: isSet(context, "force"), dryRun: isSet(context, "dry-run") };
  const maintenance = maintenanceOf(context);
  expectDone(await maintenance.beginCollection(terms));
  return collectionAnswer(context, waitMsMax);
}

/** How far the collection is that runs, or what the last one did. */
export async function collectionStatus(context: RegistryContext): Promise<Response> {
  return collectionAnswer(context, 0);
}

/** Begins to read all blobs again and to hash them, or goes on with it; answers as a collection does. */
export async function beginScrub(context: RegistryContext): Promise<Response> {
  const { scrubRate } = context.var.configuration;
  expectDone(await maintenanceOf(context).beginScrub(scrubRate));
  return scrubAnswer(context, waitMsMax);
}

/** How far the scrub is that runs, or what the last one found. */
export async function scrubStatus(context: RegistryContext): Promise<Response> {
  return scrubAnswer(context, 0);
}

/** Has the scrub rest; POST goes on with it. */
export async function pauseScrub(context: RegistryContext): Promise<Response> {
  await maintenanceOf(context).pauseScrub();
  return new Response(null, { status: 204 });
}

async function collectionAnswer(context: RegistryContext, waitMs: number): Promise<Response> {
  const report = await maintenanceOf(context).collection(waitMs);
  if (report === undefined) return jsonResponse({ status: "never" });
  const isRunning = report.state.phase !== "done";
  return answer(context, isRunning, collectionBody(report.state, report.repositories));
}

function collectionBody(state: CollectionState, repositories: readonly RepositoryReport[]) {
  const { phase, deletedLayers, reclaimedBytes, deletedManifests, failures, error } = state;
  const { force, dryRun } = state;
  return {
    status: phase === "done" ? "done" : "running",
    deletedLayers,
    reclaimedBytes,
    deletedManifests,
    failures,
    ...(error === null ? {} : { error }),
    force,
    dryRun,
    ...times(state),
    repositories,
  };
}

async function scrubAnswer(context: RegistryContext, waitMs: number): Promise<Response> {
  const state = await maintenanceOf(context).scrub(waitMs);
  if (state === undefined) return jsonResponse({ status: "never" });
  return answer(context, state.stage === "running", scrubBody(state));
}

function scrubBody(state: ScrubState) {
  const { stage, rate, checkedLayers, checkedBytes, damagedLayers, damaged } = state;
  return {
    status: stage,
    checkedLayers,
    checkedBytes,
    damagedLayers,
    bytesPerSecond: rate,
    ...times(state),
    damaged,
  };
}

function times({ startedMs, finishedMs }: CollectionState | ScrubState) {
  return {
    startedAt: new Date(startedMs).toISOString(),
    finishedAt: finishedMs === null ? null : new Date(finishedMs).toISOString(),
  };
}

/** 202 is the answer to who began something that has not ended yet. */
function answer({ req }: RegistryContext, isRunning: boolean, body: object): Response {
  const isBegun = isRunning && req.method === "POST";
  const headers = isBegun ? { Location: req.path, "Retry-After": "5" } : {};
  return jsonResponse(body, { status: isBegun ? 202 : 200, headers });
}

/** True for `true` and nothing else: a word that is not understood must not delete more than meant. */
function isSet({ req }: RegistryContext, name: string): boolean {
  const text = req.query(name) ?? "false";
  if (text === "true" || text === "false") return text === "true";
  throw new RegistryError("PARAMETER_INVALID", `${name} is "${text.slice(0, 64)}"`);
}

function maintenanceOf({ env }: RegistryContext) {
  return env.MAINTENANCE.getByName(maintenanceName);
}
