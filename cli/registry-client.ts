import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request as send } from "undici";
import { type CredentialSource, remembered } from "./credentials.ts";
import { CommandError } from "./exit-codes.ts";
import { backoffMs, Pace } from "./pace.ts";
import { RegistryAuthorizer, type TokenRequest, useOf } from "./registry-authorizer.ts";
import { answerError, headerOf, type RegistryAnswer } from "./registry-answer.ts";
import { isPassing, RegistryUnreachable } from "./registry-error.ts";

/** Whose Authorization a request has: somebody else's, in place of the client's own. */
export interface Authorization {
  /** Undefined: they have none. */
  readonly header: string | undefined;
  /** Where that is answered 401, the client's own is tried. */
  readonly ownAfter: boolean;
  /** Where there is no own, none is tried: the id of an upload session may admit by itself. */
  readonly noneAfter?: boolean;
}

/** A request to a registry. It may be sent several times, so its body is bytes, not a stream. */
export interface RegistryRequest {
  readonly method: string;
  /** A path from `/v2/` on with its query, or a whole URL (a Location). */
  readonly path: string | URL;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: Uint8Array | undefined;
  /** One that was refused is not sent again with the requests that have the same object. */
  readonly authorization?: Authorization | undefined;
  /**
   * What is sent again by itself: "always" also after a broken connection or an answer 502, 503 or
   * 504 (the default of GET, HEAD, PUT and DELETE), "paused" only behind the pause that a 429 asks
   * for (of all others), "never" nothing.
   */
  readonly repeats?: "always" | "paused" | "never";
  /** True (for GET and HEAD): an answer 3xx with a Location is followed, elsewhere without secrets. */
  readonly follows?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Told how many bytes of the body were handed to the connection; begins at 0 with each try. */
  readonly onSent?: ((bytes: number) => void) | undefined;
}

export interface RegistryClientOptions {
  readonly credentials?: CredentialSource;
  /** How often a request that may be repeated is tried at most. */
  readonly tries?: number;
  readonly pace?: Pace;
}

const passingStatuses: ReadonlySet<number> = new Set([502, 503, 504]);
const idempotentMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "PUT", "DELETE", "OPTIONS"]);
const connectionsMax = 32;
const triesDefault = 5;
const ownAlone: Authorization = { header: undefined, ownAfter: true };
const pausesMax = 30;
const redirectsMax = 5;
const sliceBytes = 256 * 1024;
/** The end of a big upload is verified before it is answered. */
const answerMsMax = 300_000;

/** One registry over HTTP/1.1, on connections that are kept: authorizes, repeats, slows down. */
export class RegistryClient {
  readonly url: URL;
  readonly pace: Pace;
  readonly #tries: number;
  readonly #agent: Agent;
  readonly #credentials: CredentialSource;
  readonly #authorizer: RegistryAuthorizer;
  readonly #refused = new WeakSet<Authorization>();

  /** @param url `https://registry.example.com`, or http; a path in it is not used */
  constructor(url: string | URL, options: RegistryClientOptions = {}) {
    this.url = registryUrl(url);
    this.pace = options.pace ?? new Pace();
    this.#tries = options.tries ?? triesDefault;
    // Uploads side by side over one HTTP/2 connection would share one window.
    const limits = { headersTimeout: answerMsMax, bodyTimeout: answerMsMax };
    this.#agent = new Agent({ connections: connectionsMax, allowH2: false, ...limits });
    const source = options.credentials ?? (async () => undefined);
    this.#credentials = remembered(source);
    this.#authorizer = new RegistryAuthorizer(this.url, this.#credentials, (request) =>
      this.#token(request),
    );
  }

  /** True if it has credentials of its own. @throws as the source of them */
  async hasCredentials(): Promise<boolean> {
    return (await this.#credentials()) !== undefined;
  }

  /** Ends its connections; what is under way is broken off. */
  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  /**
   * The answer to a request, whatever its status.
   * @throws RegistryUnreachable without an answer; CommandError for what log-in fails at
   */
  async send(request: RegistryRequest): Promise<RegistryAnswer> {
    let url = new URL(request.path, this.url);
    for (let redirects = 0; ; redirects += 1) {
      const answer = await this.#authorized(request, url);
      const location = headerOf(answer, "location");
      const isRedirect = [301, 302, 303, 307, 308].includes(answer.status);
      if (!request.follows || !isRedirect || location === undefined) return answer;
      await answer.body.dump();
      if (redirects === redirectsMax) throw new CommandError(`${url.host} redirects in a circle`);
      url = new URL(location, url);
    }
  }

  /** The answer, if it has one of the statuses. @throws RegistryAnswerError for another */
  async expect(request: RegistryRequest, statuses: readonly number[]): Promise<RegistryAnswer> {
    const answer = await this.send(request);
    if (statuses.includes(answer.status)) return answer;
    throw await answerError(request.method, answer);
  }

  async #authorized(request: RegistryRequest, url: URL): Promise<RegistryAnswer> {
    // A secret goes to the registry alone.
    if (url.origin !== this.url.origin) return this.#repeated(request, url, undefined);
    const { authorization = ownAlone } = request;
    const { header, ownAfter, noneAfter = false } = authorization;
    const own = ownAfter ? this.#authorizer.held(useOf(request.method, url)) : undefined;
    const given = this.#refused.has(authorization) ? undefined : header;
    const first = given ?? own;
    const answer = await this.#repeated(request, url, first);
    if (answer.status !== 401 || (!ownAfter && !(noneAfter && given !== undefined))) return answer;
    const second = ownAfter
      ? await this.#challenged(request, url, answer, first)
      : await this.#bare(request, url, answer);
    // A token ends in the middle of a layer: each chunk that is left would be sent twice.
    if (second.status !== 401 && given !== undefined) this.#refused.add(authorization);
    return second;
  }

  async #bare(request: RegistryRequest, url: URL, answer: RegistryAnswer): Promise<RegistryAnswer> {
    await answer.body.dump();
    return this.#repeated(request, url, undefined);
  }

  async #challenged(
    request: RegistryRequest,
    url: URL,
    answer: RegistryAnswer,
    refused: string | undefined,
  ): Promise<RegistryAnswer> {
    const use = useOf(request.method, url);
    const challenges = headerOf(answer, "www-authenticate");
    const header = await this.#authorizer.answer(use, challenges, refused);
    if (header === undefined) return answer;
    await answer.body.dump();
    return this.#repeated(request, url, header);
  }

  /** Sends, and sends again what may be repeated. */
  async #repeated(
    request: RegistryRequest,
    url: URL,
    authorization: string | undefined,
  ): Promise<RegistryAnswer> {
    const repeating =
      request.repeats ?? (idempotentMethods.has(request.method) ? "always" : "paused");
    const mayRepeat = repeating === "always";
    let repeats = 0;
    let pauses = 0;
    for (;;) {
      await this.pace.turn(request.signal);
      let retryAfter: string | undefined;
      try {
        const answer = await this.#once(request, url, authorization);
        retryAfter = headerOf(answer, "retry-after");
        if (answer.status === 429 && repeating !== "never" && pauses < pausesMax) {
          pauses += 1;
          this.pace.slowDown(retryAfter);
          await answer.body.dump();
          continue;
        }
        if (answer.status !== 429) this.pace.goOn();
        const isPassingStatus = mayRepeat && passingStatuses.has(answer.status);
        if (!isPassingStatus || repeats + 1 >= this.#tries) return answer;
        await answer.body.dump();
      } catch (error) {
        if (request.signal?.aborted) throw error;
        if (!mayRepeat || !isPassing(error) || repeats + 1 >= this.#tries) {
          throw new RegistryUnreachable(url.host, error);
        }
      }
      const wait = backoffMs(repeats, retryAfter);
      repeats += 1;
      await sleep(wait, undefined, request.signal === undefined ? {} : { signal: request.signal });
    }
  }

  async #once(
    { method, headers, body, signal, onSent }: RegistryRequest,
    url: URL,
    authorization: string | undefined,
  ): Promise<RegistryAnswer> {
    const sent: Record<string, string | string[]> = { "user-agent": "longshore", ...headers };
    if (authorization !== undefined) sent["authorization"] = authorization;
    if (body !== undefined) sent["content-length"] = String(body.length);
    else if (method === "POST" || method === "PATCH" || method === "PUT")
      sent["content-length"] = "0";
    const answer = await send(url, {
      dispatcher: this.#agent,
      method,
      headers: sent,
      body: body === undefined || body.length === 0 ? null : slices(body, onSent),
      ...(signal === undefined ? {} : { signal }),
    });
    // What breaks off before somebody reads it is told to who reads.
    answer.body.on("error", () => undefined);
    return { status: answer.statusCode, headers: answer.headers, body: answer.body, url };
  }

  async #token({ method, url, headers, body }: TokenRequest): Promise<Record<string, unknown>> {
    const bytes = body === undefined ? undefined : Buffer.from(body);
    const request = { method, path: url, headers, body: bytes, repeats: "always" as const };
    const { authorization, ...others } = headers;
    const answer = await this.#repeated({ ...request, headers: others }, url, authorization);
    if (answer.status !== 200) throw await answerError(method, answer);
    try {
      return (await answer.body.json()) as Record<string, unknown>;
    } catch {
      throw new CommandError(`${url.origin} answered no JSON: is it the registry's token service?`);
    }
  }
}

/** The registry's origin. @throws CommandError */
function registryUrl(url: string | URL): URL {
  const parsed = URL.parse(String(url));
  if (parsed === null || !["http:", "https:"].includes(parsed.protocol)) {
    throw new CommandError(
      `"${String(url)}" is no registry: give a URL, https://registry.example.com`,
    );
  }
  return new URL(parsed.origin);
}

/** Small pieces of a body, so that a connection that takes them slowly is seen to take them. */
function slices(body: Uint8Array, onSent: ((bytes: number) => void) | undefined): Readable {
  function* pieces() {
    for (let offset = 0; offset < body.length; offset += sliceBytes) {
      onSent?.(offset);
      yield body.subarray(offset, offset + sliceBytes);
    }
    onSent?.(body.length);
  }
  return Readable.from(pieces(), { objectMode: false, highWaterMark: sliceBytes });
}
