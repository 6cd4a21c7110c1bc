import type { OwnTokens } from "../../schemas/access-configuration.ts";
import { RegistryError } from "../../schemas/errors.ts";
import {
  catalogScope,
  isGranted,
  parseScopes,
  repositoryOf,
  type Scope,
} from "../../schemas/scope.ts";
import { readBytes } from "../../streams/body.ts";
import type { Caller } from "../access/caller.ts";
import { basicChallenge } from "../access/challenge.ts";
import { administrationScope, isAdministrator, permissionsOf } from "../access/decision.ts";
import { type Doorkeeping, identify, logIn, type Refused, userCaller } from "../access/identify.ts";
import { OwnTokenMaker } from "../access/own-tokens.ts";
import { readPolicy } from "../access/policy-source.ts";
import type { RegistryContext } from "../context.ts";
import { jsonResponse } from "../json-response.ts";

/** A client asks for what one command needs. */
const scopesMax = 100;
const formBytesMax = 64 * 1024;

/** Docker's token specification: who asks by GET says so by Basic, or is nobody. */
export async function getToken(context: RegistryContext): Promise<Response> {
  const { env, req } = context;
  const tokens = ownTokens(context);
  const door = await doorkeeping(context);
  const caller = await identify(env, door, req.raw);
  // A token is no way to another one: what it is not for, it would be.
  if ("refused" in caller || caller.grants !== undefined) throw wrongLogin(context);
  context.set("caller", caller);
  const scopes = req.queries("scope") ?? [];
  const withRefresh = req.query("offline_token") === "true";
  return answer(tokens, door, caller, scopes, withRefresh);
}

/** Docker's token specification, OAuth 2: a form with a password or a refresh token. */
export async function postToken(context: RegistryContext): Promise<Response> {
  const tokens = ownTokens(context);
  const door = await doorkeeping(context);
  const bytes = await readBytes(context.req.raw.body, formBytesMax);
  if (bytes === undefined) {
    throw new RegistryError("SCOPE_INVALID", `the form has more than ${formBytesMax} bytes`);
  }
  const form = new URLSearchParams(new TextDecoder().decode(bytes));
  const caller = await callerOf(context, tokens, door, form);
  if ("refused" in caller) throw wrongLogin(context);
  context.set("caller", caller);
  const isOffline = form.get("access_type") === "offline" || form.get("offline_token") === "true";
  return answer(tokens, door, caller, form.getAll("scope"), isOffline);
}

/** The public keys of the registry's own tokens (RFC 7517). */
export async function listPublicKeys(context: RegistryContext): Promise<Response> {
  const keys = await new OwnTokenMaker(ownTokens(context)).publicKeys();
  return jsonResponse(keys, { headers: { "Cache-Control": "public, max-age=300" } });
}

async function callerOf(
  context: RegistryContext,
  tokens: OwnTokens,
  door: Doorkeeping,
  form: URLSearchParams,
): Promise<Caller | Refused> {
  const grantType = form.get("grant_type");
  if (grantType === "password") {
    const [name, password] = [form.get("username") ?? "", form.get("password") ?? ""];
    return logIn(context.env, door, context.req.raw, { name, password });
  }
  if (grantType !== "refresh_token") {
    const what = `grant_type is "${(grantType ?? "").slice(0, 64)}", not password or refresh_token`;
    throw new RegistryError("UNSUPPORTED", what);
  }
  const maker = new OwnTokenMaker(tokens);
  const refreshToken = form.get("refresh_token") ?? "";
  const user = await maker.verifyRefresh(refreshToken, door.access.users).catch(() => undefined);
  return user === undefined ? { refused: "token" } : userCaller(user);
}

async function answer(
  tokens: OwnTokens,
  door: Doorkeeping,
  caller: Caller,
  scopeTexts: readonly string[],
  withRefresh: boolean,
): Promise<Response> {
  const asked = parseScopes(scopeTexts);
  if (asked.length > scopesMax) {
    throw new RegistryError("SCOPE_INVALID", `${asked.length} scopes, at most ${scopesMax}`);
  }
  const maker = new OwnTokenMaker(tokens);
  const granted = asked.flatMap((scope) => grant(door, caller, scope));
  const { token, issuedAt } = await maker.access(caller.subject, granted);
  const user = door.access.users.find(({ name }) => name === caller.subject);
  const hasRefresh = withRefresh && caller.identity.kind === "user" && user !== undefined;
  return jsonResponse(
    {
      token,
      access_token: token,
      expires_in: tokens.lifetimeSeconds,
      issued_at: issuedAt.toISOString(),
      ...(hasRefresh ? { refresh_token: await maker.refresh(user) } : {}),
    },
    { headers: { "Cache-Control": "no-store" } },
  );
}

/** What of a scope the caller may have: a token with less than was asked for is no error. */
function grant({ access, policy }: Doorkeeping, { identity }: Caller, scope: Scope): Scope[] {
  const rules = { type: access.type, policy };
  // Of a job's token nobody could tell later which repositories the job may see.
  if (isGranted([scope], catalogScope)) return identity.kind === "job" ? [] : [catalogScope];
  if (isGranted([scope], administrationScope)) {
    return isAdministrator(rules, identity) ? [administrationScope] : [];
  }
  const repository = repositoryOf(scope);
  if (repository === undefined) return [];
  const wantsAll = scope.actions.includes("*");
  const actions = new Set(
    permissionsOf(rules, identity, repository).filter(
      (permission) =>
        wantsAll || scope.actions.includes(permission === "create" ? "push" : permission),
    ),
  );
  if (actions.has("push")) actions.delete("create");
  return actions.size === 0 ? [] : [{ ...scope, name: repository, actions: [...actions] }];
}

/** @throws RegistryError ROUTE_UNKNOWN where tokens are another service's, or there are none */
function ownTokens({ req, var: { access } }: RegistryContext): OwnTokens {
  if (access.tokens?.kind === "own") return access.tokens;
  throw new RegistryError("ROUTE_UNKNOWN", req.path);
}

async function doorkeeping({ env, var: { access } }: RegistryContext): Promise<Doorkeeping> {
  return { access, policy: await readPolicy(env, access.policy) };
}

function wrongLogin({ var: { access } }: RegistryContext): RegistryError {
  return new RegistryError("UNAUTHORIZED", "no such user, or another password", {
    "WWW-Authenticate": basicChallenge(access),
  });
}
