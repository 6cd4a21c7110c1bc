import { expect, test } from "vitest";
import { type Policy, policyFile } from "../../schemas/policy.ts";
import type { RepositoryName } from "../../schemas/reference.ts";
import { parseScopes } from "../../schemas/scope.ts";
import type { Caller, Identity } from "../../workers/access/caller.ts";
import { type AccessRules, type Action, decide } from "../../workers/access/decision.ts";

const team: Policy = policyFile.parse({
  adminUsers: ["root"],
  groups: { kit: ["bob", "carol"], nobody: [] },
  rules: [
    { repository: "public/**", users: ["anonymous"], permissions: ["pull"] },
    { repository: "base/*", users: ["*"], permissions: ["pull"] },
    {
      repository: "kit-*/**",
      users: ["group:kit"],
      permissions: ["pull", "push", "delete"],
    },
    { repository: "kit-*/**", users: ["group:nobody"], permissions: ["delete"] },
    { repository: "rel/**", users: ["dave"], permissions: ["pull", "create"] },
    { repository: "rel/**", users: ["*"], permissions: ["pull"] },
    { repository: "inbox/*", users: ["*"], permissions: ["push"] },
    { repository: "new/*", users: ["*"], permissions: ["create"] },
    { repository: "attic/*", users: ["dave"], permissions: ["delete"] },
    { repository: "sandbox/**", users: ["anonymous"], permissions: ["pull", "push"] },
    { repository: "closed/app", users: ["eve"], permissions: ["pull"] },
    { repository: "closed/**", users: ["*"], permissions: ["pull", "push"] },
    { repository: "mixed", users: ["frank"], permissions: ["push"] },
    { repository: "mixed", users: ["anonymous"], permissions: ["pull"] },
  ],
});

const lenient: Policy = policyFile.parse({
  defaultPolicy: "allow",
  rules: [
    { repository: "secret/**", users: ["alice"], permissions: ["pull"] },
    { repository: "secret/**", users: ["bob"], permissions: ["pull", "create"] },
    { repository: "public/*", users: ["anonymous"], permissions: ["pull"] },
  ],
});

const trusted = policyFile.parse({
  issuers: [
    {
      issuer: "https://ci.example.com",
      audience: "registry",
      rules: [
        {
          claims: { repository: "acme/app", ref: "refs/heads/main" },
          repository: "rel/app",
          permissions: ["pull", "create"],
        },
        { claims: { repository: "acme/*" }, repository: "rel/*", permissions: ["pull"] },
        { claims: { repository: "acme/*" }, repository: "ci/**", permissions: ["pull", "push"] },
      ],
    },
  ],
}).issuers[0];

const rules: Readonly<Record<string, AccessRules>> = {
  none: { type: "none", policy: undefined },
  "none, team": { type: "none", policy: team },
  basic: { type: "basic", policy: undefined },
  token: { type: "token", policy: undefined },
  "basic, team": { type: "basic", policy: team },
  team: { type: "token", policy: team },
  lenient: { type: "token", policy: lenient },
};

/** `new tags only` is an allowed push that may not move a tag. */
type Expected = "allow" | "new tags only" | "log in" | "ask for more" | "deny";

/**
 * By these rules this caller wants to do this: that is decided, for this reason. `alice` comes with a
 * password, `alice with team/app:pull` with a token for what is named.
 */
type Row = readonly [rules: string, caller: string, action: string, Expected, why: string];

const withoutAccessControl: Row[] = [
  ["none", "anonymous", "base", "allow", "everybody may do all"],
  ["none", "anonymous", "catalog", "allow", "everybody may do all"],
  ["none", "anonymous", "administer", "allow", "everybody may do all, this too"],
  ["none", "anonymous", "head team/app", "allow", "everybody may do all"],
  ["none", "anonymous", "pull team/app", "allow", "everybody may do all"],
  ["none", "anonymous", "push team/app", "allow", "everybody may do all"],
  ["none", "anonymous", "delete team/app", "allow", "everybody may do all"],
  ["none", "readonly alice", "push team/app", "allow", "who asks is not looked at"],
  ["none", "alice with nothing", "push team/app", "allow", "nor is a token"],
  ["none, team", "anonymous", "push closed/app", "allow", "nor is a policy"],
  ["none, team", "anonymous", "administer", "allow", "nor is a policy"],
];

const basic: Row[] = [
  ["basic", "anonymous", "base", "log in", "so that docker login finds out"],
  ["basic", "anonymous", "catalog", "log in", "nothing is public"],
  ["basic", "anonymous", "administer", "log in", "nothing is public"],
  ["basic", "anonymous", "head team/app", "log in", "nothing is public"],
  ["basic", "anonymous", "pull team/app", "log in", "nothing is public"],
  ["basic", "anonymous", "push team/app", "log in", "nothing is public"],
  ["basic", "anonymous", "delete team/app", "log in", "nothing is public"],
  ["basic", "alice", "base", "allow", "who is logged in may do all"],
  ["basic", "alice", "catalog", "allow", "who is logged in may do all"],
  ["basic", "alice", "administer", "allow", "who is logged in may do all"],
  ["basic", "alice", "head team/app", "allow", "who is logged in may do all"],
  ["basic", "alice", "pull team/app", "allow", "who is logged in may do all"],
  ["basic", "alice", "push team/app", "allow", "who is logged in may do all"],
  ["basic", "alice", "delete team/app", "allow", "who is logged in may do all"],
  ["basic", "readonly alice", "base", "allow", "is logged in"],
  ["basic", "readonly alice", "catalog", "allow", "may see all"],
  ["basic", "readonly alice", "head team/app", "allow", "pulls"],
  ["basic", "readonly alice", "pull team/app", "allow", "pulls"],
  ["basic", "readonly alice", "push team/app", "deny", "pulls only"],
  ["basic", "readonly alice", "delete team/app", "deny", "pulls only"],
  ["basic", "readonly alice", "administer", "deny", "pulls only"],
  ["basic, team", "anonymous", "base", "log in", "though something is public"],
  ["basic, team", "anonymous", "pull public/app", "allow", "is public"],
  ["basic, team", "anonymous", "pull base/app", "log in", "is not public"],
  ["basic, team", "bob", "push kit-a/app", "allow", "is in the group"],
  ["basic, team", "alice", "push kit-a/app", "deny", "is in no group"],
  ["basic, team", "root", "administer", "allow", "is named an administrator"],
  ["basic, team", "bob", "administer", "deny", "is named none"],
];

const tokensWithoutPolicy: Row[] = [
  ["token", "anonymous", "base", "log in", "so that clients fetch a token"],
  ["token", "anonymous", "catalog", "log in", "nothing is public"],
  ["token", "anonymous", "administer", "log in", "nothing is public"],
  ["token", "anonymous", "head team/app", "log in", "nothing is public"],
  ["token", "anonymous", "pull team/app", "log in", "nothing is public"],
  ["token", "anonymous", "push team/app", "log in", "nothing is public"],
  ["token", "anonymous", "delete team/app", "log in", "nothing is public"],
  ["token", "anonymous with nothing", "base", "allow", "a token of any scope does"],
  ["token", "anonymous with nothing", "pull team/app", "log in", "nothing is public"],
  ["token", "anonymous with nothing", "administer", "log in", "nothing is public"],
  ["token", "alice", "pull team/app", "allow", "a password is for all"],
  ["token", "alice", "push team/app", "allow", "a password is for all"],
  ["token", "alice", "delete team/app", "allow", "a password is for all"],
  ["token", "alice", "catalog", "allow", "a password is for all"],
  ["token", "alice", "administer", "allow", "a password is for all"],
  ["token", "alice with nothing", "base", "allow", "a token of any scope does"],
  ["token", "alice with nothing", "pull team/app", "ask for more", "pull is missing"],
  ["token", "alice with nothing", "catalog", "ask for more", "the catalog is missing"],
  ["token", "alice with nothing", "administer", "ask for more", "that is missing"],
  ["token", "alice with team/app:pull", "pull team/app", "allow", "it is for that"],
  ["token", "alice with team/app:pull", "head team/app", "allow", "it is for that"],
  ["token", "alice with team/app:pull", "push team/app", "ask for more", "push is missing"],
  ["token", "alice with team/app:pull", "delete team/app", "ask for more", "delete is missing"],
  ["token", "alice with team/app:pull", "pull team/app2", "ask for more", "names are equal or not"],
  ["token", "alice with team/app:pull", "pull team", "ask for more", "nothing is below another"],
  ["token", "alice with team/*:pull", "pull team/app", "ask for more", "a token has no pattern"],
  ["token", "alice with team/.pp:pull", "pull team/app", "ask for more", "nor any expression"],
  ["token", "alice with registry:team/app:pull", "pull team/app", "ask for more", "another type"],
  ["token", "alice with team/app:push", "push team/app", "allow", "it is for that"],
  ["token", "alice with team/app:push", "head team/app", "allow", "a push begins with HEAD"],
  ["token", "alice with team/app:push", "pull team/app", "ask for more", "a push reads nothing"],
  ["token", "alice with team/app:create", "push team/app", "new tags only", "less than a push"],
  ["token", "alice with team/app:create", "head team/app", "allow", "a push begins with HEAD"],
  ["token", "alice with team/app:create", "delete team/app", "ask for more", "delete is missing"],
  ["token", "alice with team/app:delete", "delete team/app", "allow", "it is for that"],
  ["token", "alice with team/app:delete", "head team/app", "ask for more", "need not see"],
  ["token", "alice with team/app:delete", "pull team/app", "ask for more", "pull is missing"],
  ["token", "alice with team/app:delete", "push team/app", "ask for more", "push is missing"],
  ["token", "alice with team/app:*", "delete team/app", "allow", "* is each action"],
  ["token", "alice with team/app:*", "push team/app", "allow", "* is each action"],
  ["token", "alice with a:pull b:push", "push b", "allow", "it is for two"],
  ["token", "alice with a:pull b:push", "push a", "ask for more", "each has its own"],
  ["token", "alice with registry:catalog:*", "catalog", "allow", "docker's scope for it"],
  ["token", "alice with registry:catalog:*", "administer", "ask for more", "that is another scope"],
  ["token", "alice with registry:catalog:pull", "catalog", "ask for more", "it is *, or it is not"],
  ["token", "alice with repository:catalog:*", "catalog", "ask for more", "names a repository"],
  ["token", "alice with registry:administration:*", "administer", "allow", "it is for that"],
  ["token", "alice with registry:administration:*", "catalog", "ask for more", "is for that alone"],
  ["token", "readonly alice with team/app:pull", "pull team/app", "allow", "pulls"],
  ["token", "readonly alice with team/app:pull,push", "push team/app", "deny", "pulls only"],
  ["token", "readonly alice with team/app:*", "delete team/app", "deny", "pulls only"],
  ["token", "readonly alice with registry:administration:*", "administer", "deny", "pulls only"],
];

const bearers: Row[] = [
  ["token", "bearer with nothing", "base", "allow", "a token of any scope does"],
  ["token", "bearer with nothing", "pull team/app", "ask for more", "names nothing"],
  ["token", "bearer with nothing", "catalog", "ask for more", "names nothing"],
  ["token", "bearer with registry:catalog:*", "catalog", "allow", "it is for that"],
  ["token", "bearer with registry:administration:*", "administer", "deny", "is no user of ours"],
  ["token", "bearer with team/app:pull", "pull team/app", "allow", "the token says all"],
  ["token", "bearer with team/app:pull", "push team/app", "ask for more", "the token says all"],
  ["token", "bearer with team/app:pull", "pull team/tool", "ask for more", "the token says all"],
  ["token", "bearer with team/app:pull,push", "push team/app", "allow", "the token says all"],
  ["token", "bearer with team/app:create", "push team/app", "new tags only", "an exchanged token"],
  ["token", "bearer with team/app:delete", "delete team/app", "allow", "the token says all"],
  ["token", "bearer with team/app:*", "delete team/app", "allow", "* is each action"],
  ["team", "bearer with rel/app:pull,create", "push rel/app", "new tags only", "decided when made"],
  ["team", "bearer with rel/app:pull", "push rel/app", "ask for more", "decided when made"],
];

const policyForAnyone: Row[] = [
  ["team", "anonymous", "base", "log in", "docker decides by it what is asked later"],
  ["team", "anonymous", "catalog", "log in", "only with a token"],
  ["team", "anonymous", "administer", "log in", "only for administrators"],
  ["team", "anonymous", "head public/app", "allow", "is public"],
  ["team", "anonymous", "pull public/app", "allow", "is public"],
  ["team", "anonymous", "pull public", "allow", "** is also no segment"],
  ["team", "anonymous", "pull public/a/b/c", "allow", "** is many segments"],
  ["team", "anonymous", "pull publicity/app", "log in", "segments are whole"],
  ["team", "anonymous", "pull team/public/app", "log in", "from the beginning"],
  ["team", "anonymous", "push public/app", "log in", "public to pull"],
  ["team", "anonymous", "delete public/app", "log in", "public to pull"],
  ["team", "anonymous", "pull base/app", "log in", "* is who is logged in"],
  ["team", "anonymous", "push inbox/app", "log in", "* is who is logged in"],
  ["team", "anonymous", "head new/app", "log in", "* is who is logged in"],
  ["team", "anonymous", "pull unnamed/app", "log in", "no rule is for it"],
  ["team", "anonymous", "push sandbox/app", "allow", "a rule says so"],
  ["team", "anonymous", "delete sandbox/app", "log in", "a rule says less"],
  ["team", "anonymous", "pull mixed", "allow", "its rule is not the first"],
  ["team", "anonymous", "push mixed", "log in", "the first rule is another's"],
  ["team", "anonymous with public/app:pull", "pull public/app", "allow", "the token is for that"],
  ["team", "anonymous with public/app:pull", "pull public/tool", "ask for more", "is for another"],
  ["team", "anonymous with public/app:pull", "push public/app", "log in", "no token would do"],
  ["team", "anonymous with base/app:pull", "pull base/app", "log in", "the policy says no"],
  ["team", "anonymous with nothing", "base", "allow", "clients see that tokens are taken"],
  ["team", "anonymous with registry:catalog:*", "catalog", "allow", "lists what is public"],
  ["team", "anonymous with nothing", "catalog", "ask for more", "the token is not for it"],
  ["lenient", "anonymous", "pull team/app", "log in", "the default is for users"],
  ["lenient", "anonymous", "push public/app", "log in", "the default is for users"],
  ["lenient", "anonymous", "pull public/app", "allow", "is public"],
  ["lenient", "anonymous", "pull public/a/b", "log in", "* is one segment"],
];

const policyForUsers: Row[] = [
  ["team", "alice", "base", "allow", "is logged in"],
  ["team", "alice", "catalog", "allow", "lists what alice may pull"],
  ["team", "alice", "administer", "deny", "is no administrator"],
  ["team", "alice", "pull unnamed/app", "deny", "the default is deny"],
  ["team", "alice", "head unnamed/app", "deny", "the default is deny"],
  ["team", "alice", "push unnamed/app", "deny", "the default is deny"],
  ["team", "alice", "delete unnamed/app", "deny", "the default is deny"],
  ["team", "alice", "pull base/app", "allow", "* is every user"],
  ["team", "alice", "pull base", "deny", "* is exactly one segment"],
  ["team", "alice", "pull base/a/b", "deny", "* is exactly one segment"],
  ["team", "alice", "push base/app", "deny", "a rule for pull"],
  ["team", "alice", "delete base/app", "deny", "a rule for pull"],
  ["team", "alice", "pull public/app", "allow", "what everyone may"],
  ["team", "alice", "push public/app", "deny", "what everyone may is pull"],
  ["team", "alice", "push sandbox/app", "allow", "what everyone may"],
  ["team", "bob", "push kit-a/app", "allow", "is in the group"],
  ["team", "carol", "delete kit-b/app", "allow", "is in the group"],
  ["team", "carol", "pull kit-/a/b", "allow", "* in a segment is also nothing"],
  ["team", "bob", "pull kit/app", "deny", "the segment is another"],
  ["team", "bob", "pull kit-a-b", "allow", "** is also no segment"],
  ["team", "bob", "pull x-kit-a/app", "deny", "the segment begins otherwise"],
  ["team", "alice", "pull kit-a/app", "deny", "is not in the group"],
  ["team", "kit", "pull kit-a/app", "deny", "is called as the group"],
  ["team", "group:kit", "pull kit-a/app", "deny", "is called as its mark"],
  ["team", "toString", "pull kit-a/app", "deny", "is called as every object's"],
  ["team", "BOB", "pull kit-a/app", "deny", "names are equal or not"],
  ["team", "dave", "push rel/app", "new tags only", "create only"],
  ["team", "dave", "head rel/app", "allow", "a push begins with HEAD"],
  ["team", "dave", "pull rel/app", "allow", "the rule has pull"],
  ["team", "dave", "delete rel/app", "deny", "create is no delete"],
  ["team", "alice", "pull rel/app", "allow", "the first rule is another's"],
  ["team", "alice", "push rel/app", "deny", "the first rule is another's"],
  ["team", "alice", "push inbox/app", "allow", "push without pull"],
  ["team", "alice", "head inbox/app", "allow", "a push begins with HEAD"],
  ["team", "alice", "pull inbox/app", "deny", "push without pull"],
  ["team", "alice", "delete inbox/app", "deny", "push without delete"],
  ["team", "alice", "push new/app", "new tags only", "create without pull"],
  ["team", "alice", "head new/app", "allow", "a push begins with HEAD"],
  ["team", "alice", "pull new/app", "deny", "create without pull"],
  ["team", "dave", "delete attic/app", "allow", "delete alone"],
  ["team", "dave", "head attic/app", "deny", "who deletes need not see"],
  ["team", "dave", "pull attic/app", "deny", "delete alone"],
  ["team", "dave", "push attic/app", "deny", "delete alone"],
  ["team", "eve", "pull closed/app", "allow", "the first rule that matches"],
  ["team", "eve", "push closed/app", "deny", "a later rule would say more"],
  ["team", "eve", "push closed/tool", "allow", "the first rule is for another"],
  ["team", "alice", "push closed/app", "allow", "the first rule is for another"],
  ["team", "frank", "push mixed", "allow", "the first rule that matches"],
  ["team", "frank", "pull mixed", "allow", "everyone may, logged in or not"],
  ["team", "frank", "delete mixed", "deny", "neither rule has it"],
  ["team", "root", "push unnamed/app", "allow", "administrators may do all"],
  ["team", "root", "delete closed/app", "allow", "administrators may do all"],
  ["team", "root", "push rel/app", "allow", "rules are not for administrators"],
  ["team", "root", "catalog", "allow", "administrators may do all"],
  ["team", "root", "administer", "allow", "administrators may do all"],
  ["team", "readonly root", "administer", "deny", "pulls only"],
  ["team", "readonly root", "push team/app", "deny", "pulls only"],
  ["team", "readonly root", "pull team/app", "allow", "an administrator may pull"],
  ["team", "readonly bob", "pull kit-a/app", "allow", "the rule has pull"],
  ["team", "readonly bob", "push kit-a/app", "deny", "pulls only"],
  ["team", "readonly bob", "delete kit-a/app", "deny", "pulls only"],
  ["team", "readonly alice", "pull unnamed/app", "deny", "the policy says no"],
  ["team", "readonly alice", "head inbox/app", "deny", "a push of others' begins so"],
  ["team", "readonly alice", "push sandbox/app", "deny", "pulls only"],
  ["lenient", "alice", "pull team/app", "allow", "the default is allow"],
  ["lenient", "alice", "push team/app", "allow", "the default is allow"],
  ["lenient", "alice", "delete team/app", "allow", "the default is allow"],
  ["lenient", "alice", "administer", "deny", "the default names no administrator"],
  ["lenient", "alice", "pull secret/app", "allow", "a rule decides alone"],
  ["lenient", "alice", "push secret/app", "deny", "a rule decides alone"],
  ["lenient", "bob", "push secret/app", "new tags only", "create only"],
  ["lenient", "carol", "push secret/app", "allow", "the rules are for others"],
  ["lenient", "readonly carol", "push team/app", "deny", "pulls only"],
  ["lenient", "readonly carol", "pull team/app", "allow", "the default is allow"],
  ["lenient", "carol", "delete public/app", "allow", "the rule is for others"],
];

const policyAndTokens: Row[] = [
  ["team", "bob with kit-a/app:pull", "pull kit-a/app", "allow", "both say so"],
  ["team", "bob with kit-a/app:pull", "push kit-a/app", "ask for more", "it is narrower"],
  ["team", "bob with kit-a/app:pull", "delete kit-a/app", "ask for more", "it is narrower"],
  ["team", "bob with kit-a/app:push", "head kit-a/app", "allow", "a push begins with HEAD"],
  ["team", "bob with kit-a/app:*", "delete kit-a/app", "allow", "both say so"],
  ["team", "bob with kit-a/app:create", "push kit-a/app", "new tags only", "it is narrower"],
  ["team", "bob with nothing", "pull kit-a/app", "ask for more", "it is narrower"],
  ["team", "bob with nothing", "pull public/app", "ask for more", "also what is public"],
  ["team", "alice with base/app:pull,push,delete", "push base/app", "deny", "it is wider"],
  ["team", "alice with unnamed/app:*", "pull unnamed/app", "deny", "it is wider"],
  ["team", "alice with registry:administration:*", "administer", "deny", "it is wider"],
  ["team", "root with team/app:pull", "administer", "ask for more", "it is narrower"],
  ["team", "root with registry:administration:*", "administer", "allow", "both say so"],
  ["team", "root with team/app:pull", "push team/app", "ask for more", "it is narrower"],
  ["team", "dave with rel/app:pull,push", "push rel/app", "new tags only", "it is wider"],
  ["team", "dave with rel/app:create", "push rel/app", "new tags only", "both say so"],
  ["team", "dave with rel/app:pull", "push rel/app", "ask for more", "it is narrower"],
  ["team", "readonly bob with kit-a/app:pull,push", "push kit-a/app", "deny", "pulls only"],
  ["team", "frank with mixed:pull", "pull mixed", "allow", "everyone may, and the token is for it"],
];

const jobs: Row[] = [
  ["team", "job of acme/app on main", "base", "allow", "is logged in"],
  ["team", "job of acme/app on main", "catalog", "allow", "lists what it may pull"],
  ["team", "job of acme/app on main", "administer", "deny", "is no user"],
  ["team", "job of acme/app on main", "push rel/app", "new tags only", "by the first rule"],
  ["team", "job of acme/app on main", "pull rel/app", "allow", "by the first rule"],
  ["team", "job of acme/app on main", "push rel/tool", "deny", "is for another repository"],
  ["team", "job of acme/app on main", "delete rel/app", "deny", "no rule has it"],
  ["team", "job of acme/app on next", "push rel/app", "deny", "one of its claims is another"],
  ["team", "job of acme/app on next", "pull rel/app", "allow", "by the second rule"],
  ["team", "job of acme/tool on main", "push ci/cache/tool", "allow", "by the third rule"],
  ["team", "job of evil/app on main", "push ci/cache/tool", "deny", "by no rule"],
  ["team", "job of evil/acme/app on main", "pull rel/app", "deny", "by no rule"],
  ["team", "job of acme/app on main", "pull base/app", "deny", "is not one of *"],
  ["team", "job of acme/app on main", "pull public/app", "allow", "everyone may, jobs too"],
  ["lenient", "job of acme/app on main", "pull team/app", "deny", "the default is not for jobs"],
];

const rows = [
  ...withoutAccessControl,
  ...basic,
  ...tokensWithoutPolicy,
  ...bearers,
  ...policyForAnyone,
  ...policyForUsers,
  ...policyAndTokens,
  ...jobs,
];

test.each(rows)("%s: %s, %s: %s (%s)", (rulesName, callerText, actionText, expected) => {
  const chosen = rules[rulesName];
  if (chosen === undefined) throw new Error(`there are no rules "${rulesName}"`);
  const decision = decide(chosen, callerOf(callerText), actionOf(actionText));
  const isTagMover =
    !actionText.startsWith("push ") || ("mayMoveTags" in decision && decision.mayMoveTags);
  const said = decision.kind === "allow" && !isTagMover ? "new tags only" : decision.kind;
  expect(said).toBe(expected);
});

test("no row is there twice", () => {
  const asked = rows.map(([rulesName, caller, action]) => [rulesName, caller, action].join(": "));
  expect(asked.filter((text, at) => asked.indexOf(text) !== at)).toEqual([]);
});

function callerOf(text: string): Caller {
  const [who = "", token] = text.split(" with ");
  const scopes = token
    ?.split(" ")
    .map((scope) => (/^[^:]+:[^:]+$/.test(scope) ? `repository:${scope}` : scope));
  const grants = scopes && parseScopes(scopes);
  return { identity: identityOf(who), subject: who, grants };
}

function identityOf(who: string): Identity {
  if (who === "anonymous" || who === "bearer") return { kind: who };
  const [, repository, branch] = /^job of (\S+) on (\S+)$/.exec(who) ?? [];
  if (repository !== undefined && trusted !== undefined) {
    return { kind: "job", trusted, claims: { repository, ref: `refs/heads/${branch}` } };
  }
  const name = who.replace(/^readonly /, "");
  return { kind: "user", name, readonly: name !== who };
}

function actionOf(text: string): Action {
  const [kind = "", repository] = text.split(" ");
  switch (kind) {
    case "base":
    case "catalog":
    case "administer":
      return { kind };
    case "head":
    case "pull":
    case "push":
    case "delete":
      return { kind: "repository", repository: repository as RepositoryName, use: kind };
    default:
      throw new Error(`"${text}" is no action`);
  }
}
