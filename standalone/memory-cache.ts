/**
 * What stands behind the Cache API on one machine: workerd has no cache of its own, and sends what
 * is asked of one to a service. All runs in one isolate here, so entries live in its memory, until
 * their `max-age` is over or others need their place.
 */

const entriesMax = 10_000;
const bytesMax = 32 * 1024 * 1024;
const entryBytesMax = 1024 * 1024;

interface Entry {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array<ArrayBuffer>;
  readonly expiresMs: number;
}

/** All entries, by cache and URL, in the order of their last use: the first is the one to go. */
class Entries {
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  find(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    if (entry.expiresMs > Date.now()) this.#entries.set(key, entry);
    else this.#bytes -= entry.body.byteLength;
    return this.#entries.get(key);
  }

  put(key: string, entry: Entry): void {
    this.remove(key);
    this.#entries.set(key, entry);
    this.#bytes += entry.body.byteLength;
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= entriesMax && this.#bytes <= bytesMax) break;
      this.remove(oldest);
    }
  }

  remove(key: string): boolean {
    const entry = this.#entries.get(key);
    if (entry !== undefined) this.#bytes -= entry.body.byteLength;
    return this.#entries.delete(key);
  }
}

/** A cache of Cache's shape, as far as Longshore uses it: URLs and GET. */
class MemoryCache implements Pick<Cache, "match" | "put" | "delete"> {
  readonly #name: string;
  readonly #entries: Entries;

  constructor(name: string, entries: Entries) {
    this.#name = name;
    this.#entries = entries;
  }

  async match(url: RequestInfo | URL): Promise<Response | undefined> {
    const entry = this.#entries.find(this.#key(url));
    if (entry === undefined) return undefined;
    const headers = new Headers(entry.headers.map(([name, value]) => [name, value]));
    headers.set("cf-cache-status", "HIT");
    return new Response(entry.body, { status: entry.status, headers });
  }

  /** As with Cloudflare's cache, a put of what may not be kept succeeds and keeps nothing. */
  async put(url: RequestInfo | URL, response: Response): Promise<void> {
    const key = this.#key(url);
    const { status, headers } = response;
    const body = new Uint8Array(await response.arrayBuffer());
    const control = headers.get("cache-control") ?? "";
    const seconds = Number(/(?:^|[\s,])max-age=(\d+)/.exec(control)?.[1] ?? 0);
    const mayBeKept = seconds > 0 && !/no-store|no-cache|private/.test(control);
    this.#entries.remove(key);
    if (!mayBeKept || body.byteLength > entryBytesMax) return;
    const expiresMs = Date.now() + seconds * 1000;
    this.#entries.put(key, { status, headers: [...headers], body, expiresMs });
  }

  async delete(url: RequestInfo | URL): Promise<boolean> {
    return this.#entries.remove(this.#key(url));
  }

  #key(url: RequestInfo | URL): string {
    return `${this.#name} ${url instanceof Request ? url.url : String(url)}`;
  }
}

/** The caches of an isolate, of CacheStorage's shape: those with the same name are one. */
class MemoryCaches implements CacheStorage {
  readonly #entries = new Entries();
  readonly default = this.#named("default");

  async open(name: string): Promise<Cache> {
    return this.#named(name);
  }

  #named(name: string): Cache {
    return new MemoryCache(name, this.#entries);
  }
}

/** Has `caches` of this isolate be kept in its memory. */
export function keepCachesInMemory(): void {
  Object.defineProperty(globalThis, "caches", { value: new MemoryCaches() });
}
