import { env } from "cloudflare:test";
import { compare } from "bcryptjs";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { FailureCounts } from "../../standalone/failure-counts.ts";
import { refusal } from "../client.ts";
import { sendTo } from "../configured.ts";
import { advance, secondMs } from "../durable-objects/clock.ts";
import {
  basic,
  bearer,
  type Credentials,
  htpasswd,
  postForm,
  tokenOf,
  tokenRegistry,
  type Variables,
} from "./credentials.ts";

vi.mock("bcryptjs", { spy: true });

/** As wrangler.toml has it; the failure behind the last one has a name not be looked at. */
const failuresMax = 10;
const lookedAt = failuresMax + 1;

const right = basic("alice", "alice's");
const wrong = basic("alice", "wrong");

let variables: Variables;
let address: string;

beforeEach(async () => {
  vi.mocked(compare).mockClear();
  address = crypto.randomUUID();
  variables = await tokenRegistry({
    USERNAME: undefined,
    PASSWORD: undefined,
    REGISTRY_AUTH_HTPASSWD: htpasswd({ alice: "alice's", bob: "bob's" }),
  });
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** A request from this test's address. */
function ask(credentials: Credentials, path = "/v2/", from = address): Promise<Response> {
  const headers = { ...credentials, "CF-Connecting-IP": from };
  return sendTo(variables, "GET", path, { headers });
}

async function statusOf(credentials: Credentials, path = "/v2/", from = address): Promise<number> {
  const response = await ask(credentials, path, from);
  await response.arrayBuffer();
  return response.status;
}

/** The statuses of the same wrong log-in, one after the other. */
async function fail(times: number, credentials = wrong): Promise<number[]> {
  const statuses = [];
  for (let count = 0; count < times; count += 1) {
    // oxlint-disable-next-line no-await-in-loop
    statuses.push(await statusOf(credentials));
  }
  return statuses;
}

describe("1,000 wrong passwords", () => {
  test("cost a few bcrypts, and the rest are 429 with when to come again", async () => {
    const statuses = await fail(1000);
    const expected = statuses.map((_, at) => (at < lookedAt ? 401 : 429));
    expect(statuses).toEqual(expected);
    expect(vi.mocked(compare).mock.calls.length).toBe(lookedAt);
    const response = await ask(wrong);
    const seconds = Number(response.headers.get("Retry-After"));
    expect(response.headers.get("WWW-Authenticate")).toBeNull();
    expect(await refusal(response)).toEqual([429, "TOOMANYREQUESTS"]);
    expect([seconds > 0, seconds <= 60]).toEqual([true, true]);
  });

  test("of a name that nobody has are counted as well", async () => {
    const statuses = await fail(lookedAt + 1, basic("nemo", "wrong"));
    expect(statuses.at(-1)).toBe(429);
  });

  test("by tokens in the password's place are counted as well", async () => {
    const statuses = await fail(lookedAt + 1, basic("alice", "aaa.bbb.ccc"));
    expect(statuses.at(-1)).toBe(429);
  });

  test("at once tell no more than those one after the other", async () => {
    const counted = { LOGIN_FAILURES: new FailureCounts() } as unknown as Variables;
    const registry = { ...variables, ...counted };
    const headers = { "CF-Connecting-IP": address };
    const passwords = Array.from({ length: 200 }, (_, at) => `wrong ${at}`);
    const log = async (password: string) => {
      const init = { headers: { ...headers, ...basic("alice", password) } };
      return (await sendTo(registry, "GET", "/v2/", init)).status;
    };
    const statuses = await Promise.all([...passwords, "alice's"].map(log));
    expect(statuses.filter((status) => status === 401).length).toBeLessThanOrEqual(2 * lookedAt);
    expect(statuses).not.toContain(200);
    // Nor is the right one known by now.
    expect(await log("alice's")).toBe(429);
  });
});

describe("who failed too often", () => {
  beforeEach(async () => {
    expect((await fail(lookedAt)).at(-1)).toBe(401);
  });

  test.each([
    ["with the right password", right],
    ["with another wrong one", basic("alice", "wrong too")],
    ["with an empty one", basic("alice", "")],
  ])("is not looked at %s", async (_case, credentials) => {
    vi.mocked(compare).mockClear();
    expect(await statusOf(credentials)).toBe(429);
    expect(await statusOf(credentials, "/token")).toBe(429);
    expect(await statusOf(credentials, "/v2/a/tags/list")).toBe(429);
    expect(compare).not.toHaveBeenCalled();
  });

  test("is not looked at by form", async () => {
    const form = { grant_type: "password", username: "alice", password: "alice's" };
    const response = await sendTo(variables, "POST", "/token", {
      body: new URLSearchParams(form).toString(),
      headers: { "CF-Connecting-IP": address },
    });
    expect(await refusal(response)).toEqual([429, "TOOMANYREQUESTS"]);
    // It is the address that is paused, not the form.
    expect((await postForm(variables, form)).status).toBe(200);
  });

  test("slows no other user", async () => {
    expect(await statusOf(basic("bob", "bob's"))).toBe(200);
    expect(await statusOf(basic("bob", "wrong"))).toBe(401);
  });

  test("slows no other address", async () => {
    expect(await statusOf(right, "/v2/", crypto.randomUUID())).toBe(200);
    expect(await statusOf(wrong, "/v2/", crypto.randomUUID())).toBe(401);
  });

  test("slows nobody without a password", async () => {
    expect(await statusOf({})).toBe(401);
    expect(await statusOf(basic("", ""))).toBe(401);
    expect(await statusOf({}, "/token")).toBe(200);
  });

  test("goes on with a token", async () => {
    const headers = await tokenOf(variables, right);
    expect(await statusOf(headers)).toBe(200);
  });

  test("is looked at again after a minute", async () => {
    advance(58 * secondMs);
    expect(await statusOf(right)).toBe(429);
    advance(3 * secondMs);
    expect(await statusOf(right)).toBe(200);
  });
});

describe("what does not count:", () => {
  test("a right password before and between", async () => {
    for (let count = 0; count < failuresMax; count += 1) {
      // Behind its minute the password is looked at again.
      advance(61 * secondMs);
      // oxlint-disable-next-line no-await-in-loop
      expect(await statusOf(right)).toBe(200);
    }
    expect(vi.mocked(compare).mock.calls.length).toBe(failuresMax);
    expect(await fail(failuresMax)).toEqual(Array.from({ length: failuresMax }, () => 401));
    expect(await statusOf(right)).toBe(200);
  });

  test("a right password goes on while it is remembered", async () => {
    expect(await statusOf(right)).toBe(200);
    expect((await fail(lookedAt + 1)).at(-1)).toBe(429);
    expect(await statusOf(right)).toBe(200);
    expect(await statusOf(right, "/token")).toBe(200);
  });

  test.each<[string, Credentials, string, number]>([
    ["nobody", {}, "/v2/", 401],
    ["podman's nobody", basic("", ""), "/v2/", 401],
    ["a token that is none", bearer("a.b.c"), "/v2/", 401],
    ["a denied request", basic("rita", "rita's"), "/v2/a/blobs/uploads/x", 403],
  ])("%s", async (_case, credentials, path, status) => {
    const limit = vi.spyOn(env.LOGIN_FAILURES, "limit");
    const statuses = await Promise.all(
      Array.from({ length: 2 * lookedAt }, () => statusOf(credentials, path)),
    );
    expect(new Set(statuses)).toEqual(new Set([status]));
    expect(limit).not.toHaveBeenCalled();
    expect(await statusOf(wrong)).toBe(401);
    expect(limit).toHaveBeenCalledOnce();
  });
});
