/** The registry with every operation counted that it asks of its stores and objects. */
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

function count(kind: "objects" | "r2" | "kv", operation: string): void {
  counted[toldLater.has(operation) ? "later" : kind].push(operation);
}

/** The object itself, with each call of a method told to `tell`, and its result to `wrap`. */
function told<T extends object>(
  object: T,
  tell: (method: string) => void,
  wrap: (result: unknown) => unknown = (result) => result,
): T {
  return new Proxy(object, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        tell(String(property));
        return wrap(Reflect.apply(value, target, args));
      };
    },
  });
}

function countedStubs<T extends Rpc.DurableObjectBranded>(
  name: string,
  namespace: DurableObjectNamespace<T>,
): DurableObjectNamespace<T> {
  return new Proxy(namespace, {
    get(target, property) {
      if (property !== "getByName") return Reflect.get(target, property, target);
      return (object: string) => {
        const stub = target.getByName(object);
        return new Proxy(stub, {
          get(_, method: string) {
            return (...args: unknown[]) => {
              count("objects", `${name}.${method}`);
              const call = Reflect.get(stub, method) as (...args: unknown[]) => unknown;
              return call(...args);
            };
          },
        });
      };
    },
  });
}

function tellR2(method: string): void {
  if (method !== "resumeMultipartUpload") count("r2", method);
}

function tellKv(method: string): void {
  count("kv", `KV.${method}`);
}

function isUpload(result: unknown): result is R2MultipartUpload {
  return typeof result === "object" && result !== null && "uploadPart" in result;
}

function countedBucket(bucket: R2Bucket): R2Bucket {
  const wrap = (result: unknown): unknown => {
    if (isUpload(result)) return told(result, tellR2);
    if (result instanceof Promise) return result.then((value: unknown) => wrap(value));
    return result;
  };
  return told(bucket, tellR2, wrap);
}

function countedEnv(env: Env): Env {
  return {
    ...env,
    MANIFESTS: told(env.MANIFESTS, tellKv),
    TAGS: told(env.TAGS, tellKv),
    BLOBS: countedBucket(env.BLOBS),
    UPLOAD_SESSION: countedStubs("UploadSession", env.UPLOAD_SESSION),
    REPOSITORY: countedStubs("Repository", env.REPOSITORY),
    BLOB_INDEX: countedStubs("BlobIndex", env.BLOB_INDEX),
    CATALOG: countedStubs("Catalog", env.CATALOG),
  };
}

export class UploadSession extends objects.UploadSession {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, countedEnv(env));
  }
}

export class Repository extends objects.Repository {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, countedEnv(env));
  }
}

export class BlobIndex extends objects.BlobIndex {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, countedEnv(env));
  }
}

export class Catalog extends objects.Catalog {}

export default {
  fetch: (request, env, ctx) => registry.fetch(request, countedEnv(env), ctx),
} satisfies ExportedHandler<Env>;
