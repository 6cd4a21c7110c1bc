/** Artifacts that refer to an image, by the Go library of ORAS (a program of our own drives it). */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Cleanup } from "./cleanup.ts";
import { run } from "./command.ts";
import { makeLayer } from "./layer.ts";
import type { Descriptor } from "./oci-layout.ts";
import { Registry } from "./registry.ts";
import { readImage } from "./remote-image.ts";
import { sha256Of, sha256OfFile } from "./sha256.ts";
import { tools } from "./tools.ts";

/** A referrer, as it is listed. */
interface Referrer extends Descriptor {
  readonly artifactType: string;
  readonly annotations: Readonly<Record<string, string>>;
}

const cleanup = new Cleanup();
let folder: string;
let registry: Registry;
/** What was pushed, each as the descriptor that the library answered. */
let image: Descriptor;
let signature: Referrer;
let inventory: Referrer;

beforeAll(async () => {
  folder = await cleanup.folder();
  registry = cleanup.own(await Registry.start());
});

afterAll(async () => cleanup.run());

/** Runs the program, and answers what it printed. */
async function oras<T>(command: string, reference: string, ...args: string[]): Promise<T> {
  const whole = `${registry.address}/oras/${reference}`;
  const { stdout } = await run(tools.orasReferrers, [command, whole, ...args]);
  return JSON.parse(stdout);
}

/** The referrers of the image in a repository, in the order of their types. */
async function referrers(repository: string, ...artifactType: string[]): Promise<unknown> {
  const reference = `${repository}@${image.digest}`;
  const found = await oras<Referrer[]>("referrers", reference, ...artifactType);
  return found.toSorted((a, b) => (a.artifactType < b.artifactType ? -1 : 1));
}

async function tagsOf(repository: string): Promise<unknown> {
  return (await fetch(`${registry.url}/v2/oras/${repository}/tags/list`)).json();
}

test("oras-go pushes an image", async () => {
  const layer = await makeLayer(folder, { seed: "program", bytes: 20_000_000 });
  image = await oras("push", "image:v1", layer.file);
  expect(await readImage(registry.url, "oras/image", image.digest)).toEqual([layer.diffId]);
  expect(await readImage(registry.url, "oras/image", "v1")).toEqual([layer.diffId]);
});

test("oras-go finds no referrers of an image that has none", async () => {
  expect(await referrers("image")).toEqual([]);
});

test("oras-go attaches artifacts, and no tag is written for them", async () => {
  await writeFile(join(folder, "signature"), "signed by the harbour master\n");
  await writeFile(join(folder, "inventory"), "one anchor, two buoys\n");
  const subject = `image@${image.digest}`;
  const attach = async (type: string, file: string): Promise<Referrer> =>
    oras("attach", subject, type, join(folder, file));
  inventory = await attach("application/vnd.longshore.inventory", "inventory");
  signature = await attach("application/vnd.longshore.signature", "signature");
  expect(await tagsOf("image")).toEqual({ name: "oras/image", tags: ["v1"] });
});

test("oras-go lists the referrers of an image, after a restart of the registry", async () => {
  await registry.restart();
  expect(await referrers("image")).toEqual([inventory, signature]);
  expect(signature.annotations["org.opencontainers.image.title"]).toBe("signature");
});

test("oras-go lists only the referrers of a type", async () => {
  expect(await referrers("image", signature.artifactType)).toEqual([signature]);
  expect(await referrers("image", "application/vnd.longshore.none")).toEqual([]);
});

test("oras-go copies an image with its referrers to another repository", async () => {
  const target = `${registry.address}/oras/copy:v2`;
  expect(await oras("copy", "image:v1", target)).toMatchObject({ digest: image.digest });
  expect(await referrers("copy")).toEqual([inventory, signature]);
  expect(await tagsOf("copy")).toEqual({ name: "oras/copy", tags: ["v2"] });
  const layers = [await sha256OfFile(join(folder, "program.tar"))];
  expect(await oras("layers", `copy@${image.digest}`)).toEqual(layers);
  const text = await sha256Of([await readFile(join(folder, "signature"))]);
  expect(await oras("layers", `copy@${signature.digest}`)).toEqual([text]);
});

test("oras-go deletes a referrer, and only in that repository", async () => {
  await oras("delete", `image@${signature.digest}`);
  expect(await referrers("image")).toEqual([inventory]);
  expect(await referrers("copy")).toEqual([inventory, signature]);
  await expect(oras("layers", `image@${signature.digest}`)).rejects.toThrow("not found");
  expect(await tagsOf("image")).toEqual({ name: "oras/image", tags: ["v1"] });
});

test("oras-go deletes an image, and its referrers are listed on", async () => {
  await oras("delete", `image@${image.digest}`);
  expect(await tagsOf("image")).toEqual({ name: "oras/image", tags: [] });
  expect(await referrers("image")).toEqual([inventory]);
});
