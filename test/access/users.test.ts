import { Buffer } from "node:buffer";
import { compare, hashSync } from "bcryptjs";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { refusal } from "../client.ts";
import { sendTo } from "../configured.ts";
import { advance, secondMs } from "../durable-objects/clock.ts";
import { basic, type Credentials, htpasswd, tokenRegistry, type Variables } from "./credentials.ts";

vi.mock("bcryptjs", { spy: true });

/** What the console was told. */
const told: unknown[][] = [];

beforeEach(() => {
  vi.mocked(compare).mockClear();
  told.length = 0;
  for (const level of ["debug", "info", "log", "warn", "error"] as const) {
    vi.spyOn(console, level).mockImplementation((...words: unknown[]) => {
      told.push(words);
    });
  }
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

function withUsers(text: string): Variables {
  return { REGISTRY_AUTH_TYPE: "basic", REGISTRY_AUTH_HTPASSWD: text };
}

/** The status of a login, each from another address, so that failures are not counted together. */
async function login(
  variables: Variables,
  credentials: Credentials,
  path = "/v2/",
): Promise<number> {
  const headers = { ...credentials, "CF-Connecting-IP": crypto.randomUUID() };
  const response = await sendTo(variables, "GET", path, { headers });
  await response.arrayBuffer();
  return response.status;
}

/** How often bcrypt was paid since the last question. */
function compares(): number {
  const { length } = vi.mocked(compare).mock.calls;
  vi.mocked(compare).mockClear();
  return length;
}

describe("a user of an htpasswd", () => {
  test.each([
    ["a plain name", "alice", "secret"],
    ["dots, dashes and an at sign", "a.b-c_d+e@example.com", "secret"],
    ["characters of no repository", "A/b?c&d=e%20#f", "secret"],
    ["a name of a prototype", "__proto__", "secret"],
    ["another name of a prototype", "constructor", "secret"],
    ["a name that is a pattern", ".*", "secret"],
    ["a name of umlauts", "jürgen", "secret"],
    ["a name of another script", "用户", "secret"],
    ["a password with colons", "bob", "a:b::c:"],
    ["a password that is a colon", "bob", ":"],
    ["a password with spaces", "bob", "  a b  "],
    ["a password of umlauts", "bob", "paßwört"],
    ["a password of another script", "bob", "密码"],
    ["a password of emoji", "bob", "🔑🐳"],
    ["a password of quotes", "bob", "\"'`\\"],
    ["a password with a line break", "bob", "a\nb"],
    ["a password of 72 bytes", "bob", "x".repeat(72)],
    ["a password of 100 bytes", "bob", "y".repeat(100)],
    ["a password of 4 KiB", "bob", "z".repeat(4096)],
    ["a password that looks like a token", "bob", "aaa.bbb.ccc"],
    ["a password that looks like a hash", "bob", hashSync("x", 4)],
  ])("with %s logs in with the password and no other", async (_case, name, password) => {
    const variables = withUsers(htpasswd({ [name]: password }));
    expect(await login(variables, basic(name, password))).toBe(200);
    expect(await login(variables, basic(name, `!${password}`))).toBe(401);
    expect(await login(variables, basic(name, ""))).toBe(401);
    expect(await login(variables, basic(`${name}x`, password))).toBe(401);
    expect(await login(variables, basic(name.toUpperCase() + name, password))).toBe(401);
  });

  test("has a password of 72 bytes, and what is behind them does not count, as with bcrypt", async () => {
    const variables = withUsers(htpasswd({ bob: `${"ü".repeat(36)}behind` }));
    expect(await login(variables, basic("bob", "ü".repeat(36)))).toBe(200);
    expect(await login(variables, basic("bob", "ü".repeat(35)))).toBe(401);
  });

  test.each([["$2a$"], ["$2b$"], ["$2y$"]])("logs in by a hash that begins %s", async (mark) => {
    const hash = hashSync("secret", 4).replace(/^\$2.\$/, mark);
    const variables = withUsers(`alice:${hash}`);
    expect(await login(variables, basic("alice", "secret"))).toBe(200);
    expect(await login(variables, basic("alice", "Secret"))).toBe(401);
  });

  test("logs in from a file with comments, empty lines and line ends of Windows", async () => {
    const lines = ["# users", "", htpasswd({ alice: "a" }).trim(), "  ", htpasswd({ bob: "b" })];
    const variables = withUsers(lines.join("\r\n"));
    expect(await login(variables, basic("alice", "a"))).toBe(200);
    expect(await login(variables, basic("bob", "b"))).toBe(200);
    expect(await login(variables, basic("# users", ""))).toBe(401);
  });
});

describe("a user of the variables", () => {
  test.each([
    ["token", undefined],
    ["token", "token"],
    ["basic", "basic"],
  ])("logs in where the type is %s, given as %s", async (_type, given) => {
    const variables = await tokenRegistry({ REGISTRY_AUTH_TYPE: given });
    expect(await login(variables, basic("alice", "alice's"))).toBe(200);
    expect(await login(variables, basic("rita", "rita's"))).toBe(200);
    expect(await login(variables, basic("alice", "rita's"))).toBe(401);
    expect(await login(variables, basic("alice", "alice"))).toBe(401);
    expect(await login(variables, {})).toBe(401);
  });

  test.each<[string, Variables, number]>([
    ["a password without a name", { PASSWORD: "secret", USERNAME: undefined }, 503],
    ["a name with a colon", { USERNAME: "a:b" }, 503],
    ["the name of nobody", { USERNAME: "anonymous" }, 503],
    ["one name twice", { READONLY_USERNAME: "alice" }, 503],
    ["one name in both places", { REGISTRY_AUTH_HTPASSWD: htpasswd({ alice: "a" }) }, 503],
    ["a name without a password, as a desktop has", { READONLY_PASSWORD: undefined }, 401],
  ])("with %s: %i", async (_case, more, status) => {
    const variables = await tokenRegistry(more);
    const response = await sendTo(variables, "GET", "/v2/");
    expect(response.status).toBe(status);
    const text = await response.text();
    for (const secret of ["alice's", "rita's", "secret"]) expect(text).not.toContain(secret);
  });

  test("that reads only pulls, and no more", async () => {
    const variables = await tokenRegistry();
    const headers = basic("rita", "rita's");
    const tags = await sendTo(variables, "GET", `/v2/a${crypto.randomUUID()}/tags/list`, {
      headers,
    });
    expect(await refusal(tags)).toEqual([404, "NAME_UNKNOWN"]);
    const post = await sendTo(variables, "POST", "/v2/a/blobs/uploads/", { headers });
    expect(await refusal(post)).toEqual([403, "DENIED"]);
  });

  test("that reads only is no writer by a policy either", async () => {
    const variables = await tokenRegistry({
      REGISTRY_ACCESS_CONTROL_CONFIG: JSON.stringify({
        adminUsers: ["rita"],
        rules: [{ repository: "**", users: ["*"], permissions: ["pull", "push", "delete"] }],
      }),
    });
    const [readers, writers] = [basic("rita", "rita's"), basic("alice", "alice's")];
    const path = "/v2/a/blobs/uploads/";
    expect((await sendTo(variables, "POST", path, { headers: readers })).status).toBe(403);
    expect((await sendTo(variables, "POST", path, { headers: writers })).status).toBe(202);
  });

  test("is let in beside those of an htpasswd", async () => {
    const variables = await tokenRegistry({ REGISTRY_AUTH_HTPASSWD: htpasswd({ bob: "bob's" }) });
    expect(await login(variables, basic("alice", "alice's"))).toBe(200);
    expect(await login(variables, basic("bob", "bob's"))).toBe(200);
    expect(await login(variables, basic("bob", "alice's"))).toBe(401);
  });
});

function encoded(...bytes: number[]): string {
  return `Basic ${Buffer.from(bytes).toString("base64")}`;
}

describe("Basic that is malformed is 401:", () => {
  const right = Buffer.from("alice:alice's").toString("base64");
  test.each([
    ["no Base64", "Basic %%%"],
    ["nothing", "Basic"],
    ["a space", "Basic "],
    ["no colon", `Basic ${Buffer.from("alice").toString("base64")}`],
    ["a colon and no more", "Basic Og=="],
    ["bytes that are no UTF-8", encoded(0xff, 0x3a, 0xfe)],
    ["a surrogate", encoded(0xed, 0xa0, 0x80, 0x3a, 0x61)],
    ["zeros", encoded(0, 0x3a, 0)],
    ["the name and password as they are", "Basic alice:alice's"],
    ["no scheme", right],
    ["another scheme", `Digest ${right}`],
    ["two schemes", `Basic Bearer ${right}`],
    ["another letter in front", `Basic A${right}`],
  ])("%s", async (_case, Authorization) => {
    expect(await login(await tokenRegistry(), { Authorization })).toBe(401);
  });
});

describe("a right password", () => {
  const variables = withUsers(htpasswd({ alice: "secret", bob: "other" }));

  test("costs bcrypt once a minute", async () => {
    const headers = basic("alice", "secret");
    const registry = withUsers(htpasswd({ alice: "secret" }));
    for (let count = 0; count < 10; count += 1) {
      // oxlint-disable-next-line no-await-in-loop
      expect(await login(registry, headers)).toBe(200);
    }
    expect(compares()).toBe(1);
    advance(59 * secondMs);
    expect(await login(registry, headers)).toBe(200);
    expect(compares()).toBe(0);
    advance(2 * secondMs);
    expect(await login(registry, headers)).toBe(200);
    expect(compares()).toBe(1);
  });

  test("is forgotten with its hash", async () => {
    const before = withUsers(htpasswd({ alice: "secret" }));
    expect(await login(before, basic("alice", "secret"))).toBe(200);
    compares();
    expect(await login(withUsers(htpasswd({ alice: "secret" })), basic("alice", "secret"))).toBe(
      200,
    );
    expect(compares()).toBe(1);
    expect(await login(withUsers(htpasswd({ alice: "newer" })), basic("alice", "secret"))).toBe(
      401,
    );
    expect(await login(withUsers(htpasswd({ bob: "secret" })), basic("alice", "secret"))).toBe(401);
  });

  test.each([
    ["another password", basic("alice", "secret2")],
    ["an empty password", basic("alice", "")],
    ["the same password of another", basic("bob", "secret")],
    ["the two, divided elsewhere", basic("alic", "e:secret")],
  ])("that is remembered lets in nobody by %s", async (_case, headers) => {
    expect(await login(variables, basic("alice", "secret"))).toBe(200);
    expect(await login(variables, headers)).toBe(401);
  });

  test("of the variables costs none", async () => {
    const registry = { REGISTRY_AUTH_TYPE: "basic", USERNAME: "alice", PASSWORD: "alice's" };
    expect(await login(registry, basic("alice", "alice's"))).toBe(200);
    expect(await login(registry, basic("alice", "wrong"))).toBe(401);
    expect(compares()).toBe(0);
  });
});

describe("a wrong login", () => {
  const variables = {
    ...withUsers(htpasswd({ alice: "secret" })),
    USERNAME: "plain",
    PASSWORD: "p",
  };

  test.each([
    ["a wrong password", basic("alice", "wrong")],
    ["the same wrong password again", basic("alice", "wrong")],
    ["an unknown user", basic("nemo", "secret")],
    ["an empty name", basic("", "secret")],
    ["a wrong password of the variables' user", basic("plain", "wrong")],
    ["a token of nobody's", basic("alice", "aaa.bbb.ccc")],
  ])("by %s costs one bcrypt", async (_case, headers) => {
    expect(await login(variables, headers)).toBe(401);
    expect(compares()).toBe(1);
  });

  test("by an unknown user is compared with a hash of the users' cost", async () => {
    const costly = withUsers(`alice:${hashSync("secret", 6)}`);
    expect(await login(costly, basic("nemo", "secret"))).toBe(401);
    const [[, hash] = ["", ""]] = vi.mocked(compare).mock.calls;
    expect([hash.slice(0, 7), hash.length]).toEqual(["$2b$06$", 60]);
  });
});

describe("nothing is told of a password:", () => {
  const secrets = ["top-secret-1", "top-secret-2"];
  const [right = "", wrong = ""] = secrets;

  test.each<[string, Credentials, string]>([
    ["a right one", basic("alice", right), "/v2/"],
    ["a wrong one", basic("alice", wrong), "/v2/"],
    ["an unknown user's", basic("nemo", wrong), "/v2/a/tags/list"],
    ["a right one, to /token", basic("alice", right), "/token?offline_token=true"],
    ["a wrong one, to /token", basic("alice", wrong), "/token"],
    ["one for a denied push", basic("alice", right), "/v2/a/manifests/1"],
  ])("%s", async (_case, credentials, path) => {
    const registry = await tokenRegistry({
      USERNAME: undefined,
      PASSWORD: undefined,
      REGISTRY_AUTH_HTPASSWD: htpasswd({ alice: right }),
      REGISTRY_ACCESS_CONTROL_CONFIG: '{"rules":[]}',
    });
    const headers = { ...credentials, "CF-Connecting-IP": crypto.randomUUID() };
    const response = await sendTo(registry, "GET", path, { headers });
    const answer = JSON.stringify([...response.headers]) + (await response.text());
    const lines = told.flat().join("\n");
    expect(lines).toContain('"event":"request"');
    const inBase64 = Buffer.from(wrong).toString("base64").slice(0, 8);
    for (const secret of [...secrets, inBase64, registry["REGISTRY_AUTH_HTPASSWD"] ?? ""]) {
      expect(answer).not.toContain(secret);
      expect(lines).not.toContain(secret);
    }
  });

  test.each([
    ["a password in the place of a hash", `alice:${right}`],
    ["a hash of another kind", `alice:$apr1$${right}`],
    ["a user of a strange name", `al ice:${right}`],
    ["a hash that was cut off", `bob:${hashSync("b", 4)}\nalice:$2y$10$${right}`],
  ])("%s", async (_case, text) => {
    const response = await sendTo(withUsers(text), "GET", "/v2/");
    const answer = await response.text();
    expect(response.status).toBe(503);
    expect(answer).toContain(`REGISTRY_AUTH_HTPASSWD: line ${text.split("\n").length}`);
    expect(answer).not.toContain(right);
    expect(answer).not.toContain("alice");
    const lines = told.flat().join("\n");
    expect(lines).toContain('"status":503');
    expect(lines).not.toContain(right);
    expect(lines).not.toContain("alice");
  });
});
