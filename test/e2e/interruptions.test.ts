/**
 * Connections that break in the middle of a layer, once on the way up and once on the way down.
 * Clients try again or give up: at the latest the same command once more has the image whole.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Cleanup } from "./cleanup.ts";
import { type ImageClient, type ImageClientName, imageClients } from "./image-clients.ts";
import { type Layer, makeLayer } from "./layer.ts";
import { Registry } from "./registry.ts";
import { Relay } from "./relay.ts";
import { headerOf, isBlobDownload, isLargeUpload } from "./request-head.ts";

const cleanup = new Cleanup();
let registry: Registry;
let relay: Relay;

beforeAll(async () => {
  registry = cleanup.own(await Registry.start({ expected: /"upload request failed"/u }));
  relay = cleanup.own(await Relay.start(registry));
});

afterAll(async () => cleanup.run());

/** Far enough into the layer that a part of it is stored, or that a client has kept some of it. */
const afterBytes = 6_000_000;

/** What a command failed with, or nothing; one that hung has failed the test. */
async function failureOf(command: Promise<unknown>): Promise<string> {
  const failure = await command.then(
    () => "",
    (error: unknown) => String(error),
  );
  expect(failure).not.toContain("was killed after");
  return failure;
}

/** Layers that no other client has pushed: regctl would mount those. */
async function layersOf(name: string): Promise<readonly Layer[]> {
  const folder = await cleanup.folder();
  return [
    await makeLayer(folder, { seed: `tiny-${name}`, bytes: 1 }),
    await makeLayer(folder, { seed: `program-${name}`, bytes: 20_000_000 }),
  ];
}

/** Every client; the first one has the registry restart as well, and goes on by itself. */
const clients = Object.keys(imageClients) as ImageClientName[];
const persistent = "docker 20.10";

describe.each(clients)("%s", (name) => {
  const user = name.toLowerCase().replaceAll(/[^a-z0-9]+/gu, "-");
  const imageOf = (): string => `${relay.address}/${user}/image:1.0.0`;
  const interruption = name === persistent ? "the registry restarted" : "the connection broke";
  const action = async (): Promise<void> => {
    if (name === persistent) await registry.restart();
  };
  let layers: readonly Layer[];
  let pushing: ImageClient;

  beforeAll(async () => {
    layers = await layersOf(user);
    pushing = await imageClients[name](await cleanup.folder());
  });

  afterAll(async () => pushing.close());

  test(`pushes a layer in whose middle ${interruption}`, async () => {
    relay.cutOnce({ requests: isLargeUpload, afterBytes, direction: "push", action });
    const failure = await failureOf(pushing.push(imageOf(), layers));
    expect(relay.isDone).toBe(true);
    if (name === persistent) expect(failure).toBe("");
    else if (failure !== "") await pushing.push(imageOf(), layers);
    const { status } = await fetch(`${registry.url}/v2/${user}/image/manifests/1.0.0`);
    expect(status).toBe(200);
  });

  // helm packs its chart anew, which changes the bytes.
  if (name !== "helm") {
    test("sends no body of a blob that is there", async () => {
      relay.takeRequests();
      await pushing.push(imageOf(), layers);
      const heads = relay.takeRequests();
      expect(heads.filter((head) => head.startsWith("HEAD "))).not.toEqual([]);
      expect(heads.filter((head) => head.includes("/blobs/uploads/"))).toEqual([]);
    });
  }

  test(`pulls a layer in whose middle ${interruption}`, async () => {
    const pulling = cleanup.own(await imageClients[name](await cleanup.folder()));
    relay.cutOnce({ requests: isBlobDownload, afterBytes, direction: "pull", action });
    relay.takeRequests();
    const failure = await failureOf(pulling.pull(imageOf()));
    expect(relay.isDone).toBe(true);
    if (name === persistent) {
      expect(failure).toBe("");
      const ranges = relay.takeRequests().map((head) => headerOf(head, "range"));
      const resumed = expect.stringMatching(/^bytes=[1-9]\d{5,}-$/u);
      expect(ranges.filter((range) => range !== undefined)).toEqual([resumed]);
    }
    const diffIds = layers.map((layer) => layer.diffId);
    expect(await pulling.pull(imageOf())).toEqual(diffIds);
  });
});
