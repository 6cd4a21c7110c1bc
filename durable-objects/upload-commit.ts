import { algorithmOf, type Digest } from "../schemas/digest.ts";
import { type Outcome, type Refusal, refuse } from "../schemas/outcome.ts";
import { blobIndexName, newBlobKey, newHolderToken } from "../schemas/storage-keys.ts";
import { digestOfBody } from "../streams/body-digest.ts";
import { digestOfBytes } from "../streams/hash.ts";
import type { StoredBlob } from "./blob-store.ts";
import type { PartWriter } from "./part-writer.ts";
import type { SessionStore } from "./session-store.ts";
import type { UploadState } from "./upload-state.ts";

function wrongDigest(digest: Digest): Outcome<undefined> {
  return refuse("DIGEST_INVALID", `the bytes of this upload are not ${digest}`);
}

/** Takes an upload session from its last byte to a blob that is readable in its repository. */
export class UploadCommit {
  readonly #env: Env;
  readonly #store: SessionStore;

  constructor(env: Env, store: SessionStore) {
    this.#env = env;
    this.#store = store;
  }

  /**
   * Commits an open session: `state` as it is stored, and a writer that has the bytes of the
   * closing request behind it. A digest that is wrong changes nothing.
   */
  async close(
    state: UploadState,
    writer: PartWriter,
    offset: number,
    digest: Digest,
  ): Promise<Outcome<undefined>> {
    if (writer.partCount === 0) return this.#closeTail(state, writer.tail, digest);
    const canTell = writer.digest?.algorithm === algorithmOf(digest);
    if (canTell && writer.digest?.withTail(writer.tail) !== digest) return wrongDigest(digest);
    await writer.finish();
    const assembling: UploadState = {
      ...state,
      stage: "assembling",
      offset,
      multipartId: writer.multipartId,
      digest: canTell ? digest : undefined,
    };
    this.#store.keepBytes(assembling, writer.parts, new Uint8Array(), 0);
    return this.goOn(assembling, digest);
  }

  /**
   * Goes on with a session whose parts are fixed: complete, read again what was not hashed on the
   * way, claim, link. A `complete()` that happened already is recognised by the object's size.
   */
  async goOn(state: UploadState, digest: Digest): Promise<Outcome<undefined>> {
    const stored = { key: state.key, size: state.offset };
    let assembled = state;
    if (state.stage === "assembling") {
      await this.#complete(state);
      assembled = { ...state, stage: "assembled" };
      this.#store.keep(assembled);
    }
    const verified = assembled.digest ?? (await this.#digestOfStored(stored, digest));
    if (verified !== digest) return wrongDigest(digest);
    // Before it is claimed: from then on its bytes may be others' too.
    assembled = { ...assembled, digest };
    this.#store.keep(assembled);
    const linked = await this.#link(assembled, stored, digest);
    // There is nothing to go on with: the client is to start anew.
    if (isCollected(linked)) this.#store.end({ ...assembled, stage: "cancelled" });
    return linked;
  }

  /** A blob smaller than a part: one put, under a key that is new each time it is tried. */
  async #closeTail(state: UploadState, tail: Uint8Array, digest: Digest) {
    if (digestOfBytes(tail, algorithmOf(digest)) !== digest) {
      return wrongDigest(digest);
    }
    const key = newBlobKey(Date.now(), crypto.randomUUID());
    await this.#env.BLOBS.put(key, tail, {
      customMetadata: { repository: state.repository, digest },
    });
    const stored = { key, size: tail.length };
    const linked = await this.#link({ ...state, offset: tail.length }, stored, digest);
    if (isCollected(linked)) {
      // The same request puts it anew.
      return refuse("OVERLOADED", linked.what, { "Retry-After": "1" });
    }
    if (linked.ok && state.multipartId !== undefined) {
      // Begun by a request that broke off. Should this fail, R2 ends it after seven days.
      const multipart = this.#env.BLOBS.resumeMultipartUpload(state.key, state.multipartId);
      await multipart.abort().catch(() => undefined);
    }
    return linked;
  }

  async #complete({ key, multipartId, offset }: UploadState): Promise<void> {
    if (multipartId === undefined) throw new Error("an upload without parts is being assembled");
    const multipart = this.#env.BLOBS.resumeMultipartUpload(key, multipartId);
    try {
      await multipart.complete(
        this.#store.parts().map(({ number, etag }) => ({ partNumber: number, etag })),
      );
    } catch (error) {
      const object = await this.#env.BLOBS.head(key);
      if (object?.size !== offset) throw error;
    }
  }

  async #digestOfStored({ key }: StoredBlob, wanted: Digest): Promise<Digest> {
    const object = await this.#env.BLOBS.get(key);
    if (object === null) throw new Error(`${key} is not in R2`);
    return digestOfBody(object.body, algorithmOf(wanted));
  }

  /**
   * Claim first, link second: cut off in between it can keep a blob too long, never lose it. Each try
   * has a token of its own, as one that was linked may be dropped by now.
   */
  async #link(state: UploadState, stored: StoredBlob, digest: Digest): Promise<Outcome<undefined>> {
    const { repository } = state;
    const token = newHolderToken(Date.now(), crypto.randomUUID());
    const index = this.#env.BLOB_INDEX.getByName(blobIndexName(this.#env, digest));
    const claimed = await index.claim({ digest, token, repository }, stored);
    if (!claimed.ok) return claimed;
    const { key, size } = claimed.value;
    const linked = await this.#env.REPOSITORY.getByName(repository).linkBlob(repository, {
      digest,
      key,
      size,
      token,
    });
    if (linked.ok) this.#store.end({ ...state, stage: "closed", digest });
    else await index.drop([{ digest, token }]);
    return linked;
  }
}

/** True if a forced collection came between the bytes and their claim. */
function isCollected(linked: Outcome<undefined>): linked is Refusal {
  return !linked.ok && linked.code === "BLOB_UPLOAD_INVALID";
}
