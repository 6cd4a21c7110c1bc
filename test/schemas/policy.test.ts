import { describe, expect, test } from "vitest";
import {
  isTrusted,
  parsePolicy,
  type Policy,
  policyFile,
  permissionsOfAnyone,
  permissionsOfJob,
  permissionsOfUser,
} from "../../schemas/policy.ts";
import type { RepositoryName } from "../../schemas/reference.ts";

const rule = { repository: "team/*", users: ["alice"], permissions: ["pull"] };
const trustRule = { claims: { repository: "acme/app" }, repository: "ci/*", permissions: ["push"] };
const issuer = { issuer: "https://ci.example.com", audience: "registry", rules: [trustRule] };

describe("a policy", () => {
  test("of nothing lets nobody do anything", () => {
    expect(parsePolicy("{}")).toEqual({
      defaultPolicy: "deny",
      adminUsers: [],
      groups: {},
      rules: [],
      issuers: [],
    });
  });

  test.each<[string, object]>([
    ["its schema named", { $schema: "docs/policy.schema.json" }],
    ["a default", { defaultPolicy: "allow" }],
    ["administrators", { adminUsers: ["alice", "bob@example.com"] }],
    ["groups", { groups: { platform: ["bob"], "data team": ["carol", "dave"], empty: [] } }],
    ["a rule", { rules: [rule] }],
    ["every user", { rules: [{ ...rule, users: ["*"] }] }],
    ["everyone", { rules: [{ ...rule, users: ["anonymous"] }] }],
    ["a group", { groups: { a: ["bob"] }, rules: [{ ...rule, users: ["group:a", "carol"] }] }],
    [
      "all permissions",
      { rules: [{ ...rule, permissions: ["pull", "push", "delete", "create"] }] },
    ],
    ["an issuer", { issuers: [issuer] }],
    ["an issuer's keys", { issuers: [{ ...issuer, jwksUri: "https://ci.example.com/keys" }] }],
    ["an issuer without TLS", { issuers: [{ ...issuer, issuer: "http://127.0.0.1:8080" }] }],
  ])("with %s is read", (_, file) => {
    expect(parsePolicy(JSON.stringify(file))).toEqual(expect.objectContaining(file));
  });
});

describe("a wrong policy is refused with the path of the wrong value:", () => {
  test.each<[string, unknown, RegExp]>([
    ["a list", [], /^the file: Invalid input: expected object/],
    ["null", null, /^the file: Invalid input: expected object/],
    ["a number", 1, /^the file: Invalid input: expected object/],
    ["an unknown key", { policies: [] }, /^the file: Unrecognized key: "policies"$/],
    ["another default", { defaultPolicy: "Allow" }, /^defaultPolicy: .*"deny"\|"allow"$/],
    ["one administrator", { adminUsers: "alice" }, /^adminUsers: .*expected array/],
    ["an administrator without a name", { adminUsers: ["alice", ""] }, /^adminUsers\[1\]: /],
    ["a number of an administrator", { adminUsers: [1] }, /^adminUsers\[0\]: .*string/],
    [
      "everyone an administrator",
      { adminUsers: ["anonymous"] },
      /^adminUsers\[0\]: is not the name/,
    ],
    ["every user an administrator", { adminUsers: ["*"] }, /^adminUsers\[0\]: is not the name/],
    ["a group of administrators", { adminUsers: ["group:a"] }, /^adminUsers\[0\]: is not the name/],
    ["groups in a list", { groups: [] }, /^groups: .*record/],
    ["a group of one", { groups: { a: "bob" } }, /^groups\.a: .*array/],
    [
      "a group of groups",
      { groups: { a: ["bob", "group:b"] } },
      /^groups\.a\[1\]: is not the name/,
    ],
    ["a group of everyone", { groups: { a: ["*"] } }, /^groups\.a\[0\]: is not the name/],
    ["a group without a name", { groups: { "": ["bob"] } }, /^groups\.: /],
    ["rules by name", { rules: { a: rule } }, /^rules: .*array/],
    ["a rule without users", { rules: [{ ...rule, users: [] }] }, /^rules\[0\]\.users: /],
    [
      "a rule with an empty user",
      { rules: [rule, { ...rule, users: ["a", ""] }] },
      /^rules\[1\]\.users\[1\]: /,
    ],
    [
      "a rule with one user",
      { rules: [{ ...rule, users: "alice" }] },
      /^rules\[0\]\.users: .*array/,
    ],
    [
      "a rule for an unknown group",
      { rules: [rule, rule, { ...rule, users: ["group:a"] }] },
      /^rules\[2\]\.users\[0\]: there is no group "a"$/,
    ],
    [
      "a rule for a group of every object",
      { rules: [{ ...rule, users: ["a", "group:constructor"] }] },
      /^rules\[0\]\.users\[1\]: there is no group "constructor"$/,
    ],
    [
      "a rule without permissions",
      { rules: [{ ...rule, permissions: [] }] },
      /^rules\[0\]\.permissions: /,
    ],
    [
      "a rule with another permission",
      { rules: [{ ...rule, permissions: ["pull", "read"] }] },
      /^rules\[0\]\.permissions\[1\]: .*"pull"\|"push"\|"delete"\|"create"$/,
    ],
    [
      "a rule for *, as a permission",
      { rules: [{ ...rule, permissions: ["*"] }] },
      /^rules\[0\]\.permissions\[0\]: /,
    ],
    [
      "a rule without a pattern",
      { rules: [{ users: ["a"], permissions: ["pull"] }] },
      /^rules\[0\]\.repository: /,
    ],
    [
      "a rule with another key",
      { rules: [{ ...rule, user: "alice" }] },
      /^rules\[0\]: Unrecognized key: "user"$/,
    ],
    [
      "an empty pattern",
      { rules: [{ ...rule, repository: "" }] },
      /^rules\[0\]\.repository: is no pattern/,
    ],
    [
      "a pattern in upper case",
      { rules: [{ ...rule, repository: "Team/*" }] },
      /^rules\[0\]\.repository: is no pattern/,
    ],
    [
      "** as part of a segment",
      { rules: [rule, { ...rule, repository: "team-**" }] },
      /^rules\[1\]\.repository: is no pattern/,
    ],
    [
      "a regular expression",
      { rules: [{ ...rule, repository: "^team/.*$" }] },
      /^rules\[0\]\.repository: is no pattern/,
    ],
    ["issuers by name", { issuers: { a: issuer } }, /^issuers: .*array/],
    [
      "an issuer that is no URL",
      { issuers: [{ ...issuer, issuer: "ci.example.com" }] },
      /^issuers\[0\]\.issuer: is no URL/,
    ],
    [
      "an issuer of another protocol",
      { issuers: [{ ...issuer, issuer: "file:///etc" }] },
      /^issuers\[0\]\.issuer: is no URL/,
    ],
    [
      "keys that are no URL",
      { issuers: [{ ...issuer, jwksUri: "/keys" }] },
      /^issuers\[0\]\.jwksUri: is no URL/,
    ],
    [
      "an issuer for any audience",
      { issuers: [{ ...issuer, audience: "" }] },
      /^issuers\[0\]\.audience: /,
    ],
    ["an issuer without rules", { issuers: [{ ...issuer, rules: [] }] }, /^issuers\[0\]\.rules: /],
    [
      "an issuer with users",
      { issuers: [{ ...issuer, rules: [{ ...trustRule, users: ["*"] }] }] },
      /^issuers\[0\]\.rules\[0\]: Unrecognized key: "users"$/,
    ],
    [
      "every token of an issuer",
      { issuers: [{ ...issuer, rules: [{ ...trustRule, claims: {} }] }] },
      /^issuers\[0\]\.rules\[0\]\.claims: is empty, which trusts every token/,
    ],
    [
      "a claim that is a number",
      { issuers: [issuer, { ...issuer, rules: [{ ...trustRule, claims: { project_id: 7 } }] }] },
      /^issuers\[1\]\.rules\[0\]\.claims\.project_id: .*string/,
    ],
    [
      "an empty claim",
      { issuers: [{ ...issuer, rules: [{ ...trustRule, claims: { ref: "" } }] }] },
      /^issuers\[0\]\.rules\[0\]\.claims\.ref: /,
    ],
  ])("%s", (_, file, problem) => {
    expect(parsePolicy(JSON.stringify(file))).toEqual({ problem: expect.stringMatching(problem) });
  });

  test.each([
    ["nothing", " ", "it is not JSON"],
    ["YAML", "rules: []", "it is not JSON"],
    ["a comma too many", '{\n  "adminUsers": ["a",]\n}', "it is not JSON"],
    ["a file cut short", '{"rules": [', "it is not JSON"],
    ["a missing comma", '{\n  "rules": []\n  "a": 1\n}', "it is not JSON (line 3 column 3)"],
    ["another variable's text", "alice:$2y$05$secret", "it is not JSON"],
  ])("%s, of which nothing is told", (_, text, problem) => {
    expect(parsePolicy(text)).toEqual({ problem });
  });
});

describe("a user's permissions", () => {
  const policy: Policy = policyFile.parse({
    adminUsers: ["root"],
    groups: { a: ["bob", "toString"] },
    rules: [
      { repository: "team/app", users: ["alice", "group:a"], permissions: ["pull"] },
      { repository: "team/**", users: ["anonymous"], permissions: ["push"] },
      { repository: "team/**", users: ["*"], permissions: ["delete"] },
    ],
  });

  test.each([
    ["alice", "team/app", ["pull"]],
    ["bob", "team/app", ["pull"]],
    ["toString", "team/app", ["pull"]],
    ["carol", "team/app", ["delete"]],
    ["group:a", "team/app", ["delete"]],
    ["ali", "team/app", ["delete"]],
    ["alice2", "team/app", ["delete"]],
    ["constructor", "team/app", ["delete"]],
    ["anonymous", "team/app", ["push"]],
    ["alice", "team/x", ["delete"]],
    ["alice", "team", ["delete"]],
    ["alice", "other/app", []],
    ["root", "other/app", ["pull", "push", "delete"]],
  ])("of %s in %s are %j", (user, repository, expected) => {
    expect(permissionsOfUser(policy, user, repository as RepositoryName)).toEqual(expected);
  });

  test("are those of the default where no rule matches", () => {
    const lenient: Policy = { ...policy, defaultPolicy: "allow" };
    const found = permissionsOfUser(lenient, "alice", "other/app" as RepositoryName);
    expect(found).toEqual(["pull", "push", "delete"]);
  });

  test("are never the default for everyone", () => {
    const lenient: Policy = { ...policy, defaultPolicy: "allow" };
    expect(permissionsOfAnyone(lenient, "other/app" as RepositoryName)).toEqual([]);
    expect(permissionsOfAnyone(lenient, "team/app" as RepositoryName)).toEqual(["push"]);
  });
});

/** An issuer that trusts a job with these claims. */
function trusting(claims: Record<string, string>): Policy["issuers"][number] {
  const [trusted] = policyFile.parse({
    issuers: [{ ...issuer, rules: [{ ...trustRule, claims }] }],
  }).issuers;
  if (trusted === undefined) throw new Error("no issuer was read");
  return trusted;
}

describe("a job", () => {
  test.each<[Record<string, string>, Record<string, unknown>]>([
    [{ repository: "acme/app" }, { repository: "acme/app" }],
    [{ repository: "acme/*" }, { repository: "acme/app", ref: "refs/heads/main" }],
    [
      { repository: "acme/*", ref: "refs/heads/*" },
      { repository: "acme/app", ref: "refs/heads/a/b" },
    ],
    [{ sub: "repo:acme/*:environment:live" }, { sub: "repo:acme/app:environment:live" }],
    [{ project_id: "22" }, { project_id: 22 }],
    [{ ref_protected: "true" }, { ref_protected: true }],
    [{ repository: "*" }, { repository: "" }],
  ])("that has to have %j is trusted with %j", (wanted, claims) => {
    const trusted = trusting(wanted);
    expect(isTrusted(trusted, claims)).toBe(true);
    expect(permissionsOfJob(trusted, claims, "ci/app" as RepositoryName)).toEqual(["push"]);
    expect(permissionsOfJob(trusted, claims, "other/app" as RepositoryName)).toEqual([]);
  });

  test.each<[Record<string, string>, Record<string, unknown>]>([
    [{ repository: "acme/app" }, {}],
    [{ repository: "acme/app" }, { repository: "acme/app2" }],
    [{ repository: "acme/app" }, { repository: "ACME/app" }],
    [{ repository: "acme/*" }, { repository: "evil/acme/app" }],
    [{ repository: "acme/*", ref: "refs/heads/main" }, { repository: "acme/app" }],
    [
      { repository: "acme/*", ref: "refs/heads/main" },
      { repository: "acme/app", ref: "refs/heads/x" },
    ],
    [{ repository: "*" }, { repository: ["acme/app"] }],
    [{ repository: "*" }, { repository: null }],
    [{ repository: "*" }, { repository: { name: "acme/app" } }],
    [{ constructor: "*" }, {}],
    [{ toString: "*" }, { repository: "acme/app" }],
  ])("that has to have %j is not trusted with %j", (wanted, claims) => {
    const trusted = trusting(wanted);
    expect(isTrusted(trusted, claims)).toBe(false);
    expect(permissionsOfJob(trusted, claims, "ci/app" as RepositoryName)).toEqual([]);
  });
});
