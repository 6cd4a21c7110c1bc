/** What else docker's two engines do with images: many layers, digests, lists, and errors. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Cleanup } from "./cleanup.ts";
import { Dockerd } from "./dockerd.ts";
import { writeDockerArchive } from "./image.ts";
import { type Layer, makeLayer } from "./layer.ts";
import { Registry } from "./registry.ts";
import { Relay } from "./relay.ts";
import { readImage, readManifest } from "./remote-image.ts";
import { sha256Of } from "./sha256.ts";
import { writeTar } from "./tar.ts";

const cleanup = new Cleanup();
let folder: string;
let registry: Registry;
let relay: Relay;

beforeAll(async () => {
  folder = await cleanup.folder();
  registry = cleanup.own(await Registry.start());
  relay = cleanup.own(await Relay.start(registry));
});

afterAll(async () => cleanup.run());

/** A layer without a file, as RUN commands that change nothing leave it. */
async function makeEmptyLayer(): Promise<Layer> {
  const file = join(folder, "empty.tar");
  await writeTar(file, []);
  const size = 1024;
  return { file, diffId: await sha256Of([Buffer.alloc(size)]), size };
}

async function load(engine: Dockerd, image: string, layers: readonly Layer[]): Promise<void> {
  await engine.docker("load", "--input", await writeDockerArchive(folder, image, layers));
}

describe.each([
  ["docker with the graph driver", "graph driver"],
  ["docker with the containerd image store", "containerd"],
] as const)("%s", (_, store) => {
  const user = store.replace(" ", "-");
  let engine: Dockerd;
  let layers: readonly Layer[];

  beforeAll(async () => {
    engine = await Dockerd.start(store);
    const made = [];
    for (const bytes of [1, 5_000_000, 200_000, 9_000_000, 70_000, 12_000_000]) {
      made.push(await makeLayer(folder, { seed: `${user}-${bytes}`, bytes }));
    }
    layers = made.toSpliced(3, 0, await makeEmptyLayer());
  });

  afterAll(async () => engine.close());

  test("pushes seven layers at once, one of them empty", async () => {
    const image = `${registry.address}/${user}/layers:v1`;
    await load(engine, image, layers);
    await engine.docker("push", image);
    const diffIds = await readImage(registry.url, `${user}/layers`, "v1");
    expect(diffIds).toEqual(layers.map((layer) => layer.diffId));
  });

  test("pulls them by digest", async () => {
    const { digest } = await readManifest(registry.url, `${user}/layers`, "v1");
    await engine.docker("image", "rm", `${registry.address}/${user}/layers:v1`);
    const image = `${registry.address}/${user}/layers@${digest}`;
    await engine.docker("pull", image);
    expect((await engine.save(image)).diffIds).toEqual(layers.map((layer) => layer.diffId));
  });

  test("shows what a refused manifest lacks", async () => {
    const repository = `${user}/refused`;
    await load(engine, `${relay.address}/${repository}:v1`, layers.slice(0, 2));
    const { layers: pushed } = await readManifest(registry.url, `${user}/layers`, "v1");
    const lacking = pushed[1]?.digest ?? "";
    relay.interceptOnce({
      requests: (head) => /^PUT \S+\/manifests\//u.test(head),
      action: async () => {
        const url = `${registry.url}/v2/${repository}/blobs/${lacking}`;
        expect((await fetch(url, { method: "DELETE" })).status).toBe(202);
      },
    });
    const push = engine.docker("push", `${relay.address}/${repository}:v1`);
    await expect(push).rejects.toThrow(
      "manifest references a manifest or blob unknown to registry",
    );
    expect(relay.isDone).toBe(true);
  });

  test("makes a list with docker manifest, pushes it and pulls through it", async () => {
    const list = `${registry.address}/${user}/layers:list`;
    const { digest } = await readManifest(registry.url, `${user}/layers`, "v1");
    const image = `${registry.address}/${user}/layers@${digest}`;
    await engine.docker("manifest", "create", "--insecure", list, image);
    await engine.docker("manifest", "push", "--insecure", list);
    await engine.docker("image", "rm", image);
    await engine.docker("pull", list);
    expect((await engine.save(list)).diffIds).toEqual(layers.map((layer) => layer.diffId));
  });
});
