import type { OperationKind } from "../telemetry/request-report.ts";

/** Is told what is asked, the class of an object or else `R2` or `KV`, and the method of it. */
export type TellOperation = (kind: OperationKind, owner: string, method: string) => void;

/** The bindings of Durable Objects, and their classes. */
const classNames: Readonly<Record<string, string>> = {
  UPLOAD_SESSION: "UploadSession",
  REPOSITORY: "Repository",
  BLOB_INDEX: "BlobIndex",
  CATALOG: "Catalog",
  MAINTENANCE: "Maintenance",
};

/**
 * An environment that tells of each operation that is asked of its stores and objects. A binding is
 * wrapped when it is first asked for, so that a request pays only for what it uses.
 */
export function countedEnv(env: Env, tell: TellOperation): Env {
  return new Proxy(env, {
    get(target, property) {
      const binding: unknown = Reflect.get(target, property);
      if (property === "BLOBS") return countedBucket(binding as R2Bucket, tell);
      if (property === "MANIFESTS" || property === "TAGS") {
        return told(binding as KVNamespace, (method) => tell("kv", "KV", method));
      }
      const className = typeof property === "string" ? classNames[property] : undefined;
      if (className === undefined) return binding;
      return countedObjects(binding as DurableObjectNamespace, (method) =>
        tell("objects", className, method),
      );
    },
  });
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

function countedObjects(
  namespace: DurableObjectNamespace,
  tell: (method: string) => void,
): DurableObjectNamespace {
  return new Proxy(namespace, {
    get(target, property) {
      if (property !== "getByName") return Reflect.get(target, property, target);
      return (...args: Parameters<DurableObjectNamespace["getByName"]>) =>
        countedStub(target.getByName(...args), tell);
    },
  });
}

function countedStub(stub: DurableObjectStub, tell: (method: string) => void): DurableObjectStub {
  return new Proxy(stub, {
    get(_, method: string) {
      return (...args: unknown[]) => {
        tell(method);
        // A method of a stub needs no `this`, and has no `apply` of its own.
        const call = Reflect.get(stub, method) as (...args: unknown[]) => unknown;
        return call(...args);
      };
    },
  });
}

function countedBucket(bucket: R2Bucket, tell: TellOperation): R2Bucket {
  const tellR2 = (method: string) => {
    // It only makes an object for what may be asked later.
    if (method !== "resumeMultipartUpload") tell("r2", "R2", method);
  };
  const wrap = (result: unknown): unknown => {
    if (isUpload(result)) return told(result, tellR2);
    if (result instanceof Promise) return result.then((value: unknown) => wrap(value));
    return result;
  };
  return told(bucket, tellR2, wrap);
}

function isUpload(result: unknown): result is R2MultipartUpload {
  return typeof result === "object" && result !== null && "uploadPart" in result;
}
