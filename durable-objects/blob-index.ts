import { DurableObject } from "cloudflare:workers";
import type { Digest } from "../schemas/digest.ts";
import { done, type Outcome, refuse } from "../schemas/outcome.ts";
import type { RepositoryName } from "../schemas/reference.ts";
import { type BlobKey, blobKeyTimeMs, catalogName, keyAgeMsMax } from "../schemas/storage-keys.ts";
import { boundedEnv } from "../stores/bounded-env.ts";
import { log } from "../telemetry/log.ts";
import { BlobCollector } from "./blob-collector.ts";
import {
  BlobStore,
  type BlobTotals,
  type BrokenBlob,
  type Garbage,
  type HeldToken,
  type Holder,
  type IndexedBlob,
  type IndexTotals,
  noBlobs,
  type StoredBlob,
} from "./blob-store.ts";
import { Tables } from "./tables.ts";
import { Tasks } from "./tasks.ts";
import { type Verified, verifyBlobs } from "./blob-verification.ts";

/**
 * How long the object of a blob without holder stays: longer than any cached link of it (cached
 * links live for 60 s), so that a reader who has one still finds the bytes or asks again.
 */
const keptMs = 180_000;
const retryMs = 30_000;
/** The catalog learns of an index once, soon after its first blob. */
const registerDelayMs = 1000;

/** How many repositories hear of an object that is broken or whole again. */
const toldMax = 100;

/**
 * One for each first two hex digits of a digest: which R2 object holds a digest, and the tokens of
 * those who hold it. The only one that deletes stored blobs.
 */
export class BlobIndex extends DurableObject<Env> {
  readonly #blobs: BlobStore;
  readonly #tables: Tables;
  readonly #tasks: Tasks<"garbage" | "holders" | "register">;
  readonly #collector: BlobCollector;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, boundedEnv(env));
    this.#blobs = new BlobStore(ctx.storage.sql);
    this.#tables = new Tables(ctx.storage, [...BlobStore.tables, Tasks.table], BlobStore.upgrades);
    this.#tasks = new Tasks(ctx.storage, this.#tables);
    this.#collector = new BlobCollector(this.env, this.#blobs, this.#tables);
  }

  /**
   * Takes a token of a blob that is held already, for a caller who may read it or will send its
   * bytes; undefined if nobody holds it, or R2 was seen not to have its bytes.
   */
  take(holder: Holder): StoredBlob | undefined {
    const stored = this.#stored(holder.digest);
    if (stored === undefined || stored.broken !== null) return undefined;
    this.#tables.write(() => {
      this.#hold(holder, stored);
      this.#blobs.count("hits");
    });
    return { key: stored.key, size: stored.size };
  }

  /**
   * Claims a blob whose bytes were just verified and stored under `newcomer.key`. Answers the
   * object to use: the newcomer's, or the one that holds these bytes already; the newcomer's is
   * then deleted. Repeating a claim with its token changes nothing. A key that was deleted, or that
   * is older than seven days, is refused: its bytes are to be pushed again.
   */
  async claim(holder: Holder, newcomer: StoredBlob): Promise<Outcome<StoredBlob>> {
    const { digest } = holder;
    const stored = this.#stored(digest);
    let isUsable = stored?.key === newcomer.key;
    if (stored !== undefined && !isUsable) {
      const looked = await this.#isUsable(stored);
      if (!looked.ok) return looked;
      isUsable = looked.value;
      // Another claim may have come in between: what it left is then what counts.
      if (this.#stored(digest)?.key !== stored.key) return this.claim(holder, newcomer);
    }
    const claimed = this.#tables.write<Outcome<StoredBlob>>(() => {
      if (this.#blobs.totals().misses === 0) {
        this.#tasks.schedule("register", Date.now() + registerDelayMs);
      }
      if (stored !== undefined && isUsable) return done(this.#join(holder, stored, newcomer));
      if (Date.now() - blobKeyTimeMs(newcomer.key) > keyAgeMsMax) {
        return refuse("BLOB_UPLOAD_INVALID", "its bytes were stored more than seven days ago");
      }
      if (this.#blobs.isDiscarded(newcomer.key)) {
        return refuse("BLOB_UPLOAD_INVALID", "its bytes were deleted meanwhile");
      }
      this.#blobs.place(digest, newcomer);
      if (stored !== undefined) this.#discard(stored, digest, Date.now());
      this.#hold(holder, newcomer);
      this.#blobs.count("misses");
      return done(newcomer);
    });
    const isHealed = stored !== undefined && (stored.broken !== null || !isUsable);
    if (claimed.ok && isHealed) this.#tell(digest, stored.key, holder.repository);
    return claimed;
  }

  /**
   * Where a holder's blob is, for one who did not find it there: undefined if R2 has nothing either,
   * or other bytes. The next push of the blob then stores it anew; nothing is deleted for it, as what
   * is away may come back.
   */
  async locate(holder: Holder): Promise<Outcome<StoredBlob | undefined>> {
    const { digest } = holder;
    const stored = this.#stored(digest);
    if (stored === undefined) return done(undefined);
    const looked = await this.#isUsable(stored);
    if (!looked.ok) return looked;
    if (this.#stored(digest)?.key !== stored.key) return this.locate(holder);
    const broken = looked.value ? null : (stored.broken ?? "missing");
    if (broken !== stored.broken) this.#setBroken(digest, stored.key, broken, holder.repository);
    if (broken !== null) return done(undefined);
    this.#tables.write(() => this.#hold(holder, stored));
    return done({ key: stored.key, size: stored.size });
  }

  /** Drops tokens; a blob that nobody holds becomes garbage: how many, and of how many bytes. */
  drop(tokens: readonly HeldToken[]): BlobTotals {
    if (!this.#tables.exist) return noBlobs;
    return this.#tables.write(() => this.#release(tokens, keptMs));
  }

  /**
   * What a collection would delete that dropped these tokens; with `force` also what is garbage
   * already, and blobs whose holders have no link.
   */
  async wouldFree(tokens: readonly HeldToken[], force: boolean): Promise<BlobTotals> {
    if (!this.#tables.exist) return noBlobs;
    const unlinked = force ? await this.#collector.unlinkedHolders() : [];
    const freed = { ...(force ? this.#blobs.garbageTotals() : noBlobs) };
    for (const [digest, ours] of Map.groupBy([...tokens, ...unlinked], (held) => held.digest)) {
      const stored = this.#blobs.find(digest);
      if (stored === undefined || this.#blobs.isDiscarded(stored.key)) continue;
      const own = ours.map(({ token }) => token);
      if (!this.#blobs.isHeldOnlyBy(digest, own)) continue;
      freed.layers += 1;
      freed.bytes += stored.size;
    }
    return freed;
  }

  /** At most `limit` repositories that hold the digest. */
  holders(digest: Digest, limit: number): RepositoryName[] {
    return this.#tables.exist ? this.#blobs.repositories(digest, limit) : [];
  }

  /**
   * Deletes the garbage that is due, with `force` all of it, and then also drops every holder whose
   * repository has no link for it, however young. Answers what was deleted from R2.
   */
  async collect({ force }: { readonly force: boolean }): Promise<BlobTotals> {
    if (!this.#tables.exist) return noBlobs;
    const dueMs = force ? Number.MAX_SAFE_INTEGER : Date.now();
    try {
      const release = (tokens: readonly HeldToken[]) => void this.#release(tokens, 0);
      for (let isMore = force; isMore;) {
        // Those that were asked about are fewer then.
        // oxlint-disable-next-line no-await-in-loop
        isMore = await this.#collector.askHolders(dueMs, release);
      }
    } catch (error) {
      // They are asked again by the alarm.
      log("warn", "holders not asked", { index: this.ctx.id.name, error: String(error) });
    }
    const deleted = await this.#collector.deleteGarbage(dueMs);
    this.#scheduleNext();
    return deleted;
  }

  /** Which of the keys are of blobs here, or on their way out. */
  known(keys: readonly BlobKey[]): BlobKey[] {
    return this.#tables.exist ? this.#blobs.known(keys) : [];
  }

  /**
   * Has objects deleted that were stored for a digest and that nobody claimed: how many, and of how
   * many bytes. One that is claimed is left alone; a claim of the others that comes late is refused.
   */
  discardUnclaimed(objects: readonly Garbage[], dryRun = false): BlobTotals {
    const unclaimed = objects.filter(
      ({ digest, key }) =>
        (digest === "" || this.#stored(digest)?.key !== key) &&
        !(this.#tables.exist && this.#blobs.isGarbage(key)),
    );
    if (unclaimed.length === 0) return noBlobs;
    if (!dryRun) {
      this.#tables.write(() => {
        for (const object of unclaimed) this.#discard(object, object.digest, Date.now());
      });
    }
    return { layers: unclaimed.length, bytes: unclaimed.reduce((sum, { size }) => sum + size, 0) };
  }

  totals(): IndexTotals {
    return this.#tables.exist ? this.#blobs.totals() : { ...noBlobs, hits: 0, misses: 0 };
  }

  /** Reads the blobs behind `last` again, until `bytesMax` are read, and tells which are damaged. */
  async verify(last: Digest | undefined, bytesMax: number): Promise<Verified> {
    if (!this.#tables.exist) return { ...noBlobs, damaged: [], last, isEnd: true };
    return verifyBlobs(this.env.BLOBS, this.#blobs, last ?? "", bytesMax, (digest, key, broken) =>
      this.#setBroken(digest, key, broken),
    );
  }

  override async alarm(): Promise<void> {
    await this.#tasks.run(Date.now(), retryMs, async (kind) => {
      switch (kind) {
        case "garbage":
          await this.#collector.deleteGarbage(Date.now());
          return this.#scheduleNext();
        case "holders":
          await this.#collector.askHolders(
            Date.now(),
            (tokens) => void this.#release(tokens, keptMs),
          );
          return this.#scheduleNext();
        case "register":
          return this.env.CATALOG.getByName(catalogName).addIndex(this.ctx.id.name ?? "");
      }
    });
  }

  #stored(digest: Digest): IndexedBlob | undefined {
    return this.#tables.exist ? this.#blobs.find(digest) : undefined;
  }

  /** Within a transaction: has a newcomer hold the object that is there, and its own deleted. */
  #join(holder: Holder, { key, size }: StoredBlob, newcomer: StoredBlob): StoredBlob {
    this.#blobs.setBroken(holder.digest, null);
    this.#hold(holder, { key, size });
    if (key !== newcomer.key) {
      this.#discard(newcomer, holder.digest, Date.now());
      this.#blobs.count("hits");
    }
    return { key, size };
  }

  /** Notes what is wrong with an object, or that nothing is any more. */
  #setBroken(digest: Digest, key: BlobKey, broken: BrokenBlob | null, by?: RepositoryName): void {
    this.#tables.write(() => this.#blobs.setBroken(digest, broken));
    this.#tell(digest, key, by);
  }

  /** Has the repositories that link a blob by the key look where it is, but the one that found out. */
  #tell(digest: Digest, key: BlobKey, by?: RepositoryName): void {
    const others = this.#blobs.repositories(digest, toldMax).filter((name) => name !== by);
    const told = others.map((name) =>
      this.env.REPOSITORY.getByName(name).healBlob(name, digest, key),
    );
    // Who is not told finds out when it is read.
    this.ctx.waitUntil(Promise.allSettled(told));
  }

  #hold(holder: Holder, stored: StoredBlob): void {
    this.#blobs.hold(holder, stored);
    this.#scheduleNext();
  }

  /** Within a transaction: removes tokens, and has what nobody holds then deleted after `afterMs`. */
  #release(tokens: readonly HeldToken[], afterMs: number): BlobTotals {
    const freed = { layers: 0, bytes: 0 };
    for (const { digest, token } of tokens) {
      const stored = this.#blobs.find(digest);
      const isFree = this.#blobs.release(digest, token);
      if (!isFree || stored === undefined || this.#blobs.isDiscarded(stored.key)) continue;
      this.#discard(stored, digest, Date.now() + afterMs);
      freed.layers += 1;
      freed.bytes += stored.size;
    }
    return freed;
  }

  #scheduleNext(): void {
    const askMs = this.#blobs.nextToAskMs();
    if (askMs !== null) this.#tasks.schedule("holders", askMs);
    const garbageMs = this.#blobs.nextGarbageMs();
    if (garbageMs !== null) this.#tasks.schedule("garbage", garbageMs);
  }

  #discard(object: StoredBlob, digest: Garbage["digest"], dueMs: number): void {
    this.#blobs.discard({ ...object, digest }, dueMs);
    this.#scheduleNext();
  }

  async #isUsable({ key, size, broken }: IndexedBlob): Promise<Outcome<boolean>> {
    if (broken === "damaged") return done(false);
    try {
      return done((await this.env.BLOBS.head(key))?.size === size);
    } catch (error) {
      return refuse("OVERLOADED", `R2 did not answer: ${String(error)}`, { "Retry-After": "5" });
    }
  }
}
