import { LateWrites } from "./late-writes.ts";
import { Patience } from "./patience.ts";
import { placedObjects } from "./placed-env.ts";
import { answerWithin, timeLimits } from "./time-limits.ts";

/** The milliseconds that an operation has; undefined for one that has its own limit or answers at once. */
type LimitOf = (operation: string, args: readonly unknown[]) => number | undefined;

const r2LimitOf: LimitOf = (operation, [, value]) => {
  switch (operation) {
    case "head":
    case "get":
    case "list":
    case "delete":
    case "createMultipartUpload":
    case "abort":
      return timeLimits.r2AnswerMs;
    case "uploadPart":
      return timeLimits.r2WriteMs;
    case "put":
      // Who puts a body that comes from a client knows how long it is: see bodyLimitMs.
      return value instanceof ReadableStream ? undefined : timeLimits.r2WriteMs;
    case "complete":
      return timeLimits.r2CompleteMs;
    default:
      return undefined;
  }
};

const bounded = new WeakMap<Env, Env>();
const boundedAlready = new WeakSet<Env>();

/**
 * The environment with its objects where they are to be, and with stores that answer in time or fail: what R2 and KV do not answer within their
 * limits is rejected with StoreSilent, and KV then rests for a while. Nothing is asked twice.
 */
export function boundedEnv(env: Env): Env {
  if (boundedAlready.has(env)) return env;
  const known = bounded.get(env);
  if (known !== undefined) return known;
  const made = {
    ...env,
    ...placedObjects(env),
    BLOBS: boundedBucket(env.BLOBS),
    MANIFESTS: boundedNamespace("KV MANIFESTS", env.MANIFESTS),
    TAGS: boundedNamespace("KV TAGS", env.TAGS),
  };
  bounded.set(env, made);
  boundedAlready.add(made);
  return made;
}

function boundedBucket<T extends object>(bucket: T): T {
  return withMethods(bucket, (operation, call, args) => {
    const answer = call();
    if (isUpload(answer)) return boundedBucket(answer);
    const limitMs = r2LimitOf(operation, args);
    if (limitMs === undefined || !(answer instanceof Promise)) return answer;
    return answerWithin(limitMs, `R2 ${operation}`, answer, dropBody).then((value: unknown) =>
      isUpload(value) ? boundedBucket(value) : value,
    );
  });
}

function boundedNamespace(name: string, namespace: KVNamespace): KVNamespace {
  const patience = new Patience(name);
  const late = new LateWrites();
  return withMethods(namespace, (operation, call, [key]) => {
    const question = async (): Promise<unknown> => call();
    if (operation !== "put" && operation !== "delete") {
      return patience.ask(timeLimits.kvReadMs, question);
    }
    return late.write(String(key), question, (write) => patience.ask(timeLimits.kvWriteMs, write));
  });
}

/** An object like `target` whose methods are called by `around`. */
function withMethods<T extends object>(
  target: T,
  around: (operation: string, call: () => unknown, args: readonly unknown[]) => unknown,
): T {
  return new Proxy(target, {
    get(_target, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]): unknown =>
        around(String(property), () => Reflect.apply(value, target, args), args);
    },
  });
}

function isUpload(value: unknown): value is R2MultipartUpload {
  return typeof value === "object" && value !== null && "uploadPart" in value;
}

/** An object that comes too late has a body that nobody reads. */
function dropBody(late: unknown): void {
  const body: unknown = typeof late === "object" && late !== null && Reflect.get(late, "body");
  if (body instanceof ReadableStream) void body.cancel().catch(() => undefined);
}
