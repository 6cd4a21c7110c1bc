import { createExecutionContext, env, waitOnExecutionContext } from "cloudflare:test";
import { compare } from "bcryptjs";
import { beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import {
  askToken,
  basic,
  bearer,
  type Credentials,
  htpasswd,
  nobody,
  tokenRegistry,
  type Variables,
} from "../access/credentials.ts";
import { digestOf, pushImage, randomBytes } from "../client.ts";
import registry, { type Operations, takeOperations } from "../doubles/counted-operations.ts";

vi.mock("bcryptjs", { spy: true });

const open: Variables = { REGISTRY_AUTH_TYPE: "none" };
let guarded: Variables;

beforeAll(async () => {
  guarded = await tokenRegistry({
    USERNAME: undefined,
    PASSWORD: undefined,
    REGISTRY_AUTH_HTPASSWD: htpasswd({ alice: "alice's", bob: "bob's" }),
    REGISTRY_ACCESS_CONTROL_CONFIG: JSON.stringify({
      rules: [
        { repository: "budget/**", users: ["alice", "bob"], permissions: ["pull", "push"] },
        { repository: "public/**", users: ["anonymous"], permissions: ["pull"] },
      ],
    }),
  });
});

beforeEach(() => {
  vi.mocked(compare).mockClear();
});

interface Cost extends Pick<Operations, "objects" | "r2" | "kv"> {
  readonly path: string;
  readonly status: number;
}

/** What a request costs until it is answered. */
async function costOf(
  variables: Variables,
  headers: Credentials,
  [method, path]: [string, string],
): Promise<Cost> {
  const context = createExecutionContext();
  const request = new Request<unknown, IncomingRequestCfProperties>(`http://registry.test${path}`, {
    method,
    headers,
  });
  takeOperations();
  const response = await registry.fetch(request, { ...env, ...variables }, context);
  await response.arrayBuffer();
  const { objects, r2, kv } = takeOperations();
  await waitOnExecutionContext(context);
  return { path, status: response.status, objects, r2, kv };
}

/** The requests of a pull: manifest by tag and by digest, then the blobs. */
function pullOf(
  repository: string,
  image: { digest: string; manifest: string },
): [string, string][] {
  const { config, layers } = JSON.parse(image.manifest) as {
    config: { digest: string };
    layers: { digest: string }[];
  };
  return [
    ["HEAD", `/v2/${repository}/manifests/1`],
    ["GET", `/v2/${repository}/manifests/1`],
    ["GET", `/v2/${repository}/manifests/${image.digest}`],
    ...[config, ...layers].map(({ digest }): [string, string] => [
      "GET",
      `/v2/${repository}/blobs/${digest}`,
    ]),
    ["HEAD", `/v2/${repository}/blobs/${layers[0]?.digest}`],
  ];
}

/** Waits until the replicas of all repositories are written. */
async function replicas(): Promise<void> {
  for (let quiet = 0; quiet < 3;) {
    // Alarms are a second behind a change.
    // oxlint-disable-next-line no-await-in-loop
    await new Promise((resolve) => setTimeout(resolve, 600));
    quiet = takeOperations().later.length === 0 ? quiet + 1 : 0;
  }
}

async function pushed(repository: string) {
  const image = await pushImage(repository, "1", [randomBytes(100), randomBytes(200)]);
  await replicas();
  return pullOf(repository, image);
}

describe("with access control a pull costs no call more", () => {
  test.each<[string, string, () => Promise<Credentials>, number]>([
    [
      "by token",
      "budget/token",
      async () => {
        const scope = "repository:budget/token:pull";
        return bearer((await askToken(guarded, basic("alice", "alice's"), [scope])).token);
      },
      1,
    ],
    ["by password", "budget/basic", async () => basic("bob", "bob's"), 1],
    ["of nobody", "public/app", async () => nobody, 0],
  ])("%s, and one bcrypt at most", async (_case, repository, credentials, bcrypts) => {
    const requests = await pushed(repository);
    const [before, after]: [Cost[], Cost[]] = [[], []];
    // Once with each, so that both find the links of blobs where a pull leaves them.
    for (const request of requests) {
      // oxlint-disable-next-line no-await-in-loop
      await costOf(open, nobody, request);
    }
    const headers = await credentials();
    for (const request of requests) {
      // oxlint-disable-next-line no-await-in-loop
      before.push(await costOf(open, nobody, request));
      // oxlint-disable-next-line no-await-in-loop
      after.push(await costOf(guarded, headers, request));
    }
    expect(after).toEqual(before);
    expect(before.map(({ status }) => status)).toEqual(requests.map(() => 200));
    expect(vi.mocked(compare).mock.calls.length).toBe(bcrypts);
  });

  test.each<[string, Credentials, string]>([
    ["a token", basic("alice", "alice's"), "/token?scope=repository:budget/token:pull,push"],
    ["nobody's token", nobody, "/token?scope=repository:public/app:pull"],
    ["the public keys", nobody, "/.well-known/jwks.json"],
    ["the ping", basic("bob", "bob's"), "/v2/"],
  ])("%s costs none at all", async (_case, credentials, path) => {
    const { status, objects, r2, kv } = await costOf(guarded, credentials, ["GET", path]);
    expect({ status, objects, r2, kv }).toEqual({ status: 200, objects: [], r2: [], kv: [] });
  });

  test.each<[string, Credentials, number, string, string]>([
    ["nobody", nobody, 401, "GET", "manifests/1"],
    ["nobody", nobody, 401, "POST", "blobs/uploads/"],
    ["a reader", basic("bob", "bob's"), 403, "DELETE", "manifests/1"],
    ["a wrong password", basic("alice", "wrong"), 401, "GET", `blobs/${digestOf("")}`],
  ])(
    "what is refused to %s costs none at all: %i",
    async (_case, credentials, due, method, path) => {
      const request: [string, string] = [method, `/v2/budget/token/${path}`];
      const { status, objects, r2, kv } = await costOf(guarded, credentials, request);
      expect({ status, objects, r2, kv }).toEqual({ status: due, objects: [], r2: [], kv: [] });
    },
  );
});
