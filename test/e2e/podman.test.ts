import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Cleanup } from "./cleanup.ts";
import { run } from "./command.ts";
import { writeDockerArchive } from "./image.ts";
import { makeLayer } from "./layer.ts";
import { Registry } from "./registry.ts";
import { readImage } from "./remote-image.ts";
import { readSavedImage } from "./saved-image.ts";
import { tools } from "./tools.ts";

const cleanup = new Cleanup();
let folder: string;
let registry: Registry;

beforeAll(async () => {
  folder = await cleanup.folder();
  registry = cleanup.own(await Registry.start());
});

afterAll(async () => cleanup.run());

/** Runs podman with storage of its own. */
async function podman(...args: readonly string[]): Promise<string> {
  const own = ["--root", join(folder, "root"), "--runroot", join(folder, "run")];
  const state = ["--tmpdir", join(folder, "tmp"), "--storage-driver=vfs", "--events-backend=file"];
  return (await run(tools.podman, [...own, ...state, ...args])).stdout.trim();
}

test("podman pushes and, after a restart of the registry, pulls", async () => {
  const image = `${registry.address}/podman/image:v1`;
  const layers = [
    await makeLayer(folder, { seed: "tiny", bytes: 1 }),
    await makeLayer(folder, { seed: "program", bytes: 40_000_000 }),
  ];
  const diffIds = layers.map((layer) => layer.diffId);
  await podman("load", "--input", await writeDockerArchive(folder, image, layers));
  await podman("push", "--tls-verify=false", image);
  expect(await readImage(registry.url, "podman/image", "v1")).toEqual(diffIds);

  await registry.restart();
  await podman("image", "rm", image);
  expect(await podman("image", "ls", "--quiet")).toBe("");
  await podman("pull", "--tls-verify=false", image);
  const archive = join(folder, "saved.tar");
  await podman("save", "--output", archive, image);
  expect((await readSavedImage(archive)).diffIds).toEqual(diffIds);
});
