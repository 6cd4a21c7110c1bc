/**
 * Every client that pulls, where the registry sends readers of blobs to R2 itself: to signed URLs,
 * which a stand-in for R2's S3 API checks. As S3 does, it refuses a request that comes with the
 * credentials for the registry as well.
 */
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { objectBytes } from "../soak/bucket.ts";
import { S3StandIn } from "../standalone/s3-stand-in.ts";
import { type Account, basicHeader } from "./account.ts";
import { Buildkitd } from "./buildkitd.ts";
import { Cleanup } from "./cleanup.ts";
import { type ImageClientName, imageClients } from "./image-clients.ts";
import { type Fetcher, KubernetesNode } from "./kubernetes-node.ts";
import { type Layer, makeLayer } from "./layer.ts";
import { writeDockerConfig } from "./longshore.ts";
import { Registry } from "./registry.ts";
import { readImage, readManifest } from "./remote-image.ts";
import { readSavedImage } from "./saved-image.ts";

/** Who pushes what a client can pull: charts and artifacts are no images. */
type Publisher = "crane" | "helm" | "ORAS for Python";

const clients: readonly (readonly [client: ImageClientName, publisher: Publisher])[] = [
  ["docker 20.10", "crane"],
  ["docker 29", "crane"],
  ["containerd 1.6", "crane"],
  ["containerd 2.4", "crane"],
  ["containerd 2.4 by hosts.toml", "crane"],
  ["podman", "crane"],
  ["skopeo", "crane"],
  ["crane", "crane"],
  ["regctl", "crane"],
  ["helm", "helm"],
  ["ORAS for Python", "ORAS for Python"],
];

const repositories: Readonly<Record<Publisher, string>> = {
  crane: "direct/image",
  helm: "direct/chart",
  "ORAS for Python": "direct/artifact",
};
const publishers = Object.keys(repositories) as readonly Publisher[];

const alice: Account = { name: "alice", password: "correct-horse" };
const headers = { Authorization: basicHeader(alice) };
const reader = {
  accessKeyId: "0123456789abcdef0123456789abcdef",
  secretAccessKey: "a+secret/with=signs",
  bucket: "longshore-test-blobs",
};

const cleanup = new Cleanup();
let folder: string;
let layers: readonly Layer[];
let diffIds: readonly string[];
/** Of the way to log in that is being tested. */
let store: S3StandIn;
let registry: Registry;

beforeAll(async () => {
  folder = await cleanup.folder();
  layers = [
    await makeLayer(folder, { seed: "small", bytes: 1000 }),
    // A whole part and some more: crane's PATCH makes two of it.
    await makeLayer(folder, { seed: "large", bytes: 9 * 2 ** 20 }),
  ];
  diffIds = layers.map((layer) => layer.diffId);
});

afterAll(async () => cleanup.run());

/** Starts a registry and the store behind it, with something for each client in them. */
async function start(authType: string): Promise<void> {
  const storage = await cleanup.folder();
  store = cleanup.own(new S3StandIn(reader, async (key) => objectBytes(storage, key)));
  // By another name than the registry's: clients tell names apart, and not ports.
  const endpoint = (await store.listen()).replace("127.0.0.1", "localhost");
  const variables = {
    REGISTRY_STORAGE_PATH: storage,
    REGISTRY_AUTH_TYPE: authType,
    USERNAME: alice.name,
    PASSWORD: alice.password,
    REGISTRY_R2_ENDPOINT: endpoint,
    REGISTRY_R2_BUCKET: reader.bucket,
    REGISTRY_R2_ACCESS_KEY_ID: reader.accessKeyId,
    REGISTRY_R2_SECRET_ACCESS_KEY: reader.secretAccessKey,
  };
  registry = cleanup.own(await Registry.start({ variables }));
  for (const publisher of publishers) {
    const client = await imageClients[publisher](await cleanup.folder());
    await client.logIn(registry.address, alice);
    await client.push(imageOf(publisher), layers);
  }
  // The other two send a blob in one PUT, which is stored whole.
  const parts = await readdir(join(storage, "blobs", "parts"), {
    recursive: true,
    withFileTypes: true,
  });
  expect(parts.filter((entry) => entry.isFile())).toHaveLength(2);
}

function imageOf(publisher: Publisher): string {
  return `${registry.address}/${repositories[publisher]}:1.0.0`;
}

/** The digests of the blobs that a client needs. */
async function neededOf(publisher: Publisher): Promise<readonly string[]> {
  const image = await readManifest(registry.url, repositories[publisher], "1.0.0", headers);
  // An artifact's configuration is empty, and the library for Python does not read it.
  const config = publisher === "ORAS for Python" ? [] : [image.config];
  return [...config, ...image.layers].map(({ digest }) => digest);
}

/** Where a client is sent for a blob. */
async function redirectOf(publisher: Publisher, digest: string): Promise<URL> {
  const url = `${registry.url}/v2/${repositories[publisher]}/blobs/${digest}`;
  const response = await fetch(url, { headers, redirect: "manual" });
  expect(response.status).toBe(307);
  return new URL(response.headers.get("Location") ?? "");
}

/** Runs a pull, of which the store has to serve every blob, and to refuse nothing. */
async function expectServed(publisher: Publisher, pull: () => Promise<void>): Promise<void> {
  store.requests.length = 0;
  await pull();
  const requests = [...store.requests];
  expect(requests.filter(({ status }) => status !== 200 && status !== 206)).toEqual([]);
  const needed = await neededOf(publisher);
  const urls = await Promise.all(needed.map(async (digest) => redirectOf(publisher, digest)));
  const served = requests.map(({ method, key }) => `${method} /${reader.bucket}/${key}`);
  expect(new Set(served)).toEqual(new Set(urls.map((url) => `GET ${url.pathname}`)));
}

describe.each(["token", "basic"])("logged in by %s, to read from the store itself:", (authType) => {
  beforeAll(async () => start(authType));

  test.each(clients)("%s", async (name, publisher) => {
    const client = await imageClients[name](await cleanup.folder());
    onTestFinished(async () => client.close());
    await client.logIn(registry.address, alice);
    await expectServed(publisher, async () => {
      expect(await client.pull(imageOf(publisher))).toEqual(diffIds);
    });
  });

  test.each<[Fetcher]>([["transfer service"], ["CRI plugin"]])(
    "a Kubernetes node, by the %s",
    async (fetcher) => {
      const node = await KubernetesNode.start(registry.address, fetcher);
      onTestFinished(async () => node.close());
      await expectServed("crane", async () => {
        await node.pull(imageOf("crane"), alice);
        const archive = join(folder, "exported.tar");
        await node.export(archive, imageOf("crane"));
        expect((await readSavedImage(archive)).diffIds).toEqual(diffIds);
      });
    },
  );

  test("BuildKit, for the image that a build begins with", async () => {
    const buildkitd = await Buildkitd.start(registry.address);
    onTestFinished(async () => buildkitd.close());
    const context = await cleanup.folder();
    await writeFile(join(context, "notes.txt"), "low tide at noon\n");
    await writeFile(join(context, "Dockerfile"), `FROM ${imageOf("crane")}\nCOPY notes.txt /\n`);
    const accounts = await writeDockerConfig(join(context, "client"), {
      [registry.address]: alice,
    });
    const image = `${registry.address}/direct/built:v1`;
    await expectServed("crane", async () => {
      await buildkitd.build({ context, image, mediaTypes: "OCI", accounts });
    });
    const built = await readImage(registry.url, "direct/built", "v1", headers);
    expect(built.slice(0, layers.length)).toEqual(diffIds);
  });

  test("a client that sent its credentials on would be refused", async () => {
    const [digest = ""] = await neededOf("crane");
    const direct = await redirectOf("crane", digest);
    expect((await fetch(direct, { headers })).status).toBe(400);
    expect((await fetch(direct)).status).toBe(200);
  });
});
