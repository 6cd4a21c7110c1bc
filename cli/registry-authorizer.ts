import { CommandError } from "./exit-codes.ts";
import { isLoopback } from "./loopback.ts";
import type { Credentials, CredentialSource } from "./credentials.ts";

/** A question to a token service, and its answer. */
export interface TokenRequest {
  readonly method: "GET" | "POST";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}
export type TokenAsker = (request: TokenRequest) => Promise<Record<string, unknown>>;

/** A challenge of WWW-Authenticate (RFC 9110 section 11.6.1). */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

interface HeldToken {
  readonly header: string;
  readonly expiresMs: number;
}

/** What a token lives where its answer does not say (distribution's token specification). */
const defaultLifetimeSeconds = 60;
/** A token is asked for anew so long before it ends: for a request on its way. */
const renewalSeconds = 10;
const clientId = "longshore";

/**
 * Has the Authorization header of each request to one registry. A registry is asked without one
 * first; its challenge says how. Tokens are kept by what they are for.
 */
export class RegistryAuthorizer {
  readonly #registry: URL;
  readonly #source: CredentialSource;
  readonly #ask: TokenAsker;
  readonly #tokens = new Map<string, HeldToken>();
  readonly #asking = new Map<string, Promise<string | undefined>>();
  #basic: string | undefined;

  constructor(registry: URL, source: CredentialSource, ask: TokenAsker) {
    this.#registry = registry;
    this.#source = source;
    this.#ask = ask;
  }

  /** The header to send with a request of this use; undefined where none is known to be needed. */
  held(use: string): string | undefined {
    if (this.#basic !== undefined) return this.#basic;
    const token = this.#tokens.get(use);
    return token !== undefined && token.expiresMs > Date.now() ? token.header : undefined;
  }

  /**
   * The header that a 401 asks for; undefined where there is none, or where it is the one that was
   * refused. @throws CommandError for a realm that no secret may go to
   */
  async answer(
    use: string,
    challenges: string | undefined,
    refused: string | undefined,
  ): Promise<string | undefined> {
    const challenge = parseChallenges(challenges ?? "").find(({ scheme }) =>
      ["basic", "bearer"].includes(scheme),
    );
    if (challenge === undefined) return undefined;
    const header =
      challenge.scheme === "basic"
        ? await this.#basicHeader()
        : await this.#bearerHeader(use, challenge.parameters, refused);
    return header === refused ? undefined : header;
  }

  async #basicHeader(): Promise<string | undefined> {
    const credentials = await this.#source();
    this.#basic = credentials?.kind === "password" ? basic(credentials) : undefined;
    return this.#basic;
  }

  /** Requests side by side that were all refused ask for one token. */
  async #bearerHeader(
    use: string,
    parameters: Readonly<Record<string, string>>,
    refused: string | undefined,
  ): Promise<string | undefined> {
    const held = this.held(use);
    if (held !== undefined && held !== refused) return held;
    this.#tokens.delete(use);
    const asking = this.#asking.get(use) ?? this.#fetchToken(use, parameters);
    this.#asking.set(use, asking);
    try {
      return await asking;
    } finally {
      this.#asking.delete(use);
    }
  }

  async #fetchToken(
    use: string,
    parameters: Readonly<Record<string, string>>,
  ): Promise<string | undefined> {
    const realm = URL.parse(parameters["realm"] ?? "");
    if (realm === null) throw new CommandError(`${this.#registry.host} names no token service`);
    const credentials = await this.#source();
    if (credentials !== undefined) this.#expectSafe(realm);
    const answer = await this.#ask(tokenRequest(realm, parameters, credentials));
    const token = answer["token"] ?? answer["access_token"];
    if (typeof token !== "string" || token === "") {
      throw new CommandError(`${realm.origin} answered no token: is it the registry's realm?`);
    }
    const told = Number(answer["expires_in"] ?? defaultLifetimeSeconds);
    const lifetime = Number.isFinite(told) && told > 0 ? told : defaultLifetimeSeconds;
    const usable = Math.max(lifetime - renewalSeconds, lifetime / 2);
    const header = `Bearer ${token}`;
    this.#tokens.set(use, { header, expiresMs: Date.now() + usable * 1000 });
    return header;
  }

  /** A token service may stand elsewhere; a secret goes there by HTTPS, or where the registry is. */
  #expectSafe(realm: URL): void {
    if (realm.protocol === "https:" || realm.host === this.#registry.host) return;
    if (this.#registry.protocol === "http:" && isLoopback(realm.hostname)) return;
    throw new CommandError(
      `${this.#registry.host} asks for the password at ${realm.origin}, without HTTPS: ` +
        "have its realm be an https:// URL",
    );
  }
}

/** What a token is for: tokens are scoped by repository, and by what is done in it. */
export function useOf(method: string, { pathname }: URL): string {
  const name = /^\/v2\/(.+)\/(?:blobs|manifests|tags|referrers)\//.exec(pathname)?.[1] ?? pathname;
  const isRead = method === "GET" || method === "HEAD";
  const isUpload = pathname.includes("/blobs/uploads/");
  if (isRead && !isUpload) return `pull ${name}`;
  return method === "DELETE" && !isUpload ? `delete ${name}` : `push ${name}`;
}

/** The challenges of a WWW-Authenticate header, with schemes and names in lower case. */
export function parseChallenges(header: string): Challenge[] {
  const found: { scheme: string; parameters: Record<string, string> }[] = [];
  const pattern = /([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))|([\w-]+)(?=\s|,|$)/g;
  for (const [, name, quoted, plain, scheme] of header.matchAll(pattern)) {
    if (scheme !== undefined) {
      found.push({ scheme: scheme.toLowerCase(), parameters: {} });
    } else if (name !== undefined) {
      const value = quoted === undefined ? (plain ?? "") : quoted.replaceAll(/\\(.)/g, "$1");
      const last = found.at(-1);
      if (last !== undefined) last.parameters[name.toLowerCase()] = value;
    }
  }
  return found;
}

function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

function tokenRequest(
  realm: URL,
  { service, scope }: Readonly<Record<string, string>>,
  credentials: Credentials | undefined,
): TokenRequest {
  const fields = new URLSearchParams();
  if (service !== undefined) fields.set("service", service);
  if (credentials?.kind === "identity") {
    if (scope !== undefined) fields.set("scope", scope);
    fields.set("grant_type", "refresh_token");
    fields.set("client_id", clientId);
    fields.set("refresh_token", credentials.token);
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    return { method: "POST", url: realm, headers, body: fields.toString() };
  }
  // Each scope of the challenge is a parameter of its own, as docker sends them.
  for (const one of scope?.split(" ") ?? []) fields.append("scope", one);
  if (credentials !== undefined) fields.set("account", credentials.username);
  const url = new URL(realm);
  for (const [name, value] of fields) url.searchParams.append(name, value);
  const headers = credentials === undefined ? {} : { authorization: basic(credentials) };
  return { method: "GET", url, headers, body: undefined };
}
