import { describe, expect, test, vi } from "vitest";
import { alice, askToken, basic, bearer, htpasswd, tokenRegistry } from "./credentials.ts";
import { sendWatched } from "./watched.ts";

// That sendWatched, which most tests of attacks send by, finds what is told.
describe("sendWatched", () => {
  test.each([
    ["a password", basic("alice", "team/told"), "/v2/team/told/manifests/none"],
    ["a token", bearer("team/told"), "/v2/team/told/manifests/none"],
    ["a password of the registry", {}, "/v2/team/alices-own/manifests/none"],
  ])("throws where an error repeats %s", async (_case, headers, path) => {
    const variables = await tokenRegistry({ PASSWORD: "team/alices-own" });
    await expect(sendWatched(variables, "GET", path, { headers })).rejects.toThrow(" tells ");
  });

  test("throws where the log has a password", async () => {
    const variables = await tokenRegistry();
    vi.spyOn(Headers.prototype, "get").mockImplementation(() => {
      console.warn("a wrong password");
      return null;
    });
    const headers = basic("alice", "a wrong password");
    const sending = sendWatched(variables, "GET", "/v2/", { headers });
    await expect(sending).rejects.toThrow(" tells ");
    vi.restoreAllMocks();
  });

  test("passes on an answer that tells nothing", async () => {
    const headers = basic("alice", "a wrong password");
    const response = await sendWatched(await tokenRegistry(), "GET", "/v2/", { headers });
    expect(response.status).toBe(401);
    expect(await response.text()).toContain("UNAUTHORIZED");
  });
});

/** A token's form, with a signature that is none of ours. */
const foreignToken = `eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.${"c2lnbmF0dXJl".repeat(5)}`;
const wrong = "a wrong password";

describe("nobody is told the credentials", () => {
  test.each<[string, string, string, Record<string, string>, Record<string, string>, number]>([
    ["of a wrong password", "GET", "/v2/", basic("alice", wrong), {}, 401],
    ["of a name that nobody has", "GET", "/v2/", basic("nobody", wrong), {}, 401],
    ["of a foreign token", "GET", "/v2/a/tags/list", bearer(foreignToken), {}, 401],
    ["of a token as password", "GET", "/v2/", basic("ci", foreignToken), {}, 401],
    ["of another scheme", "GET", "/v2/", { Authorization: "Digest secretsecret" }, {}, 401],
    ["of Basic that is no base64", "GET", "/v2/", { Authorization: "Basic !!secret!!" }, {}, 401],
    ["of a wrong password at /token", "GET", "/token", basic("alice", wrong), {}, 401],
    ["of a foreign token at /token", "GET", "/token", bearer(foreignToken), {}, 401],
    [
      "of a form with a wrong password",
      "POST",
      "/token",
      {},
      { grant_type: "password", username: "alice", password: wrong },
      401,
    ],
    [
      "of a form with a foreign token",
      "POST",
      "/token",
      {},
      { grant_type: "refresh_token", refresh_token: foreignToken },
      401,
    ],
    [
      "of a form of another grant",
      "POST",
      "/token",
      {},
      { grant_type: "authorization_code", password: wrong, refresh_token: foreignToken },
      405,
    ],
    ["of who is denied", "DELETE", "/v2/team/app/manifests/v1", basic("rita", "rita's"), {}, 403],
    ["of who asks for what is not there", "GET", "/v2/team/app/manifests/v1", alice, {}, 404],
    ["of who asks for no route", "GET", "/v2/team/app", alice, {}, 404],
    ["of who uploads", "POST", "/v2/team/app/blobs/uploads/", alice, {}, 202],
  ])("%s: %s of %s", async (_case, method, path, headers, form, status) => {
    const body = method === "POST" ? new URLSearchParams(form).toString() : null;
    const variables = await tokenRegistry();
    const response = await sendWatched(variables, method, path, { headers, body });
    expect(response.status).toBe(status);
  });

  test("of who has a token", async () => {
    const variables = await tokenRegistry();
    const scope = "repository:team/app:pull,push";
    const { token } = await askToken(variables, alice, [scope]);
    const headers = bearer(token);
    const path = "/v2/team/app/blobs/uploads/";
    expect((await sendWatched(variables, "POST", path, { headers })).status).toBe(202);
    expect((await sendWatched(variables, "GET", "/v2/_catalog", { headers })).status).toBe(401);
  });
});

describe("a registry that is configured wrongly is 503, and tells no secret: with", () => {
  const hash = htpasswd({ bob: "bob's" }).trim().slice("bob:".length);

  test.each<[string, Record<string, string>, string]>([
    ["a line of htpasswd without a name", { REGISTRY_AUTH_HTPASSWD: `${hash}\n` }, "line 1"],
    ["a line with a plain password", { REGISTRY_AUTH_HTPASSWD: "bob:secretsecret\n" }, "line 1"],
    ["a line of another hash", { REGISTRY_AUTH_HTPASSWD: "bob:{SHA}c2VjcmV0c2VjcmV0\n" }, "line 1"],
    ["htpasswd as the policy", { REGISTRY_ACCESS_CONTROL_CONFIG: `bob:${hash}` }, "not JSON"],
    ["a password without a name", { USERNAME: "", PASSWORD: "secretsecret" }, "PASSWORD"],
    [
      "a private key that is none",
      {
        REGISTRY_AUTH_TOKEN_PRIVATEKEY:
          "-----BEGIN PRIVATE KEY-----\nc2VjcmV0c2VjcmV0c2VjcmV0\n-----END PRIVATE KEY-----",
      },
      "REGISTRY_AUTH_TOKEN_PRIVATEKEY",
    ],
    [
      "a private key of another form",
      { REGISTRY_AUTH_TOKEN_PRIVATEKEY: "-----BEGIN EC PRIVATE KEY-----\nc2VjcmV0c2VjcmV0" },
      "REGISTRY_AUTH_TOKEN_PRIVATEKEY",
    ],
  ])("%s", async (_case, more, told) => {
    const variables = await tokenRegistry(more);
    const response = await sendWatched(variables, "GET", "/token", { headers: alice });
    expect(response.status).toBe(503);
    const text = await response.text();
    expect(text).toContain(told);
    expect(text).not.toContain(hash.slice(0, 20));
    expect(text).not.toContain("secretsecret");
  });
});
