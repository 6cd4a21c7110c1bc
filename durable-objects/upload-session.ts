import { DurableObject } from "cloudflare:workers";
import { bodyTooLong } from "../schemas/body-limit.ts";
import { parseConfiguration } from "../schemas/configuration.ts";
import type { Digest } from "../schemas/digest.ts";
import { done, type Outcome, refuse } from "../schemas/outcome.ts";
import { boundedEnv } from "../stores/bounded-env.ts";
import { drain, drainBytesMax } from "../streams/body.ts";
import { inTime } from "./deadline.ts";
import { blobBytesMax, PartWriter } from "./part-writer.ts";
import { RunningDigest } from "./running-digest.ts";
import { auditPush, SessionEnding } from "./session-ending.ts";
import { SessionStore } from "./session-store.ts";
import { UploadCommit } from "./upload-commit.ts";
import { type LockHolder, UploadLock } from "./upload-lock.ts";
import { begun, readBody, type UploadBody } from "./upload-body.ts";
import { outOfTurn, refusalOf } from "./upload-refusal.ts";
import { hasEnded, type SealedSession, type UploadState } from "./upload-state.ts";

/** Why a second body is refused. */
const meanwhile = "another body is being read";

/**
 * One per upload session that a PATCH reached. It keeps the offset, the parts in R2, the bytes
 * behind them and the running digest.
 *
 * What exists while it lives: nothing (only POST came) → one row; with more than 8 MiB a multipart
 * upload in R2, its etags in `parts`; what is behind the last part in `tail` → at commit one object
 * under the session's key, claimed at BlobIndex and linked in the repository → one row that says
 * so, until the session would have expired.
 */
export class UploadSession extends DurableObject<Env> {
  readonly #store: SessionStore;
  readonly #commit: UploadCommit;
  readonly #ending: SessionEnding;
  readonly #lock = new UploadLock();
  /** Of the stored parts; lost with the object's memory: then the blob is read again at commit. */
  #digest: RunningDigest | undefined;
  #committing: { digest: Digest; outcome: Promise<Outcome<undefined>> } | undefined;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, boundedEnv(env));
    const { uploadTimeoutMs, uploadCleanupIntervalMs } = parseConfiguration({
      ...env,
    }).configuration;
    this.#store = new SessionStore(ctx.storage, uploadTimeoutMs, uploadCleanupIntervalMs);
    this.#commit = new UploadCommit(this.env, this.#store);
    this.#ending = new SessionEnding(this.env, this.#store, ctx.id.name ?? "");
  }

  /**
   * Appends a body (end-5) and answers the new offset, and how many bytes it had. A body that breaks
   * off changes nothing.
   */
  async append(
    session: SealedSession,
    body: UploadBody,
  ): Promise<Outcome<{ offset: number; bytes: number }>> {
    return this.#answer(body, async () => {
      const state = this.#live(session);
      if (!state.ok) return state;
      const holder = await this.#lock.enter();
      if (holder === undefined) return outOfTurn(state.value.offset, meanwhile);
      try {
        return await this.#write(session, body, holder, async (stored, writer, offset) => {
          this.#keep(stored, writer, offset);
          return done({ offset, bytes: offset - stored.offset });
        });
      } finally {
        holder.leave();
      }
    });
  }

  /**
   * Closes the session (end-6) with what it has and, where there is one, a last body. A digest that
   * is wrong leaves it as it was. Repeated, it is answered as before; 25 s after its last byte it
   * answers OVERLOADED and goes on by itself.
   */
  async commit(
    session: SealedSession,
    digest: Digest,
    body: UploadBody | undefined,
  ): Promise<Outcome<undefined>> {
    return this.#answer(body, async () => {
      const state = this.#store.find(session);
      if (state?.stage === "closed" && state.digest === digest) return done(undefined);
      if (this.#committing?.digest === digest && !this.#lock.isStalled) {
        return inTime(this.#committing.outcome, Promise.resolve());
      }
      const live = this.#live(session);
      if (!live.ok) return live;
      const holder = await this.#lock.enter();
      if (holder === undefined) return outOfTurn(live.value.offset, meanwhile);
      const outcome = this.#commitAs(digest, holder, () =>
        this.#close(session, digest, body, holder),
      );
      const answer = await inTime(outcome, holder.bodyRead);
      if (!answer.ok) this.ctx.waitUntil(auditPush(live.value, digest, outcome));
      return answer;
    });
  }

  /** The offset (end-13). */
  status(session: SealedSession): Outcome<{ offset: number }> {
    const state = this.#live(session);
    return state.ok ? done({ offset: state.value.offset }) : state;
  }

  /** Ends the session and forgets its bytes (end-14). Who still sends is made to give up. */
  async cancel(session: SealedSession): Promise<Outcome<undefined>> {
    return this.#answer(undefined, async () => {
      const holder = await this.#lock.seize();
      try {
        const state = this.#live(session);
        if (!state.ok) return state;
        if (state.value.digest !== undefined) {
          return refuse("BLOB_UPLOAD_UNKNOWN", "its bytes are verified: it is being closed");
        }
        await this.#ending.deleteStored(state.value);
        this.#store.end({ ...state.value, stage: "cancelled" });
        return done(undefined);
      } finally {
        holder.leave();
      }
    });
  }

  override async alarm(): Promise<void> {
    await this.#store.runDue({
      expire: () => this.#expire(),
      announce: () => this.#ending.announce(),
    });
  }

  /** Goes on with a commit that was cut off; deletes a session that is over. */
  async #expire(): Promise<void> {
    const holder = await this.#lock.enter(this.#store.timeoutMs);
    if (holder === undefined) return this.#store.lookAgain();
    try {
      const state = this.#store.stored();
      if (state === undefined) return;
      const { stage, digest } = state;
      if (digest !== undefined && (stage === "assembling" || stage === "assembled")) {
        const goOn = () => this.#commit.goOn(state, digest).catch(refusalOf);
        const outcome = this.#commitAs(digest, holder, goOn);
        await auditPush(state, digest, outcome);
        if ((await outcome).ok) return this.#store.expireLater(state);
        if (!this.#store.isOver(state)) return this.#store.lookAgain();
        await this.#ending.discard(state, digest);
        await this.#ending.forget(state);
      } else if (this.#store.isOver(state)) {
        await this.#ending.deleteStored(state);
        await this.#ending.forget(state);
      } else {
        this.#store.expireLater(state);
      }
    } finally {
      holder.leave();
    }
  }

  /** Commits, and lets who asks for the same meanwhile join; goes on when the client has gone. */
  #commitAs(
    digest: Digest,
    holder: LockHolder,
    commit: () => Promise<Outcome<undefined>>,
  ): Promise<Outcome<undefined>> {
    const outcome = commit().finally(() => {
      this.#committing = undefined;
      holder.leave();
    });
    this.#committing = { digest, outcome };
    this.ctx.waitUntil(outcome.catch(() => undefined));
    return outcome;
  }

  #live(session: SealedSession): Outcome<UploadState> {
    const state = this.#store.find(session);
    if (state === undefined || hasEnded(state)) {
      return refuse("BLOB_UPLOAD_UNKNOWN", "it was closed, cancelled or expired");
    }
    return done(state);
  }

  async #close(
    session: SealedSession,
    digest: Digest,
    body: UploadBody | undefined,
    holder: LockHolder,
  ): Promise<Outcome<undefined>> {
    const state = this.#live(session);
    if (!state.ok) return state;
    if (state.value.stage !== "open") {
      holder.endReading();
      return this.#commit.goOn(state.value, digest);
    }
    return this.#write(session, body, holder, (stored, writer, offset) =>
      this.#commit.close(stored, writer, offset, digest),
    );
  }

  /** Reads a body behind what is stored, and hands both on; only what `then` stores counts. */
  async #write<T>(
    session: SealedSession,
    body: UploadBody | undefined,
    holder: LockHolder,
    then: (stored: UploadState, writer: PartWriter, offset: number) => Promise<Outcome<T>>,
  ): Promise<Outcome<T>> {
    const live = this.#live(session);
    if (!live.ok) return live;
    const state = begun(live.value, body);
    if (state.stage !== "open") return refuse("BLOB_UPLOAD_INVALID", "its bytes are complete");
    const { chunk, length } = body ?? {};
    if (chunk !== undefined && chunk.offset !== state.offset) {
      return outOfTurn(state.offset, `the chunk begins at byte ${chunk.offset}`);
    }
    if (chunk !== undefined && length !== undefined && length !== chunk.length) {
      return refuse("SIZE_INVALID", `Content-Length ${length}, Content-Range ${chunk.length}`);
    }
    if (length !== undefined && state.offset + length > blobBytesMax(state.partBytes)) {
      return refuse("BLOB_TOO_LARGE", `at most ${blobBytesMax(state.partBytes)} bytes`);
    }
    const writer = this.#writer(state);
    try {
      await writer.prepare(chunk?.length ?? length ?? (body === undefined ? 0 : undefined));
      const bytes = body === undefined ? 0 : await readBody(body, writer, holder);
      holder.endReading();
      if (bytes === undefined) return refuse("BLOB_UPLOAD_INVALID", "the body broke off");
      if (body?.bytesMax !== undefined && bytes > body.bytesMax) {
        return refuse("BODY_TOO_LARGE", bodyTooLong(body.bytesMax));
      }
      const expected = chunk?.length ?? length ?? bytes;
      if (bytes !== expected) return refuse("SIZE_INVALID", `${bytes} bytes, not ${expected}`);
      await writer.settle();
      return await then(state, writer, state.offset + bytes);
    } finally {
      await writer.release();
    }
  }

  #writer(state: UploadState): PartWriter {
    const partCount = this.#store.partCount();
    return new PartWriter(
      {
        bucket: this.env.BLOBS,
        metadata: { repository: state.repository },
        // Known from its beginning, so that the session's end also ends it.
        began: (multipartId) => this.#store.keep({ ...state, multipartId }),
      },
      {
        key: state.key,
        multipartId: state.multipartId,
        partBytes: state.partBytes,
        partCount,
        tailBytes: state.offset - partCount * state.partBytes,
        tail: () => this.#store.tail(),
        digest: partCount === 0 ? new RunningDigest(state.algorithm) : this.#digest,
      },
    );
  }

  #keep(state: UploadState, writer: PartWriter, offset: number): void {
    const { digest, multipartId, parts, tail } = writer;
    const keptBytes = parts.length === 0 ? state.offset % state.partBytes : 0;
    this.#store.keepBytes({ ...state, offset, multipartId }, parts, tail, keptBytes);
    this.#digest = digest;
  }

  /** Drains the body of a request that was refused, and makes an outcome of what is thrown. */
  async #answer<T>(
    body: UploadBody | undefined,
    work: () => Promise<Outcome<T>>,
  ): Promise<Outcome<T>> {
    try {
      const outcome = await work();
      if (body !== undefined) await drain(body.stream, drainBytesMax);
      return outcome;
    } catch (error) {
      if (body !== undefined) await drain(body.stream, drainBytesMax);
      return refusalOf(error);
    }
  }
}
