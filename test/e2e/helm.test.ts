import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Cleanup } from "./cleanup.ts";
import { run } from "./command.ts";
import { Registry } from "./registry.ts";
import { sha256OfFile } from "./sha256.ts";
import { tools } from "./tools.ts";

const cleanup = new Cleanup();
let folder: string;
let registry: Registry;

beforeAll(async () => {
  folder = await cleanup.folder();
  registry = cleanup.own(await Registry.start());
});

afterAll(async () => cleanup.run());

/** Runs helm in the test's folder, with its caches and settings there as well. */
async function helm(...args: readonly string[]): Promise<void> {
  const homes = ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"];
  const env = Object.fromEntries(homes.map((name) => [name, join(folder, name)]));
  await run(tools.helm, args, { cwd: folder, env });
}

test("helm pushes a chart and, after a restart of the registry, pulls it", async () => {
  await mkdir(join(folder, "anchor", "templates"), { recursive: true });
  // A version with build metadata: its + becomes a _ in the tag.
  const chart = "apiVersion: v2\nname: anchor\nversion: 1.2.3+build.4\n";
  await writeFile(join(folder, "anchor", "Chart.yaml"), chart);
  const template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: anchor\n";
  await writeFile(join(folder, "anchor", "templates", "map.yaml"), template);
  await helm("package", "anchor");
  const archive = "anchor-1.2.3+build.4.tgz";

  await mkdir(join(folder, "pulled"));
  const charts = `oci://${registry.address}/charts`;
  await helm("push", archive, charts, "--plain-http");
  await registry.restart();
  const pull = ["pull", `${charts}/anchor`, "--version=1.2.3+build.4", "--plain-http"];
  await helm(...pull, "--destination=pulled");
  const pulled = await sha256OfFile(join(folder, "pulled", archive));
  expect(pulled).toBe(await sha256OfFile(join(folder, archive)));
});
