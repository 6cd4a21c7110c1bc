import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { refusal } from "../client.ts";
import { sendTo } from "../configured.ts";
import { advance, minuteMs, secondMs } from "../durable-objects/clock.ts";
import { basic, bearer, type Variables } from "./credentials.ts";
import { jwksOf, newOrigin, nowSeconds, Signer, Web } from "./issuer.ts";

const service = "registry.example.com";
const missing = "/v2/team/app/manifests/none";

let web: Web;
let issuer: string;
let jwksUrl: string;
let variables: Variables;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
  web = new Web();
  issuer = newOrigin();
  jwksUrl = `${issuer}/keys.json`;
  variables = {
    REGISTRY_AUTH_TYPE: "token",
    REGISTRY_AUTH_TOKEN_REALM: `${issuer}/token`,
    REGISTRY_AUTH_TOKEN_SERVICE: service,
    REGISTRY_AUTH_TOKEN_ISSUER: issuer,
    REGISTRY_AUTH_TOKEN_PUBLICKEY: jwksUrl,
  };
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

function tokenOf(signer: Signer): Promise<string> {
  return signer.sign({
    iss: issuer,
    sub: "alice",
    aud: service,
    exp: nowSeconds() + 300,
    access: [{ type: "repository", name: "team/app", actions: ["pull"] }],
  });
}

async function pull(token: string): Promise<number> {
  return (await sendTo(variables, "GET", missing, { headers: bearer(token) })).status;
}

describe("keys of the outside service at a URL", () => {
  test("are fetched once, for many tokens", async () => {
    const signer = await Signer.make();
    web.set(jwksUrl, await jwksOf(signer));
    expect(await pull(await tokenOf(signer))).toBe(404);
    expect(await pull(await tokenOf(signer))).toBe(404);
    expect(web.asked).toEqual([jwksUrl]);
  });

  test("are fetched for nobody who sends no token", async () => {
    const answers = [
      await sendTo(variables, "GET", missing),
      await sendTo(variables, "GET", missing, { headers: basic("alice", "no token") }),
      await sendTo(variables, "GET", missing, { headers: bearer("no token") }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401]);
    expect(web.asked).toEqual([]);
  });

  test("are fetched again after ten minutes", async () => {
    const signer = await Signer.make();
    web.set(jwksUrl, await jwksOf(signer));
    expect(await pull(await tokenOf(signer))).toBe(404);
    advance(9 * minuteMs);
    expect(await pull(await tokenOf(signer))).toBe(404);
    expect(web.asked).toEqual([jwksUrl]);
    advance(2 * minuteMs);
    expect(await pull(await tokenOf(signer))).toBe(404);
    expect(web.asked).toEqual([jwksUrl, jwksUrl]);
  });

  test("roll over: a kid that is not known makes them be fetched again", async () => {
    const [older, newer] = [await Signer.make(), await Signer.make()];
    web.set(jwksUrl, await jwksOf(older));
    expect(await pull(await tokenOf(older))).toBe(404);
    web.set(jwksUrl, await jwksOf(older, newer));
    advance(11 * secondMs);
    expect(await pull(await tokenOf(newer))).toBe(404);
    expect(await pull(await tokenOf(older))).toBe(404);
    expect(web.asked).toEqual([jwksUrl, jwksUrl]);
  });

  test("are gone once the service lists them no more", async () => {
    const [older, newer] = [await Signer.make(), await Signer.make()];
    web.set(jwksUrl, await jwksOf(older));
    expect(await pull(await tokenOf(older))).toBe(404);
    web.set(jwksUrl, await jwksOf(newer));
    advance(11 * minuteMs);
    expect(await pull(await tokenOf(older))).toBe(401);
  });

  test("are not fetched for each of many unknown kids", async () => {
    web.set(jwksUrl, await jwksOf(await Signer.make()));
    const foreign = await Promise.all(Array.from({ length: 20 }, () => Signer.make()));
    const tokens = await Promise.all(foreign.map((signer) => tokenOf(signer)));
    const statuses = [];
    // oxlint-disable-next-line no-await-in-loop
    for (const token of tokens) statuses.push(await pull(token));
    expect(new Set(statuses)).toEqual(new Set([401]));
    expect(web.asked).toEqual([jwksUrl]);
  });

  test("of another key with a known kid are not taken", async () => {
    const signer = await Signer.make();
    web.set(jwksUrl, await jwksOf(signer));
    expect(await pull(await tokenOf(await Signer.make("ES256", signer.kid)))).toBe(401);
  });
});

describe("keys that can't be had are 504, by Bearer and by Basic, not a refusal", () => {
  test.each<[string, (() => Response) | undefined]>([
    ["the service can't be reached", undefined],
    ["it answers 500", () => new Response("{}", { status: 500 })],
    ["it answers 404", () => new Response("not here", { status: 404 })],
    ["it refers to elsewhere", () => Response.redirect("https://evil.example.com/keys.json")],
    ["it answers no JSON", () => new Response("<html>")],
    ["it answers JSON that is no JWKS", () => new Response("[]")],
    ["it answers keys that are none", () => new Response('{"keys":[1]}')],
  ])("%s", async (_case, answer) => {
    if (answer !== undefined) web.set(jwksUrl, answer);
    const token = await tokenOf(await Signer.make());
    for (const headers of [bearer(token), basic("alice", token)]) {
      // oxlint-disable-next-line no-await-in-loop
      const response = await sendTo(variables, "GET", missing, { headers });
      expect(response.headers.get("Retry-After")).toBe("5");
      // oxlint-disable-next-line no-await-in-loop
      expect(await refusal(response)).toEqual([504, "UNAVAILABLE"]);
    }
  });

  test("and are there again when the service is", async () => {
    const signer = await Signer.make();
    expect(await pull(await tokenOf(signer))).toBe(504);
    web.set(jwksUrl, await jwksOf(signer));
    expect(await pull(await tokenOf(signer))).toBe(404);
  });

  test("and the answer names the service, but nothing that its URL hides", async () => {
    const { host } = new URL(issuer);
    const hidden = `https://user:hunter2@${host}/s3cr3t/keys.json?key=s3cr3t`;
    variables = { ...variables, REGISTRY_AUTH_TOKEN_PUBLICKEY: hidden };
    const headers = bearer(await tokenOf(await Signer.make()));
    const response = await sendTo(variables, "GET", missing, { headers });
    expect(response.status).toBe(504);
    const text = await response.text();
    expect(text).toContain(`https://${host}`);
    expect(text).not.toMatch(/hunter2|s3cr3t/);
  });

  test("but a token that names a shared secret's algorithm is refused without asking", async () => {
    const token = await tokenOf(await Signer.make());
    const [, claims, signature] = token.split(".");
    const header = btoa(JSON.stringify({ alg: "HS256", typ: "JWT" })).replaceAll("=", "");
    expect(await pull(`${header}.${claims}.${signature}`)).toBe(401);
    expect(web.asked).toEqual([]);
  });
});
