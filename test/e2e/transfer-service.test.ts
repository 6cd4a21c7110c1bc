/**
 * containerd's transfer service pushes and pulls inside of the daemon, a large layer in several
 * requests at once. ctr has no network here, so nothing else can have done it.
 */
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Cleanup } from "./cleanup.ts";
import { Containerd } from "./containerd.ts";
import { writeDockerArchive } from "./image.ts";
import { type Layer, makeLayer } from "./layer.ts";
import { Registry } from "./registry.ts";
import { Relay } from "./relay.ts";
import { readImage, readManifest } from "./remote-image.ts";
import { readSavedImage } from "./saved-image.ts";

const cleanup = new Cleanup();
const repository = "transfer/image";
let folder: string;
let registry: Registry;
let relay: Relay;
let containerd: Containerd;
let image: string;
let layers: readonly Layer[];

beforeAll(async () => {
  folder = await cleanup.folder();
  registry = cleanup.own(await Registry.start());
  relay = cleanup.own(await Relay.start(registry));
  containerd = cleanup.own(await Containerd.start("2.4"));
  image = `${relay.address}/${repository}:v1`;
  layers = [
    await makeLayer(folder, { seed: "tiny", bytes: 1 }),
    await makeLayer(folder, { seed: "program", bytes: 40_000_000 }),
  ];
});

afterAll(async () => cleanup.run());

const pullFlags = ["--plain-http", "--snapshotter=native", "--platform=linux/amd64"];

test("the transfer service pushes an image, each blob in one request", async () => {
  const archive = await writeDockerArchive(folder, image, layers);
  await containerd.ctr("images", "import", "--snapshotter=native", archive);
  await containerd.ctrWithoutNetwork("images", "push", "--plain-http", image);

  const diffIds = await readImage(registry.url, repository, "v1");
  expect(diffIds).toEqual(layers.map((layer) => layer.diffId));
  const bodies = relay.takeRequests().filter((head) => /^(PUT|PATCH) \S*\/uploads\//u.test(head));
  expect(bodies.map((head) => head.split(" ")[0])).toEqual(["PUT", "PUT", "PUT"]);
});

test("the transfer service pulls an image, and its large layer in several ranges", async () => {
  await registry.restart();
  await containerd.remove(image);
  relay.takeRequests();
  await containerd.ctrWithoutNetwork("images", "pull", ...pullFlags, image);

  const archive = join(folder, "exported.tar");
  await containerd.export(archive, image);
  const { diffIds } = await readSavedImage(archive);
  expect(diffIds).toEqual(layers.map((layer) => layer.diffId));
  const large = (await readManifest(registry.url, repository, "v1")).layers[1];
  const ranges = relay
    .takeRequests()
    .filter((head) => head.startsWith(`GET /v2/${repository}/blobs/${large?.digest}`))
    .map((head) => /^range: (.*)$/imu.exec(head)?.[1]);
  // 8 MiB is what one request fetches, as the daemon is configured; in whichever order.
  const starts = [0, 1, 2, 3, 4].map((part) => `bytes=${part * 8 * 2 ** 20}-`);
  expect(new Set(ranges)).toEqual(new Set(starts));
});

test("ctr itself could not have pulled it", async () => {
  await containerd.remove(image);
  const pull = containerd.ctrWithoutNetwork("images", "pull", "--local", ...pullFlags, image);
  await expect(pull).rejects.toThrow("network is unreachable");
});
