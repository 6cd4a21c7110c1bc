/**
 * Data centres that many nodes pull from at once, in simulated time: each has a cache of its own, and
 * stores that answer late. What they hold is in memory, as simulators of whole stores would take
 * minutes for what is counted here.
 */
import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { AsyncLocalStorage } from "node:async_hooks";
import { vi } from "vitest";
import registry from "./counted-operations.ts";
import type { SimulatedClock } from "./simulated-clock.ts";

/** How long stores take to answer, in milliseconds. */
export interface Delays {
  readonly cacheRead: number;
  readonly cacheWrite: number;
  readonly kv: number;
  readonly r2: number;
  /** The way to an object and back. */
  readonly object: number;
}

/** An object answers a thousand calls a second, and others wait. */
const callMs = 1;

/** The calls of objects in simulated time. */
export class CalledObjects {
  readonly #counts = new Map<string, number>();
  readonly #busyUntilMs = new Map<string, number>();

  /** Notes a call; answers for how long it waits for its turn, in milliseconds. */
  call(name: string, nowMs: number): number {
    const key = `${name} in second ${Math.floor(nowMs / 1000)}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    const turnMs = Math.max(nowMs, this.#busyUntilMs.get(name) ?? 0);
    this.#busyUntilMs.set(name, turnMs + callMs);
    return turnMs - nowMs;
  }

  /** How often an object was called in its busiest second. */
  get mostInASecond(): number {
    return Math.max(0, ...this.#counts.values());
  }
}

/** The data centre that a request is in. */
const here = new AsyncLocalStorage<DataCentre>();

/** Has each data centre have its own cache, until mocks are restored. */
export function useCachesOfDataCentres(): void {
  vi.spyOn(caches, "open").mockImplementation(async (name) => {
    const centre = here.getStore();
    if (centre === undefined) throw new Error("a cache was asked for outside of a data centre");
    return centre.cache(name);
  });
}

/** What the stores of all data centres hold, read once from those of the test. */
const objectBytes = new Map<string, Promise<ArrayBuffer>>();
const replicas = new Map<string, Promise<unknown>>();

async function readObject(key: string): Promise<ArrayBuffer> {
  const object = await env.BLOBS.get(key);
  if (object === null) throw new Error(`${key} is not in R2`);
  return object.arrayBuffer();
}

/** The value of a key, which is made if there is none. */
function known<T>(map: Map<string, T>, key: string, make: () => T): T {
  const value = map.get(key) ?? make();
  map.set(key, value);
  return value;
}

export class DataCentre {
  readonly #clock: SimulatedClock;
  readonly #called: CalledObjects;
  readonly #delays: Delays;
  readonly #cached = new Map<string, string>();
  readonly #env: Env;

  /** `hasReplicas`: false where KV says that it has nothing, as it may for a minute behind a push. */
  constructor(
    clock: SimulatedClock,
    called: CalledObjects,
    delays: Delays,
    hasReplicas: boolean,
    variables: Record<string, string> = {},
  ) {
    this.#clock = clock;
    this.#called = called;
    this.#delays = delays;
    const given: Record<string, string> = { REGISTRY_LOG_LEVEL: "error", ...variables };
    const stores = {
      BLOBS: this.#bucket(),
      MANIFESTS: this.#namespace(hasReplicas),
      REPOSITORY: this.#repositories(),
    };
    this.#env = { ...env, ...given, ...stores };
  }

  /** Sends a request without a body, and reads its answer to the end; answers its status. */
  async status(method: string, path: string): Promise<number> {
    const context = createExecutionContext();
    const request = new Request<unknown, IncomingRequestCfProperties>(
      `http://registry.test${path}`,
      { method },
    );
    const response = await here.run(this, async () => registry.fetch(request, this.#env, context));
    await response.arrayBuffer();
    // What goes on behind the answer is not waited for: the next request of a node does not either.
    void waitOnExecutionContext(context);
    return response.status;
  }

  cache(name: string): Cache {
    const keyOf = (url: RequestInfo | URL): string => `${name} ${new Request(url).url}`;
    return {
      match: async (url) => {
        await this.#clock.wait(this.#delays.cacheRead);
        const text = this.#cached.get(keyOf(url));
        return text === undefined ? undefined : new Response(text);
      },
      put: async (url, response) => {
        const text = await this.#clock.ask(async () => response.text());
        await this.#clock.wait(this.#delays.cacheWrite);
        this.#cached.set(keyOf(url), text);
      },
      delete: async (url) => this.#cached.delete(keyOf(url)),
    };
  }

  #bucket(): R2Bucket {
    const get = async (key: string) => {
      const bytes = await this.#clock.ask(async () =>
        known(objectBytes, key, async () => readObject(key)),
      );
      await this.#clock.wait(this.#delays.r2);
      return { size: bytes.byteLength, body: new Response(bytes).body };
    };
    return { get } as unknown as R2Bucket;
  }

  #namespace(hasReplicas: boolean): KVNamespace {
    const nothing = { value: null, metadata: null, cacheStatus: null };
    const getWithMetadata = async (key: string) => {
      await this.#clock.wait(this.#delays.kv);
      if (!hasReplicas) return nothing;
      return this.#clock.ask(async () =>
        known(replicas, key, async () => env.MANIFESTS.getWithMetadata(key, "arrayBuffer")),
      );
    };
    return { getWithMetadata } as unknown as KVNamespace;
  }

  #repositories(): Env["REPOSITORY"] {
    const getByName = (name: string) => {
      const stub = env.REPOSITORY.getByName(name);
      const get = (_: unknown, method: string) => {
        const call = Reflect.get(stub, method) as (...input: unknown[]) => Promise<unknown>;
        return async (...input: unknown[]): Promise<unknown> => {
          const { object } = this.#delays;
          await this.#clock.wait(object / 2);
          await this.#clock.wait(this.#called.call(name, this.#clock.nowMs));
          const answer = await this.#clock.ask(async () => call(...input));
          await this.#clock.wait(object / 2);
          return answer;
        };
      };
      return new Proxy(stub, { get });
    };
    return { getByName } as Env["REPOSITORY"];
  }
}
