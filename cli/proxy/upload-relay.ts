import type { ChunkBuffers } from "../chunk-buffers.ts";
import { pushAtOnce, sendChunks } from "../chunked-upload.ts";
import type { Progress, Transfer } from "../progress.ts";
import type { RegistryAnswer } from "../registry-answer.ts";
import type { Authorization, RegistryClient } from "../registry-client.ts";
import { SessionLost, UploadSession, type UploadTerms } from "../upload-session.ts";
import { type ByteRange, parseChunkRange, uploadRange } from "../../schemas/range.ts";
import type { KnownSessions } from "./known-sessions.ts";
import { sessionAtRegistry } from "./passed-headers.ts";
import type { ProxiedRequest } from "./proxied-request.ts";
import { ProxyError } from "./proxy-error.ts";

/** What uploads through the proxy share. */
export interface UploadRelayParts {
  readonly client: RegistryClient;
  readonly buffers: ChunkBuffers;
  readonly chunkBytes: number;
  readonly sessions: KnownSessions;
  readonly progress: Progress;
}

const rangeInvalid = { status: 416, code: "RANGE_INVALID" };
const sizeInvalid = { status: 400, code: "SIZE_INVALID" };
const sessionUnknown = { status: 404, code: "BLOB_UPLOAD_UNKNOWN" };

/** Cuts the bodies of uploads into chunks. Each answer is that of the registry, or says what it said. */
export class UploadRelay {
  readonly #parts: UploadRelayParts;

  constructor(parts: UploadRelayParts) {
    this.#parts = parts;
  }

  /** POST with a digest and a whole blob. Answers the registry's 201. */
  async postBlob(request: ProxiedRequest, by: Authorization): Promise<RegistryAnswer> {
    const { client, buffers } = this.#parts;
    const { body, repository, digest = "" } = request;
    const length = body.length;
    return this.#shown(request, length, async (transfer) => {
      const terms = this.#terms(request, by, transfer);
      if (length !== undefined && length <= this.#parts.chunkBytes) {
        const { value: chunk } = await buffers.chunksOf(body, Math.max(length, 1)).next();
        try {
          const bytes: Uint8Array = chunk?.bytes ?? new Uint8Array();
          return await pushAtOnce(client, repository, digest, bytes, terms);
        } finally {
          chunk?.release();
        }
      }
      const session = await UploadSession.begin(client, repository, terms);
      return this.#sendAll(session, body, digest, length);
    });
  }

  /** PATCH: a stream, or a chunk that says where it belongs. Undefined: it had no bytes. */
  async append(request: ProxiedRequest, by: Authorization): Promise<UploadSession | undefined> {
    const { body, pathname } = request;
    const range = chunkRange(request);
    return this.#shown(request, body.length, async (transfer) => {
      const session = await this.#sessionOf(request, this.#terms(request, by, transfer), range);
      const start = session.offset;
      try {
        const { buffers, chunkBytes } = this.#parts;
        await sendChunks(session, body, { buffers, chunkBytes });
      } catch (error) {
        throw movedAway(error, session);
      } finally {
        this.#remember(pathname, session, false);
      }
      const taken = session.offset - start;
      if (range !== undefined && taken !== range.length) {
        throw new ProxyError(
          sizeInvalid,
          `${taken} bytes, not the ${range.length} that Content-Range announces`,
          "send exactly as many bytes as Content-Range says",
        );
      }
      return taken === 0 ? undefined : session;
    });
  }

  /** PUT with a digest and what is left of the blob, or all of it. Answers the registry's 201. */
  async commit(request: ProxiedRequest, by: Authorization): Promise<RegistryAnswer> {
    const { body, pathname, digest } = request;
    if (digest === undefined) {
      const row = { status: 400, code: "DIGEST_INVALID" };
      throw new ProxyError(row, "the query has no digest", "append ?digest=sha256:<64 hex digits>");
    }
    const range = chunkRange(request);
    const known = this.#parts.sessions.get(pathname);
    return this.#shown(request, body.length, async (transfer) => {
      const terms = this.#terms(request, by, transfer);
      const session = await this.#sessionOf(request, terms, range);
      // A whole blob that is sent once more: what is there already is not sent again.
      const skipped = range === undefined && known?.isWhole === true ? session.offset : 0;
      const isWhole = range === undefined && (session.offset === 0 || skipped > 0);
      const source = skipped === 0 ? body : body.behind(skipped);
      const length = body.length === undefined ? undefined : body.length - skipped;
      try {
        const answer = await this.#sendAll(session, source, digest, length);
        this.#parts.sessions.delete(pathname);
        return answer;
      } catch (error) {
        this.#remember(pathname, session, isWhole);
        throw movedAway(error, session);
      }
    });
  }

  /** Remembers a session that a POST began. */
  async began(answer: RegistryAnswer): Promise<void> {
    const { client } = this.#parts;
    const session = await UploadSession.begun(client, answer, { rebase: this.#rebase });
    this.#remember(session.location.pathname, session, false);
  }

  async #sendAll(
    session: UploadSession,
    source: AsyncIterable<Uint8Array>,
    digest: string,
    length: number | undefined,
  ): Promise<RegistryAnswer> {
    const { buffers, chunkBytes } = this.#parts;
    const bytesTotal = length === undefined ? undefined : session.offset + length;
    const last = await sendChunks(session, source, { buffers, chunkBytes, bytesTotal });
    try {
      return await session.commit(digest, last?.bytes ?? new Uint8Array());
    } finally {
      last?.release();
    }
  }

  /** The session that a request names, where it stands. @throws ProxyError 404, 416 */
  async #sessionOf(
    { path, pathname }: ProxiedRequest,
    terms: UploadTerms,
    range: ByteRange | undefined,
  ): Promise<UploadSession> {
    const { client, sessions } = this.#parts;
    const location = new URL(path, client.url);
    const known = sessions.get(pathname);
    if (known !== undefined && (range === undefined || range.offset === known.offset)) {
      return new UploadSession(client, { location, ...known }, terms);
    }
    const session = await UploadSession.find(client, location, terms, known?.limits);
    if (session === undefined) {
      const advice = "push again: the upload begins anew";
      throw new ProxyError(sessionUnknown, "the registry knows no such upload session", advice);
    }
    if (range !== undefined && range.offset !== session.offset) {
      throw outOfTurn(session, `the chunk begins at byte ${range.offset}`);
    }
    return session;
  }

  #terms(
    { signal }: ProxiedRequest,
    authorization: Authorization,
    transfer: Transfer,
  ): UploadTerms {
    // A chunk of the client's own begins somewhere in the blob.
    let start: number | undefined;
    const onSent = (offset: number) => {
      start ??= offset;
      transfer.update(offset - start);
    };
    return { authorization, signal, onSent, rebase: this.#rebase };
  }

  readonly #rebase = (location: URL) => sessionAtRegistry(location, this.#parts.client.url);

  #remember(pathname: string, session: UploadSession, isWhole: boolean): void {
    const known = { offset: session.offset, limits: session.limits, isWhole };
    this.#parts.sessions.set(pathname, known);
    // The Location that a chunk was answered may be another one.
    this.#parts.sessions.set(session.location.pathname, known);
  }

  /** Shows how far an upload is, from its first byte to its last. */
  async #shown<T>(
    { repository, digest, pathname }: ProxiedRequest,
    length: number | undefined,
    upload: (transfer: Transfer) => Promise<T>,
  ): Promise<T> {
    const name = digest?.replace(/^sha256:/, "") ?? pathname.slice(pathname.lastIndexOf("/") + 1);
    const transfer = this.#parts.progress.begin(`${repository} ${name.slice(0, 12)}`, length);
    try {
      const answer = await upload(transfer);
      transfer.done();
      return answer;
    } catch (error) {
      transfer.gaveUp(`failed, ${error instanceof Error ? error.message : String(error)}`);
      throw error;
    }
  }
}

/** The Content-Range of a request. @throws ProxyError for one that is none, or that is not its length */
function chunkRange({ incoming, body }: ProxiedRequest): ByteRange | undefined {
  const header = incoming.headers["content-range"];
  if (header === undefined) return undefined;
  const range = parseChunkRange(header);
  if (range === undefined) {
    const advice = "send first-last, both inclusive, or no Content-Range for a stream";
    throw new ProxyError(rangeInvalid, `Content-Range "${header.slice(0, 100)}"`, advice);
  }
  if (body.length === undefined || body.length === range.length) return range;
  throw new ProxyError(
    sizeInvalid,
    `Content-Length ${body.length}, Content-Range ${range.length}`,
    "send exactly as many bytes as Content-Length and Content-Range announce",
  );
}

function outOfTurn(session: UploadSession, what: string): ProxyError {
  const { pathname, search } = session.location;
  const headers = { range: uploadRange(session.offset), location: `${pathname}${search}` };
  const advice =
    "the Range header of this answer says which bytes the session has: go on after them";
  return new ProxyError(rangeInvalid, what, advice, headers);
}

function movedAway(error: unknown, session: UploadSession): unknown {
  if (!(error instanceof SessionLost) || error.offset === undefined) return error;
  return outOfTurn(session, error.message);
}
