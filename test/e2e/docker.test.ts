/**
 * One story in order: each of docker's two engines pushes an image with a large layer, the registry
 * restarts, and then each of them, and containerd, pulls what another one pushed. LARGE_LAYER_BYTES
 * has the layer be larger.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Cleanup } from "./cleanup.ts";
import { Containerd } from "./containerd.ts";
import { Dockerd } from "./dockerd.ts";
import { writeDockerArchive } from "./image.ts";
import { inform } from "./inform.ts";
import { type Layer, makeLayer } from "./layer.ts";
import { Registry } from "./registry.ts";
import { readImage, readManifest } from "./remote-image.ts";
import { readSavedImage } from "./saved-image.ts";

const largeBytes = Number(process.env["LARGE_LAYER_BYTES"] ?? 200 * 2 ** 20);

const cleanup = new Cleanup();
let folder: string;
let registry: Registry;
let graph: Dockerd;
let store: Dockerd;
let containerd: Containerd;

beforeAll(async () => {
  folder = await cleanup.folder();
  registry = cleanup.own(await Registry.start());
  graph = cleanup.own(await Dockerd.start("graph driver"));
  store = cleanup.own(await Dockerd.start("containerd"));
  containerd = cleanup.own(await Containerd.start("2.4"));
});

afterAll(async () => cleanup.run());

/**
 * The two engines and the user that each of them pushes as. No layer of one is a layer of the
 * other: an engine does not fetch what it has unpacked already.
 */
const engines = [
  ["docker with the graph driver", "graph", (): Dockerd => graph],
  ["docker with the containerd image store", "store", (): Dockerd => store],
] as const;

/** Pushes an image made of layers and answers what the command printed. */
async function push(engine: Dockerd, name: string, layers: readonly Layer[]): Promise<string> {
  const image = `${registry.address}/${name}`;
  const archive = await writeDockerArchive(folder, image, layers);
  await engine.docker("load", "--input", archive);
  await rm(archive);
  const { stdout, seconds } = await engine.docker("push", image);
  inform(`${name}: pushed in ${seconds.toFixed(1)} s, most memory: ${await registry.peakMemory()}`);
  return stdout;
}

/** Pulls an image into an engine that has none, and answers its uncompressed layers. */
async function pull(engine: Dockerd, repository: string): Promise<readonly string[]> {
  const image = `${registry.address}/${repository}:v1`;
  const { seconds } = await engine.docker("pull", image);
  inform(
    `${repository}: pulled in ${seconds.toFixed(1)} s, most memory: ${await registry.peakMemory()}`,
  );
  const saved = await engine.save(image);
  const { config } = await readManifest(registry.url, repository, "v1");
  expect(saved.config).toBe(config.digest);
  return saved.diffIds;
}

/** The uncompressed layers that were pushed, by repository. */
const pushed = new Map<string, readonly string[]>();

describe.each(engines)("%s", (_, user, engine) => {
  let base: Layer;

  test("pushes an image", async () => {
    base = await makeLayer(folder, { seed: `base-${user}`, bytes: 3_000_000 });
    const other = await makeLayer(folder, { seed: `other-${user}`, bytes: 1000 });
    await push(engine(), `${user}/base:v1`, [base, other]);
    const diffIds = await readImage(registry.url, `${user}/base`, "v1");
    expect(diffIds).toEqual([base.diffId, other.diffId]);
  });

  test("pushes another with that one's first layer, a tiny layer and a large one", async () => {
    const tiny = await makeLayer(folder, { seed: `tiny-${user}`, bytes: 1 });
    const large = await makeLayer(folder, { seed: `large-${user}`, bytes: largeBytes });
    const layers = [base, tiny, large];
    const printed = await push(engine(), `${user}/large:v1`, layers);
    await rm(large.file);
    expect(printed).toContain(`Mounted from ${user}/base`);

    const diffIds = await readImage(registry.url, `${user}/large`, "v1");
    expect(diffIds).toEqual(layers.map((layer) => layer.diffId));
    pushed.set(`${user}/large`, diffIds);
  });
});

describe("after a restart of the registry", () => {
  beforeAll(async () => {
    await registry.restart();
  });

  describe.each(engines)("%s", (_, user, engine) => {
    test("pulls back what it pushed", async () => {
      const images = (name: string): string => `${registry.address}/${user}/${name}:v1`;
      await engine().docker("image", "rm", images("base"), images("large"));
      expect((await engine().docker("image", "ls", "--quiet")).stdout).toBe("");
      expect(await pull(engine(), `${user}/large`)).toEqual(pushed.get(`${user}/large`));
    });

    test("pulls what the other one pushed", async () => {
      const repository = user === "graph" ? "store/large" : "graph/large";
      expect(await pull(engine(), repository)).toEqual(pushed.get(repository));
    });
  });

  test.each([
    ["graph/large", "by tag"],
    ["graph/large", "by digest"],
    ["store/large", "by tag"],
    ["store/large", "by digest"],
  ])("containerd pulls %s %s", async (repository, how) => {
    const { digest } = await readManifest(registry.url, repository, "v1");
    const name = `${registry.address}/${repository}`;
    const image = how === "by tag" ? `${name}:v1` : `${name}@${digest}`;
    await containerd.pull(image);
    const archive = join(folder, "exported.tar");
    await containerd.export(archive, image);
    expect((await readSavedImage(archive)).diffIds).toEqual(pushed.get(repository));
    await containerd.remove(image);
  });
});
