import { decodeJwt, errors, type JWTPayload, jwtVerify, type JWTVerifyGetKey } from "jose";
import type { OutsideTokens } from "../../schemas/access-configuration.ts";
import { RegistryError } from "../../schemas/errors.ts";
import { isTrusted, type Policy, type TrustedIssuer } from "../../schemas/policy.ts";
import { parseAccessClaim } from "../../schemas/scope.ts";
import { anonymous } from "../../schemas/user.ts";
import type { Caller, Identity } from "./caller.ts";
import { keySource, outsideAlgorithms } from "./key-source.ts";

/** Clocks of other services differ. */
const clockToleranceSeconds = 30;
const discoveryMsMax = 5000;
const discoveryRememberedMs = 60 * 60 * 1000;

const keyLocations = new Map<string, { readonly url: string; readonly untilMs: number }>();

/**
 * Who the bearer of an outside token service's token is. With a policy it is a user of the name in
 * `sub`; without one the token's `access` says all.
 * @throws what jose throws for a token that is not good
 */
export async function outsideCaller(
  tokens: OutsideTokens,
  policy: Policy | undefined,
  token: string,
): Promise<Caller> {
  const { payload } = await jwtVerify(token, keySource(tokens.publicKey), {
    algorithms: outsideAlgorithms,
    issuer: tokens.issuer,
    audience: tokens.service,
    requiredClaims: ["exp"],
    clockTolerance: clockToleranceSeconds,
  });
  const name = payload.sub ?? "";
  return {
    identity: outsideIdentity(policy, name),
    subject: `${tokens.issuer}\n${name}`,
    grants: parseAccessClaim(payload["access"]),
  };
}

/** Who the outside token service's `sub` is: a name in the policy, if there is one. */
export function outsideIdentity(policy: Policy | undefined, name: string): Identity {
  if (policy === undefined) return { kind: "bearer" };
  const isNamed = name !== "" && name !== anonymous;
  return isNamed ? { kind: "user", name, readonly: false } : { kind: "anonymous" };
}

/** The trusted issuer that a token claims to be of, and for us; nothing of it is verified yet. */
export function claimedIssuer(
  policy: Policy | undefined,
  token: string,
): TrustedIssuer | undefined {
  const { iss, aud } = unverifiedClaims(token);
  return policy?.issuers.find(
    ({ issuer, audience }) => issuer === iss && [aud].flat().includes(audience),
  );
}

/** True if a token claims to be of the outside service; nothing of it is verified yet. */
export function isClaimedBy({ issuer }: OutsideTokens, token: string): boolean {
  return unverifiedClaims(token).iss === issuer;
}

/** None for what is no token. */
function unverifiedClaims(token: string): JWTPayload {
  try {
    return decodeJwt(token);
  } catch {
    return {};
  }
}

/** Which job the bearer of a trusted issuer's token is. @throws what jose throws for one that is not good */
export async function jobCaller(trusted: TrustedIssuer, token: string): Promise<Caller> {
  const { payload } = await jwtVerify(token, keysOf(trusted), {
    algorithms: outsideAlgorithms,
    issuer: trusted.issuer,
    audience: trusted.audience,
    requiredClaims: ["sub", "exp"],
    clockTolerance: clockToleranceSeconds,
  });
  if (!isTrusted(trusted, payload)) {
    throw new errors.JWTClaimValidationFailed("no rule trusts its claims", payload);
  }
  return {
    identity: { kind: "job", trusted, claims: payload },
    subject: `${trusted.issuer}\n${payload.sub}`,
    grants: undefined,
  };
}

/** Keys that are not where they were are looked for anew by who comes next. */
function keysOf(trusted: TrustedIssuer): JWTVerifyGetKey {
  return async (header, token) => {
    const source = keySource(await keyLocation(trusted));
    try {
      return await source(header, token);
    } catch (error) {
      if (error instanceof RegistryError) keyLocations.delete(trusted.issuer);
      throw error;
    }
  };
}

/** Where an issuer's keys are (OpenID Connect Discovery 1.0 section 4). */
async function keyLocation({ issuer, jwksUri }: TrustedIssuer): Promise<string> {
  if (jwksUri !== undefined) return jwksUri;
  const known = keyLocations.get(issuer);
  if (known !== undefined && known.untilMs > Date.now()) return known.url;
  const url = await discover(issuer).catch(() => undefined);
  if (typeof url !== "string" || !/^https?:/.test(url) || !URL.canParse(url)) {
    const what = `${issuer} has no discovery document that names jwks_uri`;
    throw new RegistryError("OVERLOADED", what, { "Retry-After": "5" });
  }
  keyLocations.set(issuer, { url, untilMs: Date.now() + discoveryRememberedMs });
  return url;
}

async function discover(issuer: string): Promise<unknown> {
  const response = await fetch(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`, {
    signal: AbortSignal.timeout(discoveryMsMax),
  });
  const found = await response.json<{ issuer?: unknown; jwks_uri?: unknown }>();
  return found.issuer === issuer ? found.jwks_uri : undefined;
}
