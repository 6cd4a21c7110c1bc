import { parseRepositoryName, type RepositoryName } from "./reference.ts";

/** What a token is asked for, or grants (Docker's token specification, "Resource scope grammar"). */
export interface Scope {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

/** The scope that a reader of the catalog has. */
export const catalogScope: Scope = { type: "registry", name: "catalog", actions: ["*"] };

const scopePattern = /^([a-z0-9]+)(?:\([a-z0-9]+\))?:(.+):([a-z*]+(?:,[a-z*]+)*)$/;

/**
 * The scopes in the texts, each of which may have several with spaces between; actions for one
 * resource are put together. What is no scope grants nothing and is left out.
 */
export function parseScopes(texts: readonly string[]): Scope[] {
  const scopes = new Map<string, { type: string; name: string; actions: Set<string> }>();
  for (const text of texts.flatMap((list) => list.split(" "))) {
    const [, type, name, actions] = scopePattern.exec(text) ?? [];
    if (type === undefined || name === undefined || actions === undefined) continue;
    const key = `${type}:${name}`;
    const scope = scopes.get(key) ?? { type, name, actions: new Set() };
    for (const action of actions.split(",")) scope.actions.add(action);
    scopes.set(key, scope);
  }
  return [...scopes.values()].map((scope) => ({ ...scope, actions: [...scope.actions] }));
}

export function formatScope({ type, name, actions }: Scope): string {
  return `${type}:${name}:${actions.join(",")}`;
}

/** The repository of a scope; undefined for one of another kind. */
export function repositoryOf({ type, name }: Scope): RepositoryName | undefined {
  return type === "repository" ? parseRepositoryName(name) : undefined;
}

/** True if scopes allow an action on a resource. */
export function isGranted(scopes: readonly Scope[], wanted: Scope): boolean {
  return wanted.actions.every((action) =>
    scopes.some(
      ({ type, name, actions }) =>
        type === wanted.type &&
        name === wanted.name &&
        (actions.includes(action) || actions.includes("*")),
    ),
  );
}

/** The scopes in a token's claim `access`; what is no scope is left out. */
export function parseAccessClaim(claim: unknown): Scope[] {
  if (!Array.isArray(claim)) return [];
  return claim.flatMap((item: unknown) => {
    if (typeof item !== "object" || item === null) return [];
    const { type, name, actions } = item as Record<string, unknown>;
    if (typeof type !== "string" || typeof name !== "string" || !Array.isArray(actions)) return [];
    return [{ type, name, actions: actions.filter((action) => typeof action === "string") }];
  });
}
