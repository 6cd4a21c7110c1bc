import { Buffer } from "node:buffer";
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from "jose";
import { afterEach, describe, expect, test, vi } from "vitest";
import { refusal } from "../client.ts";
import { sendTo } from "../configured.ts";
import { advance, dayMs, secondMs } from "../durable-objects/clock.ts";
import {
  alice,
  askToken,
  bearer,
  newPrivateKey,
  postForm,
  tokenRegistry,
  type Variables,
} from "./credentials.ts";

afterEach(() => {
  vi.useRealTimers();
});

async function publicKeys(variables: Variables): Promise<JSONWebKeySet> {
  const response = await sendTo(variables, "GET", "/.well-known/jwks.json");
  expect(response.status).toBe(200);
  return response.json();
}

/** The status of the base route for a token, and the error of its challenge. */
async function fateOf(variables: Variables, token: string): Promise<[number, string | undefined]> {
  const response = await sendTo(variables, "GET", "/v2/", { headers: bearer(token) });
  const error = /error="(\w+)"/.exec(response.headers.get("WWW-Authenticate") ?? "")?.[1];
  return [response.status, error];
}

const good = [200, undefined];
const bad = [401, "invalid_token"];

describe("a private key", () => {
  test.each([["ES256"], ["ES384"], ["RS256"]])(
    "for %s signs what the JWKS verifies",
    async (algorithm) => {
      const key = await newPrivateKey(algorithm);
      const variables = await tokenRegistry({ REGISTRY_AUTH_TOKEN_PRIVATEKEY: key });
      const keys = await publicKeys(variables);
      const { token } = await askToken(variables, alice);
      const { protectedHeader } = await jwtVerify(token, createLocalJWKSet(keys), {
        issuer: "longshore",
        audience: "longshore",
      });
      expect(protectedHeader).toEqual({ alg: algorithm, kid: keys.keys[0]?.kid, typ: "JWT" });
      expect(await fateOf(variables, token)).toEqual(good);
    },
  );

  test.each([
    ["ES256", ["alg", "crv", "kid", "kty", "use", "x", "y"]],
    ["RS256", ["alg", "e", "kid", "kty", "n", "use"]],
  ])("for %s shows its public part alone", async (algorithm, members) => {
    const key = await newPrivateKey(algorithm);
    const variables = await tokenRegistry({ REGISTRY_AUTH_TOKEN_PRIVATEKEY: key });
    const { keys } = await publicKeys(variables);
    expect(keys.map((jwk) => Object.keys(jwk).toSorted())).toEqual([members]);
    expect(keys[0]).toMatchObject({ alg: algorithm, use: "sig" });
  });

  test("with line breaks of Windows and text around it is one", async () => {
    const key = `a comment\r\n${(await newPrivateKey()).replaceAll("\n", "\r\n")}\r\n`;
    const variables = await tokenRegistry({ REGISTRY_AUTH_TOKEN_PRIVATEKEY: key });
    expect(await fateOf(variables, (await askToken(variables, alice)).token)).toEqual(good);
  });

  test("is named the same wherever it is used", async () => {
    const variables = await tokenRegistry();
    const other = { ...variables, REGISTRY_AUTH_TOKEN_SERVICE: "other" };
    expect(await publicKeys(other)).toEqual(await publicKeys(variables));
  });
});

describe("with two keys", () => {
  test("the first signs, and tokens of both are good", async () => {
    const [older, newer] = [await newPrivateKey(), await newPrivateKey("RS256")];
    const variables = await tokenRegistry({ REGISTRY_AUTH_TOKEN_PRIVATEKEY: older });
    const { token: before } = await askToken(variables, alice);
    const both = { ...variables, REGISTRY_AUTH_TOKEN_PRIVATEKEY: `${newer}\n${older}` };
    const { token: after } = await askToken(both, alice);
    const { keys } = await publicKeys(both);
    expect(keys.map(({ alg }) => alg)).toEqual(["RS256", "ES256"]);
    expect([await fateOf(both, before), await fateOf(both, after)]).toEqual([good, good]);
    const only = { ...variables, REGISTRY_AUTH_TOKEN_PRIVATEKEY: newer };
    expect([await fateOf(only, before), await fateOf(only, after)]).toEqual([bad, good]);
  });

  test("a refresh token is good until its key is gone", async () => {
    const [older, newer] = [await newPrivateKey(), await newPrivateKey()];
    const variables = await tokenRegistry({ REGISTRY_AUTH_TOKEN_PRIVATEKEY: older });
    const { refresh_token: token = "" } = await askToken(
      variables,
      alice,
      [],
      "&offline_token=true",
    );
    const refreshed = (keys: string) =>
      postForm(
        { ...variables, REGISTRY_AUTH_TOKEN_PRIVATEKEY: keys },
        { grant_type: "refresh_token", refresh_token: token },
      );
    expect((await refreshed(newer + older)).status).toBe(200);
    expect((await refreshed(newer)).status).toBe(401);
  });
});

describe("an access token", () => {
  test.each([
    [undefined, 300],
    ["60", 60],
    ["3600", 3600],
  ])("of lifetime %s is good for so many seconds and a moment", async (lifetime, seconds) => {
    const variables = await tokenRegistry({ REGISTRY_AUTH_TOKEN_LIFETIME: lifetime });
    const { token, expires_in: announced } = await askToken(variables, alice);
    expect(announced).toBe(seconds);
    advance((seconds - 2) * secondMs);
    expect(await fateOf(variables, token)).toEqual(good);
    advance(8 * secondMs);
    expect(await fateOf(variables, token)).toEqual(bad);
  });

  test.each([["59"], ["86401"], ["0"], ["-1"], ["1e3"], ["ten"]])(
    "can't have the lifetime %s",
    async (lifetime) => {
      const variables = await tokenRegistry({ REGISTRY_AUTH_TOKEN_LIFETIME: lifetime });
      const response = await sendTo(variables, "GET", "/v2/");
      const text = await response.text();
      expect([response.status, text.includes("REGISTRY_AUTH_TOKEN_LIFETIME")]).toEqual([503, true]);
    },
  );

  test("that was made before the clock was put back is not good yet", async () => {
    const variables = await tokenRegistry();
    const { token } = await askToken(variables, alice);
    advance(-60 * secondMs);
    expect(await fateOf(variables, token)).toEqual(bad);
  });
});

test("a refresh token is good for 90 days", async () => {
  const variables = await tokenRegistry();
  const { refresh_token: token = "" } = await askToken(variables, alice, [], "&offline_token=true");
  const refreshed = () =>
    postForm(variables, { grant_type: "refresh_token", refresh_token: token });
  advance(89 * dayMs);
  expect((await refreshed()).status).toBe(200);
  advance(2 * dayMs);
  expect((await refreshed()).status).toBe(401);
});

/** A PKCS #8 key that Web Crypto makes and that we have no use for. */
async function useless(algorithm: SubtleCryptoGenerateKeyAlgorithm): Promise<string> {
  const pair = (await crypto.subtle.generateKey(algorithm, true, [
    "sign",
    "verify",
  ])) as CryptoKeyPair;
  const bytes = (await crypto.subtle.exportKey("pkcs8", pair.privateKey)) as ArrayBuffer;
  const text = Buffer.from(bytes)
    .toString("base64")
    .replaceAll(/(.{64})/g, "$1\n");
  return `-----BEGIN PRIVATE KEY-----\n${text}\n-----END PRIVATE KEY-----\n`;
}

const body = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg";

describe("a wrong private key is 503, and says what to do", () => {
  test.each<[string, () => Promise<string | undefined>]>([
    ["none", async () => undefined],
    ["an empty one", async () => ""],
    ["no PEM", async () => body],
    [
      "PEM of another kind",
      async () => (await newPrivateKey()).replaceAll("PRIVATE", "EC PRIVATE"),
    ],
    ["a public key", async () => (await newPrivateKey()).replaceAll("PRIVATE", "PUBLIC")],
    [
      "a key that was cut off",
      async () => `-----BEGIN PRIVATE KEY-----\n${body}\n-----END PRIVATE KEY-----`,
    ],
    ["a key on another curve", () => newPrivateKey("ES512")],
    ["an Edwards key", () => newPrivateKey("EdDSA")],
    [
      "a short RSA key",
      () =>
        useless({
          name: "RSASSA-PKCS1-v1_5",
          modulusLength: 1024,
          publicExponent: new Uint8Array([1, 0, 1]),
          hash: "SHA-256",
        }),
    ],
  ])("%s", async (_case, make) => {
    const key = await make();
    const variables = await tokenRegistry({ REGISTRY_AUTH_TOKEN_PRIVATEKEY: key });
    for (const path of ["/token", "/.well-known/jwks.json"]) {
      // oxlint-disable-next-line no-await-in-loop
      const response = await sendTo(variables, "GET", path, { headers: alice });
      // oxlint-disable-next-line no-await-in-loop
      const text = await response.clone().text();
      // oxlint-disable-next-line no-await-in-loop
      expect([path, await refusal(response)]).toEqual([path, [503, "UNAVAILABLE"]]);
      expect(text).toContain("REGISTRY_AUTH_TOKEN_PRIVATEKEY");
      expect(text).toContain("openssl genpkey");
      expect(text).not.toContain((key ?? "").split("\n")[1] ?? body);
    }
  });
});
