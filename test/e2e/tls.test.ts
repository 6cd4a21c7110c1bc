/** A registry with a certificate of a team's own authority, and clients that are told of it. */
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Authority } from "../standalone/certificates.ts";
import { Cleanup } from "./cleanup.ts";
import { run } from "./command.ts";
import { Dockerd } from "./dockerd.ts";
import { writeDockerArchive } from "./image.ts";
import { makeLayer } from "./layer.ts";
import { makeMultiPlatformLayout, OciLayout } from "./oci-layout.ts";
import { Podman } from "./podman.ts";
import { Registry } from "./registry.ts";
import { tools } from "./tools.ts";

const cleanup = new Cleanup();
let folder: string;
let registry: Registry;
let layout: OciLayout;
/** The authority's certificate, and a folder with it as `ca.crt`. */
let authority: string;
let certificates: string;

beforeAll(async () => {
  folder = await cleanup.folder();
  const root = new Authority(folder);
  const own = root.sign("registry");
  authority = root.path;
  certificates = join(folder, "certificates");
  await mkdir(certificates);
  await copyFile(authority, join(certificates, "ca.crt"));
  registry = cleanup.own(
    await Registry.start({
      variables: { REGISTRY_TLS_CERT: own.certificate, REGISTRY_TLS_KEY: own.key },
      // The runtime logs each client that goes away because it does not trust the certificate.
      expected: /TLS handshake failed/,
    }),
  );
  layout = await makeMultiPlatformLayout(join(folder, "made"));
});

afterAll(async () => cleanup.run());

const image = (name: string): string => `${registry.address}/${name}`;

test("skopeo copies to the registry and back, and not without the authority", async () => {
  const copy = ["copy", "--all", "--preserve-digests"];
  const [local, remote] = [`oci:${layout.folder}:v1`, `docker://${image("skopeo/multi:v1")}`];
  await expect(run(tools.skopeo, [...copy, local, remote])).rejects.toThrow(/x509|certificate/);
  await run(tools.skopeo, [...copy, `--dest-cert-dir=${certificates}`, local, remote]);
  await registry.restart();
  const pulled = new OciLayout(join(folder, "skopeo"));
  const back = `oci:${pulled.folder}:v1`;
  await run(tools.skopeo, [...copy, `--src-cert-dir=${certificates}`, remote, back]);
  expect(await pulled.blobs()).toEqual(await layout.blobs());
});

test("crane pushes and pulls, and not without the authority", async () => {
  const push = ["push", layout.folder, image("crane/multi:v1")];
  const env = { DOCKER_CONFIG: folder };
  await expect(run(tools.crane, push, { env })).rejects.toThrow(/x509|certificate/);
  const trusting = { ...env, SSL_CERT_FILE: authority };
  await run(tools.crane, push, { env: trusting });
  const pulled = new OciLayout(join(folder, "crane"));
  const pull = ["pull", "--format=oci", image("crane/multi:v1"), pulled.folder];
  await run(tools.crane, pull, { env: trusting });
  expect(await pulled.blobs()).toEqual(await layout.blobs());
});

test("podman pushes and pulls", async () => {
  const name = image("podman/app:v1");
  const layer = await makeLayer(folder, { seed: "podman", bytes: 20_000_000 });
  const [pusher, puller] = [new Podman(await cleanup.folder()), new Podman(await cleanup.folder())];
  await pusher.podman("load", "--input", await writeDockerArchive(folder, name, [layer]));
  await pusher.podman("push", `--cert-dir=${certificates}`, name);
  await puller.podman("pull", `--cert-dir=${certificates}`, name);
  expect((await puller.save(name)).diffIds).toEqual([layer.diffId]);
});

test("docker takes any certificate on loopback, and pushes and pulls", async () => {
  const name = image("docker/app:v1");
  const layer = await makeLayer(folder, { seed: "docker", bytes: 20_000_000 });
  const engine = cleanup.own(await Dockerd.start("containerd"));
  await engine.docker("load", "--input", await writeDockerArchive(folder, name, [layer]));
  await engine.docker("push", name);
  await engine.docker("image", "rm", name);
  await engine.docker("pull", name);
  expect((await engine.save(name)).diffIds).toEqual([layer.diffId]);
});
