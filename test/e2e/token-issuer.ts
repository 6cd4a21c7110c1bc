/**
 * Whoever else makes tokens for a registry: an OpenID Connect issuer, as CI has one, and a token
 * service as Docker's specification has it.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from "jose";
import { type Account, basicHeader } from "./account.ts";

/** By its name: crane trusts no realm at a private address that is not the registry's own. */
const host = "localhost";
const algorithm = "ES256";
const kid = "first";

/** Somebody whom the token service knows, and what it gives tokens for. */
export interface Grantee extends Account {
  readonly actions: readonly string[];
}

/** A running issuer. */
export class TokenIssuer {
  readonly #server: Server;
  readonly #privateKey: CryptoKey;
  readonly #publicJwk: JWK;
  readonly #grantees: readonly Grantee[];

  private constructor(privateKey: CryptoKey, publicJwk: JWK, grantees: readonly Grantee[]) {
    this.#privateKey = privateKey;
    this.#publicJwk = { ...publicJwk, alg: algorithm, kid, use: "sig" };
    this.#grantees = grantees;
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  /** Starts one with a key of its own. */
  static async start(grantees: readonly Grantee[] = []): Promise<TokenIssuer> {
    const { privateKey, publicKey } = await generateKeyPair(algorithm);
    const issuer = new TokenIssuer(privateKey, await exportJWK(publicKey), grantees);
    issuer.#server.listen(0, host);
    await once(issuer.#server, "listening");
    return issuer;
  }

  /** The claim `iss` of its tokens. */
  get url(): string {
    return `http://${host}:${(this.#server.address() as AddressInfo).port}`;
  }

  /** A token for an audience that lives for five minutes. */
  async token(audience: string, claims: JWTPayload): Promise<string> {
    return new SignJWT(claims)
      .setProtectedHeader({ alg: algorithm, kid, typ: "JWT" })
      .setIssuer(this.url)
      .setAudience(audience)
      .setIssuedAt()
      .setExpirationTime("5m")
      .sign(this.#privateKey);
  }

  /** Ends it. */
  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "", this.url);
    const answers: Record<string, () => unknown> = {
      "/.well-known/openid-configuration": () => ({
        issuer: this.url,
        jwks_uri: `${this.url}/jwks.json`,
      }),
      "/jwks.json": () => ({ keys: [this.#publicJwk] }),
      "/token": async () => this.#grant(url.searchParams, request.headers.authorization),
    };
    // Clients that first try a form go on with GET after a 404.
    const found = request.method === "GET" ? answers[url.pathname] : undefined;
    const body = await found?.();
    const status = found === undefined ? 404 : body === undefined ? 401 : 200;
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(JSON.stringify(body ?? {}));
  }

  /** A token for what was asked and its asker may have; nothing for who is not known. */
  async #grant(query: URLSearchParams, authorization = ""): Promise<unknown> {
    const asker = this.#grantees.find((grantee) => basicHeader(grantee) === authorization);
    if (asker === undefined) return undefined;
    const scopes = query.getAll("scope").flatMap((scope) => scope.split(" "));
    const access = scopes.map((scope) => {
      const [type, name, actions = ""] = scope.split(":");
      return { type, name, actions: asker.actions.filter((one) => actions.includes(one)) };
    });
    const token = await this.token(query.get("service") ?? "", { sub: asker.name, access });
    return { token, access_token: token, expires_in: 300 };
  }
}
