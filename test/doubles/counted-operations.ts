/** The registry with every operation counted that it asks of its stores and objects. */
import type { OperationKind } from "../../telemetry/request-report.ts";
import { countedEnv } from "../../workers/counted-env.ts";
import registry, * as objects from "../../workers/registry.ts";

export interface Operations {
  /** Calls of Durable Objects, by the Worker and by one another. */
  objects: string[];
  r2: string[];
  kv: string[];
  /** What a repository tells others about a change, by alarm, after the client has its answer. */
  later: string[];
}

const toldLater: ReadonlySet<string> = new Set([
  "BlobIndex.drop",
  "Catalog.set",
  "Catalog.setUpload",
  "Catalog.addIndex",
  "KV.put",
  "KV.delete",
]);

let counted: Operations = { objects: [], r2: [], kv: [], later: [] };

/** The operations since the last call. */
export function takeOperations(): Operations {
  const taken = counted;
  counted = { objects: [], r2: [], kv: [], later: [] };
  return taken;
}

function count(kind: OperationKind, owner: string, method: string): void {
  const operation = kind === "r2" ? method : `${owner}.${method}`;
  counted[toldLater.has(operation) ? "later" : kind].push(operation);
}

export class UploadSession extends objects.UploadSession {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, countedEnv(env, count));
  }
}

export class Repository extends objects.Repository {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, countedEnv(env, count));
  }
}

export class BlobIndex extends objects.BlobIndex {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, countedEnv(env, count));
  }
}

export class Catalog extends objects.Catalog {}

export class Maintenance extends objects.Maintenance {}

export default {
  fetch: (request, env, ctx) => registry.fetch(request, countedEnv(env, count), ctx),
} satisfies ExportedHandler<Env>;
