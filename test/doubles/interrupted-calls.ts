/**
 * The registry with a seam at every call that a request or an object makes of a store or of another
 * object: see call-seam.ts for what a test can have happen there.
 */
import registry, * as objects from "../../workers/registry.ts";
import {
  Actor,
  classNames,
  noteMultipart,
  noteObject,
  type ObjectBinding,
  objectBindings,
  takeDoomed,
} from "./call-seam.ts";

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
    noteObject(binding, name);
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
      const cut = name === undefined ? undefined : takeDoomed(name, method);
      // Others are left as they are: an object calls those of its methods that do not wait, too.
      if (cut === undefined || actor === undefined) return (work as Work).apply(this, input);
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
