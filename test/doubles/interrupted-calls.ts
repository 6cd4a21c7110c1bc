/**
 * The registry with a seam at every call that a request or an object makes of a store or of another
 * object: a test is told which calls there are, aborts who makes one of them or who answers it, holds
 * one up, and has R2 and KV answer late.
 */
import registry, * as objects from "../../workers/registry.ts";

/**
 * Where a call is cut off:
 * - before: who was about to make it is aborted; what it stored until then is kept
 * - after: it is made, and who waits for the answer is aborted
 * - unreached: the object that is asked is aborted before it works
 * - unanswered: the object that is asked is aborted when it has worked
 */
export const cuts = ["before", "after", "unreached", "unanswered"] as const;
export type Cut = (typeof cuts)[number];

/** Where a call is held up, its maker and all others living on: before it is made, or behind it. */
export const pauses = ["before", "after"] as const;
export type Pause = (typeof pauses)[number];

/** A call by who makes it, who is asked and what, as in `Worker: BlobIndex.claim`. */
export interface Call {
  readonly name: string;
  /** Which of the calls of this name it is; the first is 1. */
  readonly nth: number;
  /** True if a store is asked, which is not aborted. */
  readonly isStore: boolean;
  readonly input: readonly unknown[];
}

const classNames = {
  UPLOAD_SESSION: "UploadSession",
  REPOSITORY: "Repository",
  BLOB_INDEX: "BlobIndex",
  CATALOG: "Catalog",
  MAINTENANCE: "Maintenance",
} as const;
export type ObjectBinding = keyof typeof classNames;
export const objectBindings = Object.keys(classNames) as ObjectBinding[];

type Point = Pick<Call, "name" | "nth">;

let made: Call[] = [];
let armed: { readonly at: Point; readonly cut?: Cut; readonly pause?: Pause } | undefined;
/** The object that is to be aborted as soon as it is asked. */
let doomed: { readonly object: string; readonly method: string; readonly cut: Cut } | undefined;
let wasMet = false;
let isHeld = false;
let delayMs: () => number = () => 0;
const multiparts = new Set<string>();
const objectNames = new Map<ObjectBinding, Set<string>>();

/** The calls that were made since this was asked last. */
export function takeCalls(): Call[] {
  const taken = made;
  made = [];
  return taken;
}

/** Has one of the calls that are made from now on be cut off. */
export function cutOff(at: Point, cut: Cut): void {
  [made, wasMet] = [[], false];
  armed = { at, cut };
}

/** Has one of the calls that are made from now on wait until all are let pass. */
export function holdUp(at: Point, pause: Pause): void {
  [made, wasMet] = [[], false];
  armed = { at, pause };
}

/** True as long as a call is held up. */
export function isHeldUp(): boolean {
  return isHeld;
}

/** Lets all calls pass from now on; answers whether one was cut off or held up. */
export function letPass(): boolean {
  [armed, doomed, isHeld] = [undefined, undefined, false];
  return wasMet;
}

/** Has R2 and KV take so many milliseconds before and behind each operation. */
export function delayStores(milliseconds: () => number): void {
  delayMs = milliseconds;
}

/**
 * The ids of multipart uploads that were begun and neither completed nor aborted, since this was asked
 * last: R2 does not tell of them.
 */
export function takeOpenMultiparts(): string[] {
  const open = [...multiparts];
  multiparts.clear();
  return open;
}

/** The names of all objects that were asked for since they were forgotten. */
export function namesOf(binding: ObjectBinding): string[] {
  return [...(objectNames.get(binding) ?? [])];
}

/** To be called when all stores were emptied. */
export function forgetObjects(): void {
  objectNames.clear();
  takeOpenMultiparts();
}

/** A call goes on in the time of who made it, which nobody else can wake: it looks for itself. */
async function held(): Promise<void> {
  [wasMet, isHeld] = [true, true];
  // oxlint-disable-next-line no-await-in-loop, no-unmodified-loop-condition
  while (isHeld) await scheduler.wait(1);
}

async function late(): Promise<void> {
  const ms = delayMs();
  if (ms > 0) await scheduler.wait(ms);
}

/** One that makes calls: an object as long as it is in memory, or the Worker for one request. */
class Actor {
  readonly #name: string;
  readonly #abort: () => Promise<void>;
  #isDead = false;

  constructor(name: string, abort: () => Promise<void>) {
    this.#name = name;
    this.#abort = abort;
  }

  /** Who waits for this goes on no more. */
  async die(): Promise<never> {
    if (!this.#isDead) {
      [wasMet, this.#isDead] = [true, true];
      await this.#abort();
    }
    return new Promise(() => undefined);
  }

  /** Asks a store, or the `object` of a class, unless it is cut off. */
  async ask(
    owner: string,
    method: string,
    input: readonly unknown[],
    work: () => unknown,
    object?: string,
  ): Promise<unknown> {
    if (this.#isDead) return this.die();
    const isStore = object === undefined;
    const { cut, pause } = this.#met(`${this.#name}: ${owner}.${method}`, isStore, input);
    if (cut === "before") return this.die();
    if (pause === "before") await held();
    if (isStore) await late();
    else if (cut === "unreached" || cut === "unanswered") doomed = { object, method, cut };
    try {
      return await work();
    } finally {
      if (isStore) await late();
      if (pause === "after") await held();
      if (cut === "after" || this.#isDead) await this.die();
    }
  }

  #met(name: string, isStore: boolean, input: readonly unknown[]): { cut?: Cut; pause?: Pause } {
    const nth = made.filter((call) => call.name === name).length + 1;
    made.push({ name, nth, isStore, input });
    if (armed === undefined || armed.at.name !== name || armed.at.nth !== nth) return {};
    const { at: _, ...what } = armed;
    armed = undefined;
    return what;
  }
}

/** The environment as one actor has it. */
function seamed(env: Env, actor: Actor): Env {
  const namespaces = objectBindings.map((binding) => [
    binding,
    seamedObjects(env[binding], binding, actor),
  ]);
  return {
    ...env,
    ...(Object.fromEntries(namespaces) as Partial<Env>),
    BLOBS: seamedStore(env.BLOBS, "R2", actor),
    MANIFESTS: seamedStore(env.MANIFESTS, "KV", actor),
    TAGS: seamedStore(env.TAGS, "KV", actor),
  };
}

function seamedObjects(
  namespace: DurableObjectNamespace,
  binding: ObjectBinding,
  actor: Actor,
): { getByName: (name: string) => object } {
  const methodOf =
    (name: string, method: string) =>
    (...input: unknown[]) => {
      const work = () => {
        const stub = namespace.getByName(name);
        // A method of a stub needs no `this`, and has no `apply` of its own.
        return (Reflect.get(stub, method) as (...given: unknown[]) => unknown)(...input);
      };
      const className = classNames[binding];
      return actor.ask(className, method, input, work, `${className} ${name}`);
    };
  const getByName = (name: string) => {
    const names = objectNames.get(binding) ?? new Set();
    objectNames.set(binding, names.add(name));
    return new Proxy({}, { get: (_, method: string) => methodOf(name, method) });
  };
  return { getByName };
}

/** A store, or a multipart upload of R2. */
function seamedStore<T extends object>(store: T, owner: string, actor: Actor): T {
  return new Proxy(store, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== "function") return value;
      const method = String(property);
      return (...input: unknown[]) => {
        const work = (): unknown => Reflect.apply(value, target, input);
        // It asks R2 nothing yet.
        if (method === "resumeMultipartUpload") return seamedStore(work() as T, owner, actor);
        return answered(actor, owner, method, input, async () => {
          const answer = await work();
          noteMultipart(method, method === "createMultipartUpload" ? answer : target);
          return answer;
        });
      };
    },
  });
}

async function answered(
  actor: Actor,
  owner: string,
  method: string,
  input: readonly unknown[],
  work: () => Promise<unknown>,
): Promise<unknown> {
  const answer = await actor.ask(owner, method, input, work);
  return method === "createMultipartUpload" ? seamedStore(answer as object, owner, actor) : answer;
}

function noteMultipart(method: string, upload: unknown): void {
  if (method === "createMultipartUpload") multiparts.add((upload as R2MultipartUpload).uploadId);
  else if (method === "complete" || method === "abort") {
    multiparts.delete((upload as R2MultipartUpload).uploadId);
  }
}

type Work = (...input: unknown[]) => unknown;
type ObjectClass = new (ctx: DurableObjectState, env: Env) => object;

/** A class of objects that are aborted at a call that they make, or that is made of them. */
function seamedClass<T extends ObjectClass>(className: string, base: T): T {
  const known = new WeakMap<object, { readonly actor: Actor; readonly name: string }>();
  const Seamed = class extends (base as ObjectClass) {
    constructor(ctx: DurableObjectState, env: Env) {
      const actor = new Actor(className, async () => {
        await ctx.storage.sync();
        ctx.abort("aborted by a test");
      });
      super(ctx, seamed(env, actor));
      known.set(this, { actor, name: `${className} ${ctx.id.name}` });
    }
  };
  for (const method of Object.getOwnPropertyNames(base.prototype)) {
    const work: unknown = Reflect.get(base.prototype as object, method);
    if (method === "constructor" || typeof work !== "function") continue;
    Reflect.set(Seamed.prototype, method, function (this: object, ...input: unknown[]) {
      const { actor, name } = known.get(this) ?? {};
      const isDoomed = doomed?.object === name && doomed?.method === method;
      // Others are left as they are: an object calls those of its methods that do not wait, too.
      if (!isDoomed || actor === undefined) return (work as Work).apply(this, input);
      const { cut } = doomed ?? {};
      doomed = undefined;
      if (cut === "unreached") return actor.die();
      return Promise.resolve((work as Work).apply(this, input)).then(() => actor.die());
    });
  }
  return Seamed as unknown as T;
}

export class UploadSession extends seamedClass("UploadSession", objects.UploadSession) {}
export class Repository extends seamedClass("Repository", objects.Repository) {}
export class BlobIndex extends seamedClass("BlobIndex", objects.BlobIndex) {}
export class Catalog extends seamedClass("Catalog", objects.Catalog) {}
export class Maintenance extends seamedClass("Maintenance", objects.Maintenance) {}

/** What a client sees of a Worker that was aborted. */
export const lostStatus = 520;

export default {
  async fetch(request, env, ctx) {
    const death = Promise.withResolvers<undefined>();
    const actor = new Actor("Worker", async () => death.resolve(undefined));
    const context = {
      props: ctx.props,
      passThroughOnException: () => ctx.passThroughOnException(),
      waitUntil: (work: Promise<unknown>) => ctx.waitUntil(Promise.race([work, death.promise])),
    } as ExecutionContext;
    const answer = registry.fetch(request, seamed(env, actor), context);
    return (
      (await Promise.race([answer, death.promise])) ?? new Response(null, { status: lostStatus })
    );
  },
} satisfies ExportedHandler<Env>;
