import {
  type Permission,
  permissions,
  permissionsOfAnyone,
  permissionsOfJob,
  permissionsOfUser,
  type Policy,
} from "../../schemas/policy.ts";
import type { RepositoryName } from "../../schemas/reference.ts";
import { catalogScope, isGranted, type Scope } from "../../schemas/scope.ts";
import type { Caller, Identity } from "./caller.ts";

/** What somebody wants to do. `head` is to see whether something is there, as a push begins. */
export type Action =
  | { readonly kind: "base" | "catalog" | "administer" }
  | {
      readonly kind: "repository";
      readonly repository: RepositoryName;
      readonly use: "head" | "pull" | "push" | "delete";
    };

export type Decision =
  | { readonly kind: "allow"; readonly mayMoveTags: boolean }
  /** 401: it may be allowed to who logs in. */
  | { readonly kind: "log in" }
  /** 401: it is allowed to this caller, by a token for more than this one. */
  | { readonly kind: "ask for more" }
  /** 403. */
  | { readonly kind: "deny" };

/** What decides: the access type, and the policy if there is one. */
export interface AccessRules {
  readonly type: "none" | "basic" | "token";
  readonly policy: Policy | undefined;
}

/** The permissions that each use is allowed by: any of them. */
const needed: Record<"head" | "pull" | "push" | "delete", readonly Permission[]> = {
  head: ["pull", "push", "create"],
  pull: ["pull"],
  push: ["push", "create"],
  delete: ["delete"],
};

export const administrationScope: Scope = {
  type: "registry",
  name: "administration",
  actions: ["*"],
};

const allowed: Decision = { kind: "allow", mayMoveTags: true };

/** The one decision who may do what. */
export function decide(rules: AccessRules, caller: Caller, action: Action): Decision {
  if (rules.type === "none") return allowed;
  const { identity, grants } = caller;
  if (action.kind === "repository") {
    return decideRepository(rules, caller, action.repository, needed[action.use]);
  }
  if (action.kind === "administer") {
    if (identity.kind === "anonymous") return { kind: "log in" };
    if (!isAdministrator(rules, identity)) return { kind: "deny" };
    return hasScope(grants, administrationScope) ? allowed : { kind: "ask for more" };
  }
  if (identity.kind === "anonymous" && grants === undefined) return { kind: "log in" };
  if (action.kind === "base" || hasScope(grants, catalogScope)) return allowed;
  return { kind: "ask for more" };
}

function decideRepository(
  rules: AccessRules,
  { identity, grants }: Caller,
  repository: RepositoryName,
  wanted: readonly Permission[],
): Decision {
  const held = permissionsOf(rules, identity, repository);
  if (!wanted.some((permission) => held.includes(permission))) {
    return identity.kind === "anonymous" ? { kind: "log in" } : { kind: "deny" };
  }
  const usable = permissions.filter(
    (permission) => isHeld(held, permission) && isUsable(grants, repository, permission),
  );
  if (!wanted.some((permission) => usable.includes(permission))) return { kind: "ask for more" };
  return { kind: "allow", mayMoveTags: usable.includes("push") };
}

/** What a caller may do in a repository, whatever its token is for. */
export function permissionsOf(
  { type, policy }: AccessRules,
  identity: Identity,
  repository: RepositoryName,
): readonly Permission[] {
  if (type === "none" || identity.kind === "bearer") return permissions;
  // What everyone may, who is logged in may too.
  const ofAnyone = policy === undefined ? [] : permissionsOfAnyone(policy, repository);
  if (identity.kind === "anonymous") return ofAnyone;
  if (identity.kind === "job") {
    return [...permissionsOfJob(identity.trusted, identity.claims, repository), ...ofAnyone];
  }
  const held =
    policy === undefined
      ? permissions
      : [...permissionsOfUser(policy, identity.name, repository), ...ofAnyone];
  return identity.readonly ? held.filter((permission) => permission === "pull") : held;
}

/** With a policy those whom it names; without one all who may do everything. */
export function isAdministrator({ policy }: AccessRules, identity: Identity): boolean {
  if (identity.kind !== "user" || identity.readonly) return false;
  return policy === undefined || policy.adminUsers.includes(identity.name);
}

/** True if a permission is there; who may push may also do the smaller `create`. */
function isHeld(held: readonly Permission[], permission: Permission): boolean {
  return held.includes(permission) || (permission === "create" && held.includes("push"));
}

/** True if a token is for the permission; one for `push` is for the smaller `create` too. */
function isUsable(
  grants: readonly Scope[] | undefined,
  repository: RepositoryName,
  permission: Permission,
): boolean {
  const accepted = permission === "create" ? ["create", "push"] : [permission];
  return accepted.some((action) =>
    hasScope(grants, { type: "repository", name: repository, actions: [action] }),
  );
}

function hasScope(grants: readonly Scope[] | undefined, wanted: Scope): boolean {
  return grants === undefined || isGranted(grants, wanted);
}
