import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Cleanup } from "./cleanup.ts";
import { run } from "./command.ts";
import { makeMultiPlatformLayout, OciLayout } from "./oci-layout.ts";
import { Registry } from "./registry.ts";
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
