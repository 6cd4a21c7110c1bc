/**
 * A registry that refuses a large body before it has read it: its session ends between the POST
 * and the body. Old clients hang then, others report a broken pipe in the place of the answer.
 * Every client has to come to an end, and to say why up to what the registry reads in any case.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Cleanup } from "./cleanup.ts";
import { Containerd } from "./containerd.ts";
import { writeDockerArchive } from "./image.ts";
import { type ImageClient, type ImageClientName, imageClients } from "./image-clients.ts";
import { makeLayer } from "./layer.ts";
import { Registry } from "./registry.ts";
import { Relay } from "./relay.ts";
import { isLargeUpload } from "./request-head.ts";

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

const sessionUnknown = /blob upload unknown/iu;

/** What each client says, or that it starts the layer again by itself. */
const clients: readonly (readonly [ImageClientName, RegExp | "starts again"])[] = [
  ["docker 20.10", "starts again"],
  ["docker 29", sessionUnknown],
  ["containerd 1.6", /404 Not Found/u],
  ["containerd 2.4", sessionUnknown],
  ["podman", "starts again"],
  ["skopeo", sessionUnknown],
  ["crane", sessionUnknown],
  ["regctl", /not found \[http 404\]/u],
  ["helm", sessionUnknown],
  ["ORAS for Python", sessionUnknown],
];

/** Pushes through the relay, which ends the session of the large layer when its body comes. */
async function pushRefused(client: ImageClient, image: string, bytes: number): Promise<string> {
  relay.interceptOnce({
    requests: isLargeUpload,
    action: async (path) => {
      const { status } = await fetch(`${registry.url}${path}`, { method: "DELETE" });
      expect(status).toBe(204);
    },
  });
  const layer = await makeLayer(folder, { seed: image.replaceAll(/\W+/gu, "-"), bytes });
  const failure = await client.push(`${relay.address}/${image}`, [layer]).then(
    () => "",
    (error: unknown) => String(error),
  );
  expect(relay.isDone).toBe(true);
  return failure;
}

/** Whether an image has arrived. */
async function isThere(repository: string, tag: string): Promise<boolean> {
  const { status } = await fetch(`${registry.url}/v2/${repository}/manifests/${tag}`);
  return status === 200;
}

describe.each(clients)("%s", (name, outcome) => {
  const repository = `${name.toLowerCase().replaceAll(/[^a-z0-9]+/gu, "-")}/image`;
  let client: ImageClient;

  beforeAll(async () => {
    client = await imageClients[name](await cleanup.folder());
  });

  afterAll(async () => client.close());

  const end = outcome === "starts again" ? "starts again and succeeds" : "is told why";
  test(`${end} when a body of 12 MB is refused, which the registry reads`, async () => {
    const failure = await pushRefused(client, `${repository}:1.0.12`, 12_000_000);
    expect(failure).toMatch(outcome === "starts again" ? /^$/u : outcome);
    expect(await isThere(repository, "1.0.12")).toBe(outcome === "starts again");
  });

  // Whether a client sees the answer or a broken connection is up to its timing.
  test("comes to an end when a body of 40 MB is refused, which the registry cuts", async () => {
    const failure = await pushRefused(client, `${repository}:1.0.40`, 40_000_000);
    expect(failure).not.toContain("was killed after");
    expect(await isThere(repository, "1.0.40")).toBe(failure === "");
  });
});

describe("a repository name of more than 255 characters", () => {
  // docker, containerd 2.4, podman, skopeo and crane refuse it themselves.
  const tooLong = ["a".repeat(120), "b".repeat(120), "chart"].join("/") + "-too-long".repeat(4);

  test.each<[ImageClientName, RegExp]>([
    ["regctl", /NAME_INVALID.*invalid repository name/u],
    ["helm", /400: Bad Request/u],
    ["ORAS for Python", /NAME_INVALID.*invalid repository name/u],
  ])("%s is told", async (name, told) => {
    const client = cleanup.own(await imageClients[name](await cleanup.folder()));
    const layer = await makeLayer(folder, { seed: "too-long", bytes: 5_000_000 });
    const push = client.push(`${registry.address}/${tooLong}:1.0.0`, [layer]);
    await expect(push).rejects.toThrow(told);
  });

  test("containerd 1.6 is told", async () => {
    const containerd = cleanup.own(await Containerd.start("1.6"));
    const layer = await makeLayer(folder, { seed: "too-long", bytes: 5_000_000 });
    const image = `${registry.address}/short:v1`;
    await containerd.push(image, await writeDockerArchive(folder, image, [layer]));
    const renamed = `${registry.address}/${tooLong}:v1`;
    await containerd.ctr("images", "tag", image, renamed);
    const push = containerd.ctr("images", "push", "--plain-http", renamed);
    await expect(push).rejects.toThrow("400 Bad Request");
  });
});
