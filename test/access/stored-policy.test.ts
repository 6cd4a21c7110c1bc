import { env } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { refusal } from "../client.ts";
import { advance, secondMs } from "../durable-objects/clock.ts";
import { alice, bearer, tokenOf, tokenRegistry, type Variables } from "./credentials.ts";
import { sendWatched } from "./watched.ts";

const missing = "/v2/team/app/manifests/none";

function policyFor(...users: string[]): string {
  return JSON.stringify({ rules: [{ repository: "team/**", users, permissions: ["pull"] }] });
}

let key: string;
let variables: Variables;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  key = `policies/${crypto.randomUUID()}.json`;
  variables = await tokenRegistry({ REGISTRY_ACCESS_CONTROL_CONFIG: `r2:${key}` });
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

async function pull(headers = alice): Promise<number> {
  return (await sendWatched(variables, "GET", missing, { headers })).status;
}

describe("a policy in the bucket", () => {
  test("decides", async () => {
    await env.BLOBS.put(key, policyFor("alice"));
    expect(await pull()).toBe(404);
    expect((await sendWatched(variables, "DELETE", missing, { headers: alice })).status).toBe(403);
  });

  test("decides what tokens are for", async () => {
    await env.BLOBS.put(key, policyFor("alice"));
    const scopes = ["repository:team/app:pull", "repository:other/app:pull"];
    const headers = await tokenOf(variables, alice, ...scopes);
    expect(await pull(headers)).toBe(404);
    const other = "/v2/other/app/manifests/none";
    expect((await sendWatched(variables, "GET", other, { headers })).status).toBe(403);
  });

  test("is read once a minute", async () => {
    await env.BLOBS.put(key, policyFor("alice"));
    const get = vi.spyOn(env.BLOBS, "get");
    expect([await pull(), await pull(), await pull()]).toEqual([404, 404, 404]);
    expect(get.mock.calls.map(([read]) => read)).toEqual([key]);
    advance(61 * secondMs);
    expect([await pull(), await pull()]).toEqual([404, 404]);
    expect(get.mock.calls.map(([read]) => read)).toEqual([key, key]);
  });

  test("decides anew a minute after it was changed, of old tokens too", async () => {
    await env.BLOBS.put(key, policyFor("alice"));
    const headers = await tokenOf(variables, alice, "repository:team/app:pull");
    await env.BLOBS.put(key, policyFor("bob"));
    advance(59 * secondMs);
    expect([await pull(), await pull(headers)]).toEqual([404, 404]);
    advance(2 * secondMs);
    expect([await pull(), await pull(headers)]).toEqual([403, 403]);
    await env.BLOBS.put(key, policyFor("alice"));
    advance(61 * secondMs);
    expect([await pull(), await pull(headers)]).toEqual([404, 404]);
  });

  test("of another key is another", async () => {
    await env.BLOBS.put(key, policyFor("alice"));
    expect(await pull()).toBe(404);
    await env.BLOBS.put(`${key}2`, policyFor("bob"));
    variables = { ...variables, REGISTRY_ACCESS_CONTROL_CONFIG: `r2:${key}2` };
    expect(await pull()).toBe(403);
  });

  test("is not asked for where access control is off", async () => {
    variables = { ...variables, REGISTRY_ACCESS_CONTROL_ENABLED: "false" };
    expect(await pull()).toBe(404);
  });
});

describe("a policy in the bucket that", () => {
  test.each<[string, string | undefined, string]>([
    ["is not there", undefined, "not in the bucket"],
    ["is empty", "", "not JSON"],
    ["is no JSON", "rules: []", "not JSON"],
    ["is a list", "[]", "the file"],
    ["has a wrong key", '{"rule":[]}', "rule"],
    [
      "has a wrong value",
      '{"rules":[{"repository":"a","users":[],"permissions":["pull"]}]}',
      "rules[0].users",
    ],
    [
      "has a wrong permission",
      policyFor("alice").replace('"pull"', '"admin"'),
      "rules[0].permissions[0]",
    ],
    ["is larger than 4 MiB", " ".repeat(4 * 1024 * 1024 + 1), "4194304 bytes"],
  ])("%s is 503 to everyone, with its key and what is wrong", async (_case, text, told) => {
    if (text !== undefined) await env.BLOBS.put(key, text);
    for (const [method, path, headers] of [
      ["GET", missing, alice],
      ["GET", missing, {}],
      ["GET", missing, bearer("a.b.c")],
      ["GET", "/v2/", {}],
      ["GET", "/v2/_catalog", alice],
      ["POST", "/v2/team/app/blobs/uploads/", alice],
      ["GET", "/token", alice],
      ["POST", "/token", {}],
    ] as const) {
      // oxlint-disable-next-line no-await-in-loop
      const response = await sendWatched(variables, method, path, { headers });
      expect(response.status).toBe(503);
      // oxlint-disable-next-line no-await-in-loop
      const body = await response.text();
      expect(body).toContain(`r2:${key}`);
      expect(body).toContain(told);
    }
  });

  test("is taken away or broken later is 503 a minute later, and none before", async () => {
    await env.BLOBS.put(key, policyFor("alice"));
    expect(await pull()).toBe(404);
    await env.BLOBS.delete(key);
    expect(await pull()).toBe(404);
    advance(61 * secondMs);
    expect(await pull()).toBe(503);
    await env.BLOBS.put(key, policyFor("alice"));
    expect(await pull()).toBe(404);
  });

  test("can't be read for a moment is 504, to be tried again", async () => {
    await env.BLOBS.put(key, policyFor("alice"));
    vi.spyOn(env.BLOBS, "get").mockRejectedValueOnce(new Error("internal error (10001)"));
    const response = await sendWatched(variables, "GET", missing, { headers: alice });
    expect(response.headers.get("Retry-After")).toBe("1");
    expect(await refusal(response)).toEqual([504, "UNAVAILABLE"]);
    expect(await pull()).toBe(404);
  });
});
