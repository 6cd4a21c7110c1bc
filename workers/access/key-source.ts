import { Buffer } from "node:buffer";
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  importJWK,
  importSPKI,
  importX509,
  type JSONWebKeySet,
  type JWK,
  type JWTVerifyGetKey,
} from "jose";
import { RegistryError } from "../../schemas/errors.ts";

/** Asymmetric ones alone: a public key can't be taken for a shared secret, nor a signature be left out. */
export const outsideAlgorithms = [
  "ES256",
  "ES384",
  "ES512",
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "EdDSA",
  "Ed25519",
];

/** Keys of an issuer change rarely; a `kid` that is not known makes them be fetched again. */
const remoteKeys = { cacheMaxAge: 10 * 60 * 1000, cooldownDuration: 10_000, timeoutDuration: 5000 };

const sources = new Map<string, JWTVerifyGetKey>();

/**
 * Finds the key of a token in what is configured: PEM (a public key or a certificate), a JWK in
 * base64, a JWKS in JSON, or the URL of one. The token's own `jwk`, `jku` and `x5u` are never used.
 */
export function keySource(configured: string): JWTVerifyGetKey {
  const known = sources.get(configured);
  if (known !== undefined) return known;
  const source = sourceIn(configured.trim());
  if (source === undefined) throw noKey();
  sources.set(configured, source);
  return source;
}

function sourceIn(text: string): JWTVerifyGetKey | undefined {
  if (/^https?:/.test(text)) return URL.canParse(text) ? remoteSource(text) : undefined;
  if (text.startsWith("-----BEGIN CERTIFICATE-----")) {
    return singleKey((algorithm) => importX509(text, algorithm));
  }
  if (text.startsWith("-----BEGIN")) return singleKey((algorithm) => importSPKI(text, algorithm));
  const json = parseJson(text.startsWith("{") ? text : Buffer.from(text, "base64").toString());
  if (json === undefined) return undefined;
  if ("keys" in json) return keySet(json);
  return "kty" in json ? singleKey((algorithm) => importJWK(json as JWK, algorithm)) : undefined;
}

function keySet(json: object): JWTVerifyGetKey | undefined {
  try {
    return createLocalJWKSet(json as unknown as JSONWebKeySet);
  } catch {
    return undefined;
  }
}

/** One key for all tokens, whatever they name. Where it is none for any algorithm, it is no key. */
function singleKey(
  importAs: (algorithm: string) => Promise<CryptoKey | Uint8Array>,
): JWTVerifyGetKey {
  const publicKeyFor = async (algorithm: string) => {
    const key = await importAs(algorithm);
    if ("type" in key && key.type === "public") return key;
    throw new TypeError("it is a secret");
  };
  return async ({ alg }) => {
    try {
      return await publicKeyFor(alg);
    } catch (error) {
      const others = await Promise.allSettled(outsideAlgorithms.map(publicKeyFor));
      throw others.some(({ status }) => status === "fulfilled") ? error : noKey();
    }
  };
}

function noKey(): RegistryError {
  return new RegistryError(
    "UNAVAILABLE",
    "REGISTRY_AUTH_TOKEN_PUBLICKEY is neither PEM, a JWK in base64, a JWKS, nor the URL of one",
  );
}

/** A token that fits none of the keys is its bearer's fault; keys that can't be had are not. */
function remoteSource(url: string): JWTVerifyGetKey {
  const remote = createRemoteJWKSet(new URL(url), remoteKeys);
  return async (header, token) => {
    try {
      return await remote(header, token);
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey) throw error;
      if (error instanceof errors.JWKSMultipleMatchingKeys) throw error;
      // The origin alone: the rest of a URL may be secret.
      const { origin } = new URL(url);
      throw new RegistryError("OVERLOADED", `no keys from ${origin}`, { "Retry-After": "5" });
    }
  };
}

function parseJson(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
