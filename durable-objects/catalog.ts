import { DurableObject } from "cloudflare:workers";
import type { Page } from "../schemas/pagination.ts";
import type { RepositoryName } from "../schemas/reference.ts";
import { maintenanceName, unclaimableMs } from "../schemas/storage-keys.ts";
import type { Totals } from "../telemetry/metrics.ts";
import { mapAtOnce } from "./at-once.ts";
import { CatalogStore, type CatalogTotals, type RepositoryDetails } from "./catalog-store.ts";
import type { RepositoryTotals } from "./repository-statistics.ts";
import { Tables } from "./tables.ts";
import { Tasks } from "./tasks.ts";

/** An upload session that is open for some time. */
export interface ActiveUpload {
  readonly id: string;
  readonly repository: RepositoryName;
  readonly startedMs: number;
}

const sealingKeyBytes = 32;
const retryMs = 30_000;
/** No upload session is older: of one that is, the end was told before the beginning. */
const uploadMsMax = 7 * 24 * 60 * 60 * 1000;

const emptyTotals: CatalogTotals = { repositories: 0, images: 0, tags: 0, hits: 0 };

/**
 * One per deployment: the names of repositories and what each has, which indexes of blobs there are,
 * the upload sessions that are open, and the key that seals them.
 */
export class Catalog extends DurableObject<Env> {
  readonly #sql: SqlStorage;
  readonly #tables: Tables;
  readonly #tasks: Tasks<"sweep">;
  readonly #store: CatalogStore;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
    this.#tables = new Tables(
      ctx.storage,
      [...CatalogStore.tables, Tasks.table],
      CatalogStore.upgrades,
    );
    this.#tasks = new Tasks(ctx.storage, this.#tables);
    this.#store = new CatalogStore(ctx.storage.sql);
  }

  /**
   * Tells what a repository has. An older version than the known one is ignored; the one that is known
   * then is answered.
   */
  set(name: RepositoryName, totals: RepositoryTotals, version: number): number {
    return this.#write(() => this.#store.set(name, totals, version));
  }

  /** Writes something and reads it: whether objects can. @throws if not */
  async probe(): Promise<void> {
    const nowMs = Date.now();
    await this.ctx.storage.put("probed", nowMs);
    if ((await this.ctx.storage.get("probed")) !== nowMs) throw new Error("it was not written");
  }

  /** The names of repositories with manifests, after `last` in byte order, and whether there are more. */
  list(page: Page): { names: RepositoryName[]; more: boolean } {
    return this.#tables.exist ? this.#store.list(page, "manifests") : { names: [], more: false };
  }

  /** Like list, with repositories that have only blobs. */
  listAll(page: Page): { names: RepositoryName[]; more: boolean } {
    return this.#tables.exist ? this.#store.list(page, "anything") : { names: [], more: false };
  }

  /** What each repository with manifests has, a page of them. */
  details(page: Page): { details: RepositoryDetails[]; more: boolean } {
    return this.#tables.exist ? this.#store.details(page) : { details: [], more: false };
  }

  /** Notes that there is an index of blobs of this name. */
  addIndex(name: string): void {
    this.#write(() => {
      this.#sql.exec("INSERT OR IGNORE INTO indexes VALUES (?)", name);
    });
  }

  /** The names of the indexes that have, or had, blobs. */
  indexes(): string[] {
    if (!this.#tables.exist) return [];
    return this.#sql
      .exec<{ name: string }>("SELECT name FROM indexes ORDER BY name")
      .toArray()
      .map(({ name }) => name);
  }

  /** Notes that an upload session is open, or that it is not any more. */
  setUpload(upload: ActiveUpload, isOpen: boolean): void {
    this.#write(() => {
      this.#sql.exec(
        "DELETE FROM uploads WHERE id = ? OR started_ms < ?",
        upload.id,
        Date.now() - uploadMsMax,
      );
      if (!isOpen) return;
      const { id, repository, startedMs } = upload;
      this.#sql.exec("INSERT INTO uploads VALUES (?, ?, ?)", id, repository, startedMs);
    });
  }

  /** At most `limit` upload sessions that are open, the oldest first. */
  uploads(limit: number): ActiveUpload[] {
    if (!this.#tables.exist) return [];
    return this.#sql
      .exec<{ id: string; repository: RepositoryName; startedMs: number }>(
        `SELECT id, repository, started_ms AS "startedMs" FROM uploads ORDER BY started_ms LIMIT ?`,
        limit,
      )
      .toArray();
  }

  /** What the whole registry has: as the repositories told last, and as the indexes say now. */
  async statistics(): Promise<Totals> {
    const { hits, ...totals } = this.#tables.exist ? this.#store.totals() : emptyTotals;
    const [layers, uploadsActive] = [await this.#layers(), this.#uploadCount()];
    return {
      ...totals,
      layers: layers.layers,
      layerBytes: layers.bytes,
      cacheHits: hits + layers.hits,
      cacheMisses: layers.misses,
      uploadsActive,
    };
  }

  /** The key that seals upload sessions: made at the first call, the same ever after. */
  sealingKey(): Uint8Array {
    return this.#write(() => {
      const fresh = crypto.getRandomValues(new Uint8Array(sealingKeyBytes));
      this.#sql.exec("INSERT OR IGNORE INTO keys VALUES ('upload session', ?)", fresh);
      const { bytes } = this.#sql
        .exec<{ bytes: ArrayBuffer }>("SELECT bytes FROM keys WHERE purpose = 'upload session'")
        .one();
      return new Uint8Array(bytes);
    });
  }

  override async alarm(): Promise<void> {
    await this.#tasks.run(Date.now(), retryMs, async () => {
      await this.env.MAINTENANCE.getByName(maintenanceName).sweep();
    });
  }

  /** A transaction. What is told here comes with pushes, and of these some are cut off. */
  #write<T>(work: () => T): T {
    return this.#tables.write(() => {
      this.#tasks.schedule("sweep", Date.now() + unclaimableMs);
      return work();
    });
  }

  /** The sums of all indexes: at most 256 for each algorithm. */
  async #layers(): Promise<{ layers: number; bytes: number; hits: number; misses: number }> {
    const sums = { layers: 0, bytes: 0, hits: 0, misses: 0 };
    const totals = await mapAtOnce(this.indexes(), async (name) =>
      this.env.BLOB_INDEX.getByName(name).totals(),
    );
    for (const { layers, bytes, hits, misses } of totals) {
      sums.layers += layers;
      sums.bytes += bytes;
      sums.hits += hits;
      sums.misses += misses;
    }
    return sums;
  }

  #uploadCount(): number {
    if (!this.#tables.exist) return 0;
    return this.#sql.exec<{ count: number }>("SELECT count(*) AS count FROM uploads").one().count;
  }
}
