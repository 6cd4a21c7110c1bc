import { env } from "cloudflare:test";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { parseRepositoryName } from "../../schemas/reference.ts";
import { sealNewSession } from "../../workers/upload-seal.ts";
import { digestOf, indexOf, ociIndex, refusal } from "../client.ts";
import { sendTo } from "../configured.ts";
import { advance, minuteMs } from "../durable-objects/clock.ts";
import {
  basic,
  type Credentials,
  htpasswd,
  nobody,
  tokenOf,
  tokenRegistry,
  type Variables,
} from "./credentials.ts";

const host = "https://uploads.example.com";
const policy = JSON.stringify({
  rules: [
    { repository: "open/**", users: ["anonymous"], permissions: ["pull", "push"] },
    { repository: "team/**", users: ["alice", "bob"], permissions: ["pull", "push"] },
  ],
});
const alice = basic("alice", "alice's");
const bob = basic("bob", "bob's");

/** A registry whose uploads go to another host, and one that is the same but for this. */
let variables: Variables;
let without: Variables;
let repository: string;
/** The path of a session that alice began. */
let session: string;
const bytes = "the bytes of a layer";
const digest = digestOf(bytes);

beforeAll(async () => {
  without = await tokenRegistry({
    REGISTRY_AUTH_HTPASSWD: htpasswd({ bob: "bob's" }),
    REGISTRY_ACCESS_CONTROL_CONFIG: policy,
  });
  variables = { ...without, REGISTRY_UPLOAD_URL: host };
});

beforeEach(async () => {
  repository = `team/r${crypto.randomUUID()}`;
  session = await begin(alice);
});

afterEach(() => {
  vi.useRealTimers();
});

function locationOf(response: Response): string {
  const location = response.headers.get("Location") ?? "";
  if (!location.startsWith(`${host}/v2/`)) throw new Error(`${response.status} ${location}`);
  return location.slice(host.length);
}

/** The path of a session that somebody begins. */
async function begin(headers: Credentials, name = repository): Promise<string> {
  return locationOf(await sendTo(variables, "POST", `/v2/${name}/blobs/uploads/`, { headers }));
}

/** Sends a blob in one request to the session, with its length. */
function putWhole(body: string): Promise<Response> {
  const headers = { "Content-Length": String(body.length) };
  return sendTo(variables, "PUT", `${session}?digest=${digestOf(body)}`, { body, headers });
}

describe("the id of a session lets in who has no credentials", () => {
  test.each<[string, Credentials]>([
    ["none", nobody],
    ["podman's word for nobody", { Authorization: "Basic Og==" }],
  ])("to push a blob, with %s", async (_case, headers) => {
    const status = await sendTo(variables, "GET", session, { headers });
    expect([status.status, status.headers.get("Range")]).toEqual([204, "0--1"]);
    const patch = await sendTo(variables, "PATCH", session, { headers, body: bytes });
    expect([patch.status, patch.headers.get("Range")]).toEqual([202, `0-${bytes.length - 1}`]);
    const closing = `${locationOf(patch)}?digest=${digest}`;
    expect((await sendTo(variables, "PUT", closing, { headers })).status).toBe(201);
    // A client whose answer was lost sends its PUT again.
    expect((await sendTo(variables, "PUT", closing, { headers })).status).toBe(201);
    const path = `/v2/${repository}/blobs/${digest}`;
    const blob = await sendTo(variables, "GET", path, { headers: alice });
    expect(await blob.text()).toBe(bytes);
  });

  test("whole, in one PUT, and no second one", async () => {
    expect((await putWhole(bytes)).status).toBe(201);
    expect(await refusal(await putWhole("another layer"))).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
  });

  test("to cancel it", async () => {
    expect((await sendTo(variables, "DELETE", session)).status).toBe(204);
    const patch = await sendTo(variables, "PATCH", session, { body: bytes });
    expect(await refusal(patch)).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
  });

  test("that a job of a trusted issuer began", async () => {
    const issuer = "https://ci.example.com";
    const rules = [{ claims: { project: "app" }, repository: "team/**", permissions: ["push"] }];
    const trusting = JSON.stringify({ issuers: [{ issuer, audience: "longshore", rules }] });
    const name = parseRepositoryName(repository);
    if (name === undefined) throw new Error(repository);
    const subject = `${issuer}\nproject:app`;
    const sealed = await sealNewSession(env, { repository: name, subject }, "sha256", true);
    const append = (config: string) =>
      sendTo(
        { ...variables, REGISTRY_ACCESS_CONTROL_CONFIG: config },
        "PATCH",
        `/v2/${name}/blobs/uploads/${sealed}`,
        { body: bytes },
      );
    expect((await append(trusting)).status).toBe(202);
    expect((await append(trusting.replace("ci.example.com", "other.example.com"))).status).toBe(
      401,
    );
  });

  test("whose seal has no name in it that can be read", () => {
    const sealed = session.slice(session.lastIndexOf("/") + 1);
    expect(atob(sealed.replaceAll("-", "+").replaceAll("_", "/"))).not.toContain("alice");
  });
});

const verbs: [string, string, string | undefined][] = [
  ["GET", "", undefined],
  ["PATCH", "", bytes],
  ["PUT", `?digest=${digest}`, bytes],
  ["DELETE", "", undefined],
];

function ask(
  [method, query, body]: (typeof verbs)[number],
  path: string,
  { headers = nobody, registry = variables }: { headers?: Credentials; registry?: Variables } = {},
): Promise<Response> {
  const init = body === undefined ? { headers } : { headers, body };
  return sendTo(registry, method, path + query, init);
}

async function expectUntouched(): Promise<void> {
  const status = await sendTo(variables, "GET", session, { headers: alice });
  expect([status.status, status.headers.get("Range")]).toEqual([204, "0--1"]);
}

describe.each(verbs)("%s%s of a session", (...verb) => {
  /** Paths that are none of the session, though they are made of it. */
  const forgeries: [string, () => Promise<string>][] = [
    ["another repository's", async () => session.replace(repository, `${repository}-other`)],
    ["one with a changed byte at its end", async () => `${session.slice(0, -2)}AA`],
    [
      "one with another session's random bytes",
      async () => {
        const at = session.lastIndexOf("/") + 1;
        return (await begin(alice)).slice(0, at + 20) + session.slice(at + 20);
      },
    ],
    [
      "one of another subject",
      async () => {
        // Of 52 characters is what both have, behind it stands who began it.
        const at = session.lastIndexOf("/") + 1 + 52;
        return session.slice(0, at) + (await begin(bob)).slice(at);
      },
    ],
    ["one that is cut off", async () => session.slice(0, -4)],
    ["one without its subject", async () => session.slice(0, session.lastIndexOf("/") + 53)],
    ["one that was made up", async () => `/v2/${repository}/blobs/uploads/${"A".repeat(90)}`],
  ];

  test.each(forgeries)("by %s id is 401 without credentials", async (_case, forged) => {
    expect(await refusal(await ask(verb, await forged()))).toEqual([401, "UNAUTHORIZED"]);
    await expectUntouched();
  });

  test("that was begun where uploads stay here is 401", async () => {
    const path = `/v2/${repository}/blobs/uploads/`;
    const post = await sendTo(without, "POST", path, { headers: alice });
    const relative = post.headers.get("Location") ?? "";
    expect(relative).toMatch(/^\/v2\//);
    expect((await ask(verb, relative)).status).toBe(401);
  });

  test("is 401 once uploads stay here again, and goes on with credentials", async () => {
    expect((await ask(verb, session, { registry: without })).status).toBe(401);
    await expectUntouched();
    const status = await sendTo(without, "GET", session, { headers: alice });
    expect(status.status).toBe(204);
  });

  test("by another user is 404", async () => {
    const answer = await refusal(await ask(verb, session, { headers: bob }));
    expect(answer).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
    await expectUntouched();
  });

  test("with a wrong password is 401", async () => {
    const headers = basic("alice", "wrong");
    expect((await ask(verb, session, { headers })).status).toBe(401);
    await expectUntouched();
  });

  test("of who may not push any more is 403", async () => {
    const changed = policy.replace('["alice","bob"]', '["bob"]');
    const registry = { ...variables, REGISTRY_ACCESS_CONTROL_CONFIG: changed };
    expect(await refusal(await ask(verb, session, { registry }))).toEqual([403, "DENIED"]);
    await expectUntouched();
  });

  test("of who is no user any more is 401", async () => {
    const registry = { ...variables, USERNAME: "carol", PASSWORD: "carol's" };
    expect((await ask(verb, session, { registry })).status).toBe(401);
    await expectUntouched();
  });

  test.each([
    ["an hour later, when nothing came, is 404", 61, 404],
    ["a week later is 401", 7 * 24 * 60, 401],
  ])("%s", async (_case, minutes, status) => {
    advance(minutes * minuteMs);
    expect((await ask(verb, session)).status).toBe(status);
  });
});

describe("the id of a session lets nobody in to", () => {
  const manifest = indexOf();

  test.each<[string, string, () => string, string | undefined]>([
    ["begin another", "POST", () => `/v2/${repository}/blobs/uploads/`, undefined],
    ["push a blob", "POST", () => `/v2/${repository}/blobs/uploads/?digest=${digest}`, bytes],
    ["mount a blob", "POST", () => `/v2/${repository}/blobs/uploads/?mount=${digest}`, undefined],
    ["read a blob", "GET", () => `/v2/${repository}/blobs/${digest}`, undefined],
    ["see a blob", "HEAD", () => `/v2/${repository}/blobs/${digest}`, undefined],
    ["delete a blob", "DELETE", () => `/v2/${repository}/blobs/${digest}`, undefined],
    ["push a manifest", "PUT", () => `/v2/${repository}/manifests/v1`, manifest],
    [
      "push a manifest under its id",
      "PUT",
      () => session.replace("blobs/uploads", "manifests"),
      manifest,
    ],
    ["read a manifest", "GET", () => `/v2/${repository}/manifests/v1`, undefined],
    ["list tags", "GET", () => `/v2/${repository}/tags/list`, undefined],
    ["list repositories", "GET", () => "/v2/_catalog", undefined],
    ["collect", "POST", () => "/_gc", undefined],
  ])("%s", async (_what, method, path, body) => {
    // As a header too, and as a password: it is no credential.
    const sealed = session.slice(session.lastIndexOf("/") + 1);
    for (const headers of [nobody, { Authorization: `Bearer ${sealed}` }, basic("alice", sealed)]) {
      // Each from another address: what is refused too often is not looked at any more.
      const type = {
        ...headers,
        "Content-Type": ociIndex,
        "CF-Connecting-IP": crypto.randomUUID(),
      };
      const init = body === undefined ? { headers: type } : { headers: type, body };
      // oxlint-disable-next-line no-await-in-loop
      expect((await sendTo(variables, method, path(), init)).status).toBe(401);
    }
  });

  test("POST to the session itself", async () => {
    expect((await sendTo(variables, "POST", session, { body: bytes })).status).toBe(405);
  });
});

describe("a session that nobody in particular began", () => {
  test("needs no more than its repository does, and ends with that", async () => {
    const name = `open/r${crypto.randomUUID()}`;
    const path = await begin(nobody, name);
    expect((await sendTo(variables, "PATCH", path, { body: bytes })).status).toBe(202);
    const closed = policy.replace('["anonymous"]', '["bob"]');
    const registry = { ...variables, REGISTRY_ACCESS_CONTROL_CONFIG: closed };
    expect((await sendTo(registry, "PATCH", path, { body: bytes })).status).toBe(401);
  });
});

describe("who has credentials for that host", () => {
  test.each<[string, () => Promise<Credentials>]>([
    ["a password", async () => alice],
    ["a token", () => tokenOf(variables, alice, `repository:${repository}:push`)],
  ])("goes on by them, with %s", async (_case, credentials) => {
    const headers = await credentials();
    const put = `${session}?digest=${digest}`;
    expect((await sendTo(variables, "PUT", put, { headers, body: bytes })).status).toBe(201);
  });
});

describe("with REGISTRY_UPLOAD_URL, on the upload host is the Location of", () => {
  test.each<[string, string, RequestInit, number]>([
    ["a chunk", "PATCH", { body: bytes }, 202],
    ["a chunk out of order", "PATCH", { body: bytes, headers: { "Content-Range": "5-24" } }, 416],
    [
      "a chunk with a wrong range",
      "PATCH",
      { body: bytes, headers: { "Content-Range": "x" } },
      416,
    ],
    ["a session's status", "GET", {}, 204],
  ])("%s", async (_case, method, init, status) => {
    const both = { ...variables, REGISTRY_URL: "https://registry.example.com" };
    const response = await sendTo(both, method, session, init);
    expect(response.status).toBe(status);
    expect(locationOf(response)).toMatch(/^\/v2\/team\/[\w-]+\/blobs\/uploads\/[\w-]+$/);
  });

  test("nothing that was pushed", async () => {
    const both = { ...variables, REGISTRY_URL: "https://registry.example.com" };
    const response = await sendTo(both, "PUT", `${session}?digest=${digest}`, { body: bytes });
    expect(response.headers.get("Location")).toBe(
      `https://registry.example.com/v2/${repository}/blobs/${digest}`,
    );
  });
});
