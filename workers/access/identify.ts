import { Buffer } from "node:buffer";
import type { AccessConfiguration } from "../../schemas/access-configuration.ts";
import { RegistryError } from "../../schemas/errors.ts";
import type { Policy } from "../../schemas/policy.ts";
import { parseAccessClaim } from "../../schemas/scope.ts";
import type { User } from "../../schemas/user.ts";
import { type Caller, nobody } from "./caller.ts";
import { countFailure, refusePaused } from "./login-limit.ts";
import { inTurn } from "./login-turns.ts";
import {
  claimedIssuer,
  isClaimedBy,
  jobCaller,
  outsideCaller,
  outsideIdentity,
} from "./outside-tokens.ts";
import { OwnTokenMaker } from "./own-tokens.ts";
import { remembered, rememberUser, verifiedUser } from "./passwords.ts";

/** Who may come in, and by which policy. */
export interface Doorkeeping {
  readonly access: AccessConfiguration;
  readonly policy: Policy | undefined;
}

/** Credentials that are not good: 401, whatever was asked for. */
export interface Refused {
  readonly refused: "password" | "token";
}

/** RFC 7617: a name without a colon, then the password. */
interface Login {
  readonly name: string;
  readonly password: string;
}

/** Three parts in base64url: what a JWT looks like (RFC 7519). */
const jwtPattern = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/**
 * Who sent a request, by its Authorization header. `Basic Og==`, a name and password that are
 * empty, is what podman sends for nobody.
 * @throws RegistryError TOOMANYREQUESTS; OVERLOADED if an issuer's keys can't be had
 */
export async function identify(
  env: Env,
  { access, policy }: Doorkeeping,
  request: Request,
): Promise<Caller | Refused> {
  const header = request.headers.get("Authorization");
  if (access.type === "none" || header === null) return nobody;
  const [scheme = "", credentials = "", ...more] = header.trim().split(/ +/);
  // Two headers are one with a comma: who is meant, nobody can say.
  if (more.length > 0) return { refused: "password" };
  if (scheme.toLowerCase() === "bearer" && access.type === "token") {
    return orRefused(bearerCaller({ access, policy }, credentials));
  }
  const login = scheme.toLowerCase() === "basic" ? parseLogin(credentials) : undefined;
  if (login === undefined) return { refused: "password" };
  if (login.name === "" && login.password === "") return nobody;
  return logIn(env, { access, policy }, request, login);
}

/** True of who showed nothing, or the name and password of nobody. */
export function isNobody(caller: Caller): boolean {
  return caller === nobody;
}

/**
 * Who a subject is now, for whom its word stands in the place of credentials; undefined for who is no
 * user any more, and for one of an issuer that is trusted no more. What jobs claimed is not known
 * later: they may what they were let in for.
 */
export function callerOfSubject(
  { access: { users, tokens }, policy }: Doorkeeping,
  subject: string,
): Caller | undefined {
  const [issuer = "", ...name] = subject.split("\n");
  if (name.length === 0) {
    const user = users.find((candidate) => candidate.name === subject);
    return user && userCaller(user);
  }
  const bearer: Caller = { identity: { kind: "bearer" }, subject, grants: undefined };
  if (tokens?.kind === "outside" && tokens.issuer === issuer) {
    return { ...bearer, identity: outsideIdentity(policy, name.join("\n")) };
  }
  return policy?.issuers.some((trusted) => trusted.issuer === issuer) ? bearer : undefined;
}

/** The caller that a user is, by a password. */
export function userCaller({ name, readonly }: User): Caller {
  return { identity: { kind: "user", name, readonly }, subject: name, grants: undefined };
}

/** Who logs in by name and password; a token may stand in the password's place. */
export async function logIn(
  env: Env,
  { access, policy }: Doorkeeping,
  request: Request,
  { name, password }: Login,
): Promise<Caller | Refused> {
  const { users } = access;
  const before = await remembered(users, name, password);
  if (before?.isFresh) return userCaller(before.user);
  // A signature can't be guessed, so tokens that are not good count against nobody.
  const token = jwtPattern.test(password) && tokenAsPassword({ access, policy }, password);
  if (token) return orRefused(token);
  const mayBePaused = before === undefined;
  if (mayBePaused) refusePaused(request, name);
  return inTurn(async () => {
    // Others with the same password may have been first.
    const meanwhile = await remembered(users, name, password);
    if (meanwhile?.isFresh) return userCaller(meanwhile.user);
    if (mayBePaused) refusePaused(request, name);
    const user = await verifiedUser(users, name, password);
    // Of those that came at once, who comes after the failures is not told either.
    if (mayBePaused) refusePaused(request, name);
    if (user === undefined) {
      await countFailure(env, request, name);
      return { refused: "password" };
    }
    await rememberUser(user, password);
    return userCaller(user);
  });
}

/** Who bears a token of an issuer that the policy trusts, or of the outside service; undefined if it is neither's. */
function tokenAsPassword(
  { access, policy }: Doorkeeping,
  token: string,
): Promise<Caller> | undefined {
  const trusted = claimedIssuer(policy, token);
  if (trusted !== undefined) return jobCaller(trusted, token);
  const { tokens } = access;
  if (tokens?.kind !== "outside" || !isClaimedBy(tokens, token)) return undefined;
  return outsideCaller(tokens, policy, token);
}

async function bearerCaller(
  { access, policy }: Doorkeeping,
  token: string,
): Promise<Caller | Refused> {
  const { tokens, users } = access;
  if (tokens?.kind === "outside") return outsideCaller(tokens, policy, token);
  if (tokens === undefined) return { refused: "token" };
  const { sub = "", access: claim } = await new OwnTokenMaker(tokens).verifyAccess(token);
  const subject = String(sub);
  const grants = parseAccessClaim(claim);
  if (subject === "") return { ...nobody, grants };
  if (subject.includes("\n")) return { identity: { kind: "bearer" }, subject, grants };
  // Who is no user any more has no use of a token either.
  const user = users.find(({ name }) => name === subject);
  return user === undefined ? { refused: "token" } : { ...userCaller(user), grants };
}

/** What jose throws means that a token is not good. */
async function orRefused(caller: Promise<Caller | Refused>): Promise<Caller | Refused> {
  try {
    return await caller;
  } catch (error) {
    if (error instanceof RegistryError) throw error;
    return { refused: "token" };
  }
}

function parseLogin(credentials: string): Login | undefined {
  const text = Buffer.from(credentials, "base64").toString("utf8");
  const colon = text.indexOf(":");
  return colon === -1 ? undefined : { name: text.slice(0, colon), password: text.slice(colon + 1) };
}
