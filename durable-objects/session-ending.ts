import type { Digest } from "../schemas/digest.ts";
import type { Outcome } from "../schemas/outcome.ts";
import { blobIndexName, catalogName } from "../schemas/storage-keys.ts";
import { audit } from "../telemetry/log.ts";
import type { SessionStore } from "./session-store.ts";
import { isUnknownUpload, refusalOf } from "./upload-refusal.ts";
import { hasEnded, type UploadState } from "./upload-state.ts";

/** How an upload session ends: what it stored goes, and the catalog is told. */
export class SessionEnding {
  readonly #env: Env;
  readonly #store: SessionStore;
  readonly #id: string;

  constructor(env: Env, store: SessionStore, id: string) {
    this.#env = env;
    this.#store = store;
    this.#id = id;
  }

  /** Has the catalog know of the session as long as it is open. */
  async announce(): Promise<void> {
    const state = this.#store.stored();
    if (state === undefined) return;
    const isOpen = !hasEnded(state);
    // Before the catalog is told, so that it is also told of an end that comes meanwhile.
    if (isOpen) this.#store.setAnnounced(true);
    await this.#tellCatalog(state, isOpen);
    if (!isOpen) this.#store.setAnnounced(false);
  }

  async #tellCatalog({ repository, startedMs }: UploadState, isOpen: boolean): Promise<void> {
    const catalog = this.#env.CATALOG.getByName(catalogName);
    await catalog.setUpload({ id: this.#id, repository, startedMs }, isOpen);
  }

  /** Forgets everything, once the catalog has forgotten the session. */
  async forget(state: UploadState): Promise<void> {
    if (this.#store.isAnnounced) await this.#tellCatalog(state, false);
    await this.#store.expire();
  }

  /** Has bytes deleted that were verified, unless they are claimed. */
  async discard({ key, offset, multipartId }: UploadState, digest: Digest): Promise<void> {
    const index = this.#env.BLOB_INDEX.getByName(blobIndexName(this.#env, digest));
    await index.discardUnclaimed([{ key, size: offset, digest }]);
    if (multipartId === undefined) return;
    // Not completed yet, or it is no more: then this fails.
    const multipart = this.#env.BLOBS.resumeMultipartUpload(key, multipartId);
    await multipart.abort().catch(() => undefined);
  }

  /** Deletes bytes that nobody can have claimed: of a session that was not verified. */
  async deleteStored(state: UploadState): Promise<void> {
    const { key, multipartId, stage } = state;
    if (hasEnded(state)) return;
    if (stage !== "assembled" && multipartId !== undefined) {
      await this.#env.BLOBS.resumeMultipartUpload(key, multipartId)
        .abort()
        .catch((error: unknown) => {
          // Completed, by a request that was cut off before it could say so; or ended by R2 itself.
          if (stage === "open" && !isUnknownUpload(error)) throw error;
        });
    }
    if (stage !== "open") await this.#env.BLOBS.delete(key);
  }
}

/**
 * Writes a push into the audit that ends when nobody waits for it any more: nobody else tells of it.
 * Does nothing if it fails.
 */
export async function auditPush(
  { repository }: UploadState,
  digest: Digest,
  outcome: Promise<Outcome<undefined>>,
): Promise<void> {
  const { ok } = await outcome.catch(refusalOf);
  if (ok)
    audit("info", {
      who: "upload session",
      repository,
      action: "push blob",
      digest,
      outcome: "done",
    });
}
