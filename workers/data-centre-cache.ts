/**
 * The cache of this data centre (Cache API). It only ever saves a question: where it fails, or does
 * not exist (behind Cloudflare Access), nothing is known.
 */
export class DataCentreCache {
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  async find(url: string): Promise<Response | undefined> {
    return this.#unlessItFails((cache) => cache.match(url));
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
      return await ask(await caches.open(this.#name));
    } catch (error) {
      console.warn(
        JSON.stringify({ event: "cache failed", cache: this.#name, error: String(error) }),
      );
      return undefined;
    }
  }
}
