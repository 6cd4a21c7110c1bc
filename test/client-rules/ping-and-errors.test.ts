import { createExecutionContext, env, waitOnExecutionContext } from "cloudflare:test";
import { describe, expect, test } from "vitest";
import registry from "../../workers/registry.ts";
import {
  digestOf,
  indexOf,
  newRepository,
  ociIndex,
  pushBlob,
  putManifest,
  randomBytes,
  send,
  startUpload,
} from "../client.ts";

const zeros = `sha256:${"0".repeat(64)}`;

/** What clients send where they know no token, an old one, or one of another registry. */
const credentials: [string, string][] = [
  ["podman: an empty user and password", "Basic Og=="],
  ["docker login: a user and password", `Basic ${btoa("user:password")}`],
  ["docker: a user alone", `Basic ${btoa("user")}`],
  ["containerd: an expired token", "Bearer eyJhbGciOiJub25lIn0.eyJleHAiOjF9."],
  ["spegel: an opaque token", "Bearer 0123456789abcdef"],
  ["oras: a token of 8 KiB", `Bearer ${"x".repeat(8192)}`],
  ["crane: a word alone", "Bearer"],
  ["curl: a scheme that nobody knows", "Negotiate YII="],
  ["curl: no Base64", "Basic %%%"],
];

describe("docker, podman, crane: the ping is 200 with open access, and challenges nobody", () => {
  test.each([
    ["GET", "/v2/"],
    ["GET", "/v2"],
    ["HEAD", "/v2/"],
    ["GET", "/v2/?ns=docker.io"],
  ])("%s %s", async (method, path) => {
    const response = await send(method, path);
    expect(response.status).toBe(200);
    expect(response.headers.get("Docker-Distribution-API-Version")).toBe("registry/2.0");
    expect(response.headers.get("Content-Type")).toMatch(/^application\/json/);
    expect(response.headers.get("WWW-Authenticate")).toBeNull();
    expect(await response.text()).toBe(method === "HEAD" ? "" : "{}");
  });

  test.each(credentials)("%s", async (_case, Authorization) => {
    const response = await send("GET", "/v2/", { headers: { Authorization } });
    expect([response.status, response.headers.get("WWW-Authenticate")]).toEqual([200, null]);
  });
});

describe("containerd: a push and a pull are not disturbed by the Authorization they carry", () => {
  test.each(credentials)("%s", async (_case, Authorization) => {
    const headers = { Authorization };
    const repository = newRepository();
    const digest = digestOf(Authorization);
    const path = `/v2/${repository}/blobs/${digest}`;
    expect((await send("HEAD", path, { headers })).status).toBe(404);
    const post = await send("POST", `/v2/${repository}/blobs/uploads/`, { headers });
    expect(post.status).toBe(202);
    const put = `${post.headers.get("Location")}?digest=${digest}`;
    expect((await send("PUT", put, { headers, body: Authorization })).status).toBe(201);
    const blob = await send("GET", path, { headers });
    expect([blob.status, digestOf(await blob.bytes())]).toEqual([200, digest]);
  });
});

test("docker, oras: a session goes on when its requests carry other tokens, or none", async () => {
  const location = await startUpload(newRepository());
  const headers = { Authorization: "Bearer first" };
  const patch = await send("PATCH", location, { body: "hello", headers });
  expect(patch.status).toBe(202);
  const put = `${patch.headers.get("Location")}?digest=${digestOf("hello")}`;
  expect((await send("PUT", put)).status).toBe(201);
});

/** Requests that no repetition would make right. */
const faults: [string, number, string, () => Promise<Response>][] = [
  ["no route", 404, "NAME_UNKNOWN", () => send("GET", "/v1/_ping")],
  ["a name that is none", 400, "NAME_INVALID", () => send("GET", "/v2/Team/tags/list")],
  ["no repository", 404, "NAME_UNKNOWN", () => send("GET", "/v2/team/none/tags/list")],
  ["no manifest", 404, "MANIFEST_UNKNOWN", () => send("GET", "/v2/team/none/manifests/latest")],
  ["no blob", 404, "BLOB_UNKNOWN", () => send("GET", `/v2/team/none/blobs/${zeros}`)],
  ["no session", 404, "BLOB_UPLOAD_UNKNOWN", () => send("PATCH", "/v2/team/app/blobs/uploads/x")],
  ["a method too many", 405, "UNSUPPORTED", () => send("POST", "/v2/team/app/tags/list")],
  ["a digest that is none", 400, "DIGEST_INVALID", () => send("GET", "/v2/team/app/blobs/md5:0")],
  ["a page that is none", 400, "PAGINATION_NUMBER_INVALID", () => send("GET", "/v2/_catalog?n=x")],
  [
    "a digest that the blob has not",
    400,
    "DIGEST_INVALID",
    async () =>
      send("PUT", `${await startUpload("team/app")}?digest=${zeros}`, { body: randomBytes(10) }),
  ],
  [
    "a digest that the manifest has not",
    400,
    "DIGEST_INVALID",
    () => putManifest("team/app", zeros, indexOf(), ociIndex),
  ],
  [
    "a manifest over blobs that are missing",
    400,
    "MANIFEST_BLOB_UNKNOWN",
    () =>
      putManifest(
        "team/app",
        "x",
        indexOf([{ mediaType: "a/b", digest: zeros, size: 1 }]),
        ociIndex,
      ),
  ],
  ["no JSON", 400, "MANIFEST_INVALID", () => putManifest("team/app", "x", "<xml>", ociIndex)],
  [
    "a tag that is none",
    400,
    "TAG_INVALID",
    () => putManifest("team/app", "-x", indexOf(), ociIndex),
  ],
  [
    "a range behind the end",
    416,
    "RANGE_INVALID",
    async () => {
      const path = `/v2/team/app/blobs/${await pushBlob("team/app", "x")}`;
      return send("GET", path, { headers: { Range: "bytes=1-" } });
    },
  ],
  [
    "a chunk at a wrong offset",
    416,
    "RANGE_INVALID",
    async () =>
      send("PATCH", await startUpload("team/app"), {
        body: "hello",
        headers: { "Content-Range": "5-9" },
      }),
  ],
];

/** Codes by which crane and docker repeat a request. */
const repeatedCodes = ["UNKNOWN", "UNAVAILABLE", "BLOB_UPLOAD_INVALID", "TOOMANYREQUESTS"];

describe("docker: an error is JSON that is not empty, with a code", () => {
  test.each(faults)("for %s it is %i %s", async (_case, status, code, ask) => {
    const response = await ask();
    expect(response.status).toBe(status);
    // docker from 25 on compares the whole header.
    expect(response.headers.get("Content-Type")).toBe("application/json");
    expect(response.headers.get("WWW-Authenticate")).toBeNull();
    const text = await response.text();
    expect(response.headers.get("Content-Length")).toBe(String(text.length));
    const message = expect.stringMatching(/./) as string;
    expect(JSON.parse(text)).toEqual({ errors: [expect.objectContaining({ code, message })] });
  });
});

describe("crane, docker: no lasting fault has a code or status that is repeated", () => {
  test.each(faults)("for %s", async (_case, status, code, ask) => {
    const response = await ask();
    expect(repeatedCodes).not.toContain(code);
    const { errors } = await response.json<{ errors: { code: string }[] }>();
    expect(errors.filter((error) => repeatedCodes.includes(error.code))).toEqual([]);
    expect([408, 429].includes(status) || response.status >= 500).toBe(false);
  });
});

describe("containerd: HEAD of what is not there has no body", () => {
  test.each([
    ["/v2/team/none/manifests/latest", 404],
    [`/v2/team/none/manifests/${zeros}`, 404],
    [`/v2/team/none/blobs/${zeros}`, 404],
    ["/v2/team/none/tags/list", 404],
    ["/v2/Team/manifests/latest", 400],
    ["/v2/team/app/blobs/md5:0", 400],
    ["/nowhere", 404],
  ])("%s is %i", async (path, status) => {
    const response = await send("HEAD", path);
    expect([response.status, await response.text()]).toEqual([status, ""]);
    expect(response.headers.get("Content-Type")).toBe("application/json");
  });
});

test("docker, podman: bodies of uploads are not limited in rate", async () => {
  const repository = newRepository();
  const statuses = await Promise.all(
    Array.from({ length: 40 }, async (_, at) => {
      const bytes = `layer ${at}`;
      const patch = await send("PATCH", await startUpload(repository), { body: bytes });
      const put = await send("PUT", `${patch.headers.get("Location")}?digest=${digestOf(bytes)}`);
      return `${patch.status} ${put.status}`;
    }),
  );
  expect(new Set(statuses)).toEqual(new Set(["202 201"]));
});

/** R2 that takes nothing. */
const failing = new Proxy(env.BLOBS, {
  get: (bucket, property) =>
    property === "put"
      ? () => Promise.reject(new Error("put: Internal error (10001)"))
      : (Reflect.get(bucket, property, bucket) as unknown),
});

test("containerd, regctl: a storage that fails is 504 with Retry-After, which both repeat", async () => {
  const bytes = randomBytes(12);
  const put = `${await startUpload(newRepository())}?digest=${digestOf(bytes)}`;
  const headers = { "Content-Length": "12" };
  const request = new Request(`http://registry.test${put}`, {
    method: "PUT",
    body: bytes,
    headers,
  });
  const context = createExecutionContext();
  const bindings = { ...env, REGISTRY_AUTH_TYPE: "none", BLOBS: failing };
  const response = await registry.fetch(request, bindings, context);
  await waitOnExecutionContext(context);
  expect(response.status).toBe(504);
  expect(response.headers.get("Retry-After")).toMatch(/^[1-9]\d*$/);
  expect((await send("PUT", put, { body: bytes })).status).toBe(201);
});
