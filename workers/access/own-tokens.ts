import { Buffer } from "node:buffer";
import {
  calculateJwkThumbprint,
  exportJWK,
  importJWK,
  importPKCS8,
  type JWK,
  jwtVerify,
  SignJWT,
} from "jose";
import type { OwnTokens } from "../../schemas/access-configuration.ts";
import { RegistryError } from "../../schemas/errors.ts";
import type { Claims } from "../../schemas/policy.ts";
import type { Scope } from "../../schemas/scope.ts";
import type { User } from "../../schemas/user.ts";
import { storedPassword } from "./passwords.ts";

/** A key of our own: it signs if it is the first, and verifies. */
interface SigningKey {
  readonly id: string;
  readonly algorithm: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly publicJwk: JWK;
  /** What binds refresh tokens to passwords. */
  readonly bindingKey: CryptoKey;
}

/** Those of the private keys that may be configured. */
const algorithms = ["ES256", "ES384", "RS256"];

const refreshSeconds = 90 * 24 * 60 * 60;
const clockToleranceSeconds = 5;

const imported = new Map<string, SigningKey>();

/** The registry's own tokens: JWTs that say who is asking (`sub`), and for what (`access`). */
export class OwnTokenMaker {
  readonly #tokens: OwnTokens;

  constructor(tokens: OwnTokens) {
    this.#tokens = tokens;
  }

  /** A token for a subject, good for the scopes, and when it was made. */
  async access(
    subject: string,
    access: readonly Scope[],
  ): Promise<{ token: string; issuedAt: Date }> {
    const { service, lifetimeSeconds } = this.#tokens;
    const issuedAt = new Date(Math.floor(Date.now() / 1000) * 1000);
    const token = await this.#sign(
      { access, jti: crypto.randomUUID() },
      service,
      subject,
      lifetimeSeconds,
    );
    return { token, issuedAt };
  }

  /** The claims of an access token. @throws what jose throws for one that is none of ours, or is over */
  async verifyAccess(token: string): Promise<Claims> {
    return (await this.#verify(token, this.#tokens.service)).payload;
  }

  /** A token by which a user gets access tokens until the password changes, 90 days at most. */
  async refresh(user: User): Promise<string> {
    const [first] = await this.#keys();
    const password = await bindingOf(first, user);
    return this.#sign({ password }, this.#refreshAudience, user.name, refreshSeconds);
  }

  /** The user of a refresh token, unless the password is another by now. */
  async verifyRefresh(token: string, users: readonly User[]): Promise<User | undefined> {
    const { payload, key } = await this.#verify(token, this.#refreshAudience);
    const user = users.find((candidate) => candidate.name === payload.sub);
    if (user === undefined || payload["password"] !== (await bindingOf(key, user)))
      return undefined;
    return user;
  }

  /** The public keys, as a JWKS (RFC 7517). */
  async publicKeys(): Promise<{ keys: JWK[] }> {
    return { keys: (await this.#keys()).map(({ publicJwk }) => publicJwk) };
  }

  get #refreshAudience(): string {
    return `${this.#tokens.service}/token`;
  }

  async #sign(
    claims: Record<string, unknown>,
    audience: string,
    subject: string,
    seconds: number,
  ): Promise<string> {
    const [key] = await this.#keys();
    const nowSeconds = Math.floor(Date.now() / 1000);
    return new SignJWT(claims)
      .setProtectedHeader({ alg: key.algorithm, kid: key.id, typ: "JWT" })
      .setIssuer(this.#tokens.service)
      .setAudience(audience)
      .setSubject(subject)
      .setIssuedAt(nowSeconds)
      .setNotBefore(nowSeconds)
      .setExpirationTime(nowSeconds + seconds)
      .sign(key.privateKey);
  }

  async #verify(token: string, audience: string) {
    const keys = await this.#keys();
    let key = keys[0];
    const { payload } = await jwtVerify(
      token,
      // The key is one of ours by its name, whatever else a header claims.
      ({ kid }) => (key = keys.find(({ id }) => id === kid) ?? key).publicKey,
      {
        algorithms: [...new Set(keys.map(({ algorithm }) => algorithm))],
        issuer: this.#tokens.service,
        audience,
        requiredClaims: ["sub", "exp", "iat"],
        clockTolerance: clockToleranceSeconds,
      },
    );
    return { payload, key };
  }

  async #keys(): Promise<[SigningKey, ...SigningKey[]]> {
    const [first, ...more] = await Promise.all(this.#tokens.privateKeys.map(importKey));
    if (first === undefined) throw new RegistryError("UNAVAILABLE", "there is no private key");
    return [first, ...more];
  }
}

/** What a refresh token is bound by: only who has the private key can make it. */
async function bindingOf({ bindingKey }: SigningKey, user: User): Promise<string> {
  const text = Buffer.from(`${user.name}\n${storedPassword(user)}`);
  const hash = await crypto.subtle.sign("HMAC", bindingKey, text);
  return Buffer.from(hash).toString("base64url");
}

/** Imports are remembered, not their promises: a request that is cut off would leave one unsettled. */
async function importKey(pem: string): Promise<SigningKey> {
  const known = imported.get(pem);
  if (known !== undefined) return known;
  for (const algorithm of algorithms) {
    // oxlint-disable-next-line no-await-in-loop
    const key = await importAs(algorithm, pem).catch(() => undefined);
    if (key === undefined) continue;
    imported.set(pem, key);
    return key;
  }
  throw new RegistryError(
    "UNAVAILABLE",
    `REGISTRY_AUTH_TOKEN_PRIVATEKEY has no key for ${algorithms.join(", ")}: make one with ` +
      "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
  );
}

async function importAs(algorithm: string, pem: string): Promise<SigningKey> {
  const privateKey = await importPKCS8(pem, algorithm, { extractable: true });
  // That an RSA key is too short is told by its first signature.
  await new SignJWT().setProtectedHeader({ alg: algorithm }).sign(privateKey);
  const { kty, crv, x, y, n, e, d } = await exportJWK(privateKey);
  const parts = Object.entries({ kty, crv, x, y, n, e }).filter(([, value]) => value !== undefined);
  const bare = Object.fromEntries(parts) as JWK;
  const id = await calculateJwkThumbprint(bare);
  return {
    id,
    algorithm,
    privateKey,
    publicKey: (await importJWK(bare, algorithm)) as CryptoKey,
    publicJwk: { ...bare, kid: id, alg: algorithm, use: "sig" },
    bindingKey: await crypto.subtle.importKey(
      "raw",
      Buffer.from(`refresh token\n${d}`),
      { name: "HMAC", hash: "SHA-256" },
      false,
      ["sign"],
    ),
  };
}
