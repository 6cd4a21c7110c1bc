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

/** Runs crane and answers what it printed. */
async function crane(...args: readonly string[]): Promise<string> {
  const { stdout } = await run(tools.crane, [...args, "--insecure"], {
    // An empty configuration: nobody's credentials get into a test.
    env: { DOCKER_CONFIG: folder },
  });
  return stdout.trim();
}

/** Pulls an image and answers its blobs. */
async function pull(image: string, into: string): Promise<Record<string, string>> {
  const pulled = new OciLayout(join(folder, into));
  await crane("pull", "--format=oci", image, pulled.folder);
  return pulled.blobs();
}

const image = (name: string): string => `${registry.address}/crane/${name}`;

test("crane pushes and, after a restart of the registry, pulls", async () => {
  await crane("push", layout.folder, image("multi:v1"));
  await registry.restart();
  expect(await pull(image("multi:v1"), "pulled")).toEqual(await layout.blobs());
  await crane("validate", "--remote", image("multi:v1"));
});

test("crane copies to another repository", async () => {
  await crane("cp", image("multi:v1"), image("copy:v2"));
  expect(await pull(image("copy:v2"), "copied")).toEqual(await layout.blobs());
  expect(await crane("ls", image("copy"))).toBe("v2");
});

test("crane deletes by digest, and only in that repository", async () => {
  const digest = await crane("digest", image("copy:v2"));
  await crane("delete", `${image("copy")}@${digest}`);
  await expect(crane("digest", image("copy:v2"))).rejects.toThrow("MANIFEST_UNKNOWN");
  await expect(crane("manifest", `${image("copy")}@${digest}`)).rejects.toThrow("MANIFEST_UNKNOWN");
  expect(await pull(image("multi:v1"), "still-there")).toEqual(await layout.blobs());
});

test("crane deletes a tag, and only that tag", async () => {
  const digest = await crane("digest", image("multi:v1"));
  await crane("tag", image("multi:v1"), "extra");
  await crane("delete", image("multi:extra"));
  expect(await crane("ls", image("multi"))).toBe("v1");
  expect(await crane("digest", image("multi:v1"))).toBe(digest);
});
