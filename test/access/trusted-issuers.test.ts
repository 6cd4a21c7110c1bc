import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { indexOf, newRepository, ociIndex, refusal } from "../client.ts";
import { sendTo } from "../configured.ts";
import { advance, hourMs, minuteMs, secondMs } from "../durable-objects/clock.ts";
import {
  askToken,
  basic,
  bearer,
  type Credentials,
  newPrivateKey,
  postForm,
  scopesOf,
  type TokenAnswer,
  type Variables,
} from "./credentials.ts";
import { type Claims, jwksOf, newOrigin, nowSeconds, Signer, Web } from "./issuer.ts";

const audience = "https://registry.example.com";
const privateKey = await newPrivateKey();

let web: Web;
let issuer: string;
let signer: Signer;
let variables: Variables;

/** A policy that trusts the issuer, with these rules and whatever else. */
function trusting(rules: readonly object[], more: object = {}): Variables {
  return {
    REGISTRY_AUTH_TYPE: "token",
    REGISTRY_AUTH_TOKEN_PRIVATEKEY: privateKey,
    REGISTRY_ACCESS_CONTROL_CONFIG: JSON.stringify({
      issuers: [{ issuer, audience, rules, ...more }],
    }),
  };
}

const discoveryPath = "/.well-known/openid-configuration";

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  web = new Web();
  issuer = newOrigin();
  signer = await Signer.make("RS256");
  web.set(issuer + discoveryPath, { issuer, jwks_uri: `${issuer}/jwks` });
  web.set(`${issuer}/jwks`, await jwksOf(signer));
  variables = trusting([
    { claims: { repository: "octo/app" }, repository: "team/**", permissions: ["pull", "push"] },
  ]);
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** The claims of a good job, with some of them other ones. */
function claimsOf(more: Claims = {}): Claims {
  const now = nowSeconds();
  return {
    iss: issuer,
    sub: "repo:octo/app:ref:refs/heads/main",
    aud: audience,
    iat: now,
    nbf: now,
    exp: now + 300,
    repository: "octo/app",
    ...more,
  };
}

/** The headers of a job that logs in with its issuer's token as password. */
async function job(more: Claims = {}): Promise<Credentials> {
  return basic(`ci-${crypto.randomUUID()}`, await signer.sign(claimsOf(more)));
}

async function statusOf(headers: Credentials, method: string, path: string): Promise<number> {
  return (await sendTo(variables, method, path, { headers })).status;
}

function uploadsOf(repository: string): string {
  return `/v2/${repository}/blobs/uploads/`;
}

describe("an issuer's token as the password", () => {
  test.each([
    ["GET", "/v2/", 200],
    ["GET", "/v2/team/app/manifests/none", 404],
    ["HEAD", "/v2/team/app/manifests/none", 404],
    ["GET", `/v2/team/app/blobs/sha256:${"0".repeat(64)}`, 404],
    ["GET", "/v2/team/none/tags/list", 404],
    ["GET", `/v2/team/app/referrers/sha256:${"0".repeat(64)}`, 200],
    ["POST", "/v2/team/app/blobs/uploads/", 202],
    ["PATCH", "/v2/team/app/blobs/uploads/none", 404],
    ["PUT", "/v2/team/app/manifests/v1", 400],
    ["DELETE", "/v2/team/app/manifests/v1", 403],
    ["GET", "/v2/other/app/manifests/none", 403],
    ["HEAD", "/v2/other/app/manifests/none", 403],
    ["POST", "/v2/other/app/blobs/uploads/", 403],
    ["GET", "/v2/teams/app/manifests/none", 403],
  ])("%s of %s is %i", async (method, path, status) => {
    expect(await statusOf(await job(), method, path)).toBe(status);
  });

  test("is as good where the registry makes no tokens (REGISTRY_AUTH_TYPE=basic)", async () => {
    variables = { ...variables, REGISTRY_AUTH_TYPE: "basic", USERNAME: "a", PASSWORD: "b" };
    expect(await statusOf(await job(), "GET", "/v2/team/app/manifests/none")).toBe(404);
    expect(await statusOf(await job(), "GET", "/v2/other/app/manifests/none")).toBe(403);
  });

  test("is no token of ours: as Bearer it is 401", async () => {
    const headers = bearer(await signer.sign(claimsOf()));
    expect(await statusOf(headers, "GET", "/v2/team/app/manifests/none")).toBe(401);
  });

  test("lists of the catalog what the job may pull, and nothing else", async () => {
    const [visible, hidden] = [newRepository(), `hidden/h${crypto.randomUUID()}`];
    for (const repository of [visible, hidden]) {
      const init = { body: indexOf(), headers: { "Content-Type": ociIndex } };
      const open = { REGISTRY_AUTH_TYPE: "none" };
      // oxlint-disable-next-line no-await-in-loop
      await sendTo(open, "PUT", `/v2/${repository}/manifests/v1`, init);
    }
    vi.useRealTimers();
    const headers = await job();
    await vi.waitFor(async () => {
      const response = await sendTo(variables, "GET", "/v2/_catalog?n=1000", { headers });
      const { repositories } = await response.json<{ repositories: string[] }>();
      expect(repositories).toContain(visible);
      expect(repositories).not.toContain(hidden);
    }, 10_000);
  });
});

describe("an issuer's token whose claims are", () => {
  test.each<[string, number, Claims]>([
    ["good", 404, {}],
    ["for several audiences, ours among them", 404, { aud: ["other", audience] }],
    ["for another audience", 401, { aud: "https://other.example.com" }],
    ["for no audience", 401, { aud: undefined }],
    ["of another issuer", 401, { iss: "https://evil.example.com" }],
    ["of the issuer with a slash", 401, { iss: "<issuer>/" }],
    ["of no issuer", 401, { iss: undefined }],
    ["over", 401, { exp: 1_000_000_000 }],
    ["without an end", 401, { exp: undefined }],
    ["to begin tomorrow", 401, { nbf: 4_000_000_000 }],
    ["without a subject", 401, { sub: undefined }],
    ["of another repository", 401, { repository: "octo/other" }],
    ["of a repository that begins so", 401, { repository: "octo/app2" }],
    ["of a repository that ends so", 401, { repository: "evil/octo/app" }],
    ["of a repository in other letters", 401, { repository: "Octo/app" }],
    ["without the claim that the rule names", 401, { repository: undefined }],
    ["with a list where the rule names a text", 401, { repository: ["octo/app"] }],
    ["with an object there", 401, { repository: { toString: "octo/app" } }],
    ["with null there", 401, { repository: null }],
  ])("%s: a pull is %i", async (_case, status, claims) => {
    const more = claims["iss"] === "<issuer>/" ? { iss: `${issuer}/` } : claims;
    const headers = await job(more);
    expect(await statusOf(headers, "GET", "/v2/team/app/manifests/none")).toBe(status);
  });

  test.each<[string, Record<string, string>, Claims, number]>([
    ["all of them", { repository: "octo/app", environment: "prod" }, { environment: "prod" }, 404],
    ["one of them", { repository: "octo/app", environment: "prod" }, {}, 401],
    ["a wildcard's end", { ref: "refs/heads/*" }, { ref: "refs/heads/main" }, 404],
    ["a wildcard's end with slashes", { ref: "refs/heads/*" }, { ref: "refs/heads/a/b" }, 404],
    ["not a wildcard's end", { ref: "refs/heads/*" }, { ref: "refs/tags/v1" }, 401],
    ["a wildcard within", { ref: "refs/*/v1" }, { ref: "refs/tags/v1" }, 404],
    ["a wildcard's nothing", { ref: "v1*" }, { ref: "v1" }, 404],
    ["no wildcard, but a dot", { ref: "v1.2" }, { ref: "v1x2" }, 401],
    ["two wildcards", { repository: "*/app*" }, { repository: "octo/app-2" }, 404],
    ["overlapping ends", { ref: "aba*ba" }, { ref: "aba" }, 401],
    ["a boolean", { ref_protected: "true" }, { ref_protected: true }, 404],
    ["a text for a boolean", { ref_protected: "true" }, { ref_protected: "true" }, 404],
    ["another boolean", { ref_protected: "true" }, { ref_protected: false }, 401],
    ["a number", { run_attempt: "1" }, { run_attempt: 1 }, 404],
    ["a property that every object has", { constructor: "*" }, {}, 401],
    ["any value, which has to be there", { environment: "*" }, {}, 401],
    ["a standard claim", { sub: "repo:octo/app:*" }, {}, 404],
  ])("the rule names %s: %j", async (_case, claims, more, status) => {
    variables = trusting([{ claims, repository: "team/**", permissions: ["pull"] }]);
    const headers = await job(more);
    expect(await statusOf(headers, "GET", "/v2/team/app/manifests/none")).toBe(status);
  });

  test("the first rule whose pattern and claims match decides alone", async () => {
    const [pull, push] = [["pull"], ["pull", "push"]];
    variables = trusting([
      { claims: { ref: "refs/heads/main" }, repository: "team/app", permissions: push },
      { claims: { repository: "octo/*" }, repository: "team/*", permissions: pull },
      { claims: { repository: "octo/*" }, repository: "team/**", permissions: push },
    ]);
    const main = await job({ ref: "refs/heads/main" });
    const branch = await job({ ref: "refs/heads/feature" });
    expect(await statusOf(main, "POST", uploadsOf("team/app"))).toBe(202);
    expect(await statusOf(main, "POST", uploadsOf("team/other"))).toBe(403);
    expect(await statusOf(main, "POST", uploadsOf("team/a/b"))).toBe(202);
    expect(await statusOf(branch, "POST", uploadsOf("team/app"))).toBe(403);
  });

  test("a rule without claims, which would trust all, is refused with its path", async () => {
    variables = trusting([{ claims: {}, repository: "**", permissions: ["pull"] }]);
    const response = await sendTo(variables, "GET", "/v2/");
    expect(response.status).toBe(503);
    expect(await response.text()).toContain("issuers[0].rules[0].claims");
  });
});

/** Claims as their vendors document them, without what no rule asks for. */
const github: Claims = {
  sub: "repo:octo-org/app:environment:production",
  repository: "octo-org/app",
  repository_owner: "octo-org",
  repository_visibility: "private",
  ref: "refs/heads/main",
  ref_type: "branch",
  environment: "production",
  event_name: "push",
  job_workflow_ref: "octo-org/app/.github/workflows/release.yml@refs/heads/main",
  run_id: "1234567890",
};
const gitlab: Claims = {
  sub: "project_path:group/app:ref_type:branch:ref:main",
  namespace_path: "group",
  project_path: "group/app",
  project_id: "42",
  ref: "main",
  ref_type: "branch",
  ref_protected: "true",
  environment: "production",
  user_login: "tanuki",
};

describe("a job of", () => {
  test.each<[string, Claims, Record<string, string>, number]>([
    ["GitHub", github, { repository: "octo-org/app", ref: "refs/heads/main" }, 202],
    ["GitHub", github, { repository_owner: "octo-org", environment: "production" }, 202],
    ["GitHub", github, { job_workflow_ref: "octo-org/app/.github/workflows/*" }, 202],
    ["GitHub", github, { repository: "octo-org/app", ref: "refs/tags/*" }, 401],
    ["GitHub", github, { repository: "octo/*" }, 401],
    [
      "GitHub, a pull request",
      { ...github, ref: "refs/pull/1/merge" },
      { ref: "refs/heads/*" },
      401,
    ],
    ["GitLab", gitlab, { project_path: "group/app", ref_protected: "true" }, 202],
    ["GitLab", gitlab, { namespace_path: "group", ref: "main", ref_type: "branch" }, 202],
    ["GitLab", gitlab, { project_id: "42" }, 202],
    ["GitLab", gitlab, { project_path: "group/other" }, 401],
    ["GitLab, a tag", { ...gitlab, ref_type: "tag" }, { ref_type: "branch" }, 401],
  ])("%s with %j pushes by the rule %j: %i", async (_vendor, claims, rule, status) => {
    variables = trusting([{ claims: rule, repository: "team/app", permissions: ["push"] }]);
    const headers = await job({ repository: undefined, ...claims });
    expect(await statusOf(headers, "POST", "/v2/team/app/blobs/uploads/")).toBe(status);
  });
});

describe.each<[string, (scopes: string[], more?: Claims) => Promise<TokenAnswer | Response>]>([
  ["GET", async (scopes, more) => askToken(variables, await job(more), scopes)],
  ["POST", async (scopes, more) => askByForm(scopes, await signer.sign(claimsOf(more)))],
])("at /token, by %s,", (_method, ask) => {
  const app = newRepository();

  async function scopesFor(scopes: string[]): Promise<string[]> {
    return scopesOf(((await ask(scopes)) as TokenAnswer).token);
  }

  test.each([
    ["just what its rule gives", [`repository:${app}:pull,push`], [`repository:${app}:pull,push`]],
    ["no more than that", [`repository:${app}:*`], [`repository:${app}:pull,push`]],
    ["no deletion", [`repository:${app}:delete`], []],
    ["no more than is asked for", [`repository:${app}:pull`], [`repository:${app}:pull`]],
    ["nothing elsewhere", ["repository:other/app:pull,push"], []],
    [
      "a part of several",
      [`repository:${app}:pull`, "repository:other/app:pull"],
      [`repository:${app}:pull`],
    ],
    ["no catalog", ["registry:catalog:*"], []],
    ["no administration", ["registry:administration:*"], []],
    ["nothing for nothing", [], []],
  ])("a job gets a token for %s", async (_case, scopes, expected) => {
    expect(await scopesFor(scopes)).toEqual(expected);
  });

  test("which pushes there, and does nothing elsewhere", async () => {
    const scopes = [`repository:${app}:pull,push`, "repository:other/app:pull,push"];
    const answer = (await ask([...scopes, "registry:catalog:*"])) as TokenAnswer;
    const headers = bearer(answer.token);
    const begun = await sendTo(variables, "POST", `/v2/${app}/blobs/uploads/`, { headers });
    expect(begun.status).toBe(202);
    const init = { body: indexOf(), headers: { ...headers, "Content-Type": ociIndex } };
    const put = await sendTo(variables, "PUT", `/v2/${app}/manifests/v1`, init);
    expect(put.status).toBe(201);
    expect(await statusOf(headers, "GET", `/v2/${app}/manifests/v1`)).toBe(200);
    expect(await statusOf(headers, "DELETE", `/v2/${app}/manifests/v1`)).toBe(401);
    expect(await statusOf(headers, "GET", "/v2/team/other/tags/list")).toBe(401);
    expect(await statusOf(headers, "POST", "/v2/other/app/blobs/uploads/")).toBe(401);
    expect(await statusOf(headers, "GET", "/v2/_catalog")).toBe(401);
    expect(await statusOf(headers, "GET", "/v2/")).toBe(200);
  });

  test("a job gets no refresh token", async () => {
    expect(((await ask([])) as TokenAnswer).refresh_token).toBeUndefined();
  });
});

/** Asks by a form as docker does, for a refresh token too. */
async function askByForm(scopes: readonly string[], token: string): Promise<TokenAnswer> {
  const response = await postForm(variables, {
    grant_type: "password",
    service: "longshore",
    access_type: "offline",
    username: `ci-${crypto.randomUUID()}`,
    password: token,
    scope: scopes.join(" "),
  });
  if (response.status !== 200) throw new Error(await response.text());
  return response.json();
}

describe("no token is made", () => {
  test.each<[string, Claims]>([
    ["for another audience", { aud: "other" }],
    ["for claims that no rule trusts", { repository: "octo/other" }],
    ["for one that is over", { exp: 1_000_000_000 }],
  ])("%s", async (_case, claims) => {
    const token = await signer.sign(claimsOf(claims));
    const username = `ci-${crypto.randomUUID()}`;
    const fields = { grant_type: "password", username, password: token };
    expect(await refusal(await postForm(variables, fields))).toEqual([401, "UNAUTHORIZED"]);
    expect(await statusOf(basic(username, token), "GET", "/token")).toBe(401);
  });
});

describe("an upload session of a job", () => {
  const uploads = "/v2/team/app/blobs/uploads/";

  async function begin(headers: Credentials): Promise<string> {
    const response = await sendTo(variables, "POST", uploads, { headers });
    return response.headers.get("Location") ?? "";
  }

  test.each<[string, Claims, number]>([
    ["the same job with a newer token", { jti: "2" }, 204],
    ["a job of another branch", { sub: "repo:octo/app:ref:refs/heads/other" }, 404],
  ])("is gone on with by %s: %j, %i", async (_case, claims, status) => {
    const location = await begin(await job());
    expect(await statusOf(await job(claims), "GET", location)).toBe(status);
  });

  test("is gone on with by the registry's token of the same job", async () => {
    const location = await begin(await job());
    const { token } = await askToken(variables, await job(), ["repository:team/app:pull,push"]);
    expect(await statusOf(bearer(token), "GET", location)).toBe(204);
  });

  test("is nothing to a user who is called like the job", async () => {
    const name = "repo:octo/app:ref:refs/heads/main".replaceAll(":", "-");
    const file = JSON.parse(variables["REGISTRY_ACCESS_CONTROL_CONFIG"] ?? "");
    const rules = [{ repository: "**", users: ["*"], permissions: ["pull", "push"] }];
    variables = {
      ...variables,
      USERNAME: name,
      PASSWORD: "secret",
      REGISTRY_ACCESS_CONTROL_CONFIG: JSON.stringify({ ...file, rules }),
    };
    const location = await begin(await job({ sub: name }));
    expect(location).not.toBe("");
    expect(await statusOf(basic(name, "secret"), "GET", location)).toBe(404);
  });
});

describe("an issuer's keys", () => {
  const path = "/v2/team/app/manifests/none";
  const pull = async () => statusOf(await job(), "GET", path);

  test("are found by its discovery document, each fetched once", async () => {
    expect([await pull(), await pull()]).toEqual([404, 404]);
    expect(web.asked).toEqual([issuer + discoveryPath, `${issuer}/jwks`]);
  });

  test("are found where jwksUri says, without a discovery document", async () => {
    web.remove(issuer + discoveryPath);
    web.set(`${issuer}/elsewhere`, await jwksOf(signer));
    const rules = [{ claims: { repository: "*" }, repository: "**", permissions: ["pull"] }];
    variables = trusting(rules, { jwksUri: `${issuer}/elsewhere` });
    expect(await pull()).toBe(404);
    expect(web.asked).toEqual([`${issuer}/elsewhere`]);
  });

  test("are found for an issuer with a path", async () => {
    const [origin, keys] = [issuer, `${issuer}/jwks`];
    issuer = `${origin}/tenant/`;
    web.set(`${origin}/tenant${discoveryPath}`, { issuer, jwks_uri: keys });
    variables = trusting([
      { claims: { repository: "*" }, repository: "**", permissions: ["pull"] },
    ]);
    expect(await pull()).toBe(404);
  });

  test("roll over: a kid that is not known makes them be fetched again", async () => {
    expect(await pull()).toBe(404);
    const former = await job();
    signer = await Signer.make("RS256");
    web.set(`${issuer}/jwks`, await jwksOf(signer));
    advance(11 * secondMs);
    expect(await pull()).toBe(404);
    expect(await statusOf(former, "GET", path)).toBe(401);
    expect(web.asked.filter((url) => url === `${issuer}/jwks`)).toHaveLength(2);
  });

  test("are looked for anew an hour later, where the issuer has them then", async () => {
    expect(await pull()).toBe(404);
    web.set(issuer + discoveryPath, { issuer, jwks_uri: `${issuer}/moved` });
    web.remove(`${issuer}/jwks`);
    web.set(`${issuer}/moved`, await jwksOf(signer));
    advance(hourMs + minuteMs);
    expect(await pull()).toBe(404);
  });

  test("are looked for anew when they are gone from where they were", async () => {
    expect(await pull()).toBe(404);
    web.set(issuer + discoveryPath, { issuer, jwks_uri: `${issuer}/moved` });
    web.remove(`${issuer}/jwks`);
    web.set(`${issuer}/moved`, await jwksOf(signer));
    advance(11 * minuteMs);
    expect(await pull()).toBe(504);
    expect(await pull()).toBe(404);
  });

  test("are fetched for nobody who claims to be of an issuer that is not named", async () => {
    const status = await statusOf(await job({ iss: newOrigin() }), "GET", path);
    expect([status, web.asked]).toEqual([401, []]);
  });
});

describe("an issuer that can't be asked is 504, not a refusal", () => {
  test.each<[string, () => void]>([
    ["it can't be reached", () => web.remove(issuer + discoveryPath)],
    ["its keys can't be reached", () => web.remove(`${issuer}/jwks`)],
    ["its document is no JSON", () => web.set(issuer + discoveryPath, "<html>")],
    ["its document is null", () => web.set(issuer + discoveryPath, "null")],
    ["its document names no keys", () => web.set(issuer + discoveryPath, { issuer })],
    [
      "its document names another issuer",
      () =>
        web.set(issuer + discoveryPath, {
          issuer: "https://evil.example.com",
          jwks_uri: `${issuer}/jwks`,
        }),
    ],
    [
      "its document names keys that are at no URL",
      () => web.set(issuer + discoveryPath, { issuer, jwks_uri: "no URL" }),
    ],
    [
      "its document has its keys in it",
      () => web.set(issuer + discoveryPath, { issuer, jwks_uri: '{"keys":[]}' }),
    ],
  ])("%s", async (_case, breakIt) => {
    breakIt();
    const path = "/v2/team/app/manifests/none";
    const response = await sendTo(variables, "GET", path, { headers: await job() });
    expect(response.headers.get("Retry-After")).toBe("5");
    expect(await refusal(response)).toEqual([504, "UNAVAILABLE"]);
  });
});

test("two entries of one issuer are told apart by their audience", async () => {
  const rules = [{ claims: { repository: "*" }, repository: "a/**", permissions: ["pull"] }];
  const more = [{ claims: { repository: "*" }, repository: "b/**", permissions: ["pull"] }];
  const issuers = [
    { issuer, audience: "a", rules },
    { issuer, audience: "b", rules: more },
  ];
  variables = { ...variables, REGISTRY_ACCESS_CONTROL_CONFIG: JSON.stringify({ issuers }) };
  const headers = await job({ aud: "b" });
  expect(await statusOf(headers, "GET", "/v2/b/app/manifests/none")).toBe(404);
  expect(await statusOf(headers, "GET", "/v2/a/app/manifests/none")).toBe(403);
});

test("jobs whose tokens are not trusted keep none of the others out", async () => {
  const good = basic("ci", await signer.sign(claimsOf()));
  const bad = basic("ci", await signer.sign(claimsOf({ repository: "octo/fork" })));
  for (let count = 0; count < 30; count += 1) {
    // oxlint-disable-next-line no-await-in-loop
    expect((await sendTo(variables, "GET", "/v2/", { headers: bad })).status).toBe(401);
  }
  expect((await sendTo(variables, "GET", "/v2/", { headers: good })).status).toBe(200);
});
