/** Who may do what, as real clients show it: one registry with users, jobs and a public part. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Account, basicHeader, writeHtpasswd } from "./account.ts";
import { Cleanup } from "./cleanup.ts";
import { complaintOf } from "./command.ts";
import { type ImageClient, type ImageClientName, imageClients } from "./image-clients.ts";
import { type Layer, makeLayer } from "./layer.ts";
import { Registry } from "./registry.ts";
import { TokenIssuer } from "./token-issuer.ts";

const cleanup = new Cleanup();
const alice: Account = { name: "alice", password: "correct-horse" };
const rita: Account = { name: "rita", password: "reads-only" };
const audience = "https://registry.example.com";
let folder: string;
let registry: Registry;
let issuer: TokenIssuer;
let diffId: string;

/** What is there to be pulled; each is pulled once by a client, which has nothing of it yet. */
const seeds = [
  "private/for-user",
  "private/for-reader",
  "ci/for-job",
  "public/for-nobody",
  "public/for-user",
] as const;
type Seed = (typeof seeds)[number];

/** Who pushes what a client can pull: charts and artifacts are no images. */
type Publisher = "crane" | "helm" | "ORAS for Python";

/** What a client can pull, and what it says. */
interface Manner {
  readonly publisher: Publisher;
  /** To a user who may not push. */
  readonly denied: RegExp;
  /** To nobody who pulls what is private. */
  readonly unauthorized: RegExp;
  /** To a wrong password, at its log-in or, where it does not ask then, at a pull. */
  readonly wrongPassword: RegExp;
}

/** What our answers say. */
const ours: Manner = {
  publisher: "crane",
  denied: /denied: requested access to the resource is denied: push in private\/denied-to-/iu,
  unauthorized: /unauthorized: authentication required: for repository:private\/for-user-/iu,
  wrongPassword: /unauthorized: authentication required: no such user, or another password/iu,
};
const docker: Manner = {
  ...ours,
  // Asked for what it has no right to, it says this of its own.
  unauthorized: /pull access denied .* may require 'docker login'/u,
};
const containerd: Manner = {
  ...ours,
  unauthorized: /pull access denied, .* may require authorization: .*insufficient_scope/u,
  wrongPassword: /failed to authorize: .*401 Unauthorized/u,
};
const containersImage: Manner = { ...ours, wrongPassword: /invalid username\/password/u };

const clients: readonly (readonly [ImageClientName, Manner])[] = [
  ["docker 20.10", docker],
  [
    "docker 29",
    { ...docker, denied: /^error from registry: requested access .*: push in private/u },
  ],
  ["containerd 1.6", { ...containerd, denied: /^ctr: unexpected status: 403 Forbidden$/mu }],
  ["containerd 2.4", containerd],
  ["containerd 2.4 by hosts.toml", containerd],
  ["podman", containersImage],
  ["skopeo", containersImage],
  ["crane", ours],
  [
    "regctl",
    {
      ...ours,
      denied: /DENIED.*requested access to the resource is denied: push in private/u,
      unauthorized: /^failed to get manifest .*: unauthorized$/mu,
      wrongPassword: /^failed to ping registry .*: unauthorized$/mu,
    },
  ],
  ["helm", { ...ours, publisher: "helm" }],
  [
    "ORAS for Python",
    {
      publisher: "ORAS for Python",
      denied: /'DENIED', 'message': 'requested access to the resource is denied: push in private/u,
      unauthorized: /authentication required: for repository:private/u,
      wrongPassword: /authentication required: for repository:private/u,
    },
  ],
];

/** A name as a part of a repository's. */
function slugOf(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]+/gu, "-");
}

function seedImage(seed: Seed, publisher: Publisher): string {
  return `${registry.address}/${seed}-${slugOf(publisher)}:1.0.0`;
}

async function newLayer(seed: string): Promise<Layer> {
  return makeLayer(folder, { seed, bytes: 1000 });
}

/** The policy of README, "Public to pull, private to push", with a reader and with jobs. */
function policy(): string {
  return JSON.stringify({
    rules: [
      { repository: "public/**", users: ["anonymous"], permissions: ["pull"] },
      { repository: "**", users: ["alice"], permissions: ["pull", "push", "delete"] },
      { repository: "**", users: ["rita"], permissions: ["pull"] },
    ],
    issuers: [
      {
        issuer: issuer.url,
        audience,
        rules: [
          {
            claims: { repository: "acme/app", ref: "refs/heads/main" },
            repository: "ci/**",
            permissions: ["pull", "push"],
          },
        ],
      },
    ],
  });
}

/** Who a job is that runs on a branch. */
async function jobOn(branch: string): Promise<Account> {
  const claims = { sub: `repo:acme/app:${branch}`, repository: "acme/app", ref: branch };
  return { name: "ci", password: await issuer.token(audience, claims) };
}

beforeAll(async () => {
  folder = await cleanup.folder();
  issuer = cleanup.own(await TokenIssuer.start());
  const files = { users: join(folder, "users"), policy: join(folder, "policy.json") };
  await writeHtpasswd(files.users, [alice]);
  await writeFile(files.policy, policy());
  registry = cleanup.own(
    await Registry.start({
      variables: {
        REGISTRY_AUTH_HTPASSWD: files.users,
        READONLY_USERNAME: rita.name,
        READONLY_PASSWORD: rita.password,
        REGISTRY_ACCESS_CONTROL_CONFIG: files.policy,
      },
    }),
  );
  const layer = await newLayer("seed");
  diffId = layer.diffId;
  for (const publisher of new Set(clients.map(([, manner]) => manner.publisher))) {
    const client = await imageClients[publisher](await cleanup.folder());
    await client.logIn(registry.address, alice);
    for (const seed of seeds) await client.push(seedImage(seed, publisher), [layer]);
  }
});

afterAll(async () => cleanup.run());

/** Whether an image has arrived. */
async function isThere(repository: string): Promise<boolean> {
  const url = `${registry.url}/v2/${repository}/manifests/1.0.0`;
  const { status } = await fetch(url, { headers: { Authorization: basicHeader(alice) } });
  return status === 200;
}

describe.each(clients)("%s", (name, { publisher, ...told }) => {
  let client: ImageClient;

  beforeAll(async () => {
    client = await imageClients[name](await cleanup.folder());
  });

  afterAll(async () => client.close());

  const pull = async (seed: Seed): Promise<readonly string[]> =>
    client.pull(seedImage(seed, publisher));

  const push = async (repository: string): Promise<unknown> =>
    client.push(`${registry.address}/${repository}:1.0.0`, [await newLayer(slugOf(repository))]);

  test("a user pushes, and pulls what another one has pushed", async () => {
    const repository = `private/of-${slugOf(name)}`;
    await client.logIn(registry.address, alice);
    await push(repository);
    expect(await isThere(repository)).toBe(true);
    expect(await pull("private/for-user")).toEqual([diffId]);
    expect(await pull("public/for-user")).toEqual([diffId]);
  });

  test("a read-only user pulls, and is told that a push is denied", async () => {
    const repository = `private/denied-to-${slugOf(name)}`;
    await client.logIn(registry.address, rita);
    expect(await pull("private/for-reader")).toEqual([diffId]);
    expect(await complaintOf(push(repository))).toMatch(told.denied);
    expect(await isThere(repository)).toBe(false);
  });

  test("a job pushes and pulls by the token of its issuer", async () => {
    const repository = `ci/of-${slugOf(name)}`;
    await client.logIn(registry.address, await jobOn("refs/heads/main"));
    await push(repository);
    expect(await isThere(repository)).toBe(true);
    expect(await pull("ci/for-job")).toEqual([diffId]);
  });

  test("a wrong password is told", async () => {
    // Each client has a name of its own: ten failures in a minute are told otherwise.
    const wrong = { name: `mallory-${slugOf(name)}`, password: "guessed" };
    const pulled = client.logIn(registry.address, wrong).then(async () => pull("private/for-user"));
    expect(await complaintOf(pulled)).toMatch(told.wrongPassword);
  });

  test("nobody pulls what is public, and is told to log in for the rest", async () => {
    await client.logOut(registry.address);
    expect(await pull("public/for-nobody")).toEqual([diffId]);
    expect(await complaintOf(pull("private/for-user"))).toMatch(told.unauthorized);
  });
});
