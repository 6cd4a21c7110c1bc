import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Cleanup } from "./cleanup.ts";
import { type Output, run } from "./command.ts";
import { makeMultiPlatformLayout, OciLayout } from "./oci-layout.ts";
import { Registry } from "./registry.ts";
import { sha256OfFile } from "./sha256.ts";
import { tools } from "./tools.ts";

const cleanup = new Cleanup();
let folder: string;
let registry: Registry;
let layout: OciLayout;

beforeAll(async () => {
  folder = await cleanup.folder();
  registry = cleanup.own(await Registry.start());
  layout = await makeMultiPlatformLayout(join(folder, "made"));
  await regctl("registry", "set", registry.address, "--tls=disabled", "--skip-check");
});

afterAll(async () => cleanup.run());

/** Settings of its own. */
function configured(): Record<string, string> {
  return { REGCTL_CONFIG: join(folder, "regctl.json") };
}

async function regctl(...args: readonly string[]): Promise<Output> {
  return run(tools.regctl, args, { env: configured() });
}

/** Pulls an image and answers its blobs. */
async function pull(image: string, into: string): Promise<Record<string, string>> {
  const pulled = new OciLayout(join(folder, into));
  await regctl("image", "copy", image, `ocidir://${pulled.folder}:v1`);
  return pulled.blobs();
}

const image = (name: string): string => `${registry.address}/regctl/${name}`;

test("regctl pushes blobs whole and, after a restart of the registry, pulls", async () => {
  await regctl("image", "copy", `ocidir://${layout.folder}:v1`, image("whole:v1"));
  await registry.restart();
  expect(await pull(image("whole:v1"), "pulled")).toEqual(await layout.blobs());
});

test("regctl copies to another repository", async () => {
  await regctl("image", "copy", image("whole:v1"), image("copy:v1"));
  expect(await pull(image("copy:v1"), "copied")).toEqual(await layout.blobs());
});

test("regctl pushes in chunks", async () => {
  // A registry of its own: what one holds already would be mounted instead of pushed.
  const chunked = await Registry.start();
  try {
    const host = ["registry", "set", chunked.address, "--tls=disabled", "--skip-check"];
    // 5 MiB, as the client takes it at least from a registry that asks for chunks of that size.
    await regctl(...host, "--blob-max=1000000", "--blob-chunk=5242880");
    const target = `${chunked.address}/regctl/chunked:v1`;
    const source = `ocidir://${layout.folder}:v1`;
    const { stderr } = await regctl("--verbosity=debug", "image", "copy", source, target);
    const chunks = stderr.split("Next chunk upload location received").length - 1;
    expect(chunks).toBeGreaterThanOrEqual(3);
    await chunked.restart();
    expect(await pull(target, "pulled-chunks")).toEqual(await layout.blobs());
  } finally {
    await chunked.close();
  }
});

test("regctl deletes a tag", async () => {
  await regctl("tag", "delete", image("copy:v1"));
  expect((await regctl("tag", "list", `${registry.address}/regctl/copy`)).stdout.trim()).toBe("");
});

/** The digests of artifacts that belong to an image. */
async function referrersOf(subject: string, ...filter: readonly string[]): Promise<string[]> {
  const format = "--format={{range .Descriptors}}{{println .Digest}}{{end}}";
  const { stdout } = await regctl("artifact", "list", ...filter, format, subject);
  return stdout.split("\n").filter((line) => line !== "");
}

describe("artifacts that have an image as their subject", () => {
  const types = ["application/vnd.example.sbom", "application/vnd.example.signature"];

  test.each(types)("regctl puts one of type %s, and gets it back", async (type) => {
    const file = join(folder, type.replaceAll(/\W/gu, "-"));
    await writeFile(file, `the content of ${type}`);
    const put = ["artifact", "put", `--artifact-type=${type}`, `--file=${file}`, "--by-digest"];
    await regctl(...put, `--subject=${image("whole:v1")}`);
    const filter = `--filter-artifact-type=${type}`;
    expect(await referrersOf(image("whole:v1"), filter)).toHaveLength(1);
    const get = ["artifact", "get", filter, `--subject=${image("whole:v1")}`];
    expect((await regctl(...get)).stdout).toBe(`the content of ${type}`);
  });

  test("regctl lists them without a fallback tag", async () => {
    expect(await referrersOf(image("whole:v1"))).toHaveLength(types.length);
    const tags = await regctl("tag", "list", `${registry.address}/regctl/whole`);
    expect(tags.stdout.trim()).toBe("v1");
  });

  test("regctl copies them with their image", async () => {
    await regctl("image", "copy", "--referrers", image("whole:v1"), image("referred:v1"));
    expect(await referrersOf(image("referred:v1"))).toEqual(await referrersOf(image("whole:v1")));
  });

  test("regctl deletes one by its digest", async () => {
    const [first, ...others] = await referrersOf(image("referred:v1"));
    await regctl("manifest", "delete", `${registry.address}/regctl/referred@${first ?? ""}`);
    expect(await referrersOf(image("referred:v1"))).toEqual(others);
    expect(await referrersOf(image("whole:v1"))).toHaveLength(types.length);
  });
});

test("regctl deletes a manifest with its tags", async () => {
  await regctl("manifest", "delete", "--force-tag-dereference", image("referred:v1"));
  const head = regctl("manifest", "head", image("referred:v1"));
  await expect(head).rejects.toThrow("[http 404]");
});

test("regctl puts, finds, gets and deletes a blob", async () => {
  const repository = `${registry.address}/regctl/blobs`;
  const file = join(folder, "blob");
  await writeFile(file, "the bytes of a blob");
  const digest = await sha256OfFile(file);
  const put = `"$REGCTL" blob put "$REPOSITORY" < "$FILE"`;
  const env = { REGCTL: tools.regctl, REPOSITORY: repository, FILE: file, ...configured() };
  expect((await run("bash", ["-c", put], { env })).stdout.trim()).toBe(digest);
  const { stdout } = await regctl("blob", "head", repository, digest);
  expect(stdout).toContain("Content-Length: 19");
  expect((await regctl("blob", "get", repository, digest)).stdout).toBe("the bytes of a blob");
  await regctl("blob", "delete", repository, digest);
  await expect(regctl("blob", "get", repository, digest)).rejects.toThrow("[http 404]");
});

test("regctl is told that a repository name is too long", async () => {
  const list = regctl("tag", "list", `${registry.address}/${"a".repeat(256)}`);
  await expect(list).rejects.toThrow("[http 400]");
});
