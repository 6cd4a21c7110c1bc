import en from "zod/v4/locales/en.js";
import * as z from "zod/mini";
import { repeatedKey } from "./json-keys.ts";
import type { RepositoryName } from "./reference.ts";
import {
  isMatch,
  isWildcardMatch,
  parseRepositoryPattern,
  patternSyntax,
  type RepositoryPattern,
} from "./repository-pattern.ts";
import { anonymous } from "./user.ts";

z.config({ ...en(), jitless: true });

/** What may be done in a repository. `create` is a push that never moves an existing tag. */
export const permissions = ["pull", "push", "delete", "create"] as const;
export type Permission = (typeof permissions)[number];

/** Who is logged in, whoever it is. */
const everyUser = "*";
const groupMark = "group:";

const repositoryPattern = z.string().check(
  z.refine((pattern) => parseRepositoryPattern(pattern) !== undefined, {
    error: "is no pattern: use names such as team/app, team/*, team-*/app or team/**",
  }),
  z.meta({ pattern: patternSyntax.source }),
  z.describe(
    "Names of repositories: `*` stands for any characters of one segment, also as part of it such as " +
      "`team-*`; `**` for any number of segments.",
  ),
);
const text = z.string().check(z.minLength(1));
const userName = text.check(
  z.refine((name) => !name.startsWith(groupMark) && name !== everyUser && name !== anonymous, {
    error: "is not the name of one user",
  }),
);
const permissionList = z
  .array(z.enum(permissions))
  .check(
    z.minLength(1),
    z.describe("`create` is a push that never moves a tag that exists; `push` is both."),
  );
const url = z.string().check(
  z.refine((link) => /^https?:$/.test(URL.parse(link)?.protocol ?? ""), {
    error: "is no URL such as https://token.actions.githubusercontent.com",
  }),
);

const rule = z.strictObject({
  repository: repositoryPattern,
  users: z
    .array(text)
    .check(
      z.minLength(1),
      z.describe(
        "Names of users, `group:<name>`, `*` for everyone who is logged in, `anonymous` for everyone.",
      ),
    ),
  permissions: permissionList,
});

const trustRule = z.strictObject({
  claims: z.record(text, text).check(
    z.refine((claims) => Object.keys(claims).length > 0, {
      error: "is empty, which trusts every token of the issuer: name at least one claim",
    }),
    z.describe(
      "Claims that the token has to have; `*` in a value stands for any characters, also none.",
    ),
  ),
  repository: repositoryPattern,
  permissions: permissionList,
});

const issuer = z.strictObject({
  issuer: url.check(
    z.describe("The claim `iss` of its tokens. Its keys are found by OpenID Connect Discovery."),
  ),
  audience: text.check(z.describe("The claim `aud` that its tokens have for this registry.")),
  jwksUri: z.optional(url.check(z.describe("Where its keys are, without discovery."))),
  rules: z
    .array(trustRule)
    .check(
      z.minLength(1),
      z.describe("What its jobs may do: the first that matches decides alone."),
    ),
});

/** Of a policy's file, what has to fit together. */
interface NamedGroups {
  readonly groups: Readonly<Record<string, readonly string[]>>;
  readonly rules: readonly { readonly users: readonly string[] }[];
}

/** The file of REGISTRY_ACCESS_CONTROL_CONFIG; its JSON Schema is docs/policy.schema.json. */
export const policyFile = z
  .strictObject({
    $schema: z.optional(z.string()),
    defaultPolicy: z
      ._default(z.enum(["deny", "allow"]), "deny")
      .check(
        z.describe("For logged-in users whom no rule matches: `allow` is pull, push and delete."),
      ),
    adminUsers: z
      ._default(z.array(userName), [])
      .check(z.describe("Names of users who may do everything.")),
    groups: z
      ._default(z.record(text, z.array(userName)), {})
      .check(z.describe("Names of users, by the name that `group:<name>` in a rule means.")),
    rules: z
      ._default(z.array(rule), [])
      .check(z.describe("The first whose pattern and users match decides alone.")),
    issuers: z
      ._default(z.array(issuer), [])
      .check(z.describe("Whose tokens CI jobs log in with instead of a password.")),
  })
  .check(refuseUnknownGroups, z.meta({ title: "Policy of a Longshore registry" }));

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
    // Not what else the error says: it quotes the text, which may be another variable's, a secret.
    const [place = ""] = / \(line \d+ column \d+\)/.exec(String(error)) ?? [];
    return { problem: `it is not JSON${place}` };
  }
  const repeated = repeatedKey(json);
  if (repeated !== undefined) return { problem: `an object has the key "${repeated}" twice` };
  const { success, data, error } = policyFile.safeParse(file);
  if (success) return data;
  const [issue] = error.issues;
  return { problem: `${pathOf(issue?.path ?? [])}: ${issue?.message}` };
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
  return found?.permissions ?? (policy.defaultPolicy === "allow" ? everything : []);
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

/** A group is never the user whom another token service calls like it. */
function isUser({ groups }: Policy, listed: string, user: string): boolean {
  const group = groupOf(listed);
  if (group === undefined) return listed === everyUser || listed === user;
  return Object.hasOwn(groups, group) && groups[group]?.includes(user) === true;
}

function groupOf(listed: string): string | undefined {
  return listed.startsWith(groupMark) ? listed.slice(groupMark.length) : undefined;
}

/** A rule for a group that nobody is in by a typing error would let the next one decide. */
function refuseUnknownGroups({ value, issues }: z.core.ParsePayload<NamedGroups>): void {
  for (const [at, { users }] of value.rules.entries()) {
    for (const [index, listed] of users.entries()) {
      const group = groupOf(listed);
      if (group === undefined || Object.hasOwn(value.groups, group)) continue;
      issues.push({
        code: "custom",
        path: ["rules", at, "users", index],
        message: `there is no group "${group}"`,
        input: listed,
      });
    }
  }
}

function hasClaims(claims: Claims, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([claim, pattern]) => {
    const value = Object.hasOwn(claims, claim) ? claims[claim] : undefined;
    const isText =
      typeof value === "string" || typeof value === "number" || typeof value === "boolean";
    return isText && isWildcardMatch(pattern, String(value));
  });
}

/** Where in the file: `rules[2].users[0]`. zod's own way of writing it brings all of zod along. */
function pathOf(path: readonly PropertyKey[]): string {
  const written = path
    .map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`))
    .join("")
    .replace(/^\./, "");
  return written === "" ? "the file" : written;
}
