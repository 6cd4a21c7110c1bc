import type { Link } from "../durable-objects/manifest-store.ts";
import type { Digest } from "../schemas/digest.ts";
import type { RepositoryName } from "../schemas/reference.ts";
import { cachedLinkUrl, tombstoneUrl } from "../schemas/storage-keys.ts";

const cacheName = "links";
/** Shorter than BlobIndex keeps the object of a blob that nobody holds. */
const linkSeconds = 60;
/** Longer than KV and its own caches serve a manifest that was deleted. */
const tombstoneSeconds = 120;

/**
 * What this data centre remembers: which R2 object a blob is (only what is there, never what is
 * not), and which manifests were deleted here.
 */
export class LinkCache {
  readonly #cache: Promise<Cache>;

  constructor() {
    this.#cache = caches.open(cacheName);
  }

  async find(repository: RepositoryName, digest: Digest): Promise<Link | undefined> {
    const response = await (await this.#cache).match(cachedLinkUrl(repository, digest));
    return response?.json<Link>();
  }

  async remember(repository: RepositoryName, links: readonly Link[]): Promise<void> {
    const cache = await this.#cache;
    await Promise.all(
      links.map((link) =>
        cache.put(
          cachedLinkUrl(repository, link.digest),
          cacheable(JSON.stringify(link), linkSeconds),
        ),
      ),
    );
  }

  async forget(repository: RepositoryName, digest: Digest): Promise<void> {
    await (await this.#cache).delete(cachedLinkUrl(repository, digest));
  }

  /** True if the manifest was deleted here a short while ago: replicas of it do not count. */
  async isDeleted(repository: RepositoryName, digest: Digest): Promise<boolean> {
    return (await (await this.#cache).match(tombstoneUrl(repository, digest))) !== undefined;
  }

  async rememberDeleted(repository: RepositoryName, digest: Digest): Promise<void> {
    await (
      await this.#cache
    ).put(tombstoneUrl(repository, digest), cacheable("deleted", tombstoneSeconds));
  }
}

function cacheable(body: string, seconds: number): Response {
  return new Response(body, { headers: { "Cache-Control": `max-age=${seconds}` } });
}
