import { decodeJwt } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import { refusal } from "../client.ts";
import { sendTo } from "../configured.ts";
import {
  alice,
  askToken,
  bearer,
  htpasswd,
  postForm,
  rita,
  scopesOf,
  type TokenAnswer,
  tokenRegistry,
  type Variables,
} from "./credentials.ts";

let variables: Variables;

beforeAll(async () => {
  variables = await tokenRegistry();
});

/** What containerd sends first, with more. */
const password = {
  grant_type: "password",
  client_id: "containerd-client",
  service: "longshore",
  username: "alice",
  password: "alice's",
};

async function answerTo(response: Response): Promise<TokenAnswer> {
  if (response.status !== 200) throw new Error(`POST /token: ${await response.text()}`);
  return response.json();
}

/** alice's refresh token. */
async function refreshToken(registry = variables): Promise<string> {
  const { refresh_token: token } = await askToken(registry, alice, [], "&offline_token=true");
  if (token === undefined) throw new Error("no refresh token");
  return token;
}

function refresh(registry: Variables, token: string, scope = ""): Promise<Response> {
  return postForm(registry, { grant_type: "refresh_token", refresh_token: token, scope });
}

describe("a form with a password", () => {
  test("is answered as a GET is", async () => {
    const response = await postForm(variables, { ...password, scope: "repository:a/b:pull,push" });
    expect(response.headers.get("Cache-Control")).toBe("no-store");
    const answer = await answerTo(response);
    const { sub, iat } = decodeJwt(answer.token);
    expect(sub).toBe("alice");
    expect(scopesOf(answer.token)).toEqual(["repository:a/b:pull,push"]);
    expect(answer).toEqual({
      token: answer.token,
      access_token: answer.token,
      expires_in: 300,
      issued_at: new Date(Number(iat) * 1000).toISOString(),
    });
  });

  test.each([
    ["no scope", "", []],
    [
      "a space between",
      "&scope=repository:a/b:pull+repository:c:push",
      ["repository:a/b:pull", "repository:c:push"],
    ],
    [
      "an escaped space between",
      "&scope=repository:a/b:pull%20repository:c:push",
      ["repository:a/b:pull", "repository:c:push"],
    ],
    [
      "two of them",
      "&scope=repository:a/b:pull&scope=repository:c:push",
      ["repository:a/b:pull", "repository:c:push"],
    ],
    ["an overlap", "&scope=repository:a:pull+repository:a:pull,push", ["repository:a:pull,push"]],
    ["an empty one", "&scope=", []],
  ])("and %s grants it", async (_case, scope, granted) => {
    const form = new URLSearchParams(password).toString() + scope;
    const { token } = await answerTo(await postForm(variables, form));
    expect(scopesOf(token)).toEqual(granted);
  });

  test.each([
    ["access_type=offline", { access_type: "offline" }, true],
    ["offline_token=true", { offline_token: "true" }, true],
    ["access_type=online", { access_type: "online" }, false],
    ["neither", {}, false],
  ])("and %s has a refresh token if it asks for it", async (_case, more, expected) => {
    const answer = await answerTo(await postForm(variables, { ...password, ...more }));
    expect(Object.hasOwn(answer, "refresh_token")).toBe(expected);
  });

  test("of a reader grants a pull alone", async () => {
    const form = { ...password, username: "rita", password: "rita's", scope: "repository:a:*" };
    expect(scopesOf((await answerTo(await postForm(variables, form))).token)).toEqual([
      "repository:a:pull",
    ]);
  });

  test.each([
    ["a wrong one", { password: "wrong" }],
    ["an empty one", { password: "" }],
    ["an unknown user's", { username: "nemo" }],
    ["nobody's", { username: "", password: "" }],
  ])("that is %s is 401 with a Basic challenge", async (_case, more) => {
    const response = await postForm(variables, { ...password, ...more });
    expect(response.headers.get("WWW-Authenticate")).toBe('Basic realm="Registry"');
    expect(await refusal(response)).toEqual([401, "UNAUTHORIZED"]);
  });

  test("is not taken from the query", async () => {
    const path = `/token?${new URLSearchParams(password).toString()}`;
    const response = await sendTo(variables, "POST", path);
    expect(await refusal(response)).toEqual([405, "UNSUPPORTED"]);
  });
});

describe("a form that is none is refused", () => {
  const scopes = "repository:team/app:pull ".repeat(2700);
  const many = Array.from({ length: 101 }, (_, at) => `repository:r${at}:pull`).join(" ");
  test.each<[string, Record<string, string> | string, number]>([
    ["without grant_type", { username: "alice", password: "alice's" }, 405],
    ["with an empty grant_type", { ...password, grant_type: "" }, 405],
    ["with an authorization code", { ...password, grant_type: "authorization_code" }, 405],
    ["with client credentials", { ...password, grant_type: "client_credentials" }, 405],
    ["with an upper-case grant_type", { ...password, grant_type: "PASSWORD" }, 405],
    ["that is empty", "", 405],
    ["of more than 64 KiB", { ...password, scope: scopes }, 400],
    ["of 101 scopes", { ...password, scope: many }, 400],
  ])("%s", async (_case, form, status) => {
    const response = await postForm(variables, form);
    const code = status === 400 ? "SCOPE_INVALID" : "UNSUPPORTED";
    expect(await refusal(response)).toEqual([status, code]);
  });

  test.each([
    ["JSON", "application/json", JSON.stringify(password)],
    ["a form of many parts", "multipart/form-data; boundary=x", "--x\r\n--x--\r\n"],
    ["bytes that are no text", "application/x-www-form-urlencoded", new Uint8Array([255, 0, 254])],
  ])("as %s", async (_case, type, body) => {
    const headers = { "Content-Type": type };
    const response = await sendTo(variables, "POST", "/token", { body, headers });
    expect(await refusal(response)).toEqual([405, "UNSUPPORTED"]);
  });

  test("without a body", async () => {
    expect((await sendTo(variables, "POST", "/token")).status).toBe(405);
  });

  test.each([["PUT"], ["DELETE"], ["PATCH"]])("by %s", async (method) => {
    const response = await sendTo(variables, method, "/token");
    expect(await refusal(response)).toEqual([405, "UNSUPPORTED"]);
    expect(response.headers.get("Allow")).toBe("GET, HEAD, POST, OPTIONS");
  });
});

describe("a refresh token", () => {
  test("has its user get access tokens", async () => {
    const answer = await answerTo(
      await refresh(variables, await refreshToken(), "repository:a:pull"),
    );
    expect(decodeJwt(answer.token).sub).toBe("alice");
    expect(scopesOf(answer.token)).toEqual(["repository:a:pull"]);
    expect(answer.refresh_token).toBeUndefined();
    const headers = bearer(answer.access_token);
    expect((await sendTo(variables, "GET", "/v2/", { headers })).status).toBe(200);
  });

  test("has its user get another one that is good", async () => {
    const form = { grant_type: "refresh_token", access_type: "offline" };
    const first = await refreshToken();
    const { refresh_token: second = "" } = await answerTo(
      await postForm(variables, { ...form, refresh_token: first }),
    );
    expect((await refresh(variables, second)).status).toBe(200);
  });

  test("gives its user no more than there is", async () => {
    const { refresh_token: token = "" } = await askToken(
      variables,
      rita,
      [],
      "&offline_token=true",
    );
    const answer = await answerTo(await refresh(variables, token, "repository:a:pull,push"));
    expect(scopesOf(answer.token)).toEqual(["repository:a:pull"]);
  });

  test.each<[string, (registry: Variables) => Variables]>([
    ["another password", (registry) => ({ ...registry, PASSWORD: "another" })],
    ["another user", (registry) => ({ ...registry, USERNAME: "anna" })],
    ["no such user", ({ USERNAME: _name, PASSWORD: _password, ...registry }) => registry],
    [
      "a hash in the password's place",
      ({ USERNAME: _name, PASSWORD: _password, ...registry }) => ({
        ...registry,
        REGISTRY_AUTH_HTPASSWD: htpasswd({ alice: "alice's" }),
      }),
    ],
    ["another service", (registry) => ({ ...registry, REGISTRY_AUTH_TOKEN_SERVICE: "other" })],
  ])("is over with %s", async (_case, change) => {
    const token = await refreshToken();
    expect((await refresh(variables, token)).status).toBe(200);
    const response = await refresh(change(variables), token);
    expect(response.headers.get("WWW-Authenticate")).toBe('Basic realm="Registry"');
    expect(await refusal(response)).toEqual([401, "UNAUTHORIZED"]);
  });

  test("is over when the same password is hashed anew", async () => {
    const { USERNAME: _name, PASSWORD: _password, ...registry } = variables;
    const hashed = () => ({ ...registry, REGISTRY_AUTH_HTPASSWD: htpasswd({ alice: "alice's" }) });
    const before = hashed();
    const token = await refreshToken(before);
    expect((await refresh(before, token)).status).toBe(200);
    expect((await refresh(hashed(), token)).status).toBe(401);
  });

  test("says nothing of the password", async () => {
    const token = await refreshToken();
    const { password: binding, ...claims } = decodeJwt(token);
    expect(Object.keys(claims).toSorted()).toEqual(["aud", "exp", "iat", "iss", "nbf", "sub"]);
    expect(binding).toMatch(/^[\w-]{43}$/);
  });

  test.each([
    ["GET", "/v2/"],
    ["GET", "/v2/a/tags/list"],
    ["GET", "/v2/_catalog"],
  ])("is no access token: %s %s", async (method, path) => {
    const headers = bearer(await refreshToken());
    const response = await sendTo(variables, method, path, { headers });
    expect(response.headers.get("WWW-Authenticate")).toContain('error="invalid_token"');
    expect(await refusal(response)).toEqual([401, "UNAUTHORIZED"]);
  });

  test.each([
    ["an access token", async () => (await askToken(variables, alice)).token],
    ["a token of another registry", async () => refreshToken(await tokenRegistry())],
    ["a password", async () => "alice's"],
    ["nothing", async () => ""],
  ])("is not what %s is", async (_case, other) => {
    const response = await refresh(variables, await other());
    expect(await refusal(response)).toEqual([401, "UNAUTHORIZED"]);
  });
});
