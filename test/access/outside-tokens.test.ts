import { Buffer } from "node:buffer";
import { beforeAll, describe, expect, test } from "vitest";
import { pushBlob, randomBytes, refusal } from "../client.ts";
import { sendTo } from "../configured.ts";
import { certificates } from "./certificates.ts";
import { basic, bearer, type Credentials, htpasswd, type Variables } from "./credentials.ts";
import { type Claims, jwksOf, nowSeconds, Signer } from "./issuer.ts";

const issuer = "https://auth.example.com";
const service = "registry.example.com";
const realm = "https://auth.example.com/token";

/** A registry that trusts an outside service's key. */
function outsideRegistry(publicKey: string, more: Variables = {}): Variables {
  return {
    REGISTRY_AUTH_TYPE: "token",
    REGISTRY_AUTH_TOKEN_REALM: realm,
    REGISTRY_AUTH_TOKEN_SERVICE: service,
    REGISTRY_AUTH_TOKEN_ISSUER: issuer,
    REGISTRY_AUTH_TOKEN_PUBLICKEY: publicKey,
    ...more,
  };
}

function access(name: string, ...actions: string[]): Claims {
  return { access: [{ type: "repository", name, actions }] };
}

/** The claims of a good token to pull team/app, with some of them other ones. */
function claimsOf(more: Claims = {}): Claims {
  const now = nowSeconds();
  return {
    iss: issuer,
    sub: "alice",
    aud: service,
    iat: now,
    nbf: now,
    exp: now + 300,
    ...access("team/app", "pull"),
    ...more,
  };
}

async function statusOf(variables: Variables, headers: Credentials, path: string, method = "GET") {
  return (await sendTo(variables, method, path, { headers })).status;
}

const missing = "/v2/team/app/manifests/none";
let signer: Signer;
let variables: Variables;

beforeAll(async () => {
  signer = await Signer.make();
  variables = outsideRegistry(await signer.pem());
});

describe("a token of the outside service is good by a key that is", () => {
  test.each([["RS256"], ["RS512"], ["PS256"], ["ES256"], ["ES384"], ["EdDSA"], ["Ed25519"]])(
    "%s, in PEM",
    async (algorithm) => {
      const other = await Signer.make(algorithm);
      const registry = outsideRegistry(await other.pem());
      const token = await other.sign(claimsOf());
      expect(await statusOf(registry, bearer(token), missing)).toBe(404);
    },
  );

  test.each(Object.entries(certificates))("%s, in a certificate", async (_algorithm, known) => {
    const registry = outsideRegistry(known.pem);
    const path = "/v2/team/certified/manifests/none";
    expect(await statusOf(registry, bearer(known.token), path)).toBe(404);
  });

  test.each<[string, () => Promise<string>]>([
    ["a JWK in base64", async () => base64(await signer.jwk())],
    ["a JWK as it is", async () => JSON.stringify(await signer.jwk())],
    ["a JWKS", async () => JSON.stringify(await jwksOf(await Signer.make("RS256"), signer))],
    ["a JWKS in base64", async () => base64(await jwksOf(signer))],
    ["PEM with a line before and after", async () => `\n${await signer.pem()}\n`],
  ])("%s", async (_case, publicKey) => {
    const registry = outsideRegistry(await publicKey());
    const token = await signer.sign(claimsOf());
    expect(await statusOf(registry, bearer(token), missing)).toBe(404);
    const foreign = await Signer.make("ES256", signer.kid);
    expect(await statusOf(registry, bearer(await foreign.sign(claimsOf())), missing)).toBe(401);
  });

  test.each<[string, () => Promise<string>]>([
    ["is no key", async () => "no key"],
    ["is PEM of nothing", async () => "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"],
    ["is a broken certificate", async () => "-----BEGIN CERTIFICATE-----\nAAAA\n-----END"],
    ["is base64 of no JSON", async () => Buffer.from("no JSON").toString("base64")],
    ["is JSON that is no key", async () => '{"a":1}'],
    ["is a JWKS whose keys are none", async () => '{"keys":"none"}'],
    ["is a shared secret", async () => base64({ kty: "oct", k: "c2VjcmV0" })],
  ])("but one that %s is 503 with the variable's name", async (_case, publicKey) => {
    const registry = outsideRegistry(await publicKey());
    const headers = bearer(await signer.sign(claimsOf()));
    const response = await sendTo(registry, "GET", missing, { headers });
    expect(response.status).toBe(503);
    expect(await response.text()).toContain("REGISTRY_AUTH_TOKEN_PUBLICKEY");
  });
});

function base64(json: object): string {
  return Buffer.from(JSON.stringify(json)).toString("base64");
}

describe("a token's claims", () => {
  test.each<[string, number, Claims]>([
    ["aud is the service", 404, {}],
    ["aud is a list with the service", 404, { aud: ["other", service] }],
    ["aud is a list without it", 401, { aud: ["other"] }],
    ["aud is an empty list", 401, { aud: [] }],
    ["aud is another", 401, { aud: "other.example.com" }],
    ["aud begins like the service", 401, { aud: `${service}.evil.com` }],
    ["aud is missing", 401, { aud: undefined }],
    ["iss is another", 401, { iss: "https://evil.example.com" }],
    ["iss has a slash more", 401, { iss: `${issuer}/` }],
    ["iss is missing", 401, { iss: undefined }],
    ["iss is a list with the issuer", 401, { iss: [issuer] }],
    ["exp is missing", 401, { exp: undefined }],
    ["exp is a text", 401, { exp: "4102444800" }],
    ["exp is null", 401, { exp: null }],
    ["nbf is missing", 404, { nbf: undefined }],
    ["nbf is a text", 401, { nbf: "0" }],
    ["iat is missing", 404, { iat: undefined }],
    ["sub is missing", 404, { sub: undefined }],
    ["access is for push alone", 401, access("team/app", "push")],
    ["access is for all actions", 404, access("team/app", "*")],
    ["access is for another repository", 401, access("team/other", "pull")],
    ["access is for a repository above", 401, access("team", "pull")],
    ["access is for a pattern", 401, access("team/*", "pull")],
    ["access is for a regular expression", 401, access("team/.*", "pull")],
    [
      "access is for another type",
      401,
      { access: [{ type: "x", name: "team/app", actions: ["pull"] }] },
    ],
    ["access is missing", 401, { access: undefined }],
    ["access is null", 401, { access: null }],
    ["access is a text", 401, { access: "repository:team/app:pull" }],
    [
      "access is no list",
      401,
      { access: { type: "repository", name: "team/app", actions: ["pull"] } },
    ],
    ["access has a null", 401, { access: [null] }],
    [
      "actions are a text",
      401,
      { access: [{ type: "repository", name: "team/app", actions: "pull" }] },
    ],
    [
      "actions have numbers",
      401,
      { access: [{ type: "repository", name: "team/app", actions: [1] }] },
    ],
  ])("%s: a pull is %i", async (_case, status, claims) => {
    const headers = bearer(await signer.sign(claimsOf(claims)));
    expect(await statusOf(variables, headers, missing)).toBe(status);
  });

  test.each([
    ["exp", "over", -60, 401],
    ["exp", "over by less than clocks differ", -10, 404],
    ["nbf", "to come", 120, 401],
    ["nbf", "to come by less than clocks differ", 10, 404],
  ])("%s is %s (%i s): a pull is %i", async (claim, _case, seconds, status) => {
    const headers = bearer(await signer.sign(claimsOf({ [claim]: nowSeconds() + seconds })));
    expect(await statusOf(variables, headers, missing)).toBe(status);
  });

  test.each<[string, Credentials]>([
    ["no credentials", {}],
    ["no token at all", bearer("")],
    ["two parts", bearer("a.b")],
    ["four parts", bearer("a.b.c.d")],
    ["an encrypted token's form", bearer("a.b.c.d.e")],
  ])("%s are 401", async (_case, headers) => {
    expect(await statusOf(variables, headers, missing)).toBe(401);
  });
});

describe("without a policy, access says all", () => {
  test.each([
    ["pull", "GET", missing, 404],
    ["pull", "HEAD", missing, 404],
    ["pull", "POST", "/v2/team/app/blobs/uploads/", 401],
    ["pull", "DELETE", missing, 401],
    ["push", "HEAD", missing, 404],
    ["push", "GET", missing, 401],
    ["push", "POST", "/v2/team/app/blobs/uploads/", 202],
    ["push", "DELETE", missing, 401],
    ["create", "POST", "/v2/team/app/blobs/uploads/", 202],
    ["delete", "DELETE", missing, 404],
    ["delete", "POST", "/v2/team/app/blobs/uploads/", 401],
    ["*", "POST", "/v2/team/app/blobs/uploads/", 202],
    ["*", "DELETE", missing, 404],
    ["*", "GET", "/v2/_catalog", 401],
  ])("%s: %s of %s is %i", async (action, method, path, status) => {
    const token = await signer.sign(claimsOf(access("team/app", action)));
    expect(await statusOf(variables, bearer(token), path, method)).toBe(status);
  });

  test("for the catalog too", async () => {
    const catalog = [{ type: "registry", name: "catalog", actions: ["*"] }];
    const token = await signer.sign(claimsOf({ access: catalog }));
    expect(await statusOf(variables, bearer(token), "/v2/_catalog")).toBe(200);
    expect(await statusOf(variables, bearer(token), missing)).toBe(401);
  });
});

describe("as the password of Basic", () => {
  test.each([["alice"], ["any other name"], [""]])(
    "with the name %j a token is good",
    async (name) => {
      const token = await signer.sign(claimsOf());
      expect(await statusOf(variables, basic(name, token), missing)).toBe(404);
      expect(await statusOf(variables, basic(name, token), "/v2/other/manifests/x")).toBe(401);
    },
  );

  test("a token that is over is a wrong password", async () => {
    const token = await signer.sign(claimsOf({ exp: nowSeconds() - 60 }));
    expect(await statusOf(variables, basic(crypto.randomUUID(), token), missing)).toBe(401);
  });

  test("users of the registry's own go on to be good", async () => {
    const registry = { ...variables, REGISTRY_AUTH_HTPASSWD: htpasswd({ carla: "carla's" }) };
    expect(await statusOf(registry, basic("carla", "carla's"), missing)).toBe(404);
    expect(await statusOf(registry, basic("carla", "another"), missing)).toBe(401);
  });
});

describe("with a policy, its access is intersected with what the policy gives to sub", () => {
  const policy = JSON.stringify({
    adminUsers: ["root"],
    groups: { ops: ["alice"] },
    rules: [
      { repository: "public/**", users: ["anonymous"], permissions: ["pull"] },
      { repository: "shared/**", users: ["*"], permissions: ["pull"] },
      { repository: "ops/**", users: ["group:ops"], permissions: ["pull"] },
      { repository: "team/**", users: ["alice"], permissions: ["pull", "push"] },
      { repository: "team/**", users: ["carla"], permissions: ["pull", "create"] },
      { repository: "team/**", users: ["rita"], permissions: ["pull"] },
    ],
  });

  test.each<[string, string | undefined, string, string, string, string, number]>([
    ["policy and access allow", "alice", "team/app", "pull", "GET", "team/app", 404],
    ["policy and access allow", "alice", "team/app", "push", "POST", "team/app", 202],
    ["access lacks it", "alice", "team/app", "pull", "POST", "team/app", 401],
    ["access is for another", "alice", "team/other", "pull", "GET", "team/app", 401],
    ["the policy lacks it", "alice", "team/app", "*", "DELETE", "team/app", 403],
    ["the policy lacks it", "rita", "team/app", "*", "POST", "team/app", 403],
    ["the policy has no rule", "alice", "other/app", "*", "GET", "other/app", 403],
    ["the policy has no such user", "mallory", "team/app", "*", "GET", "team/app", 403],
    ["the rule is for a group of sub", "alice", "ops/app", "pull", "GET", "ops/app", 404],
    ["the rule is for a group", "mallory", "ops/app", "pull", "GET", "ops/app", 403],
    ["the rule is for who is logged in", "mallory", "shared/app", "pull", "GET", "shared/app", 404],
    ["the rule is for anyone", "mallory", "public/app", "pull", "GET", "public/app", 404],
    ["sub is missing", undefined, "team/app", "*", "GET", "team/app", 401],
    ["sub is missing", undefined, "shared/app", "*", "GET", "shared/app", 401],
    ["sub is missing, for anyone", undefined, "public/app", "pull", "GET", "public/app", 404],
    ["sub is empty", "", "shared/app", "*", "GET", "shared/app", 401],
    ["sub is anonymous", "anonymous", "shared/app", "*", "GET", "shared/app", 401],
    ["sub is anonymous, for anyone", "anonymous", "public/app", "*", "GET", "public/app", 404],
    ["an administrator's access lacks it", "root", "team/app", "pull", "DELETE", "team/app", 401],
    ["an administrator has all", "root", "other/app", "delete", "DELETE", "other/app", 404],
    ["create is asked as push", "carla", "team/app", "push", "POST", "team/app", 202],
  ])(
    "%s: %s with %s:%s, %s in %s is %i",
    async (_case, sub, name, action, method, where, status) => {
      const registry = { ...variables, REGISTRY_ACCESS_CONTROL_CONFIG: policy };
      const token = await signer.sign(claimsOf({ sub, ...access(name, action) }));
      const path =
        method === "POST" ? `/v2/${where}/blobs/uploads/` : `/v2/${where}/manifests/none`;
      expect(await statusOf(registry, bearer(token), path, method)).toBe(status);
    },
  );

  test.each([
    ["has no right to its source", [], 202],
    ["may push to its source alone", ["push"], 202],
    ["may pull from its source", ["pull"], 201],
  ])("a mount by a token that %s", async (_case, actions, status) => {
    const registry = { ...variables, REGISTRY_ACCESS_CONTROL_CONFIG: policy };
    const [source, target] = ["team/s", "team/t"].map((name) => name + crypto.randomUUID());
    const digest = await pushBlob(String(source), randomBytes(100));
    const scopes = [
      { type: "repository", name: target, actions: ["push"] },
      { type: "repository", name: source, actions },
    ];
    const headers = bearer(await signer.sign(claimsOf({ access: scopes })));
    for (const from of [`&from=${source}`, ""]) {
      const path = `/v2/${target}/blobs/uploads/?mount=${digest}${from}`;
      // oxlint-disable-next-line no-await-in-loop
      expect(await statusOf(registry, headers, path, "POST")).toBe(status);
    }
  });

  test("the catalog lists what the policy lets sub pull, if access is for the catalog", async () => {
    const registry = { ...variables, REGISTRY_ACCESS_CONTROL_CONFIG: policy };
    const catalog = [{ type: "registry", name: "catalog", actions: ["*"] }];
    const token = await signer.sign(claimsOf({ access: catalog }));
    expect(await statusOf(registry, bearer(token), "/v2/_catalog")).toBe(200);
    const without = await signer.sign(claimsOf());
    expect(await statusOf(registry, bearer(without), "/v2/_catalog")).toBe(401);
  });
});

describe("the registry is no token service", () => {
  test.each([
    ["GET", "/token"],
    ["POST", "/token"],
    ["GET", "/.well-known/jwks.json"],
  ])("%s of %s is 404", async (method, path) => {
    expect(await refusal(await sendTo(variables, method, path))).toEqual([404, "NAME_UNKNOWN"]);
  });

  test.each([
    ["GET", missing, "repository:team/app:pull"],
    ["POST", "/v2/team/app/blobs/uploads/", "repository:team/app:pull,push"],
    ["DELETE", missing, "repository:team/app:delete"],
    ["GET", "/v2/_catalog", "registry:catalog:*"],
  ])("%s of %s is referred to the service's realm, for %s", async (method, path, scope) => {
    const response = await sendTo(variables, method, path);
    expect(response.status).toBe(401);
    expect(response.headers.get("WWW-Authenticate")).toBe(
      `Bearer realm="${realm}",service="${service}",scope="${scope}"`,
    );
  });

  test("and /v2/, without a scope", async () => {
    const response = await sendTo(variables, "GET", "/v2/");
    expect(response.status).toBe(401);
    expect(response.headers.get("WWW-Authenticate")).toBe(
      `Bearer realm="${realm}",service="${service}"`,
    );
    const headers = bearer(await signer.sign(claimsOf({ access: [] })));
    expect(await statusOf(variables, headers, "/v2/")).toBe(200);
  });

  test.each([
    ["REGISTRY_AUTH_TOKEN_SERVICE"],
    ["REGISTRY_AUTH_TOKEN_ISSUER"],
    ["REGISTRY_AUTH_TOKEN_PUBLICKEY"],
  ])("without %s everything is 503 with its name", async (name) => {
    const response = await sendTo({ ...variables, [name]: undefined }, "GET", "/v2/");
    expect(response.status).toBe(503);
    expect(await response.text()).toContain(`${name} is not set`);
  });
});
