import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Cleanup } from "./cleanup.ts";
import { Helm } from "./helm.ts";
import { Registry } from "./registry.ts";
import { sha256OfFile } from "./sha256.ts";

const cleanup = new Cleanup();
let folder: string;
let registry: Registry;
let client: Helm;

beforeAll(async () => {
  folder = await cleanup.folder();
  registry = cleanup.own(await Registry.start());
  client = new Helm(folder);
});

afterAll(async () => cleanup.run());

/** Build metadata: its + becomes a _ in the tag. */
const version = "1.2.3+build.4";
const chartOf = (): string => `oci://${registry.address}/charts/anchor`;

/** Packs a chart and answers the name of its archive. */
async function pack(chartVersion: string): Promise<string> {
  await mkdir(join(folder, "anchor", "templates"), { recursive: true });
  const chart = `apiVersion: v2\nname: anchor\nversion: ${chartVersion}\n`;
  await writeFile(join(folder, "anchor", "Chart.yaml"), chart);
  const template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: anchor\n";
  await writeFile(join(folder, "anchor", "templates", "map.yaml"), template);
  await client.helm("package", "anchor");
  return `anchor-${chartVersion}.tgz`;
}

test("helm pushes a chart and, after a restart of the registry, pulls it", async () => {
  const archive = await pack(version);
  await mkdir(join(folder, "pulled"));
  await client.helm("push", archive, `oci://${registry.address}/charts`, "--plain-http");
  await registry.restart();
  const pull = ["pull", chartOf(), `--version=${version}`, "--plain-http"];
  await client.helm(...pull, "--destination=pulled");
  const pulled = await sha256OfFile(join(folder, "pulled", archive));
  expect(pulled).toBe(await sha256OfFile(join(folder, archive)));
});

test("helm's + in a version is a _ in the tag", async () => {
  const tags = await fetch(`${registry.url}/v2/charts/anchor/tags/list`);
  expect(await tags.json()).toEqual({ name: "charts/anchor", tags: ["1.2.3_build.4"] });
});

test("helm shows a chart that it has not pulled", async () => {
  const show = ["show", "chart", chartOf(), `--version=${version}`, "--plain-http"];
  expect((await client.helm(...show)).stdout).toContain(`version: ${version}`);
});

test("helm renders a chart from the registry", async () => {
  const template = ["template", "release", chartOf(), "--plain-http", `--version=${version}`];
  expect((await client.helm(...template)).stdout).toContain("kind: ConfigMap");
});

test("helm finds the newest version by the list of tags", async () => {
  const archive = await pack("1.10.0");
  await client.helm("push", archive, `oci://${registry.address}/charts`, "--plain-http");
  const newest = await client.helm("show", "chart", chartOf(), "--plain-http");
  expect(newest.stdout).toContain("version: 1.10.0");
  const range = await client.helm("show", "chart", chartOf(), "--version=~1.2", "--plain-http");
  expect(range.stdout).toContain(`version: ${version}`);
});

test("helm says that a chart is not there", async () => {
  const pull = client.helm("pull", chartOf(), "--version=9.9.9", "--plain-http");
  await expect(pull).rejects.toThrow("not found");
});
