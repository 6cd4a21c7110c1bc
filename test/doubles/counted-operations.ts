/** The registry with every operation counted that it asks of its stores and objects. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { OperationKind } from "../../telemetry/request-report.ts";
import { countedEnv } from "../../workers/counted-env.ts";
import registry, * as objects from "../../workers/registry.ts";
import { type ObjectBinding, classNames, objectBindings } from "./call-seam.ts";

/** Rows of SQLite as the runtime counts them, by which Cloudflare bills; an alarm that is set is one. */
export interface Rows {
  read: number;
  written: number;
}

export interface Operations {
  /** Calls of Durable Objects, by the Worker and by one another. */
  objects: string[];
  r2: string[];
  kv: string[];
  /** What a repository tells others about a change, by alarm, after the client has its answer. */
  later: string[];
  /** Alarms that ran, by class. */
  alarms: string[];
  /** How often each object was called, as in `Repository team/app`. */
  calls: Map<string, number>;
  /** Rows that objects of a class read and wrote, but for alarms. */
  rows: Map<string, Rows>;
  /** Rows that alarms read and wrote, by the class whose alarm it was. */
  alarmRows: Map<string, Rows>;
}

const toldLater: ReadonlySet<string> = new Set([
  "BlobIndex.drop",
  "Catalog.set",
  "Catalog.setUpload",
  "Catalog.addIndex",
  "KV.put",
  "KV.delete",
]);

function nothing(): Operations {
  return {
    objects: [],
    r2: [],
    kv: [],
    later: [],
    alarms: [],
    calls: new Map(),
    rows: new Map(),
    alarmRows: new Map(),
  };
}

let counted = nothing();
/** Read to their ends, or nearly, when they are looked at. */
let cursors: (() => void)[] = [];
const inAlarm = new AsyncLocalStorage<true>();

/** The operations since the last call. */
export function takeOperations(): Operations {
  for (const add of cursors) add();
  const taken = counted;
  [counted, cursors] = [nothing(), []];
  return taken;
}

function count(kind: OperationKind, owner: string, method: string): void {
  const operation = kind === "r2" ? method : `${owner}.${method}`;
  counted[toldLater.has(operation) ? "later" : kind].push(operation);
}

/** Has the rows that an object reads and writes be counted as those of its class. */
function countRows(ctx: DurableObjectState, className: string): DurableObjectState {
  const { storage } = ctx;
  const { sql } = storage;
  const rows = (): Rows => {
    const owner = inAlarm.getStore() === undefined ? counted.rows : counted.alarmRows;
    const known = owner.get(className) ?? { read: 0, written: 0 };
    owner.set(className, known);
    return known;
  };
  const exec = sql.exec.bind(sql);
  sql.exec = (...input: Parameters<SqlStorage["exec"]>) => {
    const cursor = exec(...input);
    const owner = rows();
    cursors.push(() => {
      owner.read += cursor.rowsRead;
      owner.written += cursor.rowsWritten;
    });
    return cursor as ReturnType<typeof sql.exec<never>>;
  };
  const setAlarm = storage.setAlarm.bind(storage);
  storage.setAlarm = (...input) => {
    rows().written += 1;
    return setAlarm(...input);
  };
  return ctx;
}

async function ring(className: string, alarm: () => Promise<void>): Promise<void> {
  counted.alarms.push(className);
  await inAlarm.run(true, alarm);
}

const countedEnvs = new WeakMap<Env, Env>();

/**
 * An environment that counts the calls of each object by its name, beside all other operations: the
 * same for the same, as the registry keeps what it knows of an environment.
 */
function countedByName(env: Env): Env {
  const known = countedEnvs.get(env);
  if (known !== undefined) return known;
  const named = { ...env };
  for (const binding of objectBindings) {
    Reflect.set(named, binding, namedObjects(env[binding], binding));
  }
  const made = countedEnv(named, count);
  countedEnvs.set(env, made);
  return made;
}

function namedObjects(
  namespace: DurableObjectNamespace,
  binding: ObjectBinding,
): Pick<DurableObjectNamespace, "getByName"> {
  return {
    getByName: (name) => {
      const stub = namespace.getByName(name);
      const key = `${classNames[binding]} ${name}`;
      return new Proxy(stub, {
        get(_, method) {
          return (...input: unknown[]): unknown => {
            counted.calls.set(key, (counted.calls.get(key) ?? 0) + 1);
            // A method of a stub needs no `this`, and has no `apply` of its own.
            const call = Reflect.get(stub, method) as (...all: unknown[]) => unknown;
            return call(...input);
          };
        },
      });
    },
  };
}

export class UploadSession extends objects.UploadSession {
  constructor(ctx: DurableObjectState, env: Env) {
    super(countRows(ctx, "UploadSession"), countedByName(env));
  }

  override async alarm(): Promise<void> {
    await ring("UploadSession", () => super.alarm());
  }
}

export class Repository extends objects.Repository {
  constructor(ctx: DurableObjectState, env: Env) {
    super(countRows(ctx, "Repository"), countedByName(env));
  }

  override async alarm(): Promise<void> {
    await ring("Repository", () => super.alarm());
  }
}

export class BlobIndex extends objects.BlobIndex {
  constructor(ctx: DurableObjectState, env: Env) {
    super(countRows(ctx, "BlobIndex"), countedByName(env));
  }

  override async alarm(): Promise<void> {
    await ring("BlobIndex", () => super.alarm());
  }
}

export class Catalog extends objects.Catalog {
  constructor(ctx: DurableObjectState, env: Env) {
    super(countRows(ctx, "Catalog"), env);
  }
}

export class Maintenance extends objects.Maintenance {}

export default {
  fetch: (request, env, ctx) => registry.fetch(request, countedByName(env), ctx),
} satisfies ExportedHandler<Env>;
