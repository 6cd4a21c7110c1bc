import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { digestOf } from "./running-registry.ts";
import { Start } from "./start-process.ts";

const mebibyte = 1024 * 1024;
const manifestType = "application/vnd.oci.image.manifest.v1+json";

type Bytes = Uint8Array<ArrayBuffer>;

let folder = "";
let running: Start | undefined;
const mounts: string[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "longshore-power-"));
});

afterEach(async () => {
  await stop();
  for (const path of mounts.splice(0)) execFileSync("umount", [path]);
  await rm(folder, { recursive: true });
});

/** Mounts the file system in a file; only root may. */
async function mount(image: string): Promise<string> {
  const path = `${image}.mounted`;
  await mkdir(path);
  // What nobody has synced stays in memory for longer than the test takes.
  execFileSync("mount", ["-t", "ext4", "-o", "loop,commit=300", image, path]);
  mounts.push(path);
  return path;
}

async function newDisk(): Promise<string> {
  const image = join(folder, "disk");
  await writeFile(image, "");
  await truncate(image, 256 * mebibyte);
  execFileSync("mkfs.ext4", ["-q", image]);
  return mount(image);
}

/** What the disk holds at this moment, and nothing that is only in memory: as behind a power cut. */
async function cutPower(): Promise<string> {
  execFileSync("cp", ["--sparse=always", join(folder, "disk"), join(folder, "cut")]);
  return mount(join(folder, "cut"));
}

/** Starts a registry that syncs; answers its URL. */
async function start(disk: string): Promise<string> {
  running = new Start([process.execPath, "standalone/start.ts"], {
    REGISTRY_PORT: "0",
    REGISTRY_STORAGE_PATH: join(disk, "data"),
    REGISTRY_FSYNC: "true",
    REGISTRY_LOG_LEVEL: "warn",
  });
  return running.url();
}

async function stop(): Promise<void> {
  running?.process.kill("SIGTERM");
  await running?.ended;
}

async function begin(url: string): Promise<string> {
  const answer = await fetch(`${url}/v2/team/app/blobs/uploads/`, { method: "POST" });
  expect(answer.status).toBe(202);
  return answer.headers.get("location") ?? "";
}

async function send(method: string, url: string, init: RequestInit): Promise<number> {
  const answer = await fetch(url, { ...init, method });
  await answer.arrayBuffer();
  return answer.status;
}

async function read(url: string): Promise<string> {
  return digestOf(await (await fetch(url)).bytes());
}

const [config, layer, chunks] = [100, 9 * mebibyte, 20 * mebibyte].map(
  (size): Bytes => new Uint8Array(randomBytes(size)),
) as [Bytes, Bytes, Bytes];
const manifest = JSON.stringify({
  schemaVersion: 2,
  mediaType: manifestType,
  config: {
    mediaType: "application/vnd.oci.image.config.v1+json",
    digest: digestOf(config),
    size: config.length,
  },
  layers: [
    {
      mediaType: "application/vnd.oci.image.layer.v1.tar",
      digest: digestOf(layer),
      size: layer.length,
    },
  ],
});

test("what was answered is there after a power cut", { timeout: 120_000 }, async () => {
  const url = await start(await newDisk());
  const whole = `${url}${await begin(url)}?digest=${digestOf(config)}`;
  expect(await send("PUT", whole, { body: config })).toBe(201);
  const streamed = `${url}${await begin(url)}`;
  expect(await send("PATCH", streamed, { body: layer })).toBe(202);
  expect(await send("PUT", `${streamed}?digest=${digestOf(layer)}`, {})).toBe(201);
  const headers = { "Content-Type": manifestType };
  const tag = "/v2/team/app/manifests/v1";
  expect(await send("PUT", url + tag, { body: manifest, headers })).toBe(201);
  const session = await begin(url);
  const firstBytes = 17 * mebibyte;
  expect(
    await send("PATCH", url + session, {
      body: chunks.subarray(0, firstBytes),
      headers: { "Content-Range": `0-${firstBytes - 1}` },
    }),
  ).toBe(202);
  const disk = await cutPower();
  await stop();

  const next = await start(disk);
  expect(await read(next + tag)).toBe(digestOf(manifest));
  expect(await read(`${next}/v2/team/app/blobs/${digestOf(config)}`)).toBe(digestOf(config));
  expect(await read(`${next}/v2/team/app/blobs/${digestOf(layer)}`)).toBe(digestOf(layer));
  expect(
    await send("PUT", `${next}${session}?digest=${digestOf(chunks)}`, {
      body: chunks.subarray(firstBytes),
      headers: { "Content-Range": `${firstBytes}-${chunks.length - 1}` },
    }),
  ).toBe(201);
  expect(await read(`${next}/v2/team/app/blobs/${digestOf(chunks)}`)).toBe(digestOf(chunks));
});
