import { Patience, StoreRests } from "../stores/patience.ts";
import { timeLimits } from "../stores/time-limits.ts";
import { log } from "../telemetry/log.ts";

/** All caches of an isolate are one store: who met its silence has the others go on without it. */
const patience = new Patience("the data centre's cache");

/**
 * The cache of this data centre (Cache API). It only ever saves a question: where it fails, is
 * silent, or does not exist (behind Cloudflare Access), nothing is known.
 */
export class DataCentreCache {
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  /** What was put under a URL, undefined if nothing is known. */
  async find(url: string): Promise<string | undefined> {
    return this.#unlessItFails(async (cache) => (await cache.match(url))?.text());
  }

  async put(url: string, body: string, seconds: number): Promise<void> {
    const headers = { "Cache-Control": `max-age=${seconds}` };
    await this.#unlessItFails((cache) => cache.put(url, new Response(body, { headers })));
  }

  async delete(url: string): Promise<void> {
    await this.#unlessItFails((cache) => cache.delete(url));
  }

  async #unlessItFails<T>(ask: (cache: Cache) => Promise<T>): Promise<T | undefined> {
    try {
      return await patience.ask(timeLimits.cacheMs, async () => ask(await caches.open(this.#name)));
    } catch (error) {
      // Who met the silence has told of it.
      if (error instanceof StoreRests) return undefined;
      log("warn", "cache failed", { cache: this.#name, error: String(error) });
      return undefined;
    }
  }
}
