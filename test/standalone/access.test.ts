import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { basic, bearer, type Credentials, nobody } from "../access/authorization.ts";
import type { Answer } from "./connection.ts";
import { RunningRegistry } from "./running-registry.ts";

const environment: Record<string, string> = {
  USERNAME: "alice",
  PASSWORD: "alice's password",
  READONLY_USERNAME: "rita",
  READONLY_PASSWORD: "rita's password",
};
const rules = [
  { repository: "private/**", users: ["alice"], permissions: ["pull", "push"] },
  { repository: "public/**", users: ["*"], permissions: ["pull", "push"] },
  { repository: "public/**", users: ["anonymous"], permissions: ["pull"] },
];
const alice = basic("alice", "alice's password");
const rita = basic("rita", "rita's password");

let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "longshore-access-"));
  const path = join(folder, "policy.json");
  await writeFile(path, JSON.stringify({ rules }));
  environment["REGISTRY_ACCESS_CONTROL_CONFIG"] = path;
});

afterAll(() => rm(folder, { recursive: true }));

const registry = new RunningRegistry(environment);
const index = JSON.stringify({
  schemaVersion: 2,
  mediaType: "application/vnd.oci.image.index.v1+json",
  manifests: [],
});

async function ask(request: string, headers: Credentials, body?: string): Promise<Answer> {
  const connection = await registry.connect();
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return connection.ask(request, body, ...lines);
}

beforeAll(async () => {
  for (const name of ["private/app", "public/app"]) {
    const request = `PUT /v2/${name}/manifests/only-${name.split("/", 1)[0]}`;
    const headers = { ...alice, "Content-Type": "application/vnd.oci.image.index.v1+json" };
    // oxlint-disable-next-line no-await-in-loop
    expect((await ask(request, headers, index)).status).toBe(201);
  }
});

describe("paths as they are sent, which no client has put in order", () => {
  test.each([
    ["/v2/public/app/../../private/app/tags/list"],
    ["/v2/public/app/..%2f..%2fprivate/app/tags/list"],
    ["/v2/public/app/%2e%2e/%2e%2e/private/app/tags/list"],
    ["/v2/public/app/%2e%2e%2f%2e%2e%2fprivate/app/tags/list"],
    ["/v2/public/../private/app/tags/list"],
    ["/v2/./private/app/tags/list"],
    ["/v2//private/app/tags/list"],
    ["//v2/private/app/tags/list"],
    ["/./v2/private/app/tags/list"],
    ["/v2/public/app\\..\\..\\private\\app/tags/list"],
    ["/v2/private%2fapp/tags/list"],
    ["/v2/private/app%00/tags/list"],
    ["/v2/private/app;x/tags/list"],
    ["/v2/private/app/tags/list#/../../public/app/tags/list"],
    ["/v2/public/app#/../../private/app/tags/list"],
    ["/v2/%70rivate/app/tags/list"],
    ["http://other.test/v2/private/app/tags/list"],
    ["/v2/private/app/tags/list"],
    ["/v2/private/app/manifests/only-private"],
  ])("%s tells nothing to who may not see it", async (path) => {
    for (const headers of [nobody, rita, basic("rita", "a wrong one")]) {
      // oxlint-disable-next-line no-await-in-loop
      const answer = await ask(`GET ${path}`, headers);
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.status).toBeLessThan(500);
      expect(answer.body.toString()).not.toMatch(/only-private|schemaVersion/);
    }
  });

  test("what they may see is there", async () => {
    const tags = '{"name":"public/app","tags":["only-public"]}';
    expect((await ask("GET /v2/public/app/tags/list", rita)).body.toString()).toBe(tags);
    expect((await ask("GET /v2/public/app/manifests/only-public", nobody)).status).toBe(200);
    expect((await ask("GET /v2/private/app/tags/list", alice)).status).toBe(200);
  });
});

describe("a request with", () => {
  test.each([
    ["a token of 100 kB", 401, [`Authorization: Bearer ${"x".repeat(100_000)}`]],
    ["a token of 100 kB, of dots", 401, [`Authorization: Bearer ${".".repeat(100_000)}`]],
    ["a password of 100 kB", 401, [`Authorization: Basic ${btoa(`alice:${"x".repeat(75_000)}`)}`]],
    ["a header of 1 MB", 431, [`X-Large: ${"x".repeat(1_000_000)}`]],
    ["1,000 headers", 401, Array.from({ length: 1000 }, (_, at) => `X-Header-${at}: ${at}`)],
    ["two users", 401, [authorization(rita), authorization(alice)]],
    ["a user and a token", 401, [authorization(rita), "Authorization: Bearer x"]],
    [
      "a user in a continued line",
      400,
      ["Authorization: Basic", ` ${alice["Authorization"]?.slice(6)}`],
    ],
    ["bytes that are no characters", 401, ["Authorization: Basic \u00FF\u00FE"]],
    ["no scheme", 401, ["Authorization: "]],
    ["a user twice", 401, [authorization(alice), authorization(alice)]],
  ])("%s is %i, and told nothing", async (_case, status, lines) => {
    const connection = await registry.connect();
    const answer = await connection.ask("GET /v2/private/app/tags/list", undefined, ...lines);
    expect(answer.status).toBe(status);
    expect(answer.body.length).toBeLessThan(1000);
    expect((await ask("GET /v2/private/app/tags/list", alice)).status).toBe(200);
  });

  test.each([
    ["1,000 scopes", 400, `/token?${scopes(1000)}`],
    ["100 scopes", 200, `/token?${scopes(100)}`],
    ["a scope of 10 kB", 200, `/token?scope=repository:${"(a+)+".repeat(2000)}:pull`],
  ])("%s is %i", async (_case, status, path) => {
    const answer = await ask(`GET ${path}`, alice);
    expect(answer.status).toBe(status);
  });
});

function authorization(credentials: Credentials): string {
  return `Authorization: ${credentials["Authorization"]}`;
}

function scopes(count: number): string {
  return Array.from({ length: count }, (_, at) => `scope=repository:a/${at}:pull`).join("&");
}

test("a token that is had over HTTP is good over HTTP", async () => {
  const answer = await ask("GET /token?scope=repository:private/app:pull", alice);
  const { token } = JSON.parse(answer.body.toString()) as { token: string };
  expect((await ask("GET /v2/private/app/tags/list", bearer(token))).status).toBe(200);
  expect((await ask("DELETE /v2/private/app/manifests/v1", bearer(token))).status).toBe(403);
});
