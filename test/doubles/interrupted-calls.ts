/**
 * The registry with a seam at every call that a request or an object makes of a store or of another
 * object: a test can tell which calls there are, abort who makes one of them or who answers it, and
 * have R2 and KV answer late.
 */
import registry, * as objects from "../../workers/registry.ts";

/**
 * Where a call is cut off:
 * - before: who was about to make it is aborted; what it stored until then is kept
 * - after: it is made, and who waits for the answer is aborted
 * - unreached: the object that is asked is aborted before it works; only a call of an object
 * - unanswered: it is aborted when it has worked; only a call of an object
 */
export type Cut = "before" | "after" | "unreached" | "unanswered";

/** A call by who makes it, who is asked and what, for example `Worker: BlobIndex.claim`. */
export interface Call {
  readonly name: string;
  /** Which of the calls with this name it is, the first being 1. */
  readonly nth: number;
}

const bindings = {
  UPLOAD_SESSION: "UploadSession",
  REPOSITORY: "Repository",
  BLOB_INDEX: "BlobIndex",
  CATALOG: "Catalog",
  MAINTENANCE: "Maintenance",
} as const;

/** Calls since the last time they were taken. */
let made: Call[] = [];
let armed: { readonly call: Call; readonly cut: Cut } | undefined;
/** The object that is to be aborted as soon as it is called. */
let doomed: { readonly object: string; readonly method: string; readonly cut: Cut } | undefined;
let hasCut = false;
let delay: () => number = () => 0;
/** Multipart uploads of R2 that were begun and neither completed nor aborted. */
const multiparts = new Set<string>();

/** The calls that were made since this was asked last. */
export function takeCalls(): Call[] {
  const taken = made;
  made = [];
  return taken;
}

/** Has a call be cut off that is made from now on. */
export function cutOff(call: Call, cut: Cut): void {
  made = [];
  hasCut = false;
  armed = { call, cut };
}

/** Lets all calls pass from now on; answers whether one was cut off. */
export function letPass(): boolean {
  armed = undefined;
  doomed = undefined;
  return hasCut;
}

/** Has R2 and KV take so many milliseconds before and after each operation. */
export function delayStores(milliseconds: () => number): void {
  delay = milliseconds;
}

/** Multipart uploads that R2 has open: it tells of them only to who knows their ids. */
export function openMultiparts(): ReadonlySet<string> {
  return multiparts;
}

/** Forgets them: R2 ends them after seven days. */
export function endMultiparts(): void {
  multiparts.clear();
}

/** One that makes calls: an object as long as it is in memory, or the Worker for one request. */
class Actor {
  readonly name: string;
  readonly #abort: () => Promise<void>;
  #isDead = false;

  constructor(name: string, abort: () => Promise<void>) {
    this.name = name;
    this.#abort = abort;
  }

  /** Whatever waits for this goes on no more. */
  async die(): Promise<never> {
    if (!this.#isDead) {
      this.#isDead = true;
      hasCut = true;
      await this.#abort();
    }
    return new Promise(() => undefined);
  }

  async call(owner: string, method: string, work: () => unknown, object?: string) {
    if (this.#isDead) return this.die();
    const cut = this.#cutOf(`${this.name}: ${owner}.${method}`);
    if (cut === "before") return this.die();
    const isStore = object === undefined;
    if (isStore) await scheduler.wait(delay());
    else if (cut !== undefined && cut !== "after") doomed = { object, method, cut };
    const answer = await work();
    if (isStore) await scheduler.wait(delay());
    if (cut === "after" || this.#isDead) return this.die();
    return answer;
  }

  #cutOf(name: string): Cut | undefined {
    const nth = made.filter((call) => call.name === name).length + 1;
    made.push({ name, nth });
    if (armed === undefined || armed.call.name !== name || armed.call.nth !== nth) return undefined;
    const { cut } = armed;
    armed = undefined;
    return cut;
  }
}

/** The environment as one actor sees it. */
function seamed(env: Env, actor: Actor): Env {
  const ofObjects = Object.entries(bindings).map(([binding, className]) => [
    binding,
    seamedObjects(env[binding as keyof typeof bindings], className, actor),
  ]);
  return {
    ...env,
    ...(Object.fromEntries(ofObjects) as Partial<Env>),
    BLOBS: seamedBucket(env.BLOBS, actor),
    MANIFESTS: seamedStore(env.MANIFESTS, "KV", actor),
    TAGS: seamedStore(env.TAGS, "KV", actor),
  };
}

function seamedObjects(
  namespace: DurableObjectNamespace,
  className: string,
  actor: Actor,
): { getByName: (name: string) => object } {
  const getByName = (name: string) =>
    new Proxy(
      {},
      {
        get:
          (_, method: string) =>
          (...input: unknown[]) => {
            const work = () => {
              const stub = namespace.getByName(name);
              // A method of a stub needs no `this`, and has no `apply` of its own.
              const ask = Reflect.get(stub, method) as (...given: unknown[]) => unknown;
              return ask(...input);
            };
            return actor.call(className, method, work, `${className} ${name}`);
          },
      },
    );
  return { getByName };
}

function seamedStore<T extends object>(store: T, owner: string, actor: Actor): T {
  return new Proxy(store, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== "function") return value;
      return (...input: unknown[]) =>
        actor.call(owner, String(property), () => Reflect.apply(value, target, input));
    },
  });
}

function seamedBucket(bucket: R2Bucket, actor: Actor): R2Bucket {
  const { createMultipartUpload, ...rest } = { createMultipartUpload: bucket.createMultipartUpload };
  void rest;
  return new Proxy(bucket, {
    get(target, property) {
      if (property === "resumeMultipartUpload") {
        return (key: string, id: string) =>
          seamedMultipart(target.resumeMultipartUpload(key, id), actor);
      }
      if (property === "createMultipartUpload") {
        return async (...input: Parameters<R2Bucket["createMultipartUpload"]>) => {
          const upload = await actor.call("R2", property, async () => {
            const begun = await createMultipartUpload.apply(target, input);
            multiparts.add(begun.uploadId);
            return begun;
          });
          return seamedMultipart(upload as R2MultipartUpload, actor);
        };
      }
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== "function") return value;
      return (...input: unknown[]) =>
        actor.call("R2", String(property), () => Reflect.apply(value, target, input));
    },
  });
}

function seamedMultipart(upload: R2MultipartUpload, actor: Actor): R2MultipartUpload {
  const { key, uploadId } = upload;
  const ending = async <T>(end: Promise<T>): Promise<T> => {
    const answer = await end;
    multiparts.delete(uploadId);
    return answer;
  };
  return {
    key,
    uploadId,
    uploadPart: (...input) =>
      actor.call("R2", "uploadPart", () => upload.uploadPart(...input)) as Promise<R2UploadedPart>,
    complete: (...input) =>
      actor.call("R2", "complete", () => ending(upload.complete(...input))) as Promise<R2Object>,
    abort: () => actor.call("R2", "abort", () => ending(upload.abort())) as Promise<void>,
  };
}

type Method = (...input: unknown[]) => unknown;
type ObjectClass = new (ctx: DurableObjectState, env: Env) => object;

/** A class of objects that are aborted at one of their calls, or at one that is made of them. */
function seamedClass<T extends ObjectClass>(className: string, base: T): T {
  const actors = new WeakMap<object, Actor>();
  const seamedBase = class extends (base as ObjectClass) {
    constructor(ctx: DurableObjectState, env: Env) {
      const actor = new Actor(className, async () => {
        await ctx.storage.sync();
        ctx.abort("aborted by a test");
      });
      super(ctx, seamed(env, actor));
      actors.set(this, actor);
      names.set(this, `${className} ${ctx.id.name}`);
    }
  };
  const names = new WeakMap<object, string>();
  for (const method of Object.getOwnPropertyNames(base.prototype)) {
    const work: unknown = Reflect.get(base.prototype as object, method);
    if (method === "constructor" || method === "alarm" || typeof work !== "function") continue;
    Reflect.set(seamedBase.prototype, method, async function (this: object, ...input: unknown[]) {
      const cut = doomed?.object === names.get(this) && doomed?.method === method ? doomed.cut : "";
      if (cut !== "") doomed = undefined;
      const actor = actors.get(this);
      if (cut === "unreached") return actor?.die();
      const answer = await (work as Method).apply(this, input);
      return cut === "unanswered" ? actor?.die() : answer;
    });
  }
  return seamedBase as unknown as T;
}

export class UploadSession extends seamedClass("UploadSession", objects.UploadSession) {}
export class Repository extends seamedClass("Repository", objects.Repository) {}
export class BlobIndex extends seamedClass("BlobIndex", objects.BlobIndex) {}
export class Catalog extends seamedClass("Catalog", objects.Catalog) {}
export class Maintenance extends seamedClass("Maintenance", objects.Maintenance) {}

export default {
  async fetch(request, env, ctx) {
    const death = Promise.withResolvers<never>();
    const actor = new Actor("Worker", async () => {
      death.reject(new Error("the Worker was aborted by a test"));
    });
    return Promise.race([registry.fetch(request, seamed(env, actor), ctx), death.promise]);
  },
} satisfies ExportedHandler<Env>;
