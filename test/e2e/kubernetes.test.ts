/** The kubelet's way: PullImage over the CRI socket of containerd, whatever fetches the layers there. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Cleanup } from "./cleanup.ts";
import { run } from "./command.ts";
import { type Fetcher, KubernetesNode } from "./kubernetes-node.ts";
import { makeLayer } from "./layer.ts";
import { OciLayout } from "./oci-layout.ts";
import { Registry } from "./registry.ts";
import { readManifest } from "./remote-image.ts";
import { readSavedImage } from "./saved-image.ts";
import { tools } from "./tools.ts";

const cleanup = new Cleanup();
const repository = "kubernetes/image";
let folder: string;
let registry: Registry;
let name: string;
let digest: string;
let config: string;
let diffIds: readonly string[];

beforeAll(async () => {
  folder = await cleanup.folder();
  registry = cleanup.own(await Registry.start());
  name = `${registry.address}/${repository}`;
  const amd64 = [
    await makeLayer(folder, { seed: "tiny", bytes: 1 }),
    await makeLayer(folder, { seed: "program", bytes: 40_000_000 }),
  ];
  const arm64 = [await makeLayer(folder, { seed: "other", bytes: 1000 })];
  const layout = new OciLayout(join(folder, "layout"));
  const images = {
    amd64: await layout.addImage("amd64", amd64),
    arm64: await layout.addImage("arm64", arm64),
  };
  const index = await layout.addIndex(images);
  await layout.tag("v1", index);
  await run(tools.crane, ["push", "--insecure", layout.folder, `${name}:v1`], {
    env: { DOCKER_CONFIG: folder },
  });
  digest = index.digest;
  config = (await readManifest(registry.url, repository, images.amd64.digest)).config.digest;
  diffIds = amd64.map((layer) => layer.diffId);
});

afterAll(async () => cleanup.run());

describe.each<[Fetcher]>([["transfer service"], ["CRI plugin"]])("by the %s", (fetcher) => {
  let node: KubernetesNode;

  beforeAll(async () => {
    node = cleanup.own(await KubernetesNode.start(registry.address, fetcher));
    await registry.restart();
  });

  test.each([
    ["tag", () => `${name}:v1`, () => [`${name}:v1`]],
    ["digest", () => `${name}@${digest}`, () => []],
    ["tag and digest", () => `${name}:v1@${digest}`, () => []],
  ])("the kubelet pulls an image of an index by %s", async (_, image, repoTags) => {
    expect(await node.pull(image())).toMatchObject({
      ref: config,
      id: config,
      repoTags: repoTags(),
      repoDigests: [`${name}@${digest}`],
      listed: true,
    });
    const archive = join(folder, "exported.tar");
    await node.export(archive, `${name}@${digest}`);
    expect((await readSavedImage(archive)).diffIds).toEqual(diffIds);
    await node.remove(image());
  });

  test.each([
    ["a tag", () => `${name}:none`],
    ["a repository", () => `${registry.address}/kubernetes/none:v1`],
    ["a digest", () => `${name}@sha256:${"0".repeat(64)}`],
  ])("the kubelet is told that %s is not there", async (_, image) => {
    await expect(node.pull(image())).rejects.toThrow(/code = NotFound.*not found/u);
  });
});
