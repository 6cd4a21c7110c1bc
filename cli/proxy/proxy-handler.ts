import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import type { Progress } from "../progress.ts";
import type { RegistryAnswer } from "../registry-answer.ts";
import type { Authorization, RegistryClient } from "../registry-client.ts";
import { RegistryUnreachable, withoutSession } from "../registry-error.ts";
import { isLoopback } from "../loopback.ts";
import { passedToClient, passedToRegistry } from "./passed-headers.ts";
import { type ProxiedRequest, proxiedRequest } from "./proxied-request.ts";
import {
  answerWithError,
  bodyTooLarge,
  ProxyError,
  proxyError,
  tokenEnded,
} from "./proxy-error.ts";
import type { UploadRelay } from "./upload-relay.ts";

export interface ProxyHandlerOptions {
  readonly client: RegistryClient;
  readonly uploads: UploadRelay;
  readonly progress: Progress;
  /** True: requests of other names than this machine's, and of web pages, are refused. */
  readonly isLocal: boolean;
  /** True: only requests of upload sessions are passed on. */
  readonly isUploadsOnly: boolean;
}

/** Manifests have at most 4 MiB; what else comes is less. */
const bodyBytesMax = 8 * 1024 * 1024;
/** Whose 429 is about a password, not about speed. */
const logInPaths: ReadonlySet<string> = new Set(["/v2/", "/v2", "/token"]);
const denied = { status: 403, code: "DENIED" };

/** Answers one request after another of a proxy's clients. */
export class ProxyHandler {
  readonly #options: ProxyHandlerOptions;

  constructor(options: ProxyHandlerOptions) {
    this.#options = options;
  }

  /** Answers a request, whatever comes of it. */
  async handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    let request: ProxiedRequest | undefined;
    try {
      request = proxiedRequest(incoming, response);
      this.#expectAllowed(request);
      await this.#answer(request);
    } catch (error) {
      // Nobody is there to be told.
      if (request?.signal.aborted === true || response.destroyed) return;
      const told = this.#told(request, error);
      if (told.status >= 500) this.#say(incoming, error);
      answerWithError(response, told);
      request?.body.refuse();
    }
  }

  async #answer(request: ProxiedRequest): Promise<void> {
    const { client, uploads } = this.#options;
    const by = await this.#authorization(request);
    if (request.kind === "post blob")
      return this.#pass(request, await uploads.postBlob(request, by));
    if (request.kind === "append") {
      const session = await uploads.append(request, by);
      if (session === undefined) return this.#forward(request, by);
      const { pathname, search } = session.location;
      request.response.writeHead(202, {
        location: `${pathname}${search}`,
        range: `0-${session.offset - 1}`,
        "docker-upload-uuid": pathname.slice(pathname.lastIndexOf("/") + 1),
        "content-length": 0,
      });
      request.response.end();
      return undefined;
    }
    if (request.kind === "commit" && request.body.length !== 0) {
      return this.#pass(request, await uploads.commit(request, by));
    }
    if (request.kind !== "begin session") return this.#forward(request, by);
    const answer = await this.#send(request, by);
    if (answer.status === 202) await uploads.began(answer);
    // Here there is no limit to tell of.
    const { "oci-chunk-max-length": _max, warning: _warning, ...headers } = answer.headers;
    // The body of a 202 is read by then.
    const length = answer.status === 202 ? { "content-length": "0" } : {};
    return this.#pass(request, { ...answer, headers: { ...headers, ...length }, url: client.url });
  }

  async #forward(request: ProxiedRequest, by: Authorization): Promise<void> {
    return this.#pass(request, await this.#send(request, by));
  }

  async #send(request: ProxiedRequest, by: Authorization): Promise<RegistryAnswer> {
    const { method, kind, incoming, body, signal, pathname, digest } = request;
    const bytes = body.length === 0 ? undefined : await body.whole(bodyBytesMax);
    if (body.length !== 0 && bytes === undefined) throw bodyTooLarge(bodyBytesMax);
    // A session that nobody uses expires, so it may be begun twice.
    const isRepeatable = kind === "begin session";
    const repeats = logInPaths.has(pathname) ? "never" : isRepeatable ? "always" : undefined;
    const path =
      kind === "commit" && digest !== undefined ? withDigest(request, digest) : request.path;
    return this.#options.client.send({
      method,
      path,
      headers: passedToRegistry(incoming.headers),
      body: bytes,
      authorization: by,
      signal,
      ...(repeats === undefined ? {} : { repeats }),
    });
  }

  /** Hands an answer on, as fast as the client takes it. */
  async #pass({ response, method }: ProxiedRequest, answer: RegistryAnswer): Promise<void> {
    response.writeHead(answer.status, passedToClient(answer, this.#options.client.url));
    if (method === "HEAD" || answer.body.destroyed || answer.body.readableEnded) {
      await answer.body.dump();
      response.end();
      return;
    }
    await pipeline(answer.body, response);
  }

  /**
   * The client's own Authorization, else the proxy's. A token of the client's may end in the middle
   * of an upload, which the client will not notice: there the proxy's follows, or none, as the
   * session's own id admits where the registry has uploads go to another host.
   */
  async #authorization({ incoming, kind }: ProxiedRequest): Promise<Authorization> {
    const header = incoming.headers.authorization;
    const isOfSession = kind === "append" || kind === "commit";
    const mayUseOwn = header === undefined || isOfSession;
    const ownAfter = mayUseOwn && (await this.#options.client.hasCredentials());
    return { header, ownAfter, noneAfter: isOfSession };
  }

  #expectAllowed({ incoming, kind }: ProxiedRequest): void {
    const { isLocal, isUploadsOnly, client } = this.#options;
    if (isLocal) expectFromHere(incoming);
    if (!isUploadsOnly || ["append", "commit", "session"].includes(kind)) return;
    const advice = `ask ${client.url.origin} for all else`;
    throw new ProxyError(denied, "here only the bytes of uploads are taken", advice);
  }

  #told(request: ProxiedRequest | undefined, error: unknown): ProxyError {
    const told = proxyError(error);
    const isUpload = request?.kind === "append" || request?.kind === "commit";
    const isToken = /^bearer /i.test(request?.incoming.headers.authorization ?? "");
    const isEnded = told.status === 401 && isUpload && isToken;
    return isEnded ? tokenEnded(told, this.#options.client.url.host) : told;
  }

  #say({ method, url }: IncomingMessage, error: unknown): void {
    const isKnown = error instanceof Error && error.constructor !== Error;
    const text = error instanceof Error ? error.message : String(error);
    const stack = isKnown || !(error instanceof Error) ? "" : `\n${error.stack}`;
    const path = withoutSession((url ?? "").replace(/\?.*$/, ""));
    const wait = error instanceof RegistryUnreachable ? "" : stack;
    this.#options.progress.line(`${method} ${path}: ${text}${wait}`);
  }
}

/**
 * A page in a browser must not push by the user's credentials: neither one that asks this address,
 * nor one whose own name was made to resolve to it.
 */
function expectFromHere({ headers }: IncomingMessage): void {
  const host = (headers.host ?? "").replace(/:\d+$/, "");
  // Docker Desktop's name for the machine that it runs on.
  const isNamed = isLoopback(host) || host === "host.docker.internal";
  // An image or a script of a page is asked for without Origin.
  const site = headers["sec-fetch-site"] ?? "none";
  if (isNamed && headers.origin === undefined && site === "none") return;
  const what = isNamed ? "a web page" : `Host "${host.slice(0, 100)}"`;
  const advice = "name the proxy 127.0.0.1, or run it with --host for others";
  throw new ProxyError(denied, `${what} may not use this proxy`, advice);
}

/** The request's own path: an empty PUT goes as it came. */
function withDigest({ path }: ProxiedRequest, digest: string): string {
  return `${path}${path.includes("?") ? "&" : "?"}digest=${digest}`;
}
