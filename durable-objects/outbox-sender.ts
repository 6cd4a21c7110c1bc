import type { Digest } from "../schemas/digest.ts";
import type { RepositoryName, Tag } from "../schemas/reference.ts";
import {
  blobIndexName,
  catalogName,
  type HolderToken,
  manifestReplicaKey,
  tagReplicaKey,
} from "../schemas/storage-keys.ts";
import { observeReplicaLag } from "../telemetry/telemetry.ts";
import { type BlobTotals, noBlobs } from "./blob-store.ts";
import type { Link } from "./link-store.ts";
import type { StoredManifest } from "./manifest-store.ts";
import type { Dirty } from "./outbox.ts";
import type { RepositoryRecords } from "./repository-records.ts";

/** Whom a repository tells what: KV a manifest or tag, BlobIndex a drop, Catalog its presence. */
export type OutboxKind = "manifest" | "tag" | "drop" | "catalog";

/** The metadata of a manifest in KV; its value is the manifest's bytes and then Link[] as JSON. */
export interface ManifestReplica {
  readonly mediaType: string;
  /** Bytes of the manifest, with which the value begins. */
  readonly size: number;
}

/** Sends what is dirty in a repository: always the truth of the moment in which it is sent. */
export class OutboxSender {
  readonly #env: Env;
  readonly #records: RepositoryRecords;
  #freed: BlobTotals = noBlobs;

  constructor(env: Env, records: RepositoryRecords) {
    this.#env = env;
    this.#records = records;
  }

  /** The blobs that nobody held any more when their tokens were dropped. */
  get freed(): BlobTotals {
    return this.#freed;
  }

  /** @throws what the store throws: the row then stays dirty. */
  async send({ kind, key, sinceMs }: Dirty<OutboxKind>): Promise<void> {
    switch (kind) {
      case "manifest":
        await this.#sendManifest(key as Digest);
        return observeReplicaLag((Date.now() - sinceMs) / 1000);
      case "tag":
        await this.#sendTag(key as Tag);
        return observeReplicaLag((Date.now() - sinceMs) / 1000);
      case "drop":
        return this.#sendDrop(key);
      case "catalog":
        return this.#sendTotals();
    }
  }

  async #sendDrop(key: string): Promise<void> {
    const [digest, token] = key.split(" ") as [Digest, HolderToken];
    const index = this.#env.BLOB_INDEX.getByName(blobIndexName(this.#env, digest));
    const { layers, bytes } = await index.drop([{ digest, token }]);
    this.#freed = { layers: this.#freed.layers + layers, bytes: this.#freed.bytes + bytes };
  }

  async #sendTotals(): Promise<void> {
    const { name, catalogVersion } = this.#records.identity();
    const totals = this.#records.statistics.totals();
    const catalog = this.#env.CATALOG.getByName(catalogName);
    const known = await catalog.set(name, totals, catalogVersion);
    // A repository of this name that ended on a clock that was ahead.
    if (known > catalogVersion) this.#records.announceAfter(known);
  }

  async #sendManifest(digest: Digest): Promise<void> {
    const key = manifestReplicaKey(this.#name(), digest);
    const stored = this.#records.manifests.find(digest);
    if (stored === undefined) return this.#env.MANIFESTS.delete(key);
    const links: Link[] = this.#records.manifests.links(digest);
    const bytes = this.#records.manifests.bytes(stored.digest);
    const linkBytes = new TextEncoder().encode(JSON.stringify(links));
    const value = new Uint8Array(bytes.length + linkBytes.length);
    value.set(bytes);
    value.set(linkBytes, bytes.length);
    const metadata: ManifestReplica = { mediaType: stored.mediaType, size: stored.size };
    await this.#env.MANIFESTS.put(key, value, { metadata });
    this.#records.manifests.replicatedAt(digest, Date.now());
  }

  async #sendTag(tag: Tag): Promise<void> {
    const key = tagReplicaKey(this.#name(), tag);
    const digest = this.#records.manifests.tagged(tag);
    const stored = digest === undefined ? undefined : this.#records.manifests.find(digest);
    if (stored === undefined) return this.#env.TAGS.delete(key);
    const metadata: StoredManifest = stored;
    return this.#env.TAGS.put(key, "", { metadata });
  }

  #name(): RepositoryName {
    return this.#records.identity().name;
  }
}
