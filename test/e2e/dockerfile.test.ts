/** The Dockerfile, on a base that is Debian's essential packages alone. */
import { copyFile, cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Cleanup } from "./cleanup.ts";
import { run } from "./command.ts";
import { Dockerd } from "./dockerd.ts";
import { freePort } from "./free-port.ts";
import { writeDockerArchive } from "./image.ts";
import { makeLayer } from "./layer.ts";
import { tools } from "./tools.ts";

const root = join(import.meta.dirname, "../..");
const authorities = "etc/ssl/certs/ca-certificates.crt";
const alice = { name: "alice", password: "correct-horse" };
const cleanup = new Cleanup();
let folder: string;
let engine: Dockerd;

async function shell(script: string): Promise<string> {
  return (await run("bash", ["-c", script], { cwd: root })).stdout.trim();
}

/** Makes an image of the base with npm in it, set up as it is here. */
async function addNpm(): Promise<void> {
  const added = join(folder, "added");
  for (const path of ["usr/bin", "usr/lib/node_modules", dirname(authorities), "root"]) {
    await mkdir(join(added, path), { recursive: true });
  }
  const npm = dirname(dirname(await shell("realpath $(command -v npm)")));
  await copyFile(process.execPath, join(added, "usr/bin/node"));
  await cp(npm, join(added, "usr/lib/node_modules/npm"), { recursive: true });
  await symlink("../lib/node_modules/npm/bin/npm-cli.js", join(added, "usr/bin/npm"));
  await copyFile(`/${authorities}`, join(added, authorities));
  const registry = await shell("npm config get registry");
  await writeFile(join(added, "root/.npmrc"), `registry=${registry}\ncafile=/${authorities}\n`);
  await writeFile(join(added, "Dockerfile"), "FROM base\nCOPY . /\n");
  await engine.docker("build", "--tag=build", added);
}

beforeAll(async () => {
  folder = await cleanup.folder();
  engine = cleanup.own(await Dockerd.start("graph driver", "overlay2"));
  const base = join(folder, "base.tar");
  const packages = ["--variant=essential", "--include=libstdc++6"];
  await run(tools.mmdebstrap, ["--quiet", ...packages, "bookworm", base]);
  await engine.docker("import", base, "base");
  await addNpm();
  const images = ["--build-arg=BASE=base", "--build-arg=BUILD=build", "--tag=longshore"];
  await engine.docker("build", "--network=host", ...images, root);
}, 300_000);

afterAll(async () => cleanup.run());

/** What the engine tells of a container. */
async function inspect(container: string, format: string): Promise<string> {
  const { stdout } = await engine.docker("inspect", `--format=${format}`, container);
  return stdout.trim();
}

async function becomesHealthy(container: string): Promise<void> {
  for (
    let looks = 0;
    (await inspect(container, "{{.State.Health.Status}}")) !== "healthy";
    looks += 1
  ) {
    if (looks === 60) throw new Error((await engine.docker("logs", container)).stderr);
    await sleep(500);
  }
}

test("the image has the registry, and nothing of how it was made", async () => {
  const list = await engine.docker("run", "--rm", "--entrypoint=ls", "longshore");
  const has = list.stdout.trim().split("\n");
  const ignore = await readFile(join(root, ".dockerignore"), "utf8");
  const allowed = [...ignore.matchAll(/^!(.*)$/gmu)].map(([, name = ""]) => name);
  expect(has.toSorted()).toEqual([...allowed, "authorities.pem", "node_modules"].toSorted());
  expect(await inspect("longshore", "{{.Config.User}}")).toBe("10001:10001");
});

test("a container that was told of no users says so, and ends", async () => {
  const started = engine.docker("run", "--network=host", "longshore");
  await expect(started).rejects.toThrow(/USERNAME and PASSWORD/u);
});

test("a container with little of the system takes a push, and has it after a restart", async () => {
  const port = await freePort();
  const settings = [
    `REGISTRY_PORT=${port}`,
    `USERNAME=${alice.name}`,
    `PASSWORD=${alice.password}`,
  ];
  const container = "registry";
  await engine.docker(
    "run",
    "--detach",
    `--name=${container}`,
    "--network=host",
    "--read-only",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--volume=stored:/data",
    "--health-interval=1s",
    ...settings.map((setting) => `--env=${setting}`),
    "longshore",
  );
  await becomesHealthy(container);
  const image = `127.0.0.1:${port}/team/app:v1`;
  const layer = await makeLayer(folder, { seed: "layer", bytes: 20_000_000 });
  await engine.docker("load", "--input", await writeDockerArchive(folder, image, [layer]));
  await engine.logIn(`127.0.0.1:${port}`, alice);
  await engine.docker("push", image);
  await engine.docker("image", "rm", image);
  await engine.docker("stop", "--time=20", container);
  expect(await inspect(container, "{{.State.ExitCode}}")).toBe("0");
  await engine.docker("start", container);
  await becomesHealthy(container);
  await engine.docker("pull", image);
  expect((await engine.save(image)).diffIds).toEqual([layer.diffId]);
});
