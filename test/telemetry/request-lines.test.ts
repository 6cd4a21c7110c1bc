import { beforeAll, describe, expect, test } from "vitest";
import {
  alice,
  basic,
  type Credentials,
  nobody,
  tokenOf,
  tokenRegistry,
} from "../access/credentials.ts";
import type { Variables } from "../access/credentials.ts";
import {
  digestOf,
  newRepository,
  ociIndex,
  indexOf,
  pushBlob,
  pushManifest,
  stream,
} from "../client.ts";
import { sendTo } from "../configured.ts";
import { type Line, linesOf } from "./lines.ts";

const repository = newRepository();
const blob = "a blob that is told of";
const manifest = indexOf();
let registry: Variables;

beforeAll(async () => {
  registry = { ...(await tokenRegistry()), REGISTRY_AUTH_TYPE: "basic" };
  await pushBlob(repository, blob);
  await pushManifest(repository, "kept", manifest);
});

/** The one line of a request. */
async function lineOf(
  method: string,
  path: string,
  init: RequestInit = {},
  variables: Variables = registry,
): Promise<Line | undefined> {
  const lines = await linesOf("request", () => sendTo(variables, method, path, init));
  expect(lines.length).toBeLessThanOrEqual(1);
  return lines[0];
}

interface Row {
  readonly method: string;
  readonly path: string;
  readonly init?: RequestInit;
  readonly credentials?: Credentials;
  readonly expected: Readonly<Record<string, unknown>>;
}

const rows: Row[] = [
  {
    method: "GET",
    path: "/v2/",
    expected: { level: "info", action: "ping", route: "/v2/", status: 200, bytesIn: 0 },
  },
  {
    method: "GET",
    path: `/v2/${repository}/manifests/kept`,
    expected: {
      level: "info",
      repository,
      action: "pull manifest",
      route: "/v2/:name/manifests/:reference",
      status: 200,
      bytesOut: manifest.length,
    },
  },
  {
    method: "HEAD",
    path: `/v2/${repository}/manifests/kept`,
    expected: { method: "HEAD", action: "check manifest", status: 200, bytesOut: 0 },
  },
  {
    method: "GET",
    path: `/v2/${repository}/blobs/${digestOf(blob)}`,
    expected: {
      action: "pull blob",
      route: "/v2/:name/blobs/:digest",
      status: 200,
      bytesOut: blob.length,
    },
  },
  {
    method: "POST",
    path: `/v2/${repository}/blobs/uploads/?digest=${digestOf(blob)}`,
    init: { body: blob, headers: { "Content-Length": String(blob.length) } },
    expected: { action: "push blob", status: 201, bytesIn: blob.length, bytesOut: 0 },
  },
  { method: "GET", path: "/v2/", expected: { action: "ping", status: 200, bytesOut: 2 } },
  {
    method: "GET",
    path: `/v2/${repository}/manifests/none`,
    expected: { level: "info", status: 404, code: "MANIFEST_UNKNOWN" },
  },
  {
    method: "PUT",
    path: `/v2/${repository}/manifests/wrong`,
    init: { body: "{}" },
    expected: { level: "warn", action: "push manifest", status: 400, code: "MANIFEST_INVALID" },
  },
  {
    method: "GET",
    path: "/v2/UPPER/tags/list",
    expected: {
      who: "anonymous",
      route: "/v2/:name/tags/list",
      level: "warn",
      status: 400,
      code: "NAME_INVALID",
    },
  },
  {
    method: "GET",
    path: "/nowhere/at/all",
    expected: {
      who: "anonymous",
      level: "info",
      route: "none",
      status: 404,
      code: "ROUTE_UNKNOWN",
    },
  },
  {
    method: "PROPFIND",
    path: "/v2/_catalog",
    expected: {
      who: "anonymous",
      level: "warn",
      method: "other",
      route: "/v2/_catalog",
      status: 405,
    },
  },
  {
    method: "GET",
    path: "/v2/",
    credentials: nobody,
    expected: { level: "info", who: "anonymous", status: 401, code: "UNAUTHORIZED" },
  },
  {
    method: "PUT",
    path: `/v2/${repository}/manifests/kept`,
    init: { body: manifest },
    credentials: basic("rita", "rita's"),
    expected: { level: "warn", who: "rita", repository, status: 403, code: "DENIED" },
  },
  {
    method: "GET",
    path: "/token",
    expected: { level: "info", who: "alice", action: "log in", route: "/token", status: 200 },
  },
];

describe("each request has one line", () => {
  test.each(rows)(
    "$method $path: $expected",
    async ({ method, path, init, credentials, expected }) => {
      const tokens = path === "/token" ? { ...registry, REGISTRY_AUTH_TYPE: "token" } : registry;
      const headers = {
        "Content-Type": ociIndex,
        ...(init?.headers as Credentials | undefined),
        ...(credentials ?? alice),
      };
      const line = await lineOf(method, path, { ...init, headers }, tokens);
      expect(line).toMatchObject({ event: "request", who: "alice", method, ...expected });
      expect(line?.["time"]).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
      expect(line?.["durationMs"]).toBeGreaterThanOrEqual(0);
      if (line?.["repository"] === undefined) expect(path).not.toContain(repository);
    },
  );

  test("with the subject of a token", async () => {
    const tokens = { ...registry, REGISTRY_AUTH_TYPE: "token" };
    const headers = await tokenOf(tokens, alice, `repository:${repository}:pull`);
    const path = `/v2/${repository}/tags/list`;
    expect(await lineOf("GET", path, { headers }, tokens)).toMatchObject({
      who: "alice",
      status: 200,
    });
  });

  test("with the bytes of a body whose length nobody announced", async () => {
    const start = await sendTo(registry, "POST", `/v2/${repository}/blobs/uploads/`, {
      headers: alice,
    });
    const location = start.headers.get("Location") ?? "";
    for (const size of [5, 7]) {
      const init = { body: stream(new Uint8Array(size)), headers: alice };
      // oxlint-disable-next-line no-await-in-loop
      const line = await lineOf("PATCH", location, init);
      expect(line).toMatchObject({ status: 202, action: "append to upload", bytesIn: size });
    }
  });
});

describe("REGISTRY_LOG_LEVEL", () => {
  const ok = "/v2/";
  const wrong = "/v2/UPPER/tags/list";

  test.each([
    ["debug", "/healthz", true],
    ["info", "/healthz", false],
    ["info", ok, true],
    ["warn", ok, false],
    ["warn", wrong, true],
    ["error", wrong, false],
  ])("=%s: the line of %s is written: %s", async (level, path, isWritten) => {
    const variables = { ...registry, REGISTRY_LOG_LEVEL: level };
    const line = await lineOf("GET", path, { headers: alice }, variables);
    expect(line !== undefined).toBe(isWritten);
  });

  test("=error leaves the lines of what the registry could not do, and the audit", async () => {
    const variables = { ...registry, REGISTRY_LOG_LEVEL: "error" };
    const broken = { ...variables, REGISTRY_READS: "maybe" };
    expect(await lineOf("GET", ok, { headers: alice }, broken)).toMatchObject({
      level: "error",
      status: 503,
      code: "UNAVAILABLE",
    });
    const path = `/v2/${repository}/manifests/audited`;
    const init = { body: manifest, headers: { ...alice, "Content-Type": ociIndex } };
    const lines = await linesOf("audit", () => sendTo(variables, "PUT", path, init));
    expect(lines).toHaveLength(1);
  });
});

describe("the request's id", () => {
  const uuid = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/;

  test.each<[string, Record<string, string>, string | RegExp]>([
    ["a new one", {}, uuid],
    ["the client's", { "X-Request-Id": "build-7.step_2:x" }, "build-7.step_2:x"],
    ["the client's of 128 characters", { "X-Request-Id": "a".repeat(128) }, "a".repeat(128)],
    ["a new one for one too long", { "X-Request-Id": "a".repeat(129) }, uuid],
    ["a new one for one with a quote", { "X-Request-Id": 'a"b' }, uuid],
    ["a new one for one with a space", { "X-Request-Id": "a b" }, uuid],
    ["a new one for an empty one", { "X-Request-Id": "" }, uuid],
    ["Cloudflare's", { "CF-Ray": "230b030023ae2822-SJC" }, "230b030023ae2822-SJC"],
    ["a new one for a ray that is none", { "CF-Ray": "<script>" }, uuid],
    [
      "the client's before Cloudflare's",
      { "X-Request-Id": "a", "CF-Ray": "230b030023ae2822" },
      "a",
    ],
  ])("is %s, in the header and in the line", async (_case, headers, expected) => {
    let given: string | null = null;
    const [line] = await linesOf("request", async () => {
      const response = await sendTo(registry, "GET", "/v2/", { headers: { ...alice, ...headers } });
      given = response.headers.get("X-Request-Id");
    });
    expect(given).toEqual(
      typeof expected === "string" ? expected : expect.stringMatching(expected),
    );
    expect(line?.["requestId"]).toBe(given);
  });

  test("is in the body of what the registry could not do, and of nothing else", async () => {
    const headers = { ...alice, "X-Request-Id": "told-1" };
    const failing = { ...registry, CATALOG: {} as unknown as string };
    const texts = await Promise.all([
      sendTo({ ...registry, REGISTRY_READS: "maybe" }, "GET", "/v2/", { headers }),
      sendTo(failing, "GET", "/v2/_catalog", { headers }),
      sendTo(registry, "GET", "/nowhere", { headers }),
    ]).then((answers) =>
      Promise.all(answers.map(async (answer) => [answer.status, await answer.text()] as const)),
    );
    expect(texts.map(([status, text]) => [status, text.includes("(request told-1)")])).toEqual([
      [503, true],
      [500, true],
      [404, false],
    ]);
  });

  test("is in the line of what was thrown", async () => {
    const headers = { ...alice, "X-Request-Id": "thrown-1" };
    const failing = { ...registry, CATALOG: {} as unknown as string };
    const lines = await linesOf("request failed", () =>
      sendTo(failing, "GET", "/v2/_catalog", { headers }),
    );
    expect(lines).toMatchObject([{ level: "error", requestId: "thrown-1" }]);
  });
});
