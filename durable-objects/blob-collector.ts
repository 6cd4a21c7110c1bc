import type { RepositoryName } from "../schemas/reference.ts";
import { blobKeys, unclaimableMs } from "../schemas/storage-keys.ts";
import { countCollected } from "../telemetry/telemetry.ts";
import type { BlobStore, BlobTotals, HeldToken, Holder } from "./blob-store.ts";
import type { Tables } from "./tables.ts";

/** R2 deletes at most 1,000 keys a call. */
const garbageKeysMax = 1000;
/** Holders that are asked about at once. */
const askedMax = 5000;

/** Takes out of a BlobIndex, and out of R2, what nobody holds. */
export class BlobCollector {
  readonly #env: Env;
  readonly #blobs: BlobStore;
  readonly #tables: Tables;

  constructor(env: Env, blobs: BlobStore, tables: Tables) {
    this.#env = env;
    this.#blobs = blobs;
    this.#tables = tables;
  }

  /**
   * Deletes the objects that are due at `dueMs`. That nobody uses them any more is stored before R2 is
   * asked, and that they are deleted after it: cut off in between, the same is asked again.
   */
  async deleteGarbage(dueMs: number): Promise<BlobTotals> {
    const deleted = { layers: 0, bytes: 0 };
    for (;;) {
      const garbage = this.#tables.write(() => this.#blobs.takeDue(dueMs, garbageKeysMax));
      if (garbage.length === 0) break;
      const keys = garbage.map(({ key }) => key);
      // One call after the other: R2 takes no more keys at once.
      // oxlint-disable-next-line no-await-in-loop
      await this.#env.BLOBS.delete(keys);
      this.#tables.write(() => this.#blobs.markDeleted(keys));
      const bytes = garbage.reduce((sum, { size }) => sum + size, 0);
      countCollected({ layers: garbage.length, bytes, manifests: 0 });
      deleted.layers += garbage.length;
      deleted.bytes += bytes;
    }
    this.#tables.write(() =>
      this.#blobs.forgetDeleted(blobKeys.before(Date.now() - unclaimableMs)),
    );
    return deleted;
  }

  /**
   * Asks the repositories of holders that are due at `dueMs`, at most 5,000, whether they have links
   * for them. Those that have not (the push was cut off between claim and link) are handed to
   * `release`, within a transaction. Answers whether there may be more of them.
   * @throws what a repository throws, once the others have been asked
   */
  async askHolders(
    dueMs: number,
    release: (tokens: readonly HeldToken[]) => void,
  ): Promise<boolean> {
    const unconfirmed = [...this.#unconfirmed(dueMs)];
    const asked = await Promise.allSettled(
      unconfirmed.map(([name, ours]) => this.#askRepository(name, ours, release)),
    );
    const failed = asked.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    return unconfirmed.reduce((sum, [, ours]) => sum + ours.length, 0) === askedMax;
  }

  /** Holders that may have no link yet and have none, at most 5,000: what askHolders would release. */
  async unlinkedHolders(): Promise<HeldToken[]> {
    const unlinked = await Promise.all(
      Array.from(this.#unconfirmed(Number.MAX_SAFE_INTEGER), async ([name, ours]) => {
        const held = new Set(await this.#env.REPOSITORY.getByName(name).held(ours));
        return ours.filter(({ token }) => !held.has(token));
      }),
    );
    return unlinked.flat();
  }

  #unconfirmed(dueMs: number): Map<RepositoryName, Holder[]> {
    return Map.groupBy(this.#blobs.unconfirmed(dueMs, askedMax), ({ repository }) => repository);
  }

  async #askRepository(
    name: RepositoryName,
    holders: readonly Holder[],
    release: (tokens: readonly HeldToken[]) => void,
  ): Promise<void> {
    const tokens = holders.map(({ digest, token }) => ({ digest, token }));
    const held = new Set(await this.#env.REPOSITORY.getByName(name).holds(name, tokens));
    this.#tables.write(() => {
      for (const holder of holders) if (held.has(holder.token)) this.#blobs.confirm(holder);
      release(tokens.filter(({ token }) => !held.has(token)));
    });
  }
}
