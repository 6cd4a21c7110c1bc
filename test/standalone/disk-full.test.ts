import { setTimeout as sleep } from "node:timers/promises";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import { mkdtemp, readdir, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { digestOf } from "./running-registry.ts";
import { Start, waiting } from "./start-process.ts";

const mebibyte = 1024 * 1024;
const diskBytes = 256 * mebibyte;
const layerBytes = 20 * mebibyte;
const manifestType = "application/vnd.oci.image.manifest.v1+json";

/** A disk of 256 MiB in memory; only root may have one. */
let disk = "";
let registry: Start;
let url = "";

async function start(): Promise<void> {
  registry = new Start([process.execPath, "standalone/start.ts"], {
    REGISTRY_PORT: "0",
    REGISTRY_STORAGE_PATH: join(disk, "data"),
    REGISTRY_LOG_LEVEL: "warn",
  });
  url = await registry.url();
}

async function stop(): Promise<void> {
  registry.process.kill("SIGTERM");
  await registry.ended;
}

beforeAll(async () => {
  disk = await mkdtemp(join(tmpdir(), "longshore-full-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${diskBytes}`, "tmpfs", disk]);
  await start();
}, 60_000);

afterAll(async () => {
  await stop();
  execFileSync("umount", ["--lazy", disk]);
  await rm(disk, { recursive: true });
});

async function ask(method: string, path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(new URL(path, url), { ...init, method });
}

/** Begins an upload and goes on with its Location, unless even that is refused. */
async function begin(
  repository: string,
  goOn: (location: string) => Promise<Response>,
): Promise<Response> {
  const answer = await ask("POST", `/v2/${repository}/blobs/uploads/`);
  return answer.status === 202 ? goOn(answer.headers.get("location") ?? "") : answer;
}

type Bytes = Uint8Array<ArrayBuffer>;

function bytesOf(size: number): Bytes {
  return new Uint8Array(randomBytes(size));
}

function pushWhole(repository: string, bytes: Bytes): Promise<Response> {
  return begin(repository, (location) =>
    ask("PUT", `${location}?digest=${digestOf(bytes)}`, { body: bytes }),
  );
}

/** The answer to a PATCH, or, where that was taken, to the PUT that closes the session. */
function pushPatched(repository: string, bytes: Bytes, init: RequestInit): Promise<Response> {
  return begin(repository, async (location) => {
    const patch = await ask("PATCH", location, init);
    if (patch.status !== 202) return patch;
    return ask("PUT", `${patch.headers.get("location")}?digest=${digestOf(bytes)}`);
  });
}

function streamOf(bytes: Bytes): ReadableStream<Bytes> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.subarray(at, at + 65_536));
      at += 65_536;
    },
  });
}

function pushStreamed(repository: string, bytes: Bytes): Promise<Response> {
  const init = { body: streamOf(bytes), duplex: "half" };
  return pushPatched(repository, bytes, init);
}

function pushChunk(repository: string, bytes: Bytes): Promise<Response> {
  const headers = { "Content-Range": `0-${bytes.length - 1}` };
  return pushPatched(repository, bytes, { body: bytes, headers });
}

function manifestOf(config: Bytes, layer: Bytes): string {
  const [configDigest, layerDigest] = [digestOf(config), digestOf(layer)];
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: manifestType,
    config: {
      mediaType: "application/vnd.oci.image.config.v1+json",
      digest: configDigest,
      size: config.length,
    },
    layers: [
      {
        mediaType: "application/vnd.oci.image.layer.v1.tar",
        digest: layerDigest,
        size: layer.length,
      },
    ],
  });
}

function putManifest(repository: string, tag: string, manifest: string): Promise<Response> {
  const headers = { "Content-Type": manifestType };
  return ask("PUT", `/v2/${repository}/manifests/${tag}`, { body: manifest, headers });
}

async function freeBytes(): Promise<number> {
  const { bavail, bsize } = await statfs(disk);
  return bavail * bsize;
}

async function expectFull(answer: Response): Promise<void> {
  expect(answer.status).toBe(507);
  expect(answer.headers.get("content-type")).toBe("application/json");
  expect(await answer.json()).toEqual({
    errors: [
      {
        code: "DENIED",
        message: expect.stringMatching(/^storage is full: /),
        detail: expect.stringContaining("make more room"),
      },
    ],
  });
}

async function expectPull(repository: string, bytes: Bytes): Promise<void> {
  const answer = await ask("GET", `/v2/${repository}/blobs/${digestOf(bytes)}`);
  expect(answer.status).toBe(200);
  expect(digestOf(await answer.bytes())).toBe(digestOf(bytes));
}

/** Takes the last byte of the disk, before anybody can do anything about it; answers how it is given back. */
function takeAll(): () => Promise<void> {
  const path = join(disk, `ballast-${randomBytes(4).toString("hex")}`);
  const file = openSync(path, "w");
  const block = Buffer.alloc(65_536);
  try {
    while (writeSync(file, block) > 0);
  } catch {
    // There is no byte left.
  } finally {
    closeSync(file);
  }
  return () => rm(path);
}

async function partialFiles(): Promise<string[]> {
  const names = await readdir(join(disk, "data/blobs"), { recursive: true });
  return names.filter((name) => name.endsWith(".tmp"));
}

const config = new Uint8Array(Buffer.from(JSON.stringify({ id: randomBytes(8).toString("hex") })));
const layer = bytesOf(mebibyte);
const manifest = manifestOf(config, layer);

/** What fills the disk, in repositories of its own. */
const fillers: Bytes[] = [];

async function fill(): Promise<Response> {
  for (;;) {
    const bytes = bytesOf(layerBytes);
    const answer = await pushWhole("team/filler", bytes);
    if (answer.status !== 201) return answer;
    fillers.push(bytes);
    // The room is looked at four times a second; a disk that fills faster costs the reserve.
    await sleep(1000);
    if (fillers.length * layerBytes > diskBytes) throw new Error("the disk does not get full");
  }
}

async function expectImage(): Promise<void> {
  const answer = await ask("GET", "/v2/team/app/manifests/v1");
  expect([answer.status, await answer.text()]).toEqual([200, manifest]);
  await expectPull("team/app", config);
  await expectPull("team/app", layer);
}

/** A whole image into a repository that is new. */
async function expectPush(repository: string): Promise<void> {
  const [ownConfig, ownLayer] = [bytesOf(1000), bytesOf(9 * mebibyte)];
  expect((await pushWhole(repository, ownConfig)).status).toBe(201);
  expect((await pushStreamed(repository, ownLayer)).status).toBe(201);
  expect((await putManifest(repository, "v1", manifestOf(ownConfig, ownLayer))).status).toBe(201);
  await expectPull(repository, ownLayer);
}

test("pushes until the disk is full", { timeout: 120_000 }, async () => {
  expect((await pushWhole("team/app", config)).status).toBe(201);
  expect((await pushWhole("team/app", layer)).status).toBe(201);
  expect((await putManifest("team/app", "v1", manifest)).status).toBe(201);
  await expectFull(await fill());
  expect(fillers.length).toBeGreaterThan(5);
});

test("each push is refused, and leaves no bytes behind", { timeout: 60_000 }, async () => {
  const before = await freeBytes();
  for (const push of [pushWhole, pushStreamed, pushChunk]) {
    await expectFull(await push("team/refused", bytesOf(3 * layerBytes)));
  }
  expect(await partialFiles()).toEqual([]);
  // Databases have grown a little.
  expect(await freeBytes()).toBeGreaterThan(before - 8 * mebibyte);
});

test("pulls go on, byte for byte, also after a restart", { timeout: 60_000 }, async () => {
  await expectImage();
  for (const bytes of fillers) await expectPull("team/filler", bytes);
  await stop();
  await start();
  await expectImage();
  for (const bytes of fillers) await expectPull("team/filler", bytes);
});

test("what others take of the disk stops no pull", { timeout: 60_000 }, async () => {
  const giveBack = takeAll();
  await vi.waitFor(async () => expect(await freeBytes()).toBeGreaterThan(8 * mebibyte), waiting);
  await expectImage();
  for (const push of [pushWhole, pushStreamed, pushChunk]) {
    await expectFull(await push("team/app", bytesOf(100)));
  }
  await expectImage();
  expect((await putManifest("team/app", "v2", manifest)).status).toBe(201);
  expect((await ask("DELETE", "/v2/team/app/manifests/v2")).status).toBe(202);
  await giveBack();
});

test(
  "without a last byte pushes are refused, until there is one",
  { timeout: 60_000 },
  async () => {
    const giveBacks = [takeAll()];
    await vi.waitFor(async () => {
      giveBacks.push(takeAll());
      expect(await freeBytes()).toBe(0);
    }, waiting);
    await expectFull(await putManifest("team/app", "v2", manifest));
    await expectFull(await putManifest("team/new", "v1", manifest));
    for (const push of [pushWhole, pushStreamed, pushChunk]) {
      await expectFull(await push("team/app", bytesOf(100)));
    }
    await Promise.all(giveBacks.map((giveBack) => giveBack()));
    await vi.waitFor(expectImage, waiting);
    await vi.waitFor(async () => {
      expect((await putManifest("team/app", "v2", manifest)).status).toBe(201);
    }, waiting);
  },
);

test("a delete and a collection make room without a restart", { timeout: 60_000 }, async () => {
  for (const bytes of fillers.splice(0, 4)) {
    const answer = await ask("DELETE", `/v2/team/filler/blobs/${digestOf(bytes)}`);
    expect(answer.status).toBe(202);
  }
  const before = await freeBytes();
  await vi.waitFor(async () => {
    expect((await ask("POST", "/_gc?force=true")).status).toBe(200);
    expect(await freeBytes()).toBeGreaterThan(before + 3 * layerBytes);
  }, waiting);
  // No manifest uses the others either.
  fillers.length = 0;
  await vi.waitFor(() => expectPush("team/again"), { timeout: 10_000, interval: 500 });
  await expectImage();
  await vi.waitFor(async () => {
    expect(await (await ask("GET", "/v2/_catalog")).json()).toMatchObject({
      repositories: expect.arrayContaining(["team/again", "team/app"]),
    });
  }, waiting);
});

test("room that is made while it does not run is used", { timeout: 120_000 }, async () => {
  await expectFull(await fill());
  await stop();
  execFileSync("mount", ["-o", `remount,size=${2 * diskBytes}`, disk]);
  await start();
  await expectPush("team/restarted");
  await expectImage();
});
