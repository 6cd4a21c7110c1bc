import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { refusal } from "../client.ts";
import { advance, secondMs } from "../durable-objects/clock.ts";
import {
  askToken,
  basic,
  bearer,
  type Credentials,
  htpasswd,
  newPrivateKey,
  postForm,
  type Variables,
} from "./credentials.ts";
import { jwksOf, newOrigin, nowSeconds, Signer } from "./issuer.ts";
import { sendWatched } from "./watched.ts";

const pull = ["pull"];
const missing = "/v2/team/app/manifests/none";
const uploads = "/v2/team/app/blobs/uploads/";
const bob = basic("bob", "bob's password");
const rules = [{ repository: "team/**", users: ["bob"], permissions: ["pull", "push"] }];

let privateKey: string;
let users: string;

beforeAll(async () => {
  privateKey = await newPrivateKey();
  users = htpasswd({ bob: "bob's password", carla: "carla's password" });
});

/** A registry with the users, and a policy of these rules or of this text. */
function registryOf(policy: readonly object[] | string, more: Variables = {}): Variables {
  return {
    REGISTRY_AUTH_TYPE: "token",
    REGISTRY_AUTH_TOKEN_PRIVATEKEY: privateKey,
    REGISTRY_AUTH_HTPASSWD: users,
    REGISTRY_ACCESS_CONTROL_CONFIG:
      typeof policy === "string" ? policy : JSON.stringify({ rules: policy }),
    ...more,
  };
}

async function statusOf(variables: Variables, method: string, path: string, headers: Credentials) {
  return (await sendWatched(variables, method, path, { headers })).status;
}

describe("what was taken away", () => {
  let before: Variables;
  let token: Credentials;
  let refreshToken: string;

  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    before = registryOf(rules);
    const scopes = ["repository:team/app:pull,push"];
    const answer = await askToken(before, bob, scopes, "&offline_token=true");
    token = bearer(answer.token);
    refreshToken = answer.refresh_token ?? "";
    expect(await statusOf(before, "POST", uploads, token)).toBe(202);
    expect(await statusOf(before, "POST", uploads, bob)).toBe(202);
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  /** What Basic, the old access token and the old refresh token answer. */
  async function after(now: Variables): Promise<number[]> {
    const form = { grant_type: "refresh_token", refresh_token: refreshToken };
    return [
      await statusOf(now, "POST", uploads, bob),
      await statusOf(now, "POST", uploads, token),
      (await postForm(now, form)).status,
    ];
  }

  test("nothing: all go on to be good", async () => {
    expect(await after(registryOf(rules))).toEqual([202, 202, 200]);
  });

  test.each<[string, () => Variables, number[]]>([
    [
      "the user: password, token and refresh token are at once of no use",
      () => registryOf(rules, { REGISTRY_AUTH_HTPASSWD: htpasswd({ carla: "carla's password" }) }),
      [401, 401, 401],
    ],
    [
      "the password: the old one and the refresh token at once, the token when it ends",
      () => registryOf(rules, { REGISTRY_AUTH_HTPASSWD: htpasswd({ bob: "another password" }) }),
      [401, 202, 401],
    ],
    [
      "the user's rule: the token is asked of the policy again",
      () => registryOf([]),
      [403, 403, 200],
    ],
    [
      "a permission of it",
      () => registryOf([{ repository: "team/**", users: ["bob"], permissions: pull }]),
      [403, 403, 200],
    ],
    [
      "the right to write, by READONLY_USERNAME",
      () =>
        registryOf(rules, {
          REGISTRY_AUTH_HTPASSWD: htpasswd({ carla: "carla's password" }),
          READONLY_USERNAME: "bob",
          READONLY_PASSWORD: "bob's password",
        }),
      [403, 403, 401],
    ],
    [
      "the key that signed",
      () => registryOf(rules, { REGISTRY_AUTH_TOKEN_PRIVATEKEY: "" }),
      [503, 503, 503],
    ],
  ])("%s", async (_case, now, expected) => {
    expect(await after(now())).toEqual(expected);
  });

  test("the membership of a group", async () => {
    const list = [{ repository: "team/**", users: ["group:dev"], permissions: ["pull", "push"] }];
    const policyWith = (dev: string[]) => JSON.stringify({ groups: { dev }, rules: list });
    const member = registryOf(policyWith(["bob"]));
    const { token: memberToken } = await askToken(member, bob, ["repository:team/app:push"]);
    const headers = bearer(memberToken);
    expect(await statusOf(member, "POST", uploads, headers)).toBe(202);
    const former = registryOf(policyWith(["carla"]));
    expect(await statusOf(former, "POST", uploads, headers)).toBe(403);
    expect(await statusOf(former, "POST", uploads, bob)).toBe(403);
  });

  test.each([
    ["300 s, unless it is set", {}, 300],
    ["REGISTRY_AUTH_TOKEN_LIFETIME", { REGISTRY_AUTH_TOKEN_LIFETIME: "60" }, 60],
  ])("a token's life ends by itself: %s", async (_case, more, seconds) => {
    const registry = registryOf(rules, more);
    const answer = await askToken(registry, bob, ["repository:team/app:pull,push"]);
    const headers = bearer(answer.token);
    advance((seconds - 1) * secondMs);
    expect(await statusOf(registry, "POST", uploads, headers)).toBe(202);
    advance(10 * secondMs);
    expect(await statusOf(registry, "POST", uploads, headers)).toBe(401);
  });

  test("a user of the same name who comes later is not who had the refresh token", async () => {
    const later = registryOf(rules, {
      REGISTRY_AUTH_HTPASSWD: htpasswd({ bob: "bob's password" }),
    });
    expect(await after(later)).toEqual([202, 202, 401]);
  });
});

describe("names that mean something to the program", () => {
  const names = ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf", "prototype"];

  test.each(names)("a rule for the group %s, which nobody made, is refused", async (name) => {
    const list = [{ repository: "**", users: [`group:${name}`], permissions: pull }];
    const response = await sendWatched(registryOf(list), "GET", missing, { headers: bob });
    expect(response.status).toBe(503);
    expect(await response.text()).toContain("rules[0].users[0]");
  });

  test.each(names.slice(1))("a group %s has its members, and no others", async (name) => {
    const list = [{ repository: "**", users: [`group:${name}`], permissions: pull }];
    const registry = registryOf(JSON.stringify({ groups: { [name]: ["carla"] }, rules: list }));
    expect(await statusOf(registry, "GET", missing, basic("carla", "carla's password"))).toBe(404);
    expect(await statusOf(registry, "GET", missing, bob)).toBe(403);
  });

  test("a group __proto__ gives nobody anything", async () => {
    const policy = `{"groups":{"__proto__":["bob"],"dev":["carla"]},
      "rules":[{"repository":"**","users":["group:dev","group:0"],"permissions":["pull"]}]}`;
    expect(await statusOf(registryOf(policy), "GET", missing, bob)).toBe(503);
    const without = policy.replace(',"group:0"', "");
    expect(await statusOf(registryOf(without), "GET", missing, bob)).toBe(403);
  });

  test.each(names)("a user %s is a user like others", async (name) => {
    const registry = registryOf([{ repository: "**", users: ["bob"], permissions: pull }], {
      USERNAME: name,
      PASSWORD: "a good password",
    });
    expect(await statusOf(registry, "GET", missing, basic(name, "a good password"))).toBe(403);
    expect(await statusOf(registry, "GET", missing, basic(name, "another password"))).toBe(401);
    expect(await statusOf(registryOf(rules), "GET", missing, basic(name, "undefined"))).toBe(401);
  });
});

describe("a user of an outside service who is called like", () => {
  const list = [
    { repository: "ops/**", users: ["group:ops"], permissions: pull },
    { repository: "team/**", users: ["bob"], permissions: pull },
    { repository: "all/**", users: ["*"], permissions: pull },
    { repository: "public/**", users: ["anonymous"], permissions: pull },
  ];
  const policy = JSON.stringify({ adminUsers: ["root"], groups: { ops: ["olga"] }, rules: list });

  test.each([
    ["a member of the group", "olga", "ops", 404],
    ["the group", "group:ops", "ops", 403],
    ["the group's name", "ops", "ops", 403],
    ["everyone", "*", "team", 403],
    ["everyone", "*", "all", 404],
    ["nobody", "anonymous", "all", 401],
    ["nobody", "anonymous", "public", 404],
    ["bob in upper case", "BOB", "team", 403],
    ["bob with a space", "bob ", "team", 403],
    ["bob with a line break", "x\nbob", "team", 403],
    ["bob with a NUL", "bob\0", "team", 403],
    ["a prototype", "__proto__", "team", 403],
    ["the administrator", "root", "other", 404],
    ["the administrator in upper case", "Root", "other", 403],
  ])("%s (%j) may pull in %s: %i", async (_case, sub, folder, status) => {
    const signer = await Signer.make();
    const issuer = newOrigin();
    const registry = {
      REGISTRY_AUTH_TYPE: "token",
      REGISTRY_AUTH_TOKEN_REALM: `${issuer}/token`,
      REGISTRY_AUTH_TOKEN_SERVICE: "registry",
      REGISTRY_AUTH_TOKEN_ISSUER: issuer,
      REGISTRY_AUTH_TOKEN_PUBLICKEY: JSON.stringify(await jwksOf(signer)),
      REGISTRY_ACCESS_CONTROL_CONFIG: policy,
    };
    const access = [{ type: "repository", name: `${folder}/app`, actions: ["*"] }];
    const exp = nowSeconds() + 300;
    const token = await signer.sign({ iss: issuer, aud: "registry", sub, exp, access });
    const path = `/v2/${folder}/app/manifests/none`;
    expect(await statusOf(registry, "GET", path, bearer(token))).toBe(status);
  });
});

describe("a pattern", () => {
  test.each([
    ["team-*/app", "team-a/app", 404],
    ["team-*", "team-a", 404],
    ["team-*", "team-a/b", 403],
    ["team-*", "team", 403],
    ["team-*", "xteam-a", 403],
    ["team/*", "team/a", 404],
    ["team/*", "team/a/b", 403],
    ["team/*", "team", 403],
    ["*", "team", 404],
    ["*", "team/a", 403],
    ["*/*", "team/a", 404],
    ["*/*", "team/a/b", 403],
    ["team/**", "team/a/b/c", 404],
    ["team/**", "teams/a", 403],
    ["**/app", "a/b/app", 404],
    ["**/app", "a/b/xapp", 403],
    ["a.c", "a.c", 404],
    ["a.c", "abc", 403],
    ["team/app", "team/app2", 403],
    ["team/app", "x/team/app", 403],
  ])("%s for %s: %i", async (pattern, name, status) => {
    const registry = registryOf([{ repository: pattern, users: ["bob"], permissions: pull }]);
    expect(await statusOf(registry, "GET", `/v2/${name}/manifests/none`, bob)).toBe(status);
  });

  test.each([
    ["team/**x"],
    ["**x/app"],
    ["team**"],
    ["***"],
    ["team//app"],
    ["/team/app"],
    ["team/app/"],
    ["Team/app"],
    ["team/.*$"],
    ["(a+)+"],
    [".."],
    ["team/\\*"],
    [""],
  ])("%j is refused, or stands for no other repository", async (pattern) => {
    const registry = registryOf([{ repository: pattern, users: ["bob"], permissions: pull }]);
    expect([403, 503]).toContain(await statusOf(registry, "GET", missing, bob));
  });

  test("of many wildcards takes no time that counts", async () => {
    const patterns = [`${"**/a/".repeat(50)}b`, `${"*a".repeat(120)}b`, `${"**/".repeat(80)}b`];
    const list = patterns.map((repository) => ({ repository, users: ["bob"], permissions: pull }));
    for (const name of [`${"a/".repeat(126)}a`, "a".repeat(255)]) {
      const path = `/v2/${name}/manifests/none`;
      // oxlint-disable-next-line no-await-in-loop
      expect(await statusOf(registryOf(list), "GET", path, bob)).toBe(403);
    }
  });
});

test("a user name with a colon is none: the password begins at the first", async () => {
  const registry = registryOf(rules, { USERNAME: "a:b", PASSWORD: "c" });
  const response = await sendWatched(registry, "GET", missing, { headers: basic("a:b", "c") });
  expect(await refusal(response)).toEqual([503, "UNAVAILABLE"]);
});
