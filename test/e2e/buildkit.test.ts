/** BuildKit pushes what it builds, and keeps its cache in the registry. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Buildkitd } from "./buildkitd.ts";
import { Cleanup } from "./cleanup.ts";
import { run } from "./command.ts";
import { makeLayer } from "./layer.ts";
import { Registry } from "./registry.ts";
import { readImage, readIndex, readManifest } from "./remote-image.ts";
import { sha256OfFile } from "./sha256.ts";
import { tools } from "./tools.ts";

const cleanup = new Cleanup();
let folder: string;
let context: string;
let registry: Registry;
let buildkitd: Buildkitd;

const dockerfile = `FROM scratch
COPY program.tar /program
COPY notes.txt /etc/notes
`;
const steps = ["[1/2] COPY program.tar /program", "[2/2] COPY notes.txt /etc/notes"];

beforeAll(async () => {
  folder = await cleanup.folder();
  registry = cleanup.own(await Registry.start());
  buildkitd = cleanup.own(await Buildkitd.start(registry.address));
  context = join(folder, "context");
  await mkdir(context);
  await makeLayer(context, { seed: "program", bytes: 20_000_000 });
  await writeFile(join(context, "notes.txt"), "low tide at noon\n");
  await writeFile(join(context, "Dockerfile"), dockerfile);
});

afterAll(async () => cleanup.run());

const image = (name: string): string => `${registry.address}/buildkit/${name}`;

/** The files of an image, as they are in its layers in the registry. */
async function filesOf(repository: string, reference: string): Promise<Record<string, string>> {
  const { layers } = await readManifest(registry.url, repository, reference);
  const unpacked = join(folder, `unpacked-${repository}-${reference}`.replaceAll(/\W+/gu, "-"));
  await mkdir(unpacked);
  for (const { digest } of layers) {
    const response = await fetch(`${registry.url}/v2/${repository}/blobs/${digest}`);
    const archive = `${unpacked}.tar.gz`;
    await writeFile(archive, new Uint8Array(await response.arrayBuffer()));
    await run(tools.tar, ["--extract", "--gzip", "--file", archive, "--directory", unpacked]);
  }
  return {
    program: await sha256OfFile(join(unpacked, "program")),
    notes: await readFile(join(unpacked, "etc", "notes"), "utf8"),
  };
}

/** What `filesOf` an image should be. */
async function filesOfContext(): Promise<Record<string, string>> {
  return {
    program: await sha256OfFile(join(context, "program.tar")),
    notes: await readFile(join(context, "notes.txt"), "utf8"),
  };
}

/** The steps of a build that were not run because a cache had their results. */
function cachedSteps(log: string): readonly string[] {
  const ids = [...log.matchAll(/^#(\d+) CACHED$/gmu)].map(([, id]) => id);
  return steps.filter((step) => ids.some((id) => log.includes(`#${id} ${step}\n`)));
}

test.each([
  ["OCI", "application/vnd.oci.image.config.v1+json"],
  ["docker", "application/vnd.docker.container.image.v1+json"],
] as const)("BuildKit pushes an image with media types of %s", async (mediaTypes, configType) => {
  const name = mediaTypes.toLowerCase();
  await buildkitd.build({ context, image: image(`${name}:v1`), mediaTypes });
  const repository = `buildkit/${name}`;
  const { config } = await readManifest(registry.url, repository, "v1");
  expect(config.mediaType).toBe(configType);
  expect(await filesOf(repository, "v1")).toEqual(await filesOfContext());
});

test("BuildKit pushes an index with an image and the attestation of its provenance", async () => {
  const flags = ["--opt=attest:provenance="];
  await buildkitd.build({ context, image: image("attested:v1"), mediaTypes: "OCI", flags });
  await registry.restart();

  const repository = "buildkit/attested";
  const entries = await readIndex(registry.url, repository, "v1");
  const [pushed, attestation] = entries.map((entry) => entry.digest);
  expect(await filesOf(repository, pushed ?? "")).toEqual(await filesOfContext());
  expect(entries.map((entry) => entry.annotations)).toEqual([
    undefined,
    {
      "vnd.docker.reference.digest": pushed,
      "vnd.docker.reference.type": "attestation-manifest",
    },
  ]);
  const { layers } = await readManifest(registry.url, repository, attestation ?? "");
  expect(layers.map((layer) => layer.mediaType)).toEqual(["application/vnd.in-toto+json"]);
  // Its statement is not compressed: the digest of what is in it is the blob's own.
  expect(await readImage(registry.url, repository, attestation ?? "")).toEqual(
    layers.map((layer) => layer.digest),
  );
});

describe.each([
  ["a manifest", "image-manifest=true", "with-manifest"],
  ["an index of layers", "image-manifest=false", "with-index"],
])("a cache that is %s", (_, kind, name) => {
  const repository = `buildkit/${name}`;

  test("is pushed by BuildKit", async () => {
    const fresh = await Buildkitd.start(registry.address);
    try {
      const cache = `ref=${image(`${name}:cache`)},mode=max,${kind}`;
      const flags = [`--export-cache=type=registry,${cache}`];
      const { stderr } = await fresh.build({
        context,
        image: image(`${name}:v1`),
        mediaTypes: "OCI",
        flags,
      });
      expect(cachedSteps(stderr)).toEqual([]);
      const { layers } = await readManifest(registry.url, repository, "v1");
      const cached = await cacheLayers(repository, kind);
      expect(cached.toSorted()).toEqual(layers.map((layer) => layer.digest).toSorted());
    } finally {
      await fresh.close();
    }
  });

  test("spares another BuildKit every step, after a restart of the registry", async () => {
    await registry.restart();
    const fresh = await Buildkitd.start(registry.address);
    try {
      const flags = [`--import-cache=type=registry,ref=${image(`${name}:cache`)}`];
      const { stderr } = await fresh.build({
        context,
        image: image(`${name}-again:v1`),
        mediaTypes: "OCI",
        flags,
      });
      expect(cachedSteps(stderr)).toEqual(steps);
      expect(await filesOf(`${repository}-again`, "v1")).toEqual(await filesOfContext());
    } finally {
      await fresh.close();
    }
  });
});

/** The layers that a cache refers to; its configuration has to be there as well. */
async function cacheLayers(repository: string, kind: string): Promise<readonly string[]> {
  const cacheConfigType = "application/vnd.buildkit.cacheconfig.v0";
  if (kind === "image-manifest=true") {
    const { config, layers } = await readManifest(registry.url, repository, "cache");
    expect(config.mediaType).toBe(cacheConfigType);
    await readImage(registry.url, repository, "cache");
    return layers.map((layer) => layer.digest);
  }
  const entries = await readIndex(registry.url, repository, "cache");
  expect(entries.at(-1)?.mediaType).toBe(cacheConfigType);
  // All that this index refers to are blobs, and no manifests.
  const statuses = entries.map(async ({ digest }) => {
    const url = (kindOfContent: string) =>
      `${registry.url}/v2/${repository}/${kindOfContent}/${digest}`;
    const answers = [await fetch(url("blobs")), await fetch(url("manifests"))];
    await Promise.all(answers.map(async (answer) => answer.arrayBuffer()));
    return answers.map((answer) => answer.status);
  });
  expect(await Promise.all(statuses)).toEqual(entries.map(() => [200, 404]));
  return entries.slice(0, -1).map((entry) => entry.digest);
}
