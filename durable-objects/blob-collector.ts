import type { RepositoryName } from "../schemas/reference.ts";
import { blobKeys } from "../schemas/storage-keys.ts";
import { countCollected } from "../telemetry/telemetry.ts";
import type { BlobStore, BlobTotals, HeldToken, Holder } from "./blob-store.ts";
import type { Tables } from "./tables.ts";

/** R2 deletes at most 1,000 keys a call. */
const garbageKeysMax = 1000;
/** Holders that are asked about before others. */
const askedMax = 500;
/** A claim is refused when its key is seven days old; a day more for clocks that differ. */
const deletedKeysMs = 8 * 24 * 60 * 60 * 1000;

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
      this.#blobs.forgetDeleted(blobKeys.before(Date.now() - deletedKeysMs)),
    );
    return deleted;
  }

  /**
   * Asks the repositories of holders that are due at `dueMs` whether they have links for them. Those
   * that have not (the push was cut off between claim and link) are handed to `release`, within a
   * transaction. @throws what a repository throws, once the others have been asked
   */
  async askHolders(dueMs: number, release: (tokens: readonly HeldToken[]) => void): Promise<void> {
    for (;;) {
      const holders = this.#blobs.unconfirmed(dueMs, askedMax);
      if (holders.length === 0) return;
      const ofRepositories = Map.groupBy(holders, ({ repository }) => repository);
      // oxlint-disable-next-line no-await-in-loop
      const asked = await Promise.allSettled(
        [...ofRepositories].map(([name, ours]) => this.#askRepository(name, ours, release)),
      );
      const failed = asked.find((result) => result.status === "rejected");
      if (failed !== undefined) throw failed.reason;
    }
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
