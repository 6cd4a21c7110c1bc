import { decodeJwt } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import { refusal } from "../client.ts";
import { sendTo } from "../configured.ts";
import {
  alice,
  askToken,
  basic,
  bearer,
  type Credentials,
  htpasswd,
  nobody,
  rita,
  scopesOf,
  tokenOf,
  tokenRegistry,
  type Variables,
} from "./credentials.ts";

const policy = JSON.stringify({
  adminUsers: ["root"],
  rules: [
    { repository: "public/**", users: ["anonymous"], permissions: ["pull"] },
    { repository: "team/**", users: ["alice"], permissions: ["pull", "push", "delete"] },
    { repository: "team/**", users: ["bob", "rita"], permissions: ["pull", "push"] },
    { repository: "team/**", users: ["carla"], permissions: ["pull", "create"] },
  ],
});

let variables: Variables;

beforeAll(async () => {
  variables = await tokenRegistry({
    REGISTRY_AUTH_HTPASSWD: htpasswd({ bob: "bob's", carla: "carla's", root: "root's" }),
    REGISTRY_ACCESS_CONTROL_CONFIG: policy,
  });
});

const bob = basic("bob", "bob's");
const carla = basic("carla", "carla's");
const root = basic("root", "root's");

describe("a token for", () => {
  test.each<[string, Credentials, string[], string[]]>([
    ["no scope at all", alice, [], []],
    ["a pull", alice, ["repository:team/app:pull"], ["repository:team/app:pull"]],
    [
      "a push, as docker asks",
      alice,
      ["repository:team/app:push,pull"],
      ["repository:team/app:pull,push"],
    ],
    [
      "a push, as containerd asks",
      alice,
      ["repository:team/app:pull,push"],
      ["repository:team/app:pull,push"],
    ],
    ["a deletion", alice, ["repository:team/app:delete"], ["repository:team/app:delete"]],
    [
      "every action, as skopeo asks",
      alice,
      ["repository:team/app:*"],
      ["repository:team/app:delete,pull,push"],
    ],
    [
      "two scopes",
      alice,
      ["repository:team/app:pull,push", "repository:team/base:pull"],
      ["repository:team/app:pull,push", "repository:team/base:pull"],
    ],
    [
      "two scopes with a space between",
      alice,
      ["repository:team/app:pull repository:team/base:pull"],
      ["repository:team/app:pull", "repository:team/base:pull"],
    ],
    [
      "scopes that overlap, in one text",
      alice,
      ["repository:team/app:pull repository:team/app:pull,push"],
      ["repository:team/app:pull,push"],
    ],
    [
      "scopes that overlap, in two",
      alice,
      ["repository:team/app:pull,push", "repository:team/app:delete,push"],
      ["repository:team/app:delete,pull,push"],
    ],
    ["the catalog", alice, ["registry:catalog:*"], ["registry:catalog:*"]],
    [
      "a repository with a class",
      alice,
      ["repository(image):team/app:pull"],
      ["repository:team/app:pull"],
    ],
    [
      "an action that there is not",
      alice,
      ["repository:team/app:pull,fly"],
      ["repository:team/app:pull"],
    ],
    [
      "a push, to who may pull and push",
      bob,
      ["repository:team/app:*"],
      ["repository:team/app:pull,push"],
    ],
    ["a deletion, to who may not", bob, ["repository:team/app:delete"], []],
    [
      "a push, to who may create",
      carla,
      ["repository:team/app:pull,push"],
      ["repository:team/app:create,pull"],
    ],
    [
      "everything, to who may create",
      carla,
      ["repository:team/app:*"],
      ["repository:team/app:create,pull"],
    ],
    [
      "a push, to who reads only",
      rita,
      ["repository:team/app:pull,push"],
      ["repository:team/app:pull"],
    ],
    ["a repository of others", alice, ["repository:secret/app:pull"], []],
    [
      "a repository of others beside one's own",
      bob,
      ["repository:team/app:pull", "repository:x:pull"],
      ["repository:team/app:pull"],
    ],
    [
      "a public one, to nobody",
      nobody,
      ["repository:public/app:pull,push"],
      ["repository:public/app:pull"],
    ],
    ["a private one, to nobody", nobody, ["repository:team/app:pull"], []],
    [
      "a public one, to podman's nobody",
      basic("", ""),
      ["repository:public/app:pull"],
      ["repository:public/app:pull"],
    ],
    ["the catalog, to nobody", nobody, ["registry:catalog:*"], ["registry:catalog:*"]],
    [
      "administration, to an administrator",
      root,
      ["registry:administration:*"],
      ["registry:administration:*"],
    ],
    ["administration, to another", alice, ["registry:administration:*"], []],
    [
      "any repository, to an administrator",
      root,
      ["repository:a/b:*"],
      ["repository:a/b:delete,pull,push"],
    ],
  ])("%s", async (_case, credentials, asked, granted) => {
    const { token } = await askToken(variables, credentials, asked);
    expect(scopesOf(token)).toEqual(granted);
  });

  test.each([
    ["a pattern of one segment", "repository:team/*:pull"],
    ["a pattern of many", "repository:**:pull"],
    ["a regular expression", "repository:.*:pull"],
    ["an alternative", "repository:(team/app|x):pull"],
    ["a name with an anchor", "repository:^team/app$:pull"],
    ["upper-case letters", "repository:Team/App:pull"],
    ["a name that leads up", "repository:team/../team/app:pull"],
    ["an escaped slash", "repository:team%2Fapp:pull"],
    ["a name with a host", "repository:registry.test:5000/team/app:pull"],
    ["no name", "repository::pull"],
    ["no actions", "repository:team/app:"],
    ["no actions and no colon", "repository:team/app"],
    ["an upper-case action", "repository:team/app:PULL"],
    ["an upper-case type", "Repository:team/app:pull"],
    ["a plugin", "plugin:team/app:pull"],
    ["another part of the registry", "registry:other:*"],
    ["the catalog without its action", "registry:catalog:pull"],
    ["administration without its action", "registry:administration:pull"],
    ["the word of a prototype", "repository:constructor:pull"],
    ["nothing that is a scope", "abc"],
    ["a line break", "repository:team/app\n:pull"],
    ["an empty text", ""],
  ])("%s grants nothing", async (_case, scope) => {
    const { token } = await askToken(variables, alice, [scope]);
    expect(scopesOf(token)).toEqual([]);
  });
});

describe("the answer to a login", () => {
  test("has the token twice, its life, and when it was made", async () => {
    const response = await sendTo(variables, "GET", "/token?service=longshore", { headers: alice });
    expect(response.status).toBe(200);
    expect(response.headers.get("Content-Type")).toMatch(/^application\/json/);
    expect(response.headers.get("Cache-Control")).toBe("no-store");
    const answer = await response.json<Record<string, unknown>>();
    const token = String(answer["token"]);
    const { exp, iat, nbf, ...claims } = decodeJwt(token);
    expect(answer).toEqual({
      token,
      access_token: token,
      expires_in: 300,
      issued_at: new Date(Number(iat) * 1000).toISOString(),
    });
    expect(answer["issued_at"]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
    expect([Number(exp) - Number(iat), nbf]).toEqual([300, iat]);
    const jti = claims["jti"];
    expect(claims).toEqual({ access: [], iss: "longshore", aud: "longshore", sub: "alice", jti });
  });

  test("has another token each time", async () => {
    const [first, second] = [await askToken(variables, alice), await askToken(variables, alice)];
    expect(first.token).not.toBe(second.token);
  });

  test.each([
    ["offline_token=true", alice, true],
    ["offline_token=false", alice, false],
    ["offline_token=", alice, false],
    ["account=alice", alice, false],
    ["offline_token=true", rita, true],
    ["offline_token=true", nobody, false],
  ])("with %s as %j has a refresh token: %s", async (query, credentials, expected) => {
    const answer = await askToken(variables, credentials, [], `&${query}`);
    expect(Object.hasOwn(answer, "refresh_token")).toBe(expected);
  });

  test.each([
    ["no service", "/token"],
    ["another service", "/token?service=registry.docker.io"],
    [
      "docker's parameters",
      "/token?account=alice&client_id=docker&offline_token=true&service=longshore",
    ],
    ["the account of another", "/token?account=rita&service=longshore"],
    ["unknown parameters", "/token?service=longshore&nonce=1&ns=registry.test&service=longshore"],
  ])("takes %s for who asks", async (_case, path) => {
    const response = await sendTo(variables, "GET", path, { headers: alice });
    const { token } = await response.json<{ token: string }>();
    const { sub, aud } = decodeJwt(token);
    expect([response.status, sub, aud]).toEqual([200, "alice", "longshore"]);
  });

  test("names the configured service", async () => {
    const named = { ...variables, REGISTRY_AUTH_TOKEN_SERVICE: "images.example.com" };
    const { iss, aud } = decodeJwt((await askToken(named, alice)).token);
    expect([iss, aud]).toEqual(["images.example.com", "images.example.com"]);
  });

  test("has a token that other services of the same key refuse", async () => {
    const { token } = await askToken(variables, alice);
    const other = { ...variables, REGISTRY_AUTH_TOKEN_SERVICE: "other" };
    const response = await sendTo(other, "GET", "/v2/", { headers: bearer(token) });
    expect(response.status).toBe(401);
  });
});

describe("a login", () => {
  test.each([
    ["a wrong password", basic("alice", "wrong")],
    ["the password of another", basic("alice", "rita's")],
    ["an unknown user", basic("nemo", "alice's")],
    ["an empty password", basic("alice", "")],
    ["an empty name", basic("", "alice's")],
    ["the name of everyone", basic("*", "alice's")],
    ["the name of nobody", basic("anonymous", "alice's")],
    ["a hash in the password's place", basic("bob", "$2b$04$abcdefghijklmnopqrstuu")],
    ["another scheme", { Authorization: "Digest username=alice" }],
    ["a token that is none", bearer("abc")],
  ])("with %s is 401 with a Basic challenge", async (_case, headers) => {
    const response = await sendTo(variables, "GET", "/token?service=longshore", { headers });
    expect(response.headers.get("WWW-Authenticate")).toBe('Basic realm="Registry"');
    expect(await refusal(response)).toEqual([401, "UNAUTHORIZED"]);
  });

  test("by a token is no way to another one", async () => {
    const headers = await tokenOf(variables, alice, "repository:team/app:pull");
    const path = "/token?scope=repository:team/app:push";
    const response = await sendTo(variables, "GET", path, { headers });
    expect(await refusal(response)).toEqual([401, "UNAUTHORIZED"]);
  });

  test.each([
    [100, 200],
    [101, 400],
  ])("for %i scopes is %i", async (count, status) => {
    const scopes = Array.from({ length: count }, (_, at) => `scope=repository:team/r${at}:pull`);
    const response = await sendTo(variables, "GET", `/token?${scopes.join("&")}`, {
      headers: alice,
    });
    expect(response.status).toBe(status);
    const body = await response.json<{ errors?: { code: string; message: string }[] }>();
    expect(body.errors?.[0]?.code).toBe(status === 200 ? undefined : "SCOPE_INVALID");
  });

  test("for one scope a hundred times over and one more is one scope", async () => {
    const scopes = Array.from({ length: 101 }, () => "repository:team/app:pull");
    const { token } = await askToken(variables, alice, [scopes.join(" ")]);
    expect(scopesOf(token)).toEqual(["repository:team/app:pull"]);
  });
});

describe("there are no tokens of our own", () => {
  test.each([
    ["without access control", { REGISTRY_AUTH_TYPE: "none" }],
    ["with Basic alone", { REGISTRY_AUTH_TYPE: "basic" }],
    [
      "with an outside service",
      {
        REGISTRY_AUTH_TYPE: "token",
        REGISTRY_AUTH_TOKEN_REALM: "https://tokens.example.com/",
        REGISTRY_AUTH_TOKEN_SERVICE: "registry",
        REGISTRY_AUTH_TOKEN_ISSUER: "tokens",
        REGISTRY_AUTH_TOKEN_PUBLICKEY: '{"keys":[]}',
      },
    ],
  ])("%s", async (_case, more) => {
    const registry = { USERNAME: "alice", PASSWORD: "alice's", ...more };
    for (const [method, path] of [
      ["GET", "/token"],
      ["POST", "/token"],
      ["GET", "/.well-known/jwks.json"],
    ] as const) {
      // oxlint-disable-next-line no-await-in-loop
      const response = await sendTo(registry, method, path, { headers: alice });
      expect(response.status, `${method} ${path}`).toBe(404);
    }
  });
});
