import { setTimeout as sleep } from "node:timers/promises";
import { CommandError } from "./exit-codes.ts";
import { backoffMs } from "./pace.ts";
import { answerError, type RegistryAnswer } from "./registry-answer.ts";
import type { RegistryClient, RegistryRequest } from "./registry-client.ts";
import { isPassing, RegistryUnreachable } from "./registry-error.ts";
import { type ChunkLimits, chunkLimits, closing, locationIn, offsetOf } from "./upload-answer.ts";

/** How the requests of an upload are sent. */
export interface UploadTerms {
  readonly authorization?: RegistryRequest["authorization"];
  readonly signal?: AbortSignal | undefined;
  /** Told up to which byte of the blob bytes were sent; goes back where some were lost. */
  readonly onSent?: ((offset: number) => void) | undefined;
  /** Told when the registry has more: a session can be found again by the two. */
  readonly onKept?: ((location: URL, offset: number) => void) | undefined;
  /** Where to send what a Location names; without it, there. */
  readonly rebase?: ((location: URL) => URL) | undefined;
}

/** The session is gone, or lost bytes that are in memory no more: the blob has to begin anew. */
export class SessionLost extends CommandError {
  /** Where it stands; undefined if the registry does not know it any more. */
  readonly offset: number | undefined;

  constructor(message: string, offset: number | undefined, cause?: unknown) {
    super(message, { cause });
    this.offset = offset;
  }
}

/** What came of a request. */
type Sent =
  | { readonly kind: "done"; readonly answer: RegistryAnswer }
  /** Smaller pieces may be taken. */
  | { readonly kind: "shrunk" }
  /** Another try may do; `isTold`: the answer said where the session stands. */
  | { readonly kind: "failed"; readonly why: unknown; readonly isTold: boolean };

/** Tries in a row without one more byte: about a minute. */
const triesMax = 8;
/** An edge that takes no body of so many bytes takes none at all. */
const pieceBytesMin = 64 * 1024;

/** One upload session of a registry: bytes are appended at its offset until it has them. */
export class UploadSession {
  readonly limits: ChunkLimits;
  readonly #client: RegistryClient;
  readonly #terms: UploadTerms;
  #location: URL;
  #offset: number;
  #isAppended: boolean;
  #pieceBytesMax: number;

  /** One that is known to stand at an offset. */
  constructor(
    client: RegistryClient,
    at: { readonly location: URL; readonly offset: number; readonly limits?: ChunkLimits },
    terms: UploadTerms = {},
  ) {
    this.#client = client;
    this.#location = at.location;
    this.#offset = at.offset;
    this.#isAppended = at.offset > 0;
    this.limits = at.limits ?? { min: undefined, max: undefined };
    this.#pieceBytesMax = this.limits.max ?? Number.MAX_SAFE_INTEGER;
    this.#terms = terms;
  }

  /** Begins one (POST). @throws RegistryAnswerError where the registry refuses */
  static async begin(
    client: RegistryClient,
    repository: string,
    terms: UploadTerms = {},
  ): Promise<UploadSession> {
    const { authorization, signal } = terms;
    const path = `/v2/${repository}/blobs/uploads/`;
    // A session that nobody uses expires by itself, so a POST may be repeated.
    const request = { method: "POST", path, repeats: "always", authorization, signal } as const;
    return UploadSession.begun(client, await client.expect(request, [202]), terms);
  }

  /** The one that a POST has begun, by its answer (202). */
  static async begun(
    client: RegistryClient,
    answer: RegistryAnswer,
    terms: UploadTerms = {},
  ): Promise<UploadSession> {
    await answer.body.dump();
    const location = locationIn(answer, client.url, terms.rebase);
    if (location === undefined) {
      throw new CommandError(`${client.url.host} began an upload without a Location`);
    }
    terms.onKept?.(location, 0);
    return new UploadSession(client, { location, offset: 0, limits: chunkLimits(answer) }, terms);
  }

  /** One that was begun before, where it stands now; undefined if the registry knows it no more. */
  static async find(
    client: RegistryClient,
    location: URL,
    terms: UploadTerms = {},
    limits: ChunkLimits = { min: undefined, max: undefined },
  ): Promise<UploadSession | undefined> {
    const session = new UploadSession(client, { location, offset: 0, limits }, terms);
    return (await session.#ask()) ? session : undefined;
  }

  /** Where the next request goes. */
  get location(): URL {
    return this.#location;
  }

  /** How many bytes the registry has acknowledged. */
  get offset(): number {
    return this.#offset;
  }

  /** How long chunks are to be, where so many bytes are wanted. */
  chunkBytes(wanted: number): number {
    const { min = 1 } = this.limits;
    return Math.min(Math.max(wanted, min), this.#pieceBytesMax);
  }

  /**
   * Sends bytes, and again from where the registry stands, until it has them all.
   * @throws RegistryAnswerError that no try mends; SessionLost; CommandError when it gave up
   */
  async append(bytes: Uint8Array): Promise<void> {
    const start = this.#offset;
    const end = start + bytes.length;
    let tries = 0;
    while (this.#offset < end) {
      const from = this.#offset;
      const piece = bytes.subarray(from - start, from - start + this.#pieceBytesMax);
      const sent = await this.#send("PATCH", this.#location, piece);
      this.#isAppended = true;
      if (sent.kind === "done") await this.#accept(sent.answer, piece.length);
      if (sent.kind === "failed" && !(await this.#catchUp(sent, tries))) throw this.#lost();
      this.#expectWithin(start, end);
      tries = this.#offset > from || sent.kind === "shrunk" ? 0 : tries + 1;
      if (tries === triesMax) throw gaveUp("it takes chunks and keeps nothing", from);
    }
  }

  /**
   * Closes the session with its last bytes: none, some, or all that the blob has. The answer (201)
   * is to be dumped. @throws as append; RegistryAnswerError for a digest that is another
   */
  async commit(digest: string, last: Uint8Array): Promise<RegistryAnswer> {
    const start = this.#offset;
    const end = start + last.length;
    if (last.length > this.#pieceBytesMax) await this.append(last);
    let mayBeClosed = false;
    for (let tries = 0; ; tries += 1) {
      const rest = last.subarray(mayBeClosed ? last.length : this.#offset - start);
      const sent = await this.#send("PUT", closing(this.#location, digest), rest);
      if (sent.kind === "done") {
        this.#terms.onSent?.(end);
        return sent.answer;
      }
      if (sent.kind === "shrunk") {
        await this.append(rest);
      } else {
        // Not known any more: closed by a PUT whose answer was lost, which an empty one tells.
        mayBeClosed = !(await this.#catchUp(sent, tries));
        if (!mayBeClosed) this.#expectWithin(start, end);
      }
    }
  }

  /** Ends the session and has the registry forget its bytes (DELETE). */
  async cancel(): Promise<void> {
    const { authorization, signal } = this.#terms;
    const request = { method: "DELETE", path: this.#location, authorization, signal };
    await (await this.#client.send(request)).body.dump();
  }

  /** @throws what no other try mends */
  async #send(method: "PATCH" | "PUT", path: URL, bytes: Uint8Array): Promise<Sent> {
    const { authorization, signal, onSent } = this.#terms;
    const offset = this.#offset;
    // Without a range, a PUT is a whole blob.
    const isChunk = bytes.length > 0 && (method === "PATCH" || this.#isAppended);
    const headers = {
      "content-type": "application/octet-stream",
      ...(isChunk ? { "content-range": `${offset}-${offset + bytes.length - 1}` } : {}),
    };
    let answer: RegistryAnswer;
    try {
      answer = await this.#client.send({
        method,
        path,
        headers,
        body: bytes,
        repeats: "paused",
        authorization,
        signal,
        onSent: (sent) => onSent?.(offset + sent),
      });
    } catch (why) {
      if (why instanceof RegistryUnreachable && isPassing(why.cause)) {
        return { kind: "failed", why, isTold: false };
      }
      throw why;
    }
    return this.#judge(method, answer, bytes.length);
  }

  async #judge(method: string, answer: RegistryAnswer, length: number): Promise<Sent> {
    const { status } = answer;
    if (status >= 200 && status < 300) return { kind: "done", answer };
    if (status === 413 && this.#shrink(length)) {
      await answer.body.dump();
      return { kind: "shrunk" };
    }
    const why = await answerError(method, answer);
    if (status === 404) throw this.#lost(why);
    if (status === 416) {
      const told = offsetOf(answer);
      this.#location = this.#locationIn(answer) ?? this.#location;
      this.#offset = told ?? this.#offset;
      return { kind: "failed", why, isTold: told !== undefined };
    }
    if (status === 408 || status >= 500) return { kind: "failed", why, isTold: false };
    throw why;
  }

  /** Takes over what a PATCH was answered. */
  async #accept(answer: RegistryAnswer, length: number): Promise<void> {
    await answer.body.dump();
    this.#location = this.#locationIn(answer) ?? this.#location;
    const told = offsetOf(answer) ?? this.#offset + length;
    if (told > this.#offset && told <= this.#offset + length) {
      this.#offset = told;
      this.#terms.onKept?.(this.#location, told);
    } else if (!(await this.#ask())) {
      throw this.#lost();
    }
  }

  /**
   * Waits, then learns where the session stands; false if it is not known any more.
   * @throws what failed, when it failed too often
   */
  async #catchUp(failed: Sent & { kind: "failed" }, tries: number): Promise<boolean> {
    if (tries + 1 >= triesMax) throw gaveUp(failed.why, this.#offset);
    const { signal } = this.#terms;
    if (failed.isTold && tries === 0) return true;
    await sleep(backoffMs(tries), undefined, signal === undefined ? {} : { signal });
    try {
      return await this.#ask();
    } catch (error) {
      // The next try will tell.
      if (error instanceof RegistryUnreachable) return true;
      throw error;
    }
  }

  /** Asks where the session stands (GET); false if it is not known. */
  async #ask(): Promise<boolean> {
    const { authorization, signal } = this.#terms;
    const request = { method: "GET", path: this.#location, authorization, signal };
    const answer = await this.#client.expect(request, [204, 200, 202, 404]);
    await answer.body.dump();
    if (answer.status === 404) return false;
    this.#location = this.#locationIn(answer) ?? this.#location;
    this.#offset = offsetOf(answer) ?? this.#offset;
    // A PUT that broke off may have left its first bytes.
    if (this.#offset > 0) this.#isAppended = true;
    this.#terms.onKept?.(this.#location, this.#offset);
    this.#terms.onSent?.(this.#offset);
    return true;
  }

  #locationIn(answer: RegistryAnswer): URL | undefined {
    return locationIn(answer, this.#client.url, this.#terms.rebase);
  }

  /** Has pieces be half as long as one that was refused; false if there is no use in that. */
  #shrink(refusedBytes: number): boolean {
    if (refusedBytes <= pieceBytesMin) return false;
    this.#pieceBytesMax = Math.max(Math.ceil(refusedBytes / 2), pieceBytesMin);
    return true;
  }

  #expectWithin(start: number, end: number): void {
    if (this.#offset >= start && this.#offset <= end) return;
    throw new SessionLost(
      `the upload session stands at byte ${this.#offset}, not between ${start} and ${end}: ` +
        "somebody else sends to it, or the registry lost bytes; push again",
      this.#offset,
    );
  }

  #lost(cause?: unknown): SessionLost {
    const text = "the registry does not know the upload session any more; push again";
    return new SessionLost(text, undefined, cause);
  }
}

function gaveUp(why: unknown, offset: number): CommandError {
  const reason = why instanceof Error ? why.message : String(why);
  const text = `gave up at byte ${offset} after ${triesMax} tries: ${reason}`;
  return new CommandError(`${text}; push again when that is mended`, { cause: why });
}
