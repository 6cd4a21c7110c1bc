/**
 * The registry over KV at its worst: what was read once, a value or its absence, is read again for
 * 60 s, whatever was written or deleted meanwhile. Local KV is consistent at once and can't show it.
 */
import registry from "../../workers/registry.ts";

export {
  BlobIndex,
  Catalog,
  Maintenance,
  Repository,
  UploadSession,
} from "../../workers/registry.ts";

const staleMs = 60_000;

interface Remembered {
  readonly answer: unknown;
  readonly untilMs: number;
}

const remembered = new Map<string, Remembered>();

/** KV whose reads are remembered, by namespace, method and arguments. */
function stale(name: string, namespace: KVNamespace): KVNamespace {
  return new Proxy(namespace, {
    get(target, property) {
      const method: unknown = Reflect.get(target, property, target);
      if (typeof method !== "function") return method;
      const call = (...args: unknown[]): unknown => Reflect.apply(method, target, args);
      if (property !== "get" && property !== "getWithMetadata") return call;
      return async (...args: unknown[]) => {
        const key = JSON.stringify([name, property, ...args]);
        const known = remembered.get(key);
        if (known !== undefined && known.untilMs > Date.now()) return known.answer;
        const answer = await call(...args);
        remembered.set(key, { answer, untilMs: Date.now() + staleMs });
        return answer;
      };
    },
  });
}

export default {
  fetch(request, env, ctx) {
    const replicas = {
      MANIFESTS: stale("MANIFESTS", env.MANIFESTS),
      TAGS: stale("TAGS", env.TAGS),
    };
    return registry.fetch(request, { ...env, ...replicas }, ctx);
  },
} satisfies ExportedHandler<Env>;
