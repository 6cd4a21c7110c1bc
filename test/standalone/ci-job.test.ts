import { createServer, type Server } from "node:http";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { basic, bearer, type Credentials } from "../access/authorization.ts";
import { jwksOf, nowSeconds, Signer } from "../access/issuer.ts";
import { digestOf } from "./running-registry.ts";
import { Start } from "./start-process.ts";

const audience = "https://registry.example.com";

let folder = "";
let server: Server;
let signer: Signer;
let issuer = "";
let unreachable = "";
let start: Start;
let registryUrl = "";

/** An issuer on this machine, with the two documents that OpenID Connect asks for. */
async function startIssuer(): Promise<void> {
  signer = await Signer.make("RS256");
  const keys = await jwksOf(signer);
  server = createServer(({ url }, response) => {
    const answers: Record<string, object> = {
      "/.well-known/openid-configuration": { issuer, jwks_uri: `${issuer}/keys` },
      "/keys": keys,
    };
    const answer = answers[url ?? ""];
    response.writeHead(answer === undefined ? 404 : 200, { "Content-Type": "application/json" });
    response.end(JSON.stringify(answer ?? {}));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The address of something that listened once. */
async function closedAddress(): Promise<string> {
  const closed = createServer().listen(0, "127.0.0.1");
  await once(closed, "listening");
  const { port } = closed.address() as AddressInfo;
  closed.close();
  return `http://127.0.0.1:${port}`;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "longshore-ci-job-"));
  await startIssuer();
  unreachable = await closedAddress();
  const path = join(folder, "policy.json");
  const rule = {
    claims: { repository: "octo/app", ref: "refs/heads/main" },
    repository: "team/app",
    permissions: ["pull", "push"],
  };
  const issuers = [issuer, unreachable].map((url) => ({ issuer: url, audience, rules: [rule] }));
  await writeFile(path, JSON.stringify({ issuers }));
  start = new Start(["npm", "start"], {
    REGISTRY_PORT: "0",
    REGISTRY_STORAGE_PATH: join(folder, "data"),
    REGISTRY_AUTH_TYPE: "token",
    REGISTRY_ACCESS_CONTROL_CONFIG: path,
  });
  registryUrl = await start.url();
}, 60_000);

afterAll(async () => {
  start.process.kill("SIGTERM");
  await start.ended;
  server.close();
  await rm(folder, { recursive: true, maxRetries: 10 });
});

function jobToken(more: Record<string, unknown> = {}): Promise<string> {
  return signer.sign({
    iss: issuer,
    aud: audience,
    sub: "repo:octo/app:ref:refs/heads/main",
    exp: nowSeconds() + 300,
    repository: "octo/app",
    ref: "refs/heads/main",
    ...more,
  });
}

async function send(method: string, path: string, init: RequestInit): Promise<Response> {
  return fetch(new URL(path, registryUrl), { ...init, method });
}

/** Pushes a blob whole; answers the status. */
async function push(repository: string, headers: Credentials): Promise<number> {
  const begun = await send("POST", `/v2/${repository}/blobs/uploads/`, { headers });
  if (begun.status !== 202) return begun.status;
  const location = begun.headers.get("Location") ?? "";
  const path = `${location}?digest=${digestOf("layer")}`;
  return (await send("PUT", path, { headers, body: "layer" })).status;
}

describe("a CI job without a stored secret", () => {
  test("logs in with its issuer's token as password, and pushes where its rule says", async () => {
    const headers = basic("ci", await jobToken());
    expect((await send("GET", "/v2/", { headers })).status).toBe(200);
    expect(await push("team/app", headers)).toBe(201);
    expect(await push("team/other", headers)).toBe(403);
  });

  test("gets a token at /token as docker does after docker login, and pushes by it", async () => {
    const form = new URLSearchParams({
      grant_type: "password",
      service: "longshore",
      client_id: "docker",
      username: "ci",
      password: await jobToken(),
      scope: "repository:team/app:pull,push repository:team/other:pull,push",
    });
    const answer = await send("POST", "/token", { body: form });
    expect(answer.status).toBe(200);
    const { access_token: token } = await answer.json<{ access_token: string }>();
    expect(await push("team/app", bearer(token))).toBe(201);
    expect(await push("team/other", bearer(token))).toBe(401);
  });

  test.each([
    ["of another branch", { ref: "refs/heads/feature" }],
    ["of another repository", { repository: "octo/other" }],
    ["with another audience", { aud: "other" }],
    ["whose token is over", { exp: 1_000_000_000 }],
    ["whose issuer nobody named", { iss: "http://127.0.0.1:1" }],
  ])("%s is refused", async (_case, claims) => {
    const headers = basic(`ci-${Object.keys(claims).join("-")}`, await jobToken(claims));
    expect(await push("team/app", headers)).toBe(401);
  });

  test("whose issuer can't be reached is told to come again", async () => {
    const headers = basic("ci-unreachable", await jobToken({ iss: unreachable }));
    const response = await send("GET", "/v2/", { headers });
    expect([response.status, response.headers.get("Retry-After")]).toEqual([504, "5"]);
  });

  test("tells the log nothing", async () => {
    const token = await jobToken();
    await push("team/app", basic("ci", token));
    await push("team/app", basic("ci-wrong", `${token}x`));
    expect(start.output + start.errors).not.toContain(token.split(".")[2]);
  });
});
