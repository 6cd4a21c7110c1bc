/**
 * Data centres: each has a cache of its own, and remembers for a minute what it read of KV. In tests
 * the one place that there is has neither; these stand in for what they share a clock with.
 */
import { env } from "cloudflare:workers";
import { vi } from "vitest";
import { sendTo } from "../configured.ts";

const kvMs = 60_000;

interface Kept<T> {
  readonly value: T;
  readonly untilMs: number;
}

function fresh<T>(memory: ReadonlyMap<string, Kept<T>>, key: string): Kept<T> | undefined {
  const kept = memory.get(key);
  return kept !== undefined && kept.untilMs > Date.now() ? kept : undefined;
}

/** A data centre. Requests reach it one after the other. */
export class Place {
  readonly #cached = new Map<string, Kept<string>>();
  readonly #read = new Map<string, Kept<unknown>>();

  /** Sends a request to the registry here, as it is configured. */
  async send(
    method: string,
    path: string,
    variables: Record<string, string> = {},
    init: RequestInit = {},
  ): Promise<Response> {
    const open = vi.spyOn(caches, "open").mockResolvedValue(this.#cache());
    const ask = env.MANIFESTS.getWithMetadata.bind(env.MANIFESTS) as (
      ...input: unknown[]
    ) => Promise<unknown>;
    const read = vi.spyOn(env.MANIFESTS, "getWithMetadata").mockImplementation((async (
      ...input: unknown[]
    ) => {
      const key = JSON.stringify(input);
      const known = fresh(this.#read, key);
      if (known !== undefined) return known.value;
      const value = await ask(...input);
      this.#read.set(key, { value, untilMs: Date.now() + kvMs });
      return value;
    }) as typeof env.MANIFESTS.getWithMetadata);
    try {
      const response = await sendTo(variables, method, path, init);
      return new Response(await response.bytes(), {
        status: response.status === 204 ? 200 : response.status,
        headers: response.headers,
      });
    } finally {
      open.mockRestore();
      read.mockRestore();
    }
  }

  /** The status of an answer. */
  async status(
    method: string,
    path: string,
    variables: Record<string, string> = {},
  ): Promise<number> {
    return (await this.send(method, path, variables)).status;
  }

  #cache(): Cache {
    const cached = this.#cached;
    return {
      match: async (url: string) => {
        const known = fresh(cached, url);
        return known === undefined ? undefined : new Response(known.value);
      },
      put: async (url: string, response: Response) => {
        const [, seconds] = /max-age=(\d+)/.exec(response.headers.get("Cache-Control") ?? "") ?? [];
        const untilMs = Date.now() + 1000 * Number(seconds);
        cached.set(url, { value: await response.text(), untilMs });
      },
      delete: async (url: string) => cached.delete(url),
    };
  }
}
