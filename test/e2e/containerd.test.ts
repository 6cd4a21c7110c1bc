/** containerd as a client that pushes: `ctr` of today and of Debian 12, each pulling what the other pushed. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Cleanup } from "./cleanup.ts";
import { Containerd } from "./containerd.ts";
import { writeDockerArchive } from "./image.ts";
import { makeLayer } from "./layer.ts";
import { Registry } from "./registry.ts";
import { readImage } from "./remote-image.ts";
import { readSavedImage } from "./saved-image.ts";

const cleanup = new Cleanup();
let folder: string;
let registry: Registry;
let current: Containerd;
let debian: Containerd;

beforeAll(async () => {
  folder = await cleanup.folder();
  registry = cleanup.own(await Registry.start());
  current = cleanup.own(await Containerd.start("2.4"));
  debian = cleanup.own(await Containerd.start("1.6"));
});

afterAll(async () => cleanup.run());

/** The uncompressed layers that were pushed, by repository. */
const pushed = new Map<string, readonly string[]>();

test.each([
  ["2.4", "current", (): Containerd => current],
  ["1.6", "debian", (): Containerd => debian],
])("containerd %s pushes", async (_, user, containerd) => {
  const image = `${registry.address}/${user}/image:v1`;
  const layers = [
    await makeLayer(folder, { seed: `tiny-${user}`, bytes: 1 }),
    await makeLayer(folder, { seed: `program-${user}`, bytes: 40_000_000 }),
  ];
  const archive = await writeDockerArchive(folder, image, layers);
  await containerd().push(image, archive);
  const diffIds = await readImage(registry.url, `${user}/image`, "v1");
  expect(diffIds).toEqual(layers.map((layer) => layer.diffId));
  pushed.set(user, diffIds);
});

describe("after a restart of the registry", () => {
  beforeAll(async () => {
    await registry.restart();
  });

  test.each([
    ["2.4", "debian", (): Containerd => current],
    ["1.6", "current", (): Containerd => debian],
  ])("containerd %s pulls what the other one pushed", async (_, user, containerd) => {
    const image = `${registry.address}/${user}/image:v1`;
    await containerd().pull(image);
    const archive = join(folder, "exported.tar");
    await containerd().export(archive, image);
    expect((await readSavedImage(archive)).diffIds).toEqual(pushed.get(user));
  });

  test("containerd 2.4 pulls in one stream per layer as well", async () => {
    // The client side of ctr fetches a layer in one request, its transfer service in several.
    const image = `${registry.address}/current/image:v1`;
    await current.remove(image);
    await current.pull(image, "--local");
    const archive = join(folder, "exported.tar");
    await current.export(archive, image);
    expect((await readSavedImage(archive)).diffIds).toEqual(pushed.get("current"));
  });
});
