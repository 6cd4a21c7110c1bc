import { RegistryError } from "../../schemas/errors.ts";
import type { RepositoryName } from "../../schemas/reference.ts";
import { type RegistryContext, repositoryNameOf, type RouteHandler } from "../context.ts";
import { unauthorized } from "./challenge.ts";
import { subjectOfBearer } from "../upload-seal.ts";
import { type Action, decide, permissionsOf } from "./decision.ts";
import type { Caller } from "./caller.ts";
import { callerOfSubject, type Doorkeeping, identify, isNobody } from "./identify.ts";
import { readPolicy } from "./policy-source.ts";

/**
 * What a route needs its caller to be allowed; `public` are those that everyone may use. `read` is
 * `pull`, but for HEAD, by which a push begins: who may push may do that too. `session` is `push`,
 * but for who has no credentials, and an id of a session by which it may go on.
 */
export type Need =
  | "public"
  | "base"
  | "catalog"
  | "administer"
  | "read"
  | "pull"
  | "push"
  | "session"
  | "delete";

/** A handler that is reached only by who may: each route is one, so that none is forgotten. */
export function guarded(need: Need, handler: RouteHandler): RouteHandler {
  return async (context) => {
    if (need === "administer") refusePage(context);
    if (need !== "public") await admit(context, need);
    return handler(context);
  };
}

/**
 * True if a blob may be mounted from a repository: its user has to be allowed to pull there. A token
 * for the push alone does, as clients that mount without `from` can't name the source in its scope;
 * where the token itself says what its bearer may, it has to say that too.
 */
export function mayMountFrom(context: RegistryContext, repository: RepositoryName): boolean {
  const { access, policy, caller } = context.var;
  const isSaidByToken = caller.identity.kind === "bearer" || access.tokens?.kind === "outside";
  if (!isSaidByToken) return maySee(context, repository);
  const action: Action = { kind: "repository", repository, use: "pull" };
  return decide({ type: access.type, policy }, caller, action).kind === "allow";
}

/** True if the caller may know of a repository, whatever its token is for. */
export function maySee(
  { var: { access, policy, caller } }: RegistryContext,
  repository: RepositoryName,
): boolean {
  return permissionsOf({ type: access.type, policy }, caller.identity, repository).includes("pull");
}

/** True if the caller may push to a repository, by its token too. */
export function mayPush(
  { var: { access, policy, caller } }: RegistryContext,
  repository: RepositoryName,
): boolean {
  const action: Action = { kind: "repository", repository, use: "push" };
  return decide({ type: access.type, policy }, caller, action).kind === "allow";
}

/**
 * Any page may have a browser send a POST without asking here first (the Fetch standard's simple
 * requests), to a registry on its user's machine or with a password that the browser remembers. It
 * says in Origin that a page did it: only those of REGISTRY_CORS_ORIGINS by name may administer.
 * @throws RegistryError DENIED
 */
function refusePage({ req, var: { configuration } }: RegistryContext): void {
  const origin = req.header("Origin");
  if (origin === undefined || req.method === "GET" || req.method === "HEAD") return;
  const { corsOrigins } = configuration;
  if (corsOrigins !== "*" && corsOrigins.includes(origin)) return;
  throw new RegistryError(
    "DENIED",
    `a page of ${origin.slice(0, 100)}, which REGISTRY_CORS_ORIGINS does not name`,
  );
}

/** @throws RegistryError UNAUTHORIZED, DENIED, NAME_INVALID */
async function admit(context: RegistryContext, need: Exclude<Need, "public">): Promise<void> {
  const action = actionOf(context, need);
  const { env, req } = context;
  const { access } = context.var;
  const policy = await readPolicy(env, access.policy);
  const found = await identify(env, { access, policy }, req.raw);
  if ("refused" in found) {
    const error = found.refused === "token" ? "invalid_token" : undefined;
    throw unauthorized(context, access, action, error);
  }
  const bearer =
    need === "session" && isNobody(found)
      ? await callerOfSession(context, { access, policy })
      : undefined;
  context.set("admittedBySession", bearer !== undefined);
  const caller = bearer ?? found;
  // Who is refused is told of by name, too.
  context.set("caller", caller);
  const decision = decide({ type: access.type, policy }, caller, action);
  switch (decision.kind) {
    case "log in": {
      const error = caller.grants === undefined ? undefined : "insufficient_scope";
      throw unauthorized(context, access, action, error);
    }
    case "ask for more":
      throw unauthorized(context, access, action, "insufficient_scope");
    case "deny":
      throw new RegistryError("DENIED", deniedWhat(action));
    case "allow":
      context.set("policy", policy);
      context.set("mayMoveTags", decision.mayMoveTags);
  }
}

function actionOf(context: RegistryContext, need: Exclude<Need, "public">): Action {
  if (need === "base" || need === "catalog" || need === "administer") return { kind: need };
  const repository = repositoryNameOf(context);
  if (need === "session") return { kind: "repository", repository, use: "push" };
  if (need !== "read") return { kind: "repository", repository, use: need };
  const use = context.req.method === "HEAD" ? "head" : "pull";
  return { kind: "repository", repository, use };
}

/**
 * Who began the session that the path names, where REGISTRY_UPLOAD_URL sends uploads to a host to which
 * clients send no credentials; undefined where it does not, for an id that is no such session's, and
 * for who is nobody any more.
 */
async function callerOfSession(
  context: RegistryContext,
  doorkeeping: Doorkeeping,
): Promise<Caller | undefined> {
  if (context.var.configuration.uploadUrl === undefined) return undefined;
  const sealed = context.req.param("session") ?? "";
  const subject = await subjectOfBearer(context.env, repositoryNameOf(context), sealed);
  return subject === undefined ? undefined : callerOfSubject(doorkeeping, subject);
}

function deniedWhat(action: Action): string {
  return action.kind === "repository" ? `${action.use} in ${action.repository}` : action.kind;
}
