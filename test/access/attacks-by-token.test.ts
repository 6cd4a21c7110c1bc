import { Buffer } from "node:buffer";
import { calculateJwkThumbprint } from "jose";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { refusal } from "../client.ts";
import {
  alice,
  askToken,
  basic,
  bearer,
  type Credentials,
  postForm,
  scopesOf,
  tokenRegistry,
  type Variables,
} from "./credentials.ts";
import { type Claims, jwksOf, newOrigin, nowSeconds, rawToken, Signer, Web } from "./issuer.ts";
import { sendWatched } from "./watched.ts";

/** A registry that takes tokens of a signer, and what it takes for a good one. */
interface Gate {
  readonly variables: Variables;
  readonly signer: Signer;
  readonly claims: Claims;
  readonly credentials: (token: string) => Credentials;
}

const pullApp = [{ type: "repository", name: "team/app", actions: ["pull"] }];
const missing = "/v2/team/app/manifests/none";

/** Under another name each time: failed log-ins of one would be slowed. */
function asPassword(token: string): Credentials {
  return basic(`ci-${crypto.randomUUID()}`, token);
}

function lifetime(): Claims {
  const now = nowSeconds();
  return { iat: now, nbf: now, exp: now + 300 };
}

let web: Web;

beforeEach(() => {
  web = new Web();
});

afterEach(() => {
  vi.restoreAllMocks();
});

async function ownGate(): Promise<Gate> {
  const signer = await Signer.make();
  const variables = await tokenRegistry({ REGISTRY_AUTH_TOKEN_PRIVATEKEY: await signer.pkcs8() });
  const claims = { iss: "longshore", aud: "longshore", sub: "alice", access: pullApp };
  return { variables, signer, claims: { ...claims, ...lifetime() }, credentials: bearer };
}

async function outsideGate(publicKeyOf: (signer: Signer) => Promise<string>): Promise<Gate> {
  const signer = await Signer.make();
  const iss = newOrigin();
  const variables = {
    REGISTRY_AUTH_TYPE: "token",
    REGISTRY_AUTH_TOKEN_REALM: `${iss}/token`,
    REGISTRY_AUTH_TOKEN_SERVICE: "registry",
    REGISTRY_AUTH_TOKEN_ISSUER: iss,
    REGISTRY_AUTH_TOKEN_PUBLICKEY: await publicKeyOf(signer),
  };
  const claims = { iss, aud: "registry", sub: "alice", access: pullApp, ...lifetime() };
  return { variables, signer, claims, credentials: bearer };
}

async function jobGate(): Promise<Gate> {
  const signer = await Signer.make();
  const iss = newOrigin();
  web.set(`${iss}/jwks`, await jwksOf(signer));
  const rules = [{ claims: { sub: "job" }, repository: "team/**", permissions: ["pull"] }];
  const issuers = [{ issuer: iss, audience: "registry", jwksUri: `${iss}/jwks`, rules }];
  const variables = await tokenRegistry({
    REGISTRY_ACCESS_CONTROL_CONFIG: JSON.stringify({ issuers }),
  });
  const claims = { iss, aud: "registry", sub: "job", ...lifetime() };
  return { variables, signer, claims, credentials: asPassword };
}

async function statusOf({ variables, credentials }: Gate, token: string): Promise<number> {
  return (await sendWatched(variables, "GET", missing, { headers: credentials(token) })).status;
}

function ecdsa(key: CryptoKey): (text: Buffer) => Promise<ArrayBuffer> {
  return (text) => crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key, text);
}

async function hmac(secret: string | Uint8Array, hash: string, text: Buffer): Promise<ArrayBuffer> {
  const bytes = Buffer.from(secret);
  const key = await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash }, false, ["sign"]);
  return crypto.subtle.sign("HMAC", key, text);
}

/** What a public key may be taken for a shared secret as. */
async function publicForms(signer: Signer): Promise<(string | Uint8Array)[]> {
  const pem = await signer.pem();
  const jwk = await signer.jwk();
  return [
    pem,
    `${pem}\n`,
    pem.trim(),
    Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ""), "base64"),
    JSON.stringify(jwk),
    Buffer.from(jwk.x ?? "", "base64url"),
  ];
}

describe.each<[string, () => Promise<Gate>]>([
  ["tokens of our own", ownGate],
  ["tokens of an outside service, by PEM", () => outsideGate((signer) => signer.pem())],
  [
    "tokens of an outside service, by JWKS",
    () => outsideGate(async (signer) => JSON.stringify(await jwksOf(signer))),
  ],
  ["tokens of a job's issuer", jobGate],
])("%s", (_kind, makeGate) => {
  let gate: Gate;

  beforeEach(async () => {
    gate = await makeGate();
  });

  /** Signed with a key of the attacker's, under this header. */
  async function foreign(header: object): Promise<string> {
    const { privateKey } = await Signer.make();
    return rawToken({ alg: "ES256", typ: "JWT", ...header }, gate.claims, ecdsa(privateKey));
  }

  test("are taken when they are good", async () => {
    expect(await statusOf(gate, await gate.signer.sign(gate.claims))).toBe(404);
  });

  test.each([["none"], ["None"], ["NONE"], ["nOnE"], [""], [undefined], [null], [0], [["none"]]])(
    "algorithm none: alg %j",
    async (alg) => {
      const signatures = ["", "AA", "A".repeat(86)];
      for (const signature of signatures) {
        const unsigned = await rawToken({ alg, typ: "JWT" }, gate.claims, () => new ArrayBuffer());
        // oxlint-disable-next-line no-await-in-loop
        expect(await statusOf(gate, unsigned + signature)).toBe(401);
      }
    },
  );

  test.each([
    ["HS256", "SHA-256"],
    ["HS384", "SHA-384"],
    ["HS512", "SHA-512"],
  ])("algorithm confusion: %s with the public key as secret", async (alg, hash) => {
    for (const form of await publicForms(gate.signer)) {
      for (const kid of [undefined, gate.signer.kid]) {
        const sign = (text: Buffer) => hmac(form, hash, text);
        // oxlint-disable-next-line no-await-in-loop
        const token = await rawToken({ alg, typ: "JWT", kid }, gate.claims, sign);
        // oxlint-disable-next-line no-await-in-loop
        expect(await statusOf(gate, token)).toBe(401);
      }
    }
  });

  test("a signature that is not over the claims", async () => {
    const [header, , signature] = (await gate.signer.sign(gate.claims)).split(".");
    const more = { ...gate.claims, exp: nowSeconds() + 86_400 };
    const claims = Buffer.from(JSON.stringify(more)).toString("base64url");
    expect(await statusOf(gate, `${header}.${claims}.${signature}`)).toBe(401);
  });

  test("a signature of zeros", async () => {
    const [header, claims] = (await gate.signer.sign(gate.claims)).split(".");
    const zeros = Buffer.alloc(64).toString("base64url");
    expect(await statusOf(gate, `${header}.${claims}.${zeros}`)).toBe(401);
  });

  test.each<[string, (own: string) => string | undefined]>([
    ["the key's own", (own) => own],
    ["another", () => "another"],
    ["none", () => undefined],
  ])("embedded key: jwk in the header, with kid %s", async (_case, kidOf) => {
    const attacker = await Signer.make();
    const kids = [gate.signer.kid, await calculateJwkThumbprint(await gate.signer.jwk())];
    for (const known of kids) {
      const kid = kidOf(known);
      // oxlint-disable-next-line no-await-in-loop
      const jwk = { ...(await attacker.jwk()), kid };
      const header = { alg: "ES256", typ: "JWT", kid, jwk };
      // oxlint-disable-next-line no-await-in-loop
      const token = await rawToken(header, gate.claims, ecdsa(attacker.privateKey));
      // oxlint-disable-next-line no-await-in-loop
      expect(await statusOf(gate, token)).toBe(401);
    }
  });

  test.each([["jku"], ["x5u"]])("key by URL: %s in the header is not fetched", async (name) => {
    const attacker = await Signer.make();
    const url = `${newOrigin()}/keys`;
    web.set(url, await jwksOf(attacker));
    for (const kid of [gate.signer.kid, attacker.kid, undefined]) {
      const header = { alg: "ES256", kid, [name]: url };
      // oxlint-disable-next-line no-await-in-loop
      const token = await rawToken(header, gate.claims, ecdsa(attacker.privateKey));
      // oxlint-disable-next-line no-await-in-loop
      expect(await statusOf(gate, token)).toBe(401);
    }
    expect(web.asked).not.toContain(url);
  });

  test("embedded certificate: x5c in the header", async () => {
    expect(await statusOf(gate, await foreign({ x5c: ["MIIB"] }))).toBe(401);
  });

  test.each([
    ["a path", "../../../../dev/null"],
    ["a file", "file:///dev/null"],
    ["a URL", "https://evil.example.com/key"],
    ["SQL", "x' OR '1'='1"],
    ["a command", "| cat /etc/passwd"],
    ["a prototype", "__proto__"],
    ["a constructor", "constructor"],
    ["a method", "toString"],
    ["a NUL", "\0"],
    ["nothing", ""],
    ["a number", 0],
    ["a list", ["0"]],
    ["null", null],
    ["10,000 characters", "k".repeat(10_000)],
  ])("kid with %s", async (_case, kid) => {
    expect(await statusOf(gate, await foreign({ kid }))).toBe(401);
  });

  test.each([
    ["an extension that is critical", { crit: ["x"], x: 1 }],
    ["a payload that is not encoded", { crit: ["b64"], b64: false }],
    ["critical of nothing", { crit: [] }],
  ])("header with %s", async (_case, more) => {
    const header = { alg: "ES256", kid: gate.signer.kid, ...more };
    const token = await rawToken(header, gate.claims, ecdsa(gate.signer.privateKey));
    expect(await statusOf(gate, token)).toBe(401);
  });

  test.each<[string, Claims]>([
    ["wrong aud", { aud: "other" }],
    ["wrong aud in a list", { aud: ["other"] }],
    ["missing aud", { aud: undefined }],
    ["wrong iss", { iss: "https://evil.example.com" }],
    ["missing iss", { iss: undefined }],
    ["exp in the past", { exp: nowSeconds() - 3600 }],
    ["exp of zero", { exp: 0 }],
    ["exp below zero", { exp: -1 }],
    ["exp as text", { exp: "9999999999" }],
    ["missing exp", { exp: undefined }],
    ["nbf in the future", { nbf: nowSeconds() + 3600 }],
    ["nbf as text", { nbf: "0" }],
  ])("%s", async (_case, claims) => {
    const token = await gate.signer.sign({ ...gate.claims, ...claims });
    expect(await statusOf(gate, token)).toBe(401);
  });

  test.each([
    ["an array", "[]"],
    ["null", "null"],
    ["a text", '"x"'],
    ["no JSON", "{"],
    ["nothing", ""],
  ])("claims that are %s", async (_case, text) => {
    const [header] = (await gate.signer.sign(gate.claims)).split(".");
    const data = `${header}.${Buffer.from(text).toString("base64url")}`;
    const signature = await ecdsa(gate.signer.privateKey)(Buffer.from(data));
    const token = `${data}.${Buffer.from(signature).toString("base64url")}`;
    expect(await statusOf(gate, token)).toBe(401);
  });

  test("100 kB of token", async () => {
    const padding = "x".repeat(100_000);
    expect(await statusOf(gate, await foreign({ padding }))).toBe(401);
    expect(await statusOf(gate, "x".repeat(100_000))).toBe(401);
    expect(await statusOf(gate, ".".repeat(100_000))).toBe(401);
  });
});

describe("a token that was made for something else", () => {
  const catalog = "registry:catalog:*";

  test.each([
    ["for another repository", ["repository:team/other:pull"], "GET", missing],
    ["for a repository above", ["repository:team:pull"], "GET", missing],
    ["for a repository below", ["repository:team/app/sub:pull"], "GET", missing],
    ["for another action", ["repository:team/app:pull"], "POST", "/v2/team/app/blobs/uploads/"],
    ["for another action", ["repository:team/app:pull,push"], "DELETE", missing],
    ["for the catalog", [catalog], "GET", missing],
    ["for nothing", [], "GET", missing],
    ["for a repository", ["repository:team/app:*"], "GET", "/v2/_catalog"],
    ["for a plugin", ["plugin:team/app:pull"], "GET", missing],
  ])("%s: %j does not %s %s", async (_case, scopes, method, path) => {
    const variables = await tokenRegistry();
    const { token } = await askToken(variables, alice, scopes);
    const response = await sendWatched(variables, method, path, { headers: bearer(token) });
    expect(response.status).toBe(401);
    expect(response.headers.get("WWW-Authenticate")).toContain('error="insufficient_scope"');
  });

  test("a token of another deployment, which has another key", async () => {
    const [here, there] = [await tokenRegistry(), await tokenRegistry()];
    const { token } = await askToken(there, alice, ["repository:team/app:pull"]);
    const response = await sendWatched(here, "GET", missing, { headers: bearer(token) });
    expect(response.status).toBe(401);
  });

  test("a token of another deployment, which has the same key", async () => {
    const here = await tokenRegistry();
    const there = { ...here, REGISTRY_AUTH_TOKEN_SERVICE: "other" };
    const { token } = await askToken(there, alice, ["repository:team/app:pull"]);
    const response = await sendWatched(here, "GET", missing, { headers: bearer(token) });
    expect(response.status).toBe(401);
  });

  test("a refresh token as access token, as password, and of another deployment", async () => {
    const variables = await tokenRegistry();
    const scopes = ["repository:team/app:pull"];
    const answer = await askToken(variables, alice, scopes, "&offline_token=true");
    const refreshToken = answer.refresh_token ?? "";
    expect(refreshToken.split(".")).toHaveLength(3);
    for (const headers of [bearer(refreshToken), basic("alice", refreshToken)]) {
      // oxlint-disable-next-line no-await-in-loop
      const response = await sendWatched(variables, "GET", missing, { headers });
      expect(response.status).toBe(401);
    }
    const form = { grant_type: "refresh_token", refresh_token: refreshToken };
    expect((await postForm(variables, form)).status).toBe(200);
    const other = { ...variables, REGISTRY_AUTH_TOKEN_SERVICE: "other" };
    expect((await postForm(other, form)).status).toBe(401);
    expect((await postForm(await tokenRegistry(), form)).status).toBe(401);
  });

  test("an access token as refresh token, as password, and as way to another token", async () => {
    const variables = await tokenRegistry();
    const { token } = await askToken(variables, alice, ["repository:team/app:pull"]);
    const form = { grant_type: "refresh_token", refresh_token: token };
    expect((await postForm(variables, form)).status).toBe(401);
    for (const headers of [bearer(token), basic("alice", token)]) {
      const path = "/token?scope=repository:team/app:push";
      // oxlint-disable-next-line no-await-in-loop
      expect((await sendWatched(variables, "GET", path, { headers })).status).toBe(401);
    }
  });
});

describe("scopes that ask for more than they say", () => {
  const policy = JSON.stringify({
    rules: [{ repository: "team/app", users: ["alice"], permissions: ["pull"] }],
  });

  test.each([
    ["a regular expression", "repository:team/.*:pull"],
    ["all", "repository:.*:pull"],
    ["a wildcard", "repository:team/*:pull"],
    ["all by wildcards", "repository:**:*"],
    ["an alternative", "repository:team/app|private/app:pull"],
    ["a class", "repository:team/[a-z]+:pull"],
    ["anchors", "repository:^team/app$:pull"],
    ["a path", "repository:team/app/../../private/app:pull"],
    ["an escape", "repository:team%2Fapp:pull"],
    ["upper case", "repository:Team/App:pull"],
    ["a NUL", "repository:team/app\0:pull"],
    ["a line break", "repository:team/app\nrepository:private/app:pull"],
    ["colons", "repository:team:app:pull"],
    ["a host and port", "repository:registry.test:5000/team/app:pull"],
    ["no name", "repository::pull"],
    ["no actions", "repository:team/app:"],
    ["an unknown action", "repository:team/app:admin"],
    ["more actions", "repository:team/app:push,delete"],
    ["many brackets", `repository:${"(".repeat(5000)}${")*".repeat(5000)}:pull`],
    ["many colons", `repository${":a".repeat(50_000)}!`],
    ["many commas", `repository:team/app:${"pull,".repeat(20_000)}`],
    ["a prototype", "__proto__:__proto__:__proto__"],
  ])("%s grants nothing", async (_case, scope) => {
    const variables = await tokenRegistry({ REGISTRY_ACCESS_CONTROL_CONFIG: policy });
    const { token } = await askToken(variables, alice, [scope]);
    expect(scopesOf(token)).toEqual([]);
  });

  test("1,000 scopes are refused, and as many times the same one is one", async () => {
    const variables = await tokenRegistry({ REGISTRY_ACCESS_CONTROL_CONFIG: policy });
    const many = Array.from({ length: 1000 }, (_, at) => `repository:team/a${at}:pull`);
    const refused = await sendWatched(variables, "GET", `/token?scope=${many.join("%20")}`, {
      headers: alice,
    });
    expect(await refusal(refused)).toEqual([400, "SCOPE_INVALID"]);
    const form = { grant_type: "password", username: "alice", password: "alice's" };
    const posted = await postForm(variables, { ...form, scope: many.join(" ") });
    expect(await refusal(posted)).toEqual([400, "SCOPE_INVALID"]);
    const same = Array.from({ length: 1000 }, () => "repository:team/app:pull");
    const { token } = await askToken(variables, alice, [same.join(" ")]);
    expect(scopesOf(token)).toEqual(["repository:team/app:pull"]);
  });
});
