/** `longshore push` from an engine, whose API a small server answers. */
import { createReadStream } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RunningRegistry } from "../standalone/running-registry.ts";
import { Companion, type Ended } from "./companion.ts";
import { multiPlatformLayout, noise, savedImage, writeArchive } from "./written-image.ts";

const registry = new RunningRegistry();
let folder: string;
let server: Server;
let tests = 0;
/** What the engine was asked. */
let asked: string[];

const tar = () => join(folder, "saved.tar");
const socket = () => join(folder, "docker.sock");

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "longshore-"));
  tests += 1;
  asked = [];
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    if (request.url?.includes("unknown") === true) {
      response.writeHead(404).end('{"message":"No such image: unknown:1"}');
    } else if (request.url?.includes("broken") === true) {
      response.writeHead(200, { "content-length": 10_000 }).write("the beginning of an archive");
      setTimeout(() => response.destroy(), 20);
    } else {
      createReadStream(tar()).pipe(response);
    }
  });
  server.listen(socket());
  await once(server, "listening");
  await writeArchive(tar(), savedImage("team/app:1", [noise("layer", 1000)]));
});
afterEach(async () => {
  server.close();
  server.closeAllConnections();
  await rm(folder, { recursive: true });
});

async function push(image: string, ...args: readonly string[]): Promise<Ended> {
  const environment = { HOME: folder, TMPDIR: folder, DOCKER_HOST: `unix://${socket()}` };
  const target = `${registry.url}/team/app-${tests}:v1`;
  return Companion.run(["push", image, target, ...args], environment);
}

async function isPushed(): Promise<boolean> {
  const url = `${registry.url}/v2/team/app-${tests}/manifests/v1`;
  return (await fetch(url, { headers: { accept: "*/*" } })).ok;
}

describe("an engine's image", () => {
  test.each([
    ["team/app:1", [], "/images/team/app:1/get"],
    ["saved.tar", ["--engine"], "/images/saved.tar/get"],
  ])("%s is pushed with %j", async (image, args, path) => {
    const { code, errors } = await push(image, ...args);
    expect({ code, errors }).toMatchObject({ code: 0 });
    expect(asked).toEqual([`GET ${path}`]);
    expect(await isPushed()).toBe(true);
  });

  test("is asked for by its platform", async () => {
    const { layout } = multiPlatformLayout(1000);
    const files = new Map(layout.all());
    for (const [name, bytes] of savedImage("app:1", [])) files.set(name, bytes);
    await writeArchive(tar(), files);
    const { code, errors } = await push("app:1", "--platform", "linux/arm64");
    expect({ code, errors }).toMatchObject({ code: 0 });
    const platform = encodeURIComponent('{"os":"linux","architecture":"arm64"}');
    expect(asked).toEqual([`GET /images/app:1/get?platform=${platform}`]);
  });

  test.each([
    ["linux/amd64", 0, ""],
    ["linux/s390x", 1, "is for linux/amd64, not linux/s390x"],
  ])("of one platform is compared with %s", async (platform, code, message) => {
    const ended = await push("team/app:1", "--platform", platform);
    expect(ended).toMatchObject({ code });
    expect(ended.errors).toContain(message);
    expect(await isPushed()).toBe(code === 0);
  });

  test("that the engine does not have is told", async () => {
    const { code, errors } = await push("unknown:1");
    expect({ code, errors }).toMatchObject({ code: 1 });
    expect(errors).toContain("the engine can't save unknown:1 (404): No such image: unknown:1;");
  });

  test("that breaks off on its way is told", async () => {
    const { code, errors } = await push("broken:1");
    expect({ code, errors }).toMatchObject({ code: 1 });
    expect(errors).toContain("longshore: broken:1 was not saved whole");
    expect(errors).not.toContain("    at ");
    expect(await isPushed()).toBe(false);
  });

  test("leaves no file behind", async () => {
    await push("team/app:1");
    expect((await readdir(folder)).filter((name) => name.startsWith("longshore-push"))).toEqual([]);
  });
});

test.each([
  ["unix:///nowhere/docker.sock", "no docker engine answers at /nowhere/docker.sock (ENOENT)"],
  ["tcp://127.0.0.1:1", "no docker engine answers at http://127.0.0.1:1"],
  ["ssh://somebody@host", "the engine at ssh://somebody@host is not reached from here"],
])("an engine at %s is told", async (host, message) => {
  const target = `${registry.url}/team/app-${tests}:v1`;
  const ended = await Companion.run(["push", "app:1", target], {
    HOME: folder,
    DOCKER_HOST: host,
  });
  expect(ended).toMatchObject({ code: 1 });
  expect(ended.errors).toContain(message);
});
