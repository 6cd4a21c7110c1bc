import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Cleanup } from "./cleanup.ts";
import { run } from "./command.ts";
import { makeLayer } from "./layer.ts";
import { makeMultiPlatformLayout, OciLayout } from "./oci-layout.ts";
import { Registry } from "./registry.ts";
import { readManifest } from "./remote-image.ts";
import { sha256OfFile } from "./sha256.ts";
import { tools } from "./tools.ts";

const cleanup = new Cleanup();
let folder: string;
let registry: Registry;
let layout: OciLayout;

beforeAll(async () => {
  folder = await cleanup.folder();
  registry = cleanup.own(await Registry.start());
  layout = await makeMultiPlatformLayout(join(folder, "made"));
});

afterAll(async () => cleanup.run());

/** Copies an index with all its images, none of them converted. */
async function copy(source: string, target: string): Promise<void> {
  const tls = ["--src-tls-verify=false", "--dest-tls-verify=false"];
  await run(tools.skopeo, ["copy", "--all", "--preserve-digests", ...tls, source, target]);
}

const image = (name: string): string => `docker://${registry.address}/${name}`;

test("skopeo copies a multi-platform index to the registry and back", async () => {
  await copy(`oci:${layout.folder}:v1`, image("skopeo/multi:v1"));
  await registry.restart();
  const pulled = new OciLayout(join(folder, "pulled"));
  await copy(image("skopeo/multi:v1"), `oci:${pulled.folder}:v1`);
  expect(await pulled.blobs()).toEqual(await layout.blobs());
});

test("skopeo copies between two repositories", async () => {
  await copy(image("skopeo/multi:v1"), image("skopeo/copy:v2"));
  const pulled = new OciLayout(join(folder, "copied"));
  await copy(image("skopeo/copy:v2"), `oci:${pulled.folder}:v1`);
  expect(await pulled.blobs()).toEqual(await layout.blobs());
});

test("skopeo converts to docker's media types on the way", async () => {
  const tls = "--dest-tls-verify=false";
  const source = `oci:${layout.folder}:v1`;
  await run(tools.skopeo, ["copy", "--format=v2s2", tls, source, image("skopeo/v2s2:v1")]);
  const args = ["inspect", "--raw", "--tls-verify=false", image("skopeo/v2s2:v1")];
  const { stdout } = await run(tools.skopeo, args);
  expect(stdout).toContain("application/vnd.docker.distribution.manifest.v2+json");
});

test("skopeo compresses layers with zstd on the way, and unpacks them again", async () => {
  // Layers that the registry does not have with gzip: skopeo would take those.
  const source = new OciLayout(join(folder, "for-zstd"));
  const layers = [
    await makeLayer(folder, { seed: "zstd-tiny", bytes: 1 }),
    await makeLayer(folder, { seed: "zstd-program", bytes: 9_000_000 }),
  ];
  await source.tag("v1", await source.addImage("amd64", layers));
  const tls = ["--src-tls-verify=false", "--dest-tls-verify=false"];
  const unpacked = `dir:${join(folder, "unpacked")}`;
  await run(tools.skopeo, ["copy", "--dest-decompress", `oci:${source.folder}:v1`, unpacked]);
  const target = image("skopeo/zstd:v1");
  await run(tools.skopeo, ["copy", "--dest-compress-format=zstd", ...tls, unpacked, target]);
  const pushed = await readManifest(registry.url, "skopeo/zstd", "v1");
  const zstd = "application/vnd.oci.image.layer.v1.tar+zstd";
  expect(pushed.layers.map((layer) => layer.mediaType)).toEqual([zstd, zstd]);

  const back = join(folder, "unpacked-again");
  await run(tools.skopeo, ["copy", "--dest-decompress", ...tls, target, `dir:${back}`]);
  for (const { diffId } of layers) {
    expect(await sha256OfFile(join(back, diffId.replace("sha256:", "")))).toBe(diffId);
  }
});

test("skopeo inspects an image of an index by its platform", async () => {
  const platform = ["--override-os=linux", "--override-arch=arm64"];
  const args = [...platform, "inspect", "--tls-verify=false", image("skopeo/multi:v1")];
  const { stdout } = await run(tools.skopeo, args);
  expect(JSON.parse(stdout)).toMatchObject({
    Name: `${registry.address}/skopeo/multi`,
    Architecture: "arm64",
    RepoTags: ["v1"],
  });
});

test("skopeo syncs every tag of a repository to another one, and to a folder", async () => {
  await copy(image("skopeo/multi:v1"), image("skopeo/sync:v1"));
  await copy(image("skopeo/v2s2:v1"), image("skopeo/sync:v2"));
  const sync = ["sync", "--all", "--src-tls-verify=false", "--dest-tls-verify=false"];
  const source = `${registry.address}/skopeo/sync`;
  const target = `${registry.address}/mirror`;
  await run(tools.skopeo, [...sync, "--src=docker", "--dest=docker", source, target]);
  const list = ["list-tags", "--tls-verify=false", image("mirror/sync")];
  const { stdout } = await run(tools.skopeo, list);
  expect(JSON.parse(stdout)).toMatchObject({ Tags: ["v1", "v2"] });
  const pulled = new OciLayout(join(folder, "synced"));
  await copy(image("mirror/sync:v1"), `oci:${pulled.folder}:v1`);
  expect(await pulled.blobs()).toEqual(await layout.blobs());

  await run(tools.skopeo, [...sync, "--src=docker", "--dest=dir", source, join(folder, "dir")]);
  expect((await readdir(join(folder, "dir"))).toSorted()).toEqual(["sync:v1", "sync:v2"]);
});

test("skopeo lists tags and deletes an image", async () => {
  const tls = "--tls-verify=false";
  const { stdout } = await run(tools.skopeo, ["list-tags", tls, image("skopeo/copy")]);
  expect(JSON.parse(stdout)).toMatchObject({ Tags: ["v2"] });
  await run(tools.skopeo, ["delete", tls, image("skopeo/copy:v2")]);
  await expect(run(tools.skopeo, ["inspect", tls, image("skopeo/copy:v2")])).rejects.toThrow(
    "manifest unknown",
  );
  await run(tools.skopeo, ["inspect", tls, image("skopeo/multi:v1")]);
});
