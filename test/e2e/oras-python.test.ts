import { afterAll, beforeAll, expect, test } from "vitest";
import { Cleanup } from "./cleanup.ts";
import { type Layer, makeLayer } from "./layer.ts";
import { OrasPython } from "./oras-python.ts";
import { Registry } from "./registry.ts";
import { Relay } from "./relay.ts";
import { headerOf } from "./request-head.ts";

const cleanup = new Cleanup();
let folder: string;
let registry: Registry;
let relay: Relay;
let client: OrasPython;
let files: readonly Layer[];
let digests: readonly string[];

beforeAll(async () => {
  folder = await cleanup.folder();
  registry = cleanup.own(await Registry.start());
  relay = cleanup.own(await Relay.start(registry));
  client = new OrasPython(await cleanup.folder());
  files = [
    await makeLayer(folder, { seed: "small", bytes: 1000 }),
    await makeLayer(folder, { seed: "large", bytes: 20_000_000 }),
  ];
  digests = files.map((file) => file.diffId);
});

afterAll(async () => cleanup.run());

const target = (tag: string): string => `${registry.address}/oras/artifact:${tag}`;

test("ORAS for Python pushes two files and, after a restart of the registry, pulls", async () => {
  await client.push(target("v1"), files);
  await registry.restart();
  expect(await client.pull(target("v1"))).toEqual(digests);
});

test("ORAS for Python pushes in chunks that say where they belong", async () => {
  const chunked = `${relay.address}/oras/chunked:v1`;
  await client.push(chunked, files, "--chunked");
  const bodies = relay.takeRequests().filter((head) => head.startsWith("PATCH "));
  expect(bodies.map((head) => headerOf(head, "content-range"))).toEqual([
    `0-${(files[0]?.size ?? 0) - 1}`,
    "0-8388607",
    "8388608-16777215",
    `16777216-${(files[1]?.size ?? 0) - 1}`,
  ]);
  expect(await client.pull(chunked)).toEqual(digests);
});

test("ORAS for Python lists tags", async () => {
  await client.push(target("v2"), files.slice(0, 1));
  const { stdout } = await client.artifact(folder, "tags", `${registry.address}/oras/artifact`);
  expect(stdout.trim().split("\n")).toEqual(["v1", "v2"]);
});

test("ORAS for Python deletes an artifact, and only that one", async () => {
  await client.artifact(folder, "delete", target("v2"));
  await expect(client.artifact(folder, "delete", target("v2"))).rejects.toThrow("no tag v2");
  await expect(client.pull(target("v2"))).rejects.toThrow("manifest unknown");
  expect(await client.pull(target("v1"))).toEqual(digests);
});
