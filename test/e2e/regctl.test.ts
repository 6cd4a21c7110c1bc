import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Cleanup } from "./cleanup.ts";
import { type Output, run } from "./command.ts";
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
  await regctl("registry", "set", registry.address, "--tls=disabled", "--skip-check");
});

afterAll(async () => cleanup.run());

async function regctl(...args: readonly string[]): Promise<Output> {
  return run(tools.regctl, args, { env: { REGCTL_CONFIG: join(folder, "regctl.json") } });
}

/** Pulls an image and answers its blobs. */
async function pull(image: string, into: string): Promise<Record<string, string>> {
  const pulled = new OciLayout(join(folder, into));
  await regctl("image", "copy", image, `ocidir://${pulled.folder}:v1`);
  return pulled.blobs();
}

const image = (name: string): string => `${registry.address}/regctl/${name}`;

test("regctl pushes blobs whole and, after a restart of the registry, pulls", async () => {
  await regctl("image", "copy", `ocidir://${layout.folder}:v1`, image("whole:v1"));
  await registry.restart();
  expect(await pull(image("whole:v1"), "pulled")).toEqual(await layout.blobs());
});

test("regctl copies to another repository", async () => {
  await regctl("image", "copy", image("whole:v1"), image("copy:v1"));
  expect(await pull(image("copy:v1"), "copied")).toEqual(await layout.blobs());
});

test("regctl pushes in chunks", async () => {
  // A registry of its own: what one holds already would be mounted instead of pushed.
  const chunked = await Registry.start();
  try {
    const host = ["registry", "set", chunked.address, "--tls=disabled", "--skip-check"];
    // 5 MiB, as the client takes it at least from a registry that asks for chunks of that size.
    await regctl(...host, "--blob-max=1000000", "--blob-chunk=5242880");
    const target = `${chunked.address}/regctl/chunked:v1`;
    const source = `ocidir://${layout.folder}:v1`;
    const { stderr } = await regctl("--verbosity=debug", "image", "copy", source, target);
    const chunks = stderr.split("Next chunk upload location received").length - 1;
    expect(chunks).toBeGreaterThanOrEqual(3);
    await chunked.restart();
    expect(await pull(target, "pulled-chunks")).toEqual(await layout.blobs());
  } finally {
    await chunked.close();
  }
});

test("regctl deletes a tag", async () => {
  await regctl("tag", "delete", image("copy:v1"));
  expect((await regctl("tag", "list", `${registry.address}/regctl/copy`)).stdout.trim()).toBe("");
});
