import type { CollectionRules } from "../schemas/configuration.ts";
import type { Digest } from "../schemas/digest.ts";
import type { RepositoryName } from "../schemas/reference.ts";
import { catalogName, type HolderToken } from "../schemas/storage-keys.ts";
import { LinkStore } from "./link-store.ts";
import { ManifestStore } from "./manifest-store.ts";
import { Outbox } from "./outbox.ts";
import type { OutboxKind } from "./outbox-sender.ts";
import { RepositoryStatistics } from "./repository-statistics.ts";
import { Tables, type Upgrade } from "./tables.ts";
import { Tasks } from "./tasks.ts";

/** KV takes one write per second and key. */
const replicaDelayMs = 1000;
/** How long a repository that is empty waits while it has promises to keep. */
const endRetryMs = 60 * 60 * 1000;

const upgrades: readonly Upgrade[] = [
  {
    before: [
      "ALTER TABLE manifests ADD COLUMN released_ms INTEGER NOT NULL DEFAULT 0",
      "ALTER TABLE manifests ADD COLUMN orphaned_ms INTEGER",
      "ALTER TABLE manifests ADD COLUMN replicated_ms INTEGER",
      "ALTER TABLE outbox ADD COLUMN since_ms INTEGER NOT NULL DEFAULT 0",
      "ALTER TABLE links ADD COLUMN lost INTEGER NOT NULL DEFAULT 0",
    ],
    after: [
      "UPDATE manifests SET released_ms = 1000 * unixepoch()",
      "UPDATE outbox SET since_ms = 1000 * unixepoch()",
      RepositoryStatistics.countAll,
    ],
  },
];

/** Who a repository is, for others. */
export interface RepositoryIdentity {
  readonly name: RepositoryName;
  /** Grows with each change of what the catalog knows, over the ends of repositories of the name too. */
  readonly catalogVersion: number;
}

/** All that a repository has stored, and how it changes: in transactions without an await. */
export class RepositoryRecords {
  readonly manifests: ManifestStore;
  readonly links: LinkStore;
  readonly outbox: Outbox<OutboxKind>;
  readonly statistics: RepositoryStatistics;
  readonly tasks: Tasks<"replicas" | "collect">;
  readonly #sql: SqlStorage;
  readonly #tables: Tables;
  readonly #collectAfterMs: number;

  constructor(storage: DurableObjectStorage, { graceMs, untaggedMs }: CollectionRules) {
    const { sql } = storage;
    this.#sql = sql;
    this.#tables = new Tables(
      storage,
      [
        ...ManifestStore.tables,
        ...LinkStore.tables,
        ...RepositoryStatistics.tables,
        Outbox.table,
        Tasks.table,
        "CREATE TABLE IF NOT EXISTS identity (name TEXT NOT NULL, catalog_version INTEGER NOT NULL)",
      ],
      upgrades,
    );
    this.manifests = new ManifestStore(sql);
    this.links = new LinkStore(sql, graceMs);
    this.outbox = new Outbox(sql);
    this.statistics = new RepositoryStatistics(sql);
    this.tasks = new Tasks(storage, this.#tables);
    this.#collectAfterMs = Math.min(graceMs, untaggedMs ?? graceMs);
  }

  /** False as long as nothing was ever written: there is nothing to read. */
  get exist(): boolean {
    return this.#tables.exist;
  }

  /**
   * One transaction, behind which the repository is looked at by a collection as soon as anything may
   * be collected. What it throws undoes it.
   */
  change<T>(name: RepositoryName, work: () => T): T {
    const isFirst = !this.#tables.exist;
    return this.#tables.write(() => {
      if (isFirst) {
        this.#sql.exec("INSERT INTO identity VALUES (?, 0)", name);
        this.announce();
      }
      this.statistics.keepHits();
      this.tasks.schedule("collect", Date.now() + this.#collectAfterMs);
      return work();
    });
  }

  /** One transaction that leaves nothing to collect, or that knows itself when to look again. */
  transaction<T>(work: () => T): T {
    return this.#tables.write(work);
  }

  identity(): RepositoryIdentity {
    return this.#sql
      .exec<{ name: RepositoryName; catalogVersion: number }>(
        'SELECT name, catalog_version AS "catalogVersion" FROM identity',
      )
      .one();
  }

  /** Has somebody told of a change, soon. */
  tell(kind: OutboxKind, key: string): void {
    this.outbox.add(kind, key, Date.now());
    this.tasks.schedule("replicas", Date.now() + replicaDelayMs);
  }

  /** Has the catalog told what the repository has. */
  announce(): void {
    this.#sql.exec("UPDATE identity SET catalog_version = max(catalog_version + 1, ?)", Date.now());
    this.tell("catalog", catalogName);
  }

  /** Has the catalog told anew, by a version that is newer than one that it knows. */
  announceAfter(version: number): void {
    this.transaction(() => {
      this.#sql.exec("UPDATE identity SET catalog_version = max(catalog_version, ?)", version);
      this.announce();
    });
  }

  /** Has BlobIndex told that a token holds nothing any more. */
  drop(digest: Digest, token: HolderToken): void {
    this.tell("drop", `${digest} ${token}`);
  }

  /** Removes a blob; false if there is none. */
  unlink(digest: Digest): boolean {
    const token = this.links.unlink(digest);
    if (token === undefined) return false;
    this.drop(digest, token);
    this.announce();
    return true;
  }

  /** Removes a manifest that is not wanted any more: its children's age begins anew. */
  deleteManifest(digest: Digest): void {
    this.manifests.releaseChildren(digest, Date.now());
    this.removeManifest(digest);
  }

  /** Removes a manifest with its tags. */
  removeManifest(digest: Digest): void {
    const nowMs = Date.now();
    this.links.markUnreferenced(digest, nowMs);
    for (const tag of this.manifests.remove(digest, nowMs)) this.tell("tag", tag);
    this.tell("manifest", digest);
    this.announce();
  }

  /** Deletes everything if nothing is left: the name is as if it had never been used. */
  async endIfEmpty(): Promise<void> {
    if (!this.outbox.isEmpty() || !this.manifests.isEmpty() || !this.links.isEmpty()) return;
    const nowMs = Date.now();
    if (this.links.refuses(nowMs)) this.tasks.schedule("replicas", nowMs + endRetryMs);
    else await this.#tables.deleteAll();
  }
}
