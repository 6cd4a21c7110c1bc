/**
 * Layers that no edge lets through in one body: pushed by the companion's proxy, by a registry that
 * sends uploads to a host which runs it, in chunks, and by `longshore push`. The edges refuse bodies
 * over 100 MB, and all but the calm ones are far away, drop requests and cut connections.
 * LARGE_LAYER_BYTES has the layer be larger.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Account, basicHeader } from "./account.ts";
import { Cleanup } from "./cleanup.ts";
import { run } from "./command.ts";
import { Dockerd } from "./dockerd.ts";
import { Edge, type EdgeTroubles } from "./edge.ts";
import { freePort } from "./free-port.ts";
import { writeDockerArchive } from "./image.ts";
import { inform } from "./inform.ts";
import { type Layer, makeLayer } from "./layer.ts";
import { LongshoreProxy } from "./longshore.ts";
import { OciLayout } from "./oci-layout.ts";
import { Podman } from "./podman.ts";
import { Registry } from "./registry.ts";
import { readImage } from "./remote-image.ts";
import { tools } from "./tools.ts";

const largeBytes = Number(process.env["LARGE_LAYER_BYTES"] ?? 300 * 2 ** 20);
const alice: Account = { name: "alice", password: "correct-horse" };
const variables = {
  USERNAME: alice.name,
  PASSWORD: alice.password,
  REGISTRY_MAX_BODY: "100000000",
  REGISTRY_LOG_LEVEL: "warn",
};
/** What a body that breaks off leaves in the log. */
const expected = /"upload request failed"|disconnected|broke off/u;
const troubles: EdgeTroubles = { seed: 8, latencyMs: 5, dropOneIn: 50, bytesPerCut: 100_000_000 };
/** All that a proxy may hold, however large the layers are. */
const proxyMiBMax = 256;
const local = "local/image:v1";

const cleanup = new Cleanup();
let folder: string;
let archive: string;
let layers: readonly Layer[];
let graph: Dockerd;
let store: Dockerd;

/** Two more layers, so that several are pushed at once. */
async function makeLayers(): Promise<readonly Layer[]> {
  return [
    await makeLayer(folder, { seed: "tiny", bytes: 1 }),
    await makeLayer(folder, { seed: "program", bytes: 20_000_000 }),
    await makeLayer(folder, { seed: "large", bytes: largeBytes }),
  ];
}

beforeAll(async () => {
  folder = await cleanup.folder();
  layers = await makeLayers();
  archive = await writeDockerArchive(folder, local, layers);
  [graph, store] = await Promise.all([
    Dockerd.start("graph driver").then((engine) => cleanup.own(engine)),
    Dockerd.start("containerd").then((engine) => cleanup.own(engine)),
  ]);
  await Promise.all(
    [graph, store].map(async (engine) => engine.docker("load", "--input", archive)),
  );
}, 600_000);

afterAll(async () => cleanup.run());

const diffIds = (of = layers): string[] => of.map((layer) => layer.diffId);

/** Reads every byte of an image as a user of a registry, straight from its edge. */
async function readAs(edge: Edge, repository: string): Promise<string[]> {
  return readImage(edge.url, repository, "v1", { Authorization: basicHeader(alice) });
}

async function push(engine: Dockerd, image: string): Promise<void> {
  await engine.docker("tag", local, image);
  const { seconds } = await engine.docker("push", image);
  await engine.docker("image", "rm", image);
  inform(`${image}: pushed in ${seconds.toFixed(1)} s`);
}

const engines = [
  ["docker with the graph driver", "graph", (): Dockerd => graph],
  ["docker with the containerd image store", "store", (): Dockerd => store],
] as const;

describe("by REGISTRY_UPLOAD_URL", () => {
  let calm: Edge;
  let rough: Edge;
  let proxy: LongshoreProxy;

  beforeAll(async () => {
    const port = await freePort();
    const uploads = { REGISTRY_UPLOAD_URL: `http://127.0.0.1:${port}` };
    const registry = cleanup.own(
      await Registry.start({ variables: { ...variables, ...uploads }, expected }),
    );
    calm = cleanup.own(await Edge.start(registry));
    rough = cleanup.own(await Edge.start(registry, undefined, troubles));
    proxy = cleanup.own(await LongshoreProxy.start(rough.url, { port, args: ["--uploads-only"] }));
  });

  test.each(engines)("%s pushes with nothing of ours", async (_, user, engine) => {
    await engine().logIn(calm.address, alice);
    const before = rough.counts.bytesUp;
    await push(engine(), `${calm.address}/team/${user}:v1`);
    expect(await readAs(calm, `team/${user}`)).toEqual(diffIds());
    expect(rough.counts.bytesUp - before).toBeGreaterThan(largeBytes);
    expect(calm.counts.bytesUp).toBeLessThan(100_000);
  });

  test("the upload host lets nobody read or push without a session", async () => {
    const url = `http://${proxy.address}/v2/team/graph`;
    const begun = await fetch(`${url}/blobs/uploads/`, { method: "POST" });
    const read = await fetch(`${url}/manifests/v1`);
    expect([begun.status, read.status]).toEqual([403, 403]);
  });

  test("the edge refused nothing, and the proxy took little memory", async () => {
    expect([calm.counts.refused, rough.counts.refused]).toEqual([0, 0]);
    expect(await proxy.peakMiB()).toBeLessThanOrEqual(proxyMiBMax);
  });
});

describe("through longshore proxy", () => {
  let registry: Registry;
  let calm: Edge;
  let rough: Edge;
  let ours: LongshoreProxy;
  let clients: LongshoreProxy;

  beforeAll(async () => {
    // A client with a token asks for it at the edge itself, and what is dropped there is its own to repeat.
    const basic = { ...variables, REGISTRY_AUTH_TYPE: "basic" };
    registry = cleanup.own(await Registry.start({ variables: basic, expected }));
    calm = cleanup.own(await Edge.start(registry));
    rough = cleanup.own(await Edge.start(registry, undefined, troubles));
    const accounts = { [rough.address]: alice };
    ours = cleanup.own(await LongshoreProxy.start(rough.url, { accounts }));
    clients = cleanup.own(await LongshoreProxy.start(rough.url));
  });

  test.each(engines)("%s pushes by the proxy's log-in", async (_, user, engine) => {
    await push(engine(), `${ours.address}/team/${user}:v1`);
    expect(await readAs(calm, `team/${user}`)).toEqual(diffIds());
  });

  test("podman pushes by its own log-in", async () => {
    const podman = new Podman(await cleanup.folder());
    await podman.podman("load", "--input", archive);
    const tls = "--tls-verify=false";
    const login = ["login", tls, "-u", alice.name, "-p", alice.password];
    await podman.podman(...login, clients.address);
    const image = `${clients.address}/team/podman:v1`;
    await podman.podman("tag", local, image);
    await podman.podman("push", tls, image);
    expect(await readAs(calm, "team/podman")).toEqual(diffIds());
  });

  test("docker pulls what the other engine pushed, straight from the edge", async () => {
    const image = `${calm.address}/team/store:v1`;
    await graph.logIn(calm.address, alice);
    // It fetches nothing that it has already.
    await graph.docker("image", "rm", local);
    await graph.docker("pull", image);
    expect((await graph.save(image)).diffIds).toEqual(diffIds());
  });

  test("nothing of this was without trouble, or took much memory", async () => {
    expect(rough.counts.refused).toBe(0);
    expect(calm.counts.refused).toBe(0);
    expect(rough.counts.dropped).toBeGreaterThan(0);
    expect(rough.counts.cut).toBeGreaterThan(0);
    inform(`rough edge: ${JSON.stringify(rough.counts)}`);
    for (const proxy of [ours, clients]) {
      expect(await proxy.peakMiB()).toBeLessThanOrEqual(proxyMiBMax);
    }
  });
});

describe("in chunks", () => {
  test("regctl pushes straight to the edge", async () => {
    const registry = cleanup.own(await Registry.start({ variables, expected }));
    const edge = cleanup.own(await Edge.start(registry));
    const layout = new OciLayout(join(folder, "chunks"));
    const layer = await makeLayer(folder, { seed: "chunks", bytes: 150_000_000 });
    await layout.tag("v1", await layout.addImage("amd64", [layer], "none"));
    await rm(layer.file);
    const env = { REGCTL_CONFIG: join(folder, "regctl.json") };
    const regctl = async (...args: readonly string[]) => run(tools.regctl, args, { env });
    const limits = ["--blob-max=100000000", "--blob-chunk=50000000"];
    await regctl("registry", "set", edge.address, "--tls=disabled", "--skip-check", ...limits);
    await regctl("registry", "login", edge.address, "-u", alice.name, "-p", alice.password);
    const image = `${edge.address}/team/chunks:v1`;
    await regctl("image", "copy", `ocidir://${layout.folder}:v1`, image);
    expect(await readAs(edge, "team/chunks")).toEqual([layer.diffId]);
    expect(edge.counts.refused).toBe(0);
  });
});
