/** `longshore push` through an edge: from a layout, from engines and what they save, and interrupted. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Account, basicHeader } from "./account.ts";
import { Cleanup } from "./cleanup.ts";
import { Dockerd } from "./dockerd.ts";
import { Edge } from "./edge.ts";
import { writeDockerArchive } from "./image.ts";
import { type Layer, makeLayer } from "./layer.ts";
import { longshore, longshoreFile, writeDockerConfig } from "./longshore.ts";
import { OciLayout } from "./oci-layout.ts";
import { Registry } from "./registry.ts";
import { readImage, readIndex } from "./remote-image.ts";

const largeBytes = Number(process.env["LARGE_LAYER_BYTES"] ?? 160 * 2 ** 20);
const alice: Account = { name: "alice", password: "correct-horse" };
const headers = { Authorization: basicHeader(alice) };
const variables = {
  USERNAME: alice.name,
  PASSWORD: alice.password,
  REGISTRY_MAX_BODY: "100000000",
  REGISTRY_LOG_LEVEL: "warn",
};

const cleanup = new Cleanup();
let folder: string;
let registry: Registry;
/** Refuses large bodies, and is else as edges should be. */
let calm: Edge;
/** Drops requests and cuts connections besides. */
let rough: Edge;
let env: Record<string, string>;
let layout: OciLayout;
/** The layers for amd64, and those for arm64. */
let platforms: readonly [readonly Layer[], readonly Layer[]];

/** An image for two platforms that share a layer; one of them has a large one. */
async function makeLayout(): Promise<void> {
  layout = new OciLayout(join(folder, "layout"));
  const base = await makeLayer(folder, { seed: "base", bytes: 2_000_000 });
  const large = await makeLayer(folder, { seed: "large", bytes: largeBytes });
  const other = await makeLayer(folder, { seed: "other", bytes: 30_000_000 });
  platforms = [
    [base, large],
    [base, other],
  ];
  const images = {
    amd64: await layout.addImage("amd64", platforms[0], "none"),
    arm64: await layout.addImage("arm64", platforms[1], "none"),
  };
  await layout.tag("v1", await layout.addIndex(images));
  await Promise.all([base, large, other].map(async ({ file }) => rm(file)));
}

beforeAll(async () => {
  folder = await cleanup.folder();
  await makeLayout();
  registry = cleanup.own(await Registry.start({ variables, expected: /disconnected|broke off/u }));
  calm = cleanup.own(await Edge.start(registry, undefined, { latencyMs: 10 }));
  const troubles = { seed: 9, latencyMs: 5, dropOneIn: 50, bytesPerCut: 100_000_000 };
  rough = cleanup.own(await Edge.start(registry, undefined, troubles));
  const accounts = { [calm.address]: alice, [rough.address]: alice };
  env = {
    DOCKER_CONFIG: await writeDockerConfig(join(folder, "docker"), accounts),
    XDG_STATE_HOME: join(folder, "state"),
  };
}, 300_000);

afterAll(async () => cleanup.run());

const push = async (source: string, target: string, more: Record<string, string> = {}) =>
  longshore(["push", source, target], { env: { ...env, ...more } });

/** The uncompressed layers of each platform of an image, read straight from the edge. */
async function readPlatforms(edge: Edge, repository: string): Promise<(readonly string[])[]> {
  const read: (readonly string[])[] = [];
  for (const { digest } of await readIndex(edge.url, repository, "v1", headers)) {
    read.push(await readImage(edge.url, repository, digest, headers));
  }
  return read;
}

function diffIdsOf(of: readonly Layer[]): readonly string[] {
  return of.map((layer) => layer.diffId);
}

describe("an OCI layout of two platforms", () => {
  test("goes through whole, whatever the edge does", async () => {
    await push(layout.folder, `${rough.address}/layout/whole:v1`);
    expect(await readPlatforms(calm, "layout/whole")).toEqual(platforms.map(diffIdsOf));
    expect(rough.counts).toMatchObject({ refused: 0 });
    expect(rough.counts.cut).toBeGreaterThan(0);
  });

  test("is not sent again", async () => {
    const before = rough.counts.bytesUp;
    await push(layout.folder, `${rough.address}/layout/whole:v1`);
    expect(rough.counts.bytesUp - before).toBeLessThan(100_000);
  });

  test("stops at Ctrl-C, and goes on from there", async () => {
    // A registry of its own: what one holds already would be mounted instead of pushed.
    const own = cleanup.own(
      await Registry.start({ variables, expected: /disconnected|broke off/u }),
    );
    const edge = cleanup.own(await Edge.start(own, undefined, { latencyMs: 10 }));
    const accounts = { [edge.address]: alice };
    const config = await writeDockerConfig(join(folder, "interrupted"), accounts);
    const target = `${edge.address}/layout/interrupted:v1`;
    const child = spawn(process.execPath, [longshoreFile, "push", layout.folder, target], {
      env: { ...process.env, ...env, DOCKER_CONFIG: config },
      stdio: "ignore",
    });
    const ended = once(child, "exit");
    while (edge.counts.bytesUp < largeBytes / 2 && child.exitCode === null) await sleep(10);
    child.kill("SIGINT");
    expect(await ended).toEqual([130, null]);
    expect(edge.counts.bytesUp).toBeLessThan(largeBytes);

    await push(layout.folder, target, { DOCKER_CONFIG: config });
    // Once in all, but for the chunks that were under way.
    expect(edge.counts.bytesUp).toBeLessThan(largeBytes + 32_000_000 + 100_000_000);
    expect(await readPlatforms(edge, "layout/interrupted")).toEqual(platforms.map(diffIdsOf));
  });
});

describe.each([
  ["docker with the graph driver", "graph driver"],
  ["docker with the containerd image store", "containerd"],
] as const)("an image of %s", (_, store) => {
  const name = store.replace(" ", "-");
  let engine: Dockerd;
  let made: readonly Layer[];

  beforeAll(async () => {
    engine = await Dockerd.start(store);
    made = [
      await makeLayer(folder, { seed: `${name}-base`, bytes: 1 }),
      await makeLayer(folder, { seed: `${name}-program`, bytes: 20_000_000 }),
    ];
    const archive = await writeDockerArchive(folder, `${name}/image:v1`, made);
    await engine.docker("load", "--input", archive);
  });

  afterAll(async () => engine.close());

  test("is pushed from the engine", async () => {
    const target = `${calm.address}/${name}/engine:v1`;
    await push(`${name}/image:v1`, target, { DOCKER_HOST: engine.host });
    const diffIds = await readImage(calm.url, `${name}/engine`, "v1", headers);
    expect(diffIds).toEqual(diffIdsOf(made));
  });

  test("is pushed from what it saves", async () => {
    const file = join(folder, `${name}.tar`);
    await engine.docker("save", "--output", file, `${name}/image:v1`);
    await push(file, `${calm.address}/${name}/archive:v1`);
    const diffIds = await readImage(calm.url, `${name}/archive`, "v1", headers);
    expect(diffIds).toEqual(diffIdsOf(made));
  });
});
