/** Who may clean, check and look: administrators, and nobody else. */
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, test } from "vitest";
import { maintenanceName } from "../../schemas/storage-keys.ts";
import {
  alice,
  basic,
  bearer,
  type Credentials,
  htpasswd,
  nobody,
  rita,
  tokenOf,
  tokenRegistry,
  type Variables,
} from "../access/credentials.ts";
import { sendWatched } from "../access/watched.ts";
import { send } from "../client.ts";
import { sendTo } from "../configured.ts";
import { answered } from "./collecting.ts";
import { takeTime } from "./time.ts";

const routes = [
  ["GET", "/_gc"],
  ["HEAD", "/_gc"],
  ["POST", "/_gc"],
  ["POST", "/_gc?force=true"],
  ["POST", "/_gc?dry-run=true"],
  ["POST", "/_gc?force=wrong"],
  ["POST", "/_empty"],
  ["POST", "/_empty?confirm=registry.test"],
  ["GET", "/_scrub"],
  ["HEAD", "/_scrub"],
  ["POST", "/_scrub"],
  ["DELETE", "/_scrub"],
  ["GET", "/_stats"],
  ["HEAD", "/_stats"],
  ["GET", "/_stats?n=wrong"],
] as const;

/** What an administrator gets without beginning anything, and a user without a policy. */
const readable = routes.filter(([method, path]) => method !== "POST" && !path.includes("wrong"));

const scope = "registry:administration:*";

let users: Variables;
let ruled: Variables;
let basicRuled: Variables;

beforeAll(async () => {
  takeTime();
  users = await tokenRegistry();
  ruled = await tokenRegistry({
    USERNAME: undefined,
    PASSWORD: undefined,
    READONLY_USERNAME: undefined,
    READONLY_PASSWORD: undefined,
    REGISTRY_AUTH_HTPASSWD: htpasswd({ admin: "admin's", bob: "bob's" }),
    REGISTRY_ACCESS_CONTROL_CONFIG: JSON.stringify({
      defaultPolicy: "allow",
      adminUsers: ["admin"],
      rules: [
        { repository: "**", users: ["bob"], permissions: ["pull", "push", "delete"] },
        { repository: "**", users: ["anonymous"], permissions: ["pull"] },
      ],
    }),
  });
  basicRuled = { ...ruled, REGISTRY_AUTH_TYPE: "basic" };
});

const admin = basic("admin", "admin's");
const bob = basic("bob", "bob's");

/** What an answer says to who is not let in: its status, and what it asks for. */
async function refused(
  variables: Variables,
  method: string,
  path: string,
  headers: Credentials,
): Promise<[number, string | null]> {
  const response = await sendWatched(variables, method, path, { headers });
  return [response.status, response.headers.get("WWW-Authenticate")];
}

/** What is refused begins nothing. */
async function runs(): Promise<unknown[]> {
  const maintenance = env.MAINTENANCE.getByName(maintenanceName);
  return [await maintenance.collection(0), await maintenance.scrub(0)];
}

const challenge = (error = "") =>
  `Bearer realm="http://registry.test/token",service="longshore",scope="${scope}"${error}`;

describe.for(routes)("%s %s", ([method, path]) => {
  test.for<{ name: string; variables: () => Variables; answer: () => [number, string | null] }>([
    { name: "of a registry with tokens", variables: () => users, answer: () => [401, challenge()] },
    {
      name: "of one where everyone may pull",
      variables: () => ruled,
      answer: () => [401, challenge()],
    },
    {
      name: "of one with basic",
      variables: () => basicRuled,
      answer: () => [401, 'Basic realm="Registry"'],
    },
  ])("nobody, $name, is told how to log in", async ({ variables, answer }) => {
    const before = await runs();
    expect(await refused(variables(), method, path, nobody)).toEqual(answer());
    expect(await runs()).toEqual(before);
  });

  test.for<{
    name: string;
    variables: () => Variables;
    who: () => Promise<Credentials> | Credentials;
  }>([
    { name: "who may only read", variables: () => users, who: () => rita },
    { name: "a user whom the policy does not name", variables: () => ruled, who: () => bob },
    { name: "the same by basic", variables: () => basicRuled, who: () => bob },
    {
      name: "the same by a token for it",
      variables: () => ruled,
      who: () => tokenOf(ruled, bob, scope),
    },
  ])("$name is 403", async ({ variables, who }) => {
    const before = await runs();
    expect(await refused(variables(), method, path, await who())).toEqual([403, null]);
    expect(await runs()).toEqual(before);
  });

  test("an administrator's token that is for something else is told to ask for more", async () => {
    const before = await runs();
    const headers = await tokenOf(ruled, admin, "registry:catalog:*", "repository:a/b:pull,push");
    expect(await refused(ruled, method, path, headers)).toEqual([
      401,
      challenge(',error="insufficient_scope"'),
    ]);
    expect(await runs()).toEqual(before);
  });

  test.for<{ name: string; who: () => Credentials }>([
    { name: "a wrong password", who: () => basic("admin", "bob's") },
    { name: "a token that is none", who: () => bearer("a.b.c") },
  ])("$name is 401", async ({ who }) => {
    const headers = { ...who(), "CF-Connecting-IP": crypto.randomUUID() };
    const [status] = await refused(ruled, method, path, headers);
    expect(status).toBe(401);
  });
});

describe.for(readable)("%s %s is answered to", ([method, path]) => {
  test.for<{
    name: string;
    variables: () => Variables;
    who: () => Promise<Credentials> | Credentials;
  }>([
    { name: "a user where there is no policy", variables: () => users, who: () => alice },
    { name: "an administrator by password", variables: () => ruled, who: () => admin },
    { name: "an administrator by basic", variables: () => basicRuled, who: () => admin },
    {
      name: "an administrator by a token for it",
      variables: () => ruled,
      who: () => tokenOf(ruled, admin, scope),
    },
    {
      name: "everyone, where everyone may do everything",
      variables: () => ({ REGISTRY_AUTH_TYPE: "none" }),
      who: () => nobody,
    },
  ])("$name", async ({ variables, who }) => {
    const response = await sendTo(variables(), method, path, { headers: await who() });
    expect(response.status).toBe(method === "DELETE" ? 204 : 200);
  });
});

test("an administrator has a collection done", async () => {
  const answering = sendTo(ruled, "POST", "/_gc", { headers: await tokenOf(ruled, admin, scope) });
  const response = await answered(answering);
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({ status: "done" });
});

test("who may see nothing is not told whether a collection runs", async () => {
  const begun = await env.MAINTENANCE.getByName(maintenanceName).beginCollection({
    force: false,
    dryRun: true,
  });
  expect(begun.ok).toBe(true);
  expect((await sendTo(users, "POST", "/_gc", { headers: nobody })).status).toBe(401);
  expect((await sendTo(users, "POST", "/_gc", { headers: rita })).status).toBe(403);
  expect((await sendTo(users, "POST", "/_gc", { headers: alice })).status).toBe(409);
  expect((await send("GET", "/_gc")).status).toBe(200);
});

describe("a page of a browser", () => {
  const page = { headers: { Origin: "https://evil.example.com" } };
  const changing = [
    "POST /_gc",
    "POST /_gc?force=true",
    "POST /_empty",
    "POST /_scrub",
    "DELETE /_scrub",
  ];

  test.each(changing)("may not %s", async (request) => {
    const [method = "", path = ""] = request.split(" ");
    const response = await send(method, path, page);
    expect(response.status).toBe(403);
    expect(await response.text()).toContain("REGISTRY_CORS_ORIGINS");
  });

  test.each([
    ["https://evil.example.com", "*", 403],
    ["null", "*", 403],
    ["https://ui.example.com", "https://ui.example.com", 400],
    ["https://evil.example.com", "https://ui.example.com", 403],
  ])("of %s, where pages of %s may use the registry, gets %d", async (origin, origins, status) => {
    const variables = { REGISTRY_CORS_ORIGINS: origins };
    const response = await sendTo(variables, "POST", "/_gc?force=wrong", {
      headers: { Origin: origin },
    });
    await response.text();
    expect(response.status).toBe(status);
  });

  test("may look", async () => {
    expect((await send("GET", "/_stats", page)).status).toBe(200);
  });
});
