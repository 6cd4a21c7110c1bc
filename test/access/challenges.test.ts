import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import {
  digestOf,
  errorCode,
  indexOf,
  newRepository,
  pushManifest,
  refusal,
  stream,
} from "../client.ts";
import { sendTo } from "../configured.ts";
import { advance, minuteMs } from "../durable-objects/clock.ts";
import {
  alice,
  askToken,
  basic,
  bearer,
  type Credentials,
  htpasswd,
  nobody,
  rita,
  tokenOf,
  tokenRegistry,
  type Variables,
} from "./credentials.ts";

const publicRepository = `public/r${crypto.randomUUID()}`;

const policy = JSON.stringify({
  rules: [
    { repository: "public/**", users: ["anonymous"], permissions: ["pull"] },
    { repository: "team/**", users: ["alice"], permissions: ["pull", "push", "delete"] },
    { repository: "team/**", users: ["rita"], permissions: ["pull"] },
    { repository: "other/**", users: ["bob"], permissions: ["pull", "push"] },
  ],
});

let variables: Variables;

beforeAll(async () => {
  variables = await tokenRegistry({
    REGISTRY_ACCESS_CONTROL_CONFIG: policy,
    REGISTRY_AUTH_HTPASSWD: htpasswd({ bob: "bob's" }),
  });
  await pushManifest(publicRepository, "1", indexOf());
});

afterEach(() => {
  vi.useRealTimers();
});

const bob = basic("bob", "bob's");
const zeros = `sha256:${"0".repeat(64)}`;
const ours = 'Bearer realm="http://registry.test/token",service="longshore"';

function challenge(response: Response): string | null {
  return response.headers.get("WWW-Authenticate");
}

describe("the one challenge names what is needed:", () => {
  const upload = "/v2/team/app/blobs/uploads/abc";
  const rows: [string, string, string][] = [
    ["GET", "/v2/", ""],
    ["GET", "/v2", ""],
    ["GET", "/v2/team/app/manifests/1", "repository:team/app:pull"],
    ["GET", `/v2/team/app/manifests/${zeros}`, "repository:team/app:pull"],
    ["PUT", "/v2/team/app/manifests/1", "repository:team/app:pull,push"],
    ["DELETE", "/v2/team/app/manifests/1", "repository:team/app:delete"],
    ["GET", `/v2/team/app/blobs/${zeros}`, "repository:team/app:pull"],
    ["DELETE", `/v2/team/app/blobs/${zeros}`, "repository:team/app:delete"],
    ["POST", "/v2/team/app/blobs/uploads/", "repository:team/app:pull,push"],
    [
      "POST",
      `/v2/team/app/blobs/uploads/?mount=${zeros}&from=team/b`,
      "repository:team/app:pull,push",
    ],
    ["PATCH", upload, "repository:team/app:pull,push"],
    ["PUT", `${upload}?digest=${zeros}`, "repository:team/app:pull,push"],
    ["GET", upload, "repository:team/app:pull,push"],
    ["DELETE", upload, "repository:team/app:pull,push"],
    ["GET", "/v2/team/app/tags/list", "repository:team/app:pull"],
    ["GET", `/v2/team/app/referrers/${zeros}`, "repository:team/app:pull"],
    ["GET", "/v2/_catalog", "registry:catalog:*"],
    ["GET", "/_catalog", "registry:catalog:*"],
    ["GET", "/v2/blobs/uploads/manifests/1", "repository:blobs/uploads:pull"],
  ];

  test.each(rows)("%s %s", async (method, path, scope) => {
    const response = await sendTo(variables, method, path);
    const expected = scope === "" ? ours : `${ours},scope="${scope}"`;
    expect([response.status, challenge(response)]).toEqual([401, expected]);
    expect(response.headers.get("Cache-Control")).toBe("no-store");
    expect(response.headers.get("Docker-Distribution-API-Version")).toBe("registry/2.0");
    expect(await errorCode(response)).toBe("UNAUTHORIZED");
  });

  test.each(rows.filter(([method]) => method === "GET"))(
    "HEAD as %s %s",
    async (_method, path, scope) => {
      const response = await sendTo(variables, "HEAD", path);
      const expected = scope === "" ? ours : `${ours},scope="${scope}"`;
      expect([response.status, challenge(response)]).toEqual([401, expected]);
    },
  );

  test.each(rows)("Basic alone for %s %s", async (method, path) => {
    const registry = { ...variables, REGISTRY_AUTH_TYPE: "basic" };
    const response = await sendTo(registry, method, path);
    expect([response.status, challenge(response)]).toEqual([401, 'Basic realm="Registry"']);
  });
});

describe("the realm", () => {
  test.each<[string, Variables, Credentials, string]>([
    ["is at the Host", {}, { Host: "images.test:8443" }, "http://images.test:8443/token"],
    ["is at the request's host without one", {}, {}, "http://registry.test/token"],
    ["has the proxy's scheme", {}, { "X-Forwarded-Proto": "https" }, "https://registry.test/token"],
    [
      "has the first proxy's scheme",
      {},
      { "X-Forwarded-Proto": "https, http" },
      "https://registry.test/token",
    ],
    [
      "has Host and scheme",
      {},
      { Host: "r.test", "X-Forwarded-Proto": "https" },
      "https://r.test/token",
    ],
    [
      "has no scheme but the web's",
      {},
      { "X-Forwarded-Proto": "javascript" },
      "http://registry.test/token",
    ],
    [
      "has no quotes from outside",
      {},
      { "X-Forwarded-Proto": '",x="' },
      "http://registry.test/token",
    ],
    [
      "is at REGISTRY_URL",
      { REGISTRY_URL: "https://r.example.com" },
      { Host: "r.test" },
      "https://r.example.com/token",
    ],
    [
      "is at REGISTRY_URL whatever a proxy says",
      { REGISTRY_URL: "https://r.example.com:5000/" },
      { "X-Forwarded-Proto": "http" },
      "https://r.example.com:5000/token",
    ],
  ])("%s", async (_case, more, headers, realm) => {
    const response = await sendTo({ ...variables, ...more }, "GET", "/v2/", { headers });
    expect(challenge(response)).toBe(`Bearer realm="${realm}",service="longshore"`);
  });

  test.each<[string, Variables, string]>([
    [
      "a service",
      { REGISTRY_AUTH_TOKEN_SERVICE: "images of us" },
      'Bearer realm="http://registry.test/token",service="images of us"',
    ],
    [
      "quotes",
      { REGISTRY_AUTH_TOKEN_SERVICE: 'a"b\\c' },
      String.raw`Bearer realm="http://registry.test/token",service="a\"b\\c"`,
    ],
    [
      "Basic",
      { REGISTRY_AUTH_TYPE: "basic", REGISTRY_AUTH_REALM: "Our images" },
      'Basic realm="Our images"',
    ],
    [
      "Basic with quotes",
      { REGISTRY_AUTH_TYPE: "basic", REGISTRY_AUTH_REALM: '"' },
      String.raw`Basic realm="\""`,
    ],
  ])("is configured for %s", async (_case, more, expected) => {
    const response = await sendTo({ ...variables, ...more }, "GET", "/v2/");
    expect(challenge(response)).toBe(expected);
  });

  test.each<[string, Variables]>([
    ["REGISTRY_AUTH_REALM", { REGISTRY_AUTH_TYPE: "basic", REGISTRY_AUTH_REALM: "a\r\nX: y" }],
    ["REGISTRY_AUTH_TOKEN_SERVICE", { REGISTRY_AUTH_TOKEN_SERVICE: "a\nb" }],
  ])("can't be what no header holds: %s", async (name, more) => {
    const response = await sendTo({ ...variables, ...more }, "GET", "/v2/");
    const text = await response.text();
    expect([response.status, text.includes(name)]).toEqual([503, true]);
  });
});

describe("the challenge says what is wrong with", () => {
  const path = "/v2/team/app/manifests/1";
  const pull = 'scope="repository:team/app:pull"';

  test.each<[string, () => Promise<Credentials>, string | undefined]>([
    ["no credentials: nothing", async () => nobody, undefined],
    ["podman's nobody: nothing", async () => basic("", ""), undefined],
    ["a wrong password: nothing", async () => basic("alice", "wrong"), undefined],
    ["another scheme: nothing", async () => ({ Authorization: "Negotiate abc" }), undefined],
    ["an empty header: nothing", async () => ({ Authorization: "" }), undefined],
    ["a token that is none", async () => bearer("abc"), "invalid_token"],
    ["an empty token", async () => ({ Authorization: "Bearer" }), "invalid_token"],
    ["a token of three parts that is none", async () => bearer("a.b.c"), "invalid_token"],
    [
      "a token of another registry",
      async () => tokenOf(await tokenRegistry(), alice),
      "invalid_token",
    ],
    [
      "a token whose user is gone",
      async () => tokenOf({ ...variables, USERNAME: "anna" }, basic("anna", "alice's")),
      "invalid_token",
    ],
    ["a token for nothing", async () => tokenOf(variables, alice), "insufficient_scope"],
    [
      "a token for another repository",
      async () => tokenOf(variables, alice, "repository:team/b:pull"),
      "insufficient_scope",
    ],
    [
      "a token for another action",
      async () => tokenOf(variables, alice, "repository:team/app:delete"),
      "insufficient_scope",
    ],
    [
      "nobody's token",
      async () => tokenOf(variables, nobody, "repository:team/app:pull"),
      "insufficient_scope",
    ],
  ])("%s", async (_case, credentials, error) => {
    const response = await sendTo(variables, "GET", path, { headers: await credentials() });
    const said = error === undefined ? "" : `,error="${error}"`;
    expect([response.status, challenge(response)]).toEqual([401, `${ours},${pull}${said}`]);
  });

  test("an expired token", async () => {
    const headers = await tokenOf(variables, alice, "repository:team/app:pull");
    advance(6 * minuteMs);
    for (const method of ["GET", "HEAD"]) {
      // oxlint-disable-next-line no-await-in-loop
      const response = await sendTo(variables, method, path, { headers });
      expect(challenge(response)).toBe(`${ours},${pull},error="invalid_token"`);
    }
  });

  test.each<[string, string, Credentials]>([
    ["a push", "PUT", rita],
    ["a deletion", "DELETE", rita],
    ["a pull of others", "GET", bob],
  ])("nothing where no token helps: %s is 403", async (_case, method, credentials) => {
    const asked = "repository:team/app:pull,push,delete";
    for (const headers of [credentials, await tokenOf(variables, credentials, asked)]) {
      // oxlint-disable-next-line no-await-in-loop
      const response = await sendTo(variables, method, path, { headers });
      expect(challenge(response)).toBeNull();
      // oxlint-disable-next-line no-await-in-loop
      expect(await refusal(response)).toEqual([403, "DENIED"]);
    }
  });

  test("a denied push by naming it", async () => {
    const response = await sendTo(variables, "PUT", path, { headers: rita });
    expect(await response.text()).toContain("push in team/app");
  });
});

/** What docker's and containerd's parsers make of a challenge: parameters by lower-case name. */
function parameters(response: Response): Record<string, string> {
  const [scheme, rest = ""] = (challenge(response) ?? "").split(/ (.*)/, 2);
  if (scheme !== "Bearer") throw new Error(`no Bearer challenge: ${challenge(response)}`);
  const found = [...rest.matchAll(/([a-z]+)="([^"]*)"(?:,|$)/g)];
  if (found.map(([text]) => text).join("") !== rest) throw new Error(`not read: ${rest}`);
  return Object.fromEntries(found.map(([, name, value]) => [name, value]));
}

/** The path of the token service that a challenge names, with its parameters. */
function tokenPath(response: Response, more: Record<string, string> = {}): string {
  const { realm = "", service = "", scope } = parameters(response);
  const query = new URLSearchParams({
    service,
    ...(scope === undefined ? {} : { scope }),
    ...more,
  });
  return `${new URL(realm).pathname}?${query.toString()}`;
}

describe("rule 1: the ping", () => {
  test.each([["GET"], ["HEAD"]])(
    "docker: anonymous %s is 401, for all that there are public repositories",
    async (method) => {
      const response = await sendTo(variables, method, "/v2/");
      expect([response.status, challenge(response)]).toEqual([401, ours]);
    },
  );

  test.each<[string, () => Promise<Credentials>]>([
    ["docker login: a token without a scope", () => tokenOf(variables, alice)],
    ["docker: a token for a pull", () => tokenOf(variables, rita, "repository:team/app:pull")],
    [
      "docker: a token that grants nothing of what was asked",
      () => tokenOf(variables, bob, "repository:team/app:pull"),
    ],
    ["docker: nobody's token", () => tokenOf(variables, nobody, "repository:x:pull")],
    ["helm: a token for the catalog", () => tokenOf(variables, alice, "registry:catalog:*")],
    ["crane: Basic", async () => alice],
    [
      "curl: Basic in lower case",
      async () => ({ Authorization: `basic ${alice["Authorization"]?.slice(6)}` }),
    ],
    [
      "curl: Bearer in lower case",
      async () => ({ Authorization: `bearer ${(await askToken(variables, alice)).token}` }),
    ],
    ["podman: Basic of a reader", async () => rita],
  ])("%s is 200", async (_case, credentials) => {
    const response = await sendTo(variables, "GET", "/v2/", { headers: await credentials() });
    expect([response.status, challenge(response)]).toEqual([200, null]);
  });

  test.each<[string, Credentials]>([
    ["docker login: a wrong password", basic("alice", "wrong")],
    ["helm login: an unknown user", basic("nemo", "alice's")],
    ["podman login: an empty password", basic("alice", "")],
  ])("%s is 401", async (_case, headers) => {
    expect((await sendTo(variables, "GET", "/v2/", { headers })).status).toBe(401);
    expect((await sendTo(variables, "GET", "/token", { headers })).status).toBe(401);
  });
});

describe("rules 2 and 3: the challenge", () => {
  test.each([
    ["docker", "GET", "/v2/", ["realm", "service"]],
    ["containerd", "HEAD", "/v2/team/app/manifests/1", ["realm", "service", "scope"]],
    ["oras", "POST", "/v2/team/app/blobs/uploads/", ["realm", "service", "scope"]],
    ["spegel", "GET", `/v2/team/app/blobs/${zeros}`, ["realm", "service", "scope"]],
  ])("%s: %s %s has no empty and no other parameters", async (_client, method, path, names) => {
    const found = parameters(await sendTo(variables, method, path));
    expect(Object.keys(found)).toEqual(names);
    expect(Object.values(found)).not.toContain("");
    expect(new URL(`${found["realm"]}`).protocol).toBe("http:");
  });
});

describe("rules 4 to 6: a client that follows the challenge", () => {
  test("docker: pulls from a public repository as nobody", async () => {
    const ping = await sendTo(variables, "GET", "/v2/");
    const path = tokenPath(ping, { scope: `repository:${publicRepository}:pull` });
    const answer = await sendTo(variables, "GET", path);
    const headers = bearer((await answer.json<{ token: string }>()).token);
    const manifest = `/v2/${publicRepository}/manifests/1`;
    expect((await sendTo(variables, "GET", manifest, { headers })).status).toBe(200);
  });

  test("containerd: pulls from a public repository without a token", async () => {
    const manifest = `/v2/${publicRepository}/manifests/1`;
    expect((await sendTo(variables, "HEAD", manifest)).status).toBe(200);
    expect((await sendTo(variables, "GET", manifest)).status).toBe(200);
  });

  test("podman: pulls from a public repository with an empty name and password", async () => {
    const ping = await sendTo(variables, "GET", "/v2/", { headers: basic("", "") });
    expect(ping.status).toBe(401);
    const path = tokenPath(ping, { scope: `repository:${publicRepository}:pull` });
    const answer = await sendTo(variables, "GET", path, { headers: basic("", "") });
    const headers = bearer((await answer.json<{ token: string }>()).token);
    const manifest = `/v2/${publicRepository}/manifests/1`;
    expect((await sendTo(variables, "GET", manifest, { headers })).status).toBe(200);
  });

  test("containerd: drops the expired token and goes on with a new one", async () => {
    const path = "/v2/team/app/manifests/1";
    const old = await tokenOf(variables, alice, "repository:team/app:pull");
    advance(6 * minuteMs);
    const refused = await sendTo(variables, "HEAD", path, { headers: old });
    expect(parameters(refused)["error"]).toBe("invalid_token");
    const answer = await sendTo(variables, "GET", tokenPath(refused), { headers: alice });
    const headers = bearer((await answer.json<{ token: string }>()).token);
    expect((await sendTo(variables, "HEAD", path, { headers })).status).toBe(404);
  });

  test("buildkit: is told insufficient_scope only until its token has the scope", async () => {
    const path = "/v2/team/app/blobs/uploads/";
    const pull = await tokenOf(variables, alice, "repository:team/app:pull");
    const refused = await sendTo(variables, "POST", path, { headers: pull });
    expect(parameters(refused)).toMatchObject({
      error: "insufficient_scope",
      scope: "repository:team/app:pull,push",
    });
    const answer = await sendTo(variables, "GET", tokenPath(refused), { headers: alice });
    const headers = bearer((await answer.json<{ token: string }>()).token);
    expect((await sendTo(variables, "POST", path, { headers })).status).toBe(202);
  });

  test("regctl: a token asked for a scope that its user has not leads to 403, not to another 401", async () => {
    const scope = "repository:team/app:pull,push";
    const headers = await tokenOf(variables, rita, scope);
    const response = await sendTo(variables, "POST", "/v2/team/app/blobs/uploads/", { headers });
    expect(await refusal(response)).toEqual([403, "DENIED"]);
  });
});

describe("rules 5 and 7: the token's answer", () => {
  test.each([
    ["docker", "docker"],
    ["containerd", "containerd-client"],
    ["buildkit", "buildkit-client"],
    ["podman", "containers/image"],
  ])("%s: lives 300 s at least, under both names, in less than 64 KiB", async (_case, client) => {
    const scopes = Array.from({ length: 100 }, (_, at) => `scope=repository:team/r${at}:pull,push`);
    const path = `/token?service=longshore&client_id=${client}&account=alice&${scopes.join("&")}`;
    const text = await (await sendTo(variables, "GET", path, { headers: alice })).text();
    expect(text.length).toBeLessThan(65_536);
    const answer = JSON.parse(text) as Record<string, unknown>;
    expect(answer["token"]).toBe(answer["access_token"]);
    expect(Number.isInteger(answer["expires_in"])).toBe(true);
    expect(answer["expires_in"]).toBeGreaterThanOrEqual(300);
    expect(Date.parse(String(answer["issued_at"]))).toBeLessThanOrEqual(Date.now());
  });
});

describe("rule 9: a token that ends while an upload is under way", () => {
  test("docker: does not end the request that has begun, and the next one brings another", async () => {
    const repository = newRepository();
    const scope = `repository:${repository}:pull,push`;
    const headers = await tokenOf(variables, alice, scope);
    const post = await sendTo(variables, "POST", `/v2/${repository}/blobs/uploads/`, { headers });
    const bytes = new Uint8Array(1000).fill(7);
    const pieces = stream(bytes, 500).getReader();
    const slow = new ReadableStream<Uint8Array>({
      async pull(controller) {
        const { done, value } = await pieces.read();
        if (done) return controller.close();
        advance(4 * minuteMs);
        controller.enqueue(value);
      },
    });
    const location = post.headers.get("Location") ?? "";
    const patch = await sendTo(variables, "PATCH", location, { headers, body: slow });
    expect([patch.status, patch.headers.get("Range")]).toEqual([202, "0-999"]);
    const closing = `${patch.headers.get("Location")}?digest=${digestOf(bytes)}`;
    const late = await sendTo(variables, "PUT", closing, { headers });
    expect(parameters(late)["error"]).toBe("invalid_token");
    const fresh = await tokenOf(variables, alice, scope);
    expect((await sendTo(variables, "PUT", closing, { headers: fresh })).status).toBe(201);
  });
});
