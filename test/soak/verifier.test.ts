/** What the soak and the kills look for is found when it is there: the registry is broken by hand. */
import { mkdtemp, mkdir, open, rm, writeFile, copyFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Random } from "../fuzz/random.ts";
import { objectFile, readBucket } from "./bucket.ts";
import { judgeBucket } from "./collection.ts";
import { type Blob, imageOf, layerOf, type Manifest, textBlob } from "./content.ts";
import { HttpClient } from "./http-client.ts";
import { Inspection } from "./inspection.ts";
import { Load } from "./load.ts";
import { LoadClient } from "./load-client.ts";
import { RegistryProcess } from "./registry-process.ts";

const repository = "soak/a";
const seed = 1;

let folder = "";
let registry: RegistryProcess;
let http: HttpClient;
let load: Load;
let client: LoadClient;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "longshore-verifier-"));
  registry = await RegistryProcess.start(folder);
  http = new HttpClient(registry.url);
  load = new Load({ seed, graceMs: 3_600_000, newBytesPerSecond: 1e9 });
  client = new LoadClient(load, http, new Random(seed, 1), "client");
}, 60_000);

afterEach(async () => {
  http.close();
  await registry.kill();
  await rm(folder, { recursive: true, maxRetries: 10 });
});

/** An image that is there, as the journal knows. */
interface Pushed {
  readonly manifest: Manifest;
  readonly layer: Blob;
  readonly file: string;
}

/** Pushes an image whose tag is its name. */
async function push(name: string, layerBytes: number, subject?: Manifest): Promise<Manifest> {
  const config = textBlob(JSON.stringify({ architecture: "amd64", os: "linux", name }));
  const layer = layerOf(name, layerBytes);
  const manifest = imageOf("client", config, [layer], subject);
  await client.push(repository, manifest, [config, layer], name);
  return manifest;
}

/** What is found wrong, as the kills look for it. */
async function findings(): Promise<string[]> {
  const seen = await Inspection.of(load, http, { since: 0, unneeded: "kept" });
  const bucket = await readBucket(folder).catch((error: unknown) => String(error));
  const wrong = typeof bucket === "string" ? [bucket] : judgeBucket(bucket, seen.reachable.keys());
  return [...seen.lost, ...seen.leftOver, ...wrong];
}

async function putUnseen(name: string, { mediaType, bytes }: Manifest): Promise<void> {
  const path = `/v2/${repository}/manifests/${name}`;
  const answer = await http.send("PUT", path, { "Content-Type": mediaType }, { bytes });
  expect(answer.status).toBe(201);
}

async function deleteUnseen(path: string): Promise<void> {
  const answer = await http.send("DELETE", `/v2/${repository}/${path}`);
  expect(answer.status).toBe(202);
}

/** What is done behind the clients' backs, and what has to be found. */
const breakages: [string, (pushed: Pushed) => Promise<void>, RegExp][] = [
  ["an object that is gone", ({ file }) => rm(file), /a manifest needs it/],
  ["an object with another byte", ({ file }) => changeLastByte(file), /other bytes/],
  [
    "an object that nobody needs",
    ({ file }) => copyFile(file, `${file.slice(0, -".object".length)}0.object`),
    /in the bucket twice/,
  ],
  [
    "a part that belongs to no upload",
    () => writeBelow("blobs/parts/blobs/2026-01-01/a.0/1"),
    /belongs to no object/,
  ],
  [
    "an upload without parts",
    () => writeBelow("blobs/parts/blobs/2026-01-01/a.0/upload.json"),
    /of an upload that nobody ended/,
  ],
  [
    "a tag that somebody moved",
    async () => putUnseen("tag", await push("other", 1024)),
    /tag soak\/a tag is sha256:/,
  ],
  ["a tag that is gone", () => deleteUnseen("manifests/tag"), /tag soak\/a tag is not there/],
  [
    "a manifest that is gone",
    ({ manifest }) => deleteUnseen(`manifests/${manifest.digest}`),
    /manifest soak\/a sha256:\w+ is not there/,
  ],
  [
    "a manifest that is there though it was deleted",
    async ({ manifest }) => {
      await client.deleteManifest(repository, manifest.digest);
      await putUnseen(manifest.digest, manifest);
    },
    /manifest soak\/a sha256:\w+ is there, not nothing/,
  ],
  [
    "a tag that is listed though it was never pushed",
    ({ manifest }) => putUnseen("unseen", manifest),
    /unseen is in the list of tags/,
  ],
  [
    "a referrer that nobody knows of",
    async ({ manifest, layer }) => putUnseen("tag", imageOf("nobody", layer, [], manifest)),
    /in the list of referrers/,
  ],
];

test.for(breakages)("%s is found", { timeout: 60_000 }, async ([, breakIt, found]) => {
  const layer = layerOf("tag", 9 * 1024 * 1024);
  const manifest = await push("tag", layer.size);
  expect(await findings()).toEqual([]);
  const file = await objectFile(folder, layer.digest);
  await breakIt({ manifest, layer, file });
  expect((await findings()).join("\n")).toMatch(found);
});

test("a client that pulls finds what is gone", { timeout: 60_000 }, async () => {
  const { blobs } = await push("tag", 100_000);
  await client.pull(repository, "tag");
  await rm(await objectFile(folder, blobs[1]?.digest ?? ""));
  await expect(client.pull(repository, "tag")).rejects.toThrow(/^LOST: /);
});

async function changeLastByte(file: string): Promise<void> {
  await using object = await open(file, "r+");
  const { size } = await object.stat();
  await object.write(Buffer.from([0]), 0, 1, size - 1);
}

async function writeBelow(path: string): Promise<void> {
  await mkdir(dirname(join(folder, path)), { recursive: true });
  await writeFile(join(folder, path), "part");
}
