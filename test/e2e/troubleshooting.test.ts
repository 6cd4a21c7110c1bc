/** The rows of README's table "Troubleshoot it" that are about what a client shows. */
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { rowsOfClients, seenBy } from "../troubleshooting-rows.ts";
import { Cleanup } from "./cleanup.ts";
import { complaintOf, run } from "./command.ts";
import { Containerd } from "./containerd.ts";
import { Dockerd } from "./dockerd.ts";
import { Edge } from "./edge.ts";
import { type ImageClient, type ImageClientName, imageClients } from "./image-clients.ts";
import { type Layer, makeLayer } from "./layer.ts";
import { OciLayout } from "./oci-layout.ts";
import { Registry } from "./registry.ts";
import { tools } from "./tools.ts";

type Row = (typeof rowsOfClients)[number];

const cleanup = new Cleanup();
const alice = { name: "alice", password: "correct-horse" };
const rita = { name: "rita", password: "reads-only" };
const accounts = {
  USERNAME: alice.name,
  PASSWORD: alice.password,
  READONLY_USERNAME: rita.name,
  READONLY_PASSWORD: rita.password,
};
/** The smallest limit of a plan is 100 MB; this one takes less time to exceed. */
const bodyBytesMax = 10_000_000;
let folder: string;
let registry: Registry;
let layer: Layer;
let docker: Dockerd;
let podman: ImageClient;

beforeAll(async () => {
  folder = await cleanup.folder();
  registry = cleanup.own(await Registry.start({ variables: accounts }));
  layer = await makeLayer(folder, { seed: "layer", bytes: 1000 });
  docker = cleanup.own(await Dockerd.start("graph driver"));
  podman = await newClient("podman");
});

afterAll(async () => cleanup.run());

async function newClient(name: ImageClientName): Promise<ImageClient> {
  return cleanup.own(await imageClients[name](await cleanup.folder()));
}

/** Expects a client to show what a row says; some write the error's code in capitals. */
async function expectSeen(row: Row, failing: Promise<unknown>): Promise<string> {
  const complaint = await complaintOf(failing);
  expect(complaint).toMatch(new RegExp(seenBy(row), "iu"));
  return complaint;
}

/** Brings each row about, and follows its advice to where it is over. */
const reproductions: Readonly<Record<Row, (row: Row) => Promise<void>>> = {
  async "`unauthorized: authentication required` (401)"(row) {
    const image = `${registry.address}/team/unauthorized:1`;
    await expectSeen(row, docker.logIn(registry.address, { ...alice, password: "guessed" }));
    await expectSeen(row, podman.pull(image));
    await docker.logIn(registry.address, alice);
    await podman.logIn(registry.address, alice);
    await podman.push(image, [layer]);
    await docker.docker("pull", image);
  },

  async "`denied: requested access to the resource is denied` (403)"(row) {
    await podman.logIn(registry.address, rita);
    const push = podman.push(`${registry.address}/team/denied:1`, [layer]);
    expect(await expectSeen(row, push)).toContain("push in team/denied");
  },

  async "`toomanyrequests: too many failed log-ins` (429)"(row) {
    const wrong = { name: "mallory", password: "guessed" };
    let attempts = 0;
    let complaint: string;
    do {
      attempts += 1;
      complaint = await complaintOf(docker.logIn(registry.address, wrong));
    } while (complaint.includes("unauthorized") && attempts < 20);
    expect(complaint).toMatch(seenBy(row));
    expect(attempts).toBeGreaterThan(10);
    await docker.logIn(registry.address, alice);
  },

  async "`manifest unknown` (404)"(row) {
    await docker.logIn(registry.address, alice);
    await podman.logIn(registry.address, alice);
    await podman.push(`${registry.address}/team/tagged:1`, [layer]);
    await expectSeen(row, docker.docker("pull", `${registry.address}/team/tagged:2`));
    await expectSeen(row, podman.pull(`${registry.address}/team/tagged:2`));
    const headers = { Authorization: `Basic ${btoa(`${alice.name}:${alice.password}`)}` };
    const list = await fetch(`${registry.url}/v2/team/tagged/tags/list`, { headers });
    expect(await list.json()).toEqual({ name: "team/tagged", tags: ["1"] });
  },

  async "`http: server gave HTTP response to HTTPS client`"(row) {
    // Loopback by another name: clients know 127.0.0.1 as one that needs no TLS.
    const address = registry.address.replace("127.0.0.1", "0.0.0.0");
    const image = `${address}/team/plain:1`;
    await podman.logIn(registry.address, alice);
    await podman.push(`${registry.address}/team/plain:1`, [layer]);
    const containerd = cleanup.own(await Containerd.start("2.4"));
    const user = ["--user", `${alice.name}:${alice.password}`];
    await expectSeen(row, containerd.ctr("images", "pull", ...user, image));
    await expectSeen(row, docker.docker("pull", image));
    await containerd.pull(image, ...user);
  },

  async "`413 Request Entity Too Large`, as HTML"(row) {
    const open = cleanup.own(await Registry.start());
    const edge = cleanup.own(await Edge.start(open, bodyBytesMax));
    const large = await makeLayer(folder, { seed: "large", bytes: 1.2 * bodyBytesMax });
    const image = `${edge.address}/team/large:1`;
    for (const name of ["docker 20.10", "docker 29", "podman", "crane"] as const) {
      await expectSeen(row, (await newClient(name)).push(image, [large]));
    }
    const layout = new OciLayout(join(folder, "layout"));
    await layout.tag("v1", await layout.addImage("amd64", [large]));
    const env = { REGCTL_CONFIG: join(folder, "regctl.json") };
    const chunks = ["--blob-max", `${bodyBytesMax}`, "--blob-chunk", `${bodyBytesMax / 2}`];
    const set = ["registry", "set", edge.address, "--tls=disabled", ...chunks];
    await run(tools.regctl, set, { env });
    await run(tools.regctl, ["image", "copy", `ocidir://${layout.folder}:v1`, image], { env });
    expect(await (await newClient("crane")).pull(image)).toEqual([large.diffId]);
  },
};

test.each(rowsOfClients.map((row) => [row]))("%s", async (row) => reproductions[row](row));
