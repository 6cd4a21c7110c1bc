import type { Link } from "../durable-objects/link-store.ts";
import type { Digest } from "../schemas/digest.ts";
import type { RepositoryName } from "../schemas/reference.ts";
import { cachedLinkUrl, tombstoneUrl } from "../schemas/storage-keys.ts";
import { DataCentreCache } from "./data-centre-cache.ts";

/** Shorter than BlobIndex keeps the object of a blob that nobody holds. */
const linkSeconds = 60;
/** Longer than KV and its own caches serve a manifest that was deleted. */
const tombstoneSeconds = 120;

/**
 * What this data centre remembers: which R2 object a blob is (only what is there, never what is
 * not), and which manifests were deleted here.
 */
export class LinkCache {
  readonly #cache = new DataCentreCache("links");

  async find(repository: RepositoryName, digest: Digest): Promise<Link | undefined> {
    const text = await this.#cache.find(cachedLinkUrl(repository, digest));
    return text === undefined ? undefined : (JSON.parse(text) as Link);
  }

  async remember(repository: RepositoryName, links: readonly Link[]): Promise<void> {
    await Promise.all(
      links.map((link) => {
        const url = cachedLinkUrl(repository, link.digest);
        return this.#cache.put(url, JSON.stringify(link), linkSeconds);
      }),
    );
  }

  async forget(repository: RepositoryName, digest: Digest): Promise<void> {
    await this.#cache.delete(cachedLinkUrl(repository, digest));
  }

  /** True if the manifest was deleted here a short while ago: replicas of it do not count. */
  async isDeleted(repository: RepositoryName, digest: Digest): Promise<boolean> {
    return (await this.#cache.find(tombstoneUrl(repository, digest))) !== undefined;
  }

  async rememberDeleted(repository: RepositoryName, digest: Digest): Promise<void> {
    await this.#cache.put(tombstoneUrl(repository, digest), "deleted", tombstoneSeconds);
  }
}
