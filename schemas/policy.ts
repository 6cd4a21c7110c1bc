import * as z from "zod/mini";
import type { RepositoryName } from "./reference.ts";
import {
  isMatch,
  isWildcardMatch,
  parseRepositoryPattern,
  type RepositoryPattern,
} from "./repository-pattern.ts";
import { anonymous } from "./user.ts";

z.config({ ...z.locales.en(), jitless: true });

/** What may be done in a repository. `create` is a push that never moves an existing tag. */
export const permissions = ["pull", "push", "delete", "create"] as const;
export type Permission = (typeof permissions)[number];

const repositoryPattern = z.string().check(
  z.minLength(1),
  z.refine((pattern) => parseRepositoryPattern(pattern) !== undefined, {
    error: "is no pattern: use names such as team/app, team/*, team-*/app or team/**",
  }),
);
const text = z.string().check(z.minLength(1));
const permissionList = z.array(z.enum(permissions)).check(z.minLength(1));
const url = z.string().check(
  z.refine((link) => /^https?:$/.test(URL.parse(link)?.protocol ?? ""), {
    error: "is no URL such as https://token.actions.githubusercontent.com",
  }),
);

const rule = z.strictObject({
  /** Names that the rule is for: `*` within one segment, `**` for any number of segments. */
  repository: repositoryPattern,
  /** User names, `group:<name>`, `*` for everyone who is logged in, `anonymous` for everyone. */
  users: z.array(text).check(z.minLength(1)),
  permissions: permissionList,
});

const trustRule = z.strictObject({
  /** Claims that the token has to have; `*` in a value stands for any characters. */
  claims: z.record(text, text).check(
    z.refine((claims) => Object.keys(claims).length > 0, {
      error: "is empty, which trusts every token of the issuer: name at least one claim",
    }),
  ),
  repository: repositoryPattern,
  permissions: permissionList,
});

const issuer = z.strictObject({
  /** The claim `iss` of its tokens. Its keys are found by OpenID Connect Discovery. */
  issuer: url,
  /** The claim `aud` that its tokens have for this registry. */
  audience: text,
  /** Where its keys are, if it has no discovery document. */
  jwksUri: z.optional(url),
  rules: z.array(trustRule).check(z.minLength(1)),
});

/** The file of REGISTRY_ACCESS_CONTROL_CONFIG; its JSON Schema is docs/policy.schema.json. */
export const policyFile = z.strictObject({
  $schema: z.optional(z.string()),
  /** For logged-in users whom no rule matches: `allow` is pull, push and delete. */
  defaultPolicy: z._default(z.enum(["deny", "allow"]), "deny"),
  adminUsers: z._default(z.array(text), []),
  groups: z._default(z.record(text, z.array(text)), {}),
  rules: z._default(z.array(rule), []),
  issuers: z._default(z.array(issuer), []),
});

export type Policy = z.infer<typeof policyFile>;
export type TrustedIssuer = Policy["issuers"][number];

/** Claims of a verified token. */
export type Claims = Readonly<Record<string, unknown>>;

/** The policy in the text, or what is wrong with it and where. */
export function parsePolicy(json: string): Policy | { readonly problem: string } {
  let file: unknown;
  try {
    file = JSON.parse(json);
  } catch (error) {
    return { problem: `it is not JSON: ${String(error).slice(0, 200)}` };
  }
  const { success, data, error } = policyFile.safeParse(file);
  if (success) return data;
  const [issue] = error.issues;
  return { problem: `${z.core.toDotPath(issue?.path ?? []) || "the file"}: ${issue?.message}` };
}

const everything: readonly Permission[] = ["pull", "push", "delete"];

/** What a logged-in user may do in a repository. */
export function permissionsOfUser(
  policy: Policy,
  user: string,
  repository: RepositoryName,
): readonly Permission[] {
  if (policy.adminUsers.includes(user)) return everything;
  const found = policy.rules.find(
    (candidate) =>
      isFor(candidate, repository) &&
      candidate.users.some((listed) => isUser(policy, listed, user)),
  );
  const own = found?.permissions ?? (policy.defaultPolicy === "allow" ? everything : []);
  // What everyone may, who is logged in may too.
  return [...own, ...permissionsOfAnyone(policy, repository)];
}

/** What may be done in a repository by who is not logged in. */
export function permissionsOfAnyone(
  policy: Policy,
  repository: RepositoryName,
): readonly Permission[] {
  const found = policy.rules.find(
    (candidate) => isFor(candidate, repository) && candidate.users.includes(anonymous),
  );
  return found?.permissions ?? [];
}

/** What the bearer of an issuer's token may do in a repository: by the first rule that matches. */
export function permissionsOfJob(
  trusted: TrustedIssuer,
  claims: Claims,
  repository: RepositoryName,
): readonly Permission[] {
  const found = trusted.rules.find(
    (candidate) => isFor(candidate, repository) && hasClaims(claims, candidate.claims),
  );
  return found?.permissions ?? [];
}

/** Whether a job's token is good for anything. */
export function isTrusted(trusted: TrustedIssuer, claims: Claims): boolean {
  return trusted.rules.some((candidate) => hasClaims(claims, candidate.claims));
}

function isFor({ repository }: { readonly repository: string }, name: RepositoryName): boolean {
  return isMatch(repository as RepositoryPattern, name);
}

function isUser({ groups }: Policy, listed: string, user: string): boolean {
  if (listed === "*" || listed === user) return true;
  if (!listed.startsWith("group:")) return false;
  const group = listed.slice("group:".length);
  return Object.hasOwn(groups, group) && groups[group]?.includes(user) === true;
}

function hasClaims(claims: Claims, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([claim, pattern]) => {
    const value = Object.hasOwn(claims, claim) ? claims[claim] : undefined;
    const isText =
      typeof value === "string" || typeof value === "number" || typeof value === "boolean";
    return isText && isWildcardMatch(pattern, String(value));
  });
}
