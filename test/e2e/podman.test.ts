import { afterAll, beforeAll, expect, test } from "vitest";
import { Cleanup } from "./cleanup.ts";
import { writeDockerArchive } from "./image.ts";
import { type Layer, makeLayer } from "./layer.ts";
import { Podman } from "./podman.ts";
import { Registry } from "./registry.ts";
import { Relay } from "./relay.ts";
import { readImage, readManifest } from "./remote-image.ts";
import { headerOf } from "./request-head.ts";

const cleanup = new Cleanup();
let folder: string;
let registry: Registry;
let relay: Relay;
let client: Podman;
let layers: readonly Layer[];
let diffIds: readonly string[];

beforeAll(async () => {
  folder = await cleanup.folder();
  registry = cleanup.own(await Registry.start());
  relay = cleanup.own(await Relay.start(registry));
  client = new Podman(await cleanup.folder());
  layers = [
    await makeLayer(folder, { seed: "tiny", bytes: 1 }),
    await makeLayer(folder, { seed: "program", bytes: 40_000_000 }),
  ];
  diffIds = layers.map((layer) => layer.diffId);
});

afterAll(async () => cleanup.run());

test("podman pushes layers of unknown length, which it compresses on the way", async () => {
  const image = `${relay.address}/podman/image:v1`;
  await client.podman("load", "--input", await writeDockerArchive(folder, image, layers));
  await client.podman("push", "--tls-verify=false", image);
  expect(await readImage(registry.url, "podman/image", "v1")).toEqual(diffIds);
  const bodies = relay.takeRequests().filter((head) => head.startsWith("PATCH "));
  const streamed = bodies.filter((head) => headerOf(head, "transfer-encoding") === "chunked");
  expect(streamed).toHaveLength(layers.length);
  expect(streamed.map((head) => headerOf(head, "content-range"))).toEqual([undefined, undefined]);
});

test("podman pulls into empty storage, after a restart of the registry", async () => {
  await registry.restart();
  const other = new Podman(await cleanup.folder());
  const image = `${registry.address}/podman/image:v1`;
  await other.podman("pull", "--tls-verify=false", image);
  expect((await other.save(image)).diffIds).toEqual(diffIds);
});

test("podman pulls by digest", async () => {
  const other = new Podman(await cleanup.folder());
  const { digest } = await readManifest(registry.url, "podman/image", "v1");
  const image = `${registry.address}/podman/image@${digest}`;
  await other.podman("pull", "--tls-verify=false", image);
  expect((await other.save(image)).diffIds).toEqual(diffIds);
});

test("podman pushes a manifest list with its image, and pulls through it", async () => {
  const list = `${registry.address}/podman/list:v1`;
  const image = `${registry.address}/podman/image:v1`;
  await client.podman("manifest", "create", list);
  const local = ["--tls-verify=false", "--os=linux", "--arch=amd64"];
  await client.podman("manifest", "add", ...local, list, `docker://${image}`);
  await client.podman("manifest", "push", "--all", "--tls-verify=false", list, `docker://${list}`);
  const other = new Podman(await cleanup.folder());
  await other.podman("pull", "--tls-verify=false", list);
  expect((await other.save(list)).diffIds).toEqual(diffIds);
});
