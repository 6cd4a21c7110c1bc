/** Pulls by a node of Kubernetes: with the account of a pod's secret, of the node itself, of nobody. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Account } from "./account.ts";
import { Cleanup } from "./cleanup.ts";
import { complaintOf } from "./command.ts";
import { imageClients } from "./image-clients.ts";
import { type Fetcher, KubernetesNode } from "./kubernetes-node.ts";
import { makeLayer } from "./layer.ts";
import { Registry } from "./registry.ts";
import { TokenIssuer } from "./token-issuer.ts";

const cleanup = new Cleanup();
const alice: Account = { name: "alice", password: "correct-horse" };
const bob: Account = { name: "bob", password: "read" };
const audience = "https://registry.example.com";
let registry: Registry;
let issuer: TokenIssuer;

function policy(): string {
  const claims = { namespace: "shop" };
  return JSON.stringify({
    rules: [
      { repository: "public/**", users: ["anonymous"], permissions: ["pull"] },
      { repository: "**", users: ["alice"], permissions: ["pull", "push"] },
      { repository: "private/**", users: ["bob"], permissions: ["pull"] },
    ],
    issuers: [
      {
        issuer: issuer.url,
        audience,
        rules: [{ claims, repository: "private/**", permissions: ["pull"] }],
      },
    ],
  });
}

beforeAll(async () => {
  const folder = await cleanup.folder();
  issuer = cleanup.own(await TokenIssuer.start());
  const file = join(folder, "policy.json");
  await writeFile(file, policy());
  registry = cleanup.own(
    await Registry.start({
      variables: {
        USERNAME: alice.name,
        PASSWORD: alice.password,
        READONLY_USERNAME: bob.name,
        READONLY_PASSWORD: bob.password,
        REGISTRY_ACCESS_CONTROL_CONFIG: file,
      },
    }),
  );
  const layer = await makeLayer(folder, { seed: "layer", bytes: 1000 });
  const publisher = await imageClients.crane(await cleanup.folder());
  await publisher.logIn(registry.address, alice);
  for (const repository of ["private/app", "public/app"]) {
    await publisher.push(`${registry.address}/${repository}:v1`, [layer]);
  }
});

afterAll(async () => cleanup.run());

describe.each<[Fetcher]>([["transfer service"], ["CRI plugin"]])("by the %s", (fetcher) => {
  let node: KubernetesNode;

  beforeAll(async () => {
    node = cleanup.own(await KubernetesNode.start(registry.address, fetcher));
  });

  const pull = async (repository: string, account?: Account): Promise<boolean> => {
    const image = `${registry.address}/${repository}:v1`;
    const { listed } = await node.pull(image, account);
    await node.remove(image);
    return listed;
  };

  test("a pod's secret pulls", async () => {
    expect(await pull("private/app", bob)).toBe(true);
  });

  test("the token of an issuer pulls in the password's place", async () => {
    const password = await issuer.token(audience, { sub: "pod", namespace: "shop" });
    expect(await pull("private/app", { name: "pod", password })).toBe(true);
  });

  test("no secret pulls what is public", async () => {
    expect(await pull("public/app")).toBe(true);
  });

  test("no secret is told that it is needed for the rest", async () => {
    const complaint = await complaintOf(pull("private/app"));
    expect(complaint).toMatch(/pull access denied, .* insufficient_scope/u);
  });

  test("a wrong password is told", async () => {
    const wrong = { ...bob, password: "guessed" };
    const complaint = await complaintOf(pull("private/app", wrong));
    expect(complaint).toMatch(/failed to authorize: .*401 Unauthorized/u);
  });
});

test.each<[Fetcher]>([["transfer service"], ["CRI plugin"]])(
  "a node's own account pulls for every pod, set for the %s",
  async (fetcher) => {
    const account = `[plugins."io.containerd.grpc.v1.cri".registry.configs."${registry.address}".auth]
username = "${bob.name}"
password = "${bob.password}"
`;
    const node = cleanup.own(await KubernetesNode.start(registry.address, fetcher, account));
    expect(await node.pull(`${registry.address}/private/app:v1`)).toMatchObject({ listed: true });
  },
);
