/** `longshore push` from each form an image has, to a registry as its users start it. */
import { gunzipSync, gzipSync, zstdCompressSync } from "node:zlib";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { originsOf } from "../../cli/push/layout-index.ts";
import { RunningRegistry } from "../standalone/running-registry.ts";
import { Companion, type Ended } from "./companion.ts";
import {
  blobFile,
  digestOf,
  mediaTypes,
  multiPlatformLayout,
  noise,
  refName,
  savedImage,
  WrittenLayout,
  writeArchive,
  writeFolder,
} from "./written-image.ts";

const registry = new RunningRegistry();
let folder: string;
let tests = 0;
/** A repository for each test. */
let repository: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "longshore-push-test-"));
  tests += 1;
  repository = `team/app-${tests}`;
});
afterEach(async () => rm(folder, { recursive: true }));

const target = (reference = ":v1") => `${registry.url}/${repository}${reference}`;
const push = async (...args: readonly string[]): Promise<Ended> =>
  Companion.run(["push", ...args], { HOME: folder, XDG_STATE_HOME: join(folder, "state") });

interface Result {
  readonly reference: string;
  readonly digest: string;
  readonly blobs: { readonly pushed: number; readonly mounted: number; readonly skipped: number };
  readonly bytes: number;
  readonly missing: readonly string[];
}

async function pushed(...args: readonly string[]): Promise<Result> {
  const { code, output, errors } = await push("--json", ...args);
  expect({ code, errors }).toMatchObject({ code: 0 });
  return JSON.parse(output) as Result;
}

async function bytesAt(path: string): Promise<{ status: number; bytes: Buffer }> {
  const answer = await fetch(`${registry.url}/v2/${repository}/${path}`, {
    headers: { accept: "*/*" },
  });
  return { status: answer.status, bytes: Buffer.from(await answer.arrayBuffer()) };
}

const statusOf = async (path: string) => (await bytesAt(path)).status;

/** The digests of what the registry answers for the manifests and blobs of a layout. */
async function storedFiles({ files }: WrittenLayout, isManifest: (digest: string) => boolean) {
  const digests = [...files.keys()].map((name) => name.slice("blobs/".length).replace("/", ":"));
  const stored = digests.map(async (digest) => {
    const kind = isManifest(digest) ? "manifests" : "blobs";
    return digestOf((await bytesAt(`${kind}/${digest}`)).bytes);
  });
  return { digests, stored: await Promise.all(stored) };
}

describe("an index of two platforms with referrers", () => {
  const { layout, index, children, signature, attestation } = multiPlatformLayout();
  const manifests = [index, ...children, signature, attestation].map(({ digest }) => digest);
  const isManifest = (digest: string) => manifests.includes(digest);
  const inFolder = (name: string) =>
    new Map([...layout.all()].map(([file, bytes]) => [`${name}/${file}`, bytes]));

  test.each([
    ["a layout's folder", async () => writeFolder(join(folder, "layout"), layout.all())],
    ["a tar of a layout", async () => writeArchive(join(folder, "layout.tar"), layout.all())],
    ["a tar of its folder", async () => writeArchive(join(folder, "x.tar"), inFolder("./image"))],
    [
      "a compressed tar",
      async () => {
        const tar = await writeArchive(join(folder, "layout.tar"), layout.all());
        await writeFile(`${tar}.gz`, gzipSync(await readFile(tar)));
        return `${tar}.gz`;
      },
    ],
  ])("goes from %s, whole and in its own bytes", async (_, write) => {
    const source = await write();
    const result = await pushed(source, target());

    expect(result).toMatchObject({ digest: index.digest, missing: [] });
    expect(digestOf((await bytesAt("manifests/v1")).bytes)).toBe(index.digest);
    const { digests, stored } = await storedFiles(layout, isManifest);
    expect(stored).toEqual(digests);
    const referrers = await bytesAt(`referrers/${index.digest}`);
    expect(JSON.parse(referrers.bytes.toString())).toMatchObject({
      manifests: [{ digest: signature.digest }],
    });
  });

  test("is not sent a second time", async () => {
    const source = await writeFolder(join(folder, "layout"), layout.all());
    const first = await pushed(source, target());
    const second = await pushed(source, target(":v2"));
    const all = first.blobs.pushed + first.blobs.mounted;
    expect(second).toMatchObject({ blobs: { pushed: 0, mounted: 0, skipped: all }, bytes: 0 });
    expect(digestOf((await bytesAt("manifests/v2")).bytes)).toBe(index.digest);
  });

  test("is pushed for one platform, if asked", async () => {
    const source = await writeFolder(join(folder, "layout"), layout.all());
    const { digest } = await pushed(source, target(), "--platform", "linux/arm64");
    expect(digest).toBe(children[1]?.digest);
    expect(await statusOf(`manifests/${children[0]?.digest}`)).toBe(404);
  });

  test("has to be what a digest in the target says", async () => {
    const source = await writeFolder(join(folder, "layout"), layout.all());
    await pushed(source, target(`@${index.digest}`));
    expect(await statusOf(`manifests/${index.digest}`)).toBe(200);
    const { code, errors } = await push(source, target(`@${digestOf("another")}`));
    expect({ code, errors }).toMatchObject({ code: 1 });
    expect(errors).toContain(`the image is ${index.digest}, not ${digestOf("another")}`);
  });
});

describe("referrers", () => {
  test("that a layout lists under their subject's fallback tag go along", async () => {
    const layout = new WrittenLayout();
    const image = layout.image([layout.blob(noise("layer", 1000), mediaTypes.layer)]);
    const referrer = layout.image([layout.blob("signature", "text/plain")], { subject: image });
    layout.list(image, { [refName]: "v1" });
    layout.list(layout.index([referrer]), { [refName]: image.digest.replace(":", "-") });
    const { digest } = await pushed(await writeFolder(join(folder, "l"), layout.all()), target());
    expect(digest).toBe(image.digest);
    expect(await statusOf(`manifests/${referrer.digest}`)).toBe(200);
  });
});

const tar = () => join(folder, "saved.tar");

/** What the layers in the registry are without compression. */
async function storedLayers(uncompress: (bytes: Buffer) => Buffer = gunzipSync) {
  const { bytes } = await bytesAt("manifests/v1");
  const manifest = JSON.parse(bytes.toString()) as {
    mediaType: string;
    config: { digest: string };
    layers: { digest: string; mediaType: string }[];
  };
  const stored: Buffer[] = [];
  for (const { digest } of manifest.layers) {
    stored.push(uncompress((await bytesAt(`blobs/${digest}`)).bytes));
  }
  return { manifest, stored, config: (await bytesAt(`blobs/${manifest.config.digest}`)).bytes };
}

describe("an image of docker save", () => {
  const layers = [noise("a", 200_000), Buffer.alloc(300_000, "text"), noise("c", 3)];
  const withLayers = (change: (layer: Buffer, at: number) => Buffer) => {
    const files = savedImage("app:1", layers);
    for (const [at, layer] of layers.entries())
      files.set(`layer-${at}/layer.tar`, change(layer, at));
    return files;
  };
  const schema2 = "application/vnd.docker.distribution.manifest.v2+json";

  test.each([
    ["layers as tars", async () => writeArchive(tar(), savedImage("app:1", layers))],
    [
      "compressed layers",
      async () =>
        writeArchive(
          tar(),
          withLayers((layer) => gzipSync(layer)),
        ),
    ],
    [
      "gzip around it",
      async () => {
        await writeArchive(tar(), savedImage("app:1", layers));
        await writeFile(`${tar()}.gz`, gzipSync(await readFile(tar())));
        return `${tar()}.gz`;
      },
    ],
    [
      "a layer that is a link to another entry",
      async () => {
        const files = savedImage("app:1", layers);
        files.set("elsewhere/layer.tar", files.get("layer-1/layer.tar") ?? Buffer.alloc(0));
        files.delete("layer-1/layer.tar");
        return writeArchive(tar(), files, { "layer-1/layer.tar": "../elsewhere/layer.tar" });
      },
    ],
    [
      "an OCI layout that an engine with a graph driver made up",
      async () => {
        const files = savedImage("app:1", layers);
        const [image] = JSON.parse(String(files.get("manifest.json"))) as object[];
        files.set("manifest.json", Buffer.from(JSON.stringify([{ ...image, LayerSources: {} }])));
        files.set("oci-layout", Buffer.from('{"imageLayoutVersion":"1.0.0"}'));
        return writeArchive(tar(), files);
      },
    ],
  ])("with %s becomes a schema 2 image with gzip layers", async (_, write) => {
    await pushed(await write(), target());
    const { manifest, stored, config } = await storedLayers();
    expect(manifest.mediaType).toBe(schema2);
    expect(stored.map(digestOf)).toEqual(layers.map(digestOf));
    expect(JSON.parse(config.toString())).toMatchObject({ architecture: "amd64" });
    expect(manifest.layers.map(({ mediaType }) => mediaType)).toEqual(
      layers.map(() => "application/vnd.docker.image.rootfs.diff.tar.gzip"),
    );
  });

  test("has the same digests each time", async () => {
    const source = await writeArchive(tar(), savedImage("app:1", layers));
    const first = await pushed(source, target());
    const second = await pushed(source, target());
    expect(second).toMatchObject({ digest: first.digest, blobs: { pushed: 0, mounted: 0 } });
  });

  test("keeps its tars with --no-compress", async () => {
    await pushed(await writeArchive(tar(), savedImage("app:1", layers)), target(), "--no-compress");
    const { manifest } = await storedLayers((bytes) => bytes);
    expect(manifest.layers.map(({ digest }) => digest)).toEqual(layers.map(digestOf));
  });

  test("with zstd layers becomes an OCI image", async () => {
    const files = withLayers((layer, at) => (at === 1 ? zstdCompressSync(layer) : layer));
    await pushed(await writeArchive(tar(), files), target());
    const { manifest } = await storedLayers((bytes) => bytes);
    expect(manifest.mediaType).toBe(mediaTypes.manifest);
    expect(manifest.layers.map(({ mediaType }) => mediaType.split("+")[1])).toEqual([
      "gzip",
      "zstd",
      "gzip",
    ]);
  });

  test("with an OCI layout in it keeps the layout's digests", async () => {
    const { layout, index } = multiPlatformLayout(1000);
    const files = new Map(layout.all());
    for (const [name, bytes] of savedImage("app:1", [])) files.set(name, bytes);
    const { digest } = await pushed(await writeArchive(tar(), files), target());
    expect(digest).toBe(index.digest);
  });

  test("with one platform of its index is that platform alone", async () => {
    const { layout, children } = multiPlatformLayout(1000);
    const [kept, left] = children;
    const files = new Map(layout.all());
    files.delete(blobFile(left?.digest ?? ""));
    for (const [name, bytes] of savedImage("app:1", [])) files.set(name, bytes);
    const { code, output, errors } = await push(await writeArchive(tar(), files), target());
    expect({ code, output, errors }).toMatchObject({ code: 0 });
    expect(errors).toContain("the engine has one platform of this image, linux/amd64");
    expect(digestOf((await bytesAt("manifests/v1")).bytes)).toBe(kept?.digest);
  });
});

describe("which image of several", () => {
  const layout = new WrittenLayout();
  const image = (seed: string) =>
    layout.image([layout.blob(noise(seed, 1000), mediaTypes.layer)], { annotations: { seed } });
  const one = image("one");
  const two = image("two");
  layout.list(one, { [refName]: "v1" });
  layout.list(two, { [refName]: "v2", "io.containerd.image.name": "docker.io/library/app:2" });

  test.each([
    ["the target's tag", ":v1", [], one],
    ["its name in the layout", ":other", ["--image", "v2"], two],
    ["the engine's name", ":other", ["--image", "app:2"], two],
    ["its digest", ":v1", ["--image", two.digest], two],
  ])("is told by %s", async (_, reference, options, expected) => {
    const source = await writeFolder(join(folder, "layout"), layout.all());
    const { digest } = await pushed(source, target(reference), ...options);
    expect(digest).toBe(expected.digest);
  });

  test.each([
    ["nothing", [], "say by --image which one is to be pushed: there are v1, v2"],
    ["a name that there is not", ["--image", "v3"], "0 images are v3: there are v1, v2"],
  ])("is asked for where it is told by %s", async (_, options, message) => {
    const source = await writeFolder(join(folder, "layout"), layout.all());
    const { code, errors } = await push(source, target(":other"), ...options);
    expect({ code, errors }).toMatchObject({ code: 1 });
    expect(errors).toContain(message);
  });
});

/** An archive of two images, with these names. */
async function twoSavedImages(first: string, second: string): Promise<string> {
  const files = new Map<string, Uint8Array>();
  const lists = [first, second].map((name) => {
    const image = savedImage(name, []);
    // A config of its own: the name is no field of it.
    const config = JSON.stringify({
      ...(JSON.parse(String([...image.values()][0])) as object),
      author: name,
    });
    const Config = `${digestOf(config).slice("sha256:".length)}.json`;
    files.set(Config, Buffer.from(config));
    return { Config, RepoTags: [name], Layers: [] };
  });
  files.set("manifest.json", Buffer.from(JSON.stringify(lists)));
  return writeArchive(tar(), files);
}

describe("which image of several that docker save wrote", () => {
  test.each([
    ["the whole name", ["app:1", "team/app:1"], ["--image", "app:1"], ":v1", "app:1"],
    ["the end of a name", ["app:1", "team/web:1"], ["--image", "web:1"], ":v1", "team/web:1"],
    ["the target's tag", ["app:1", "app:2"], [], ":2", "app:2"],
  ])("is told by %s", async (_, names, options, reference, expected) => {
    await pushed(
      await twoSavedImages(names[0] ?? "", names[1] ?? ""),
      target(reference),
      ...options,
    );
    const { bytes } = await bytesAt(`manifests/${reference.slice(1)}`);
    const { config } = JSON.parse(bytes.toString()) as { config: { digest: string } };
    const stored = await bytesAt(`blobs/${config.digest}`);
    expect(JSON.parse(stored.bytes.toString())).toMatchObject({ author: expected });
  });

  test.each([
    ["the end of both names", ["a/app:1", "b/app:1"], ["--image", "app:1"], ":v1"],
    ["nothing, for a digest", ["app:undefined", "app:2"], [], `@${digestOf("x")}`],
  ])("is asked for where it is told by %s", async (_, names, options, reference) => {
    const source = await twoSavedImages(names[0] ?? "", names[1] ?? "");
    const { code, errors } = await push(source, target(reference), ...options);
    expect({ code, errors }).toMatchObject({ code: 1 });
    expect(errors).toContain(`there are ${names.join(", ")}`);
  });
});

describe("blobs of another repository", () => {
  const { layout, base } = multiPlatformLayout();
  const withOrigin = (name: string) =>
    new Map(layout.all()).set(
      "index.json",
      Buffer.from(
        String(layout.all().get("index.json")).replace(
          `"${refName}":"v1"`,
          `"${refName}":"v1","containerd.io/distribution.source.${new URL(registry.url).host}":"${name}"`,
        ),
      ),
    );

  test.each([
    ["--mount-from", (name: string) => ["--mount-from", name], () => layout.all()],
    ["the image's own annotation", () => [], withOrigin],
  ])("are mounted from the one that %s names", async (_, options, files) => {
    const other = `base/${tests}`;
    const bytes = layout.files.get(blobFile(base.digest)) ?? Buffer.alloc(0);
    await registry.pushBlob(other, bytes);
    const source = await writeFolder(join(folder, "layout"), files(other));
    const result = await pushed(source, target(), ...options(other));
    expect(result.blobs.mounted).toBe(1);
    expect(digestOf((await bytesAt(`blobs/${base.digest}`)).bytes)).toBe(base.digest);
  });
});

test.each([
  ["repositories", "team/base", ["team/base"]],
  ["several", "a,b/c", ["a", "b/c"]],
  ["no names: they would be other paths of the registry", "../../_stats?,a/../b,A,", []],
  ["too many to be asked for each blob", Array(30).fill("a").join(","), Array(8).fill("a")],
])("an image's origins are %s", (_case, names, expected) => {
  const annotations = { "containerd.io/distribution.source.registry.example.com": names };
  expect(originsOf(annotations).get("registry.example.com")).toEqual(expected);
});

test.each([
  ["TMPDIR", "ENOENT", "set TMPDIR to a folder with room"],
  ["XDG_STATE_HOME", "ENOTDIR", "set XDG_STATE_HOME to a folder that can be written to"],
])("a push without a folder of %s says how to give it one", async (variable, code, advice) => {
  const source = await writeArchive(tar(), savedImage("app:1", [noise("a", 1000)]));
  const environment = { HOME: folder, [variable]: variable === "TMPDIR" ? `${folder}/no` : tar() };
  const { code: exit, errors } = await Companion.run(["push", source, target()], environment);
  expect({ exit, errors }).toMatchObject({ exit: 1 });
  expect(errors).toContain(code);
  expect(errors).toContain(advice);
  expect(errors).not.toContain("    at ");
});

/** Writes an archive of `docker save` that was changed. */
const saved = (change: (files: Map<string, Uint8Array>) => void) => async () => {
  const files = savedImage("app:1", [noise("a", 1000)]);
  change(files);
  return writeArchive(join(folder, "saved.tar"), files);
};

describe("a source that is not what it says", () => {
  const { layout, index, children, base } = multiPlatformLayout(1000);
  const without = (digest: string) => {
    const files = new Map(layout.all());
    files.delete(blobFile(digest));
    return files;
  };
  const [amd64] = children;
  const inLayout = (digest: string, bytes: Uint8Array) => async () =>
    writeFolder(join(folder, "layout"), new Map(layout.all()).set(blobFile(digest), bytes));

  test.each<[string, () => Promise<string>, readonly string[]]>([
    [
      "a blob that is missing",
      async () => writeFolder(join(folder, "layout"), without(base.digest)),
      [`blob ${base.digest} (layers[0] of `, `layout/${blobFile(base.digest)}`, "nothing was sent"],
    ],
    [
      "a manifest that is missing",
      async () => writeFolder(join(folder, "layout"), without(amd64?.digest ?? "")),
      [`manifest ${amd64?.digest} (manifests[0] of ${index.digest})`, "--platform"],
    ],
    [
      "a manifest of other bytes",
      inLayout(index.digest, layout.files.get(blobFile(amd64?.digest ?? "")) ?? Buffer.alloc(0)),
      ["its descriptor says"],
    ],
    [
      "a changed manifest",
      inLayout(index.digest, Buffer.alloc(index.size, " ")),
      [`is not ${index.digest}: its bytes were changed`],
    ],
    [
      "a blob of another size",
      inLayout(base.digest, Buffer.alloc(3)),
      ["has 3 bytes", "says 1000"],
    ],
    [
      "a changed blob",
      inLayout(base.digest, Buffer.alloc(1000)),
      [`are not ${base.digest}`, "the registry does not have yet"],
    ],
    [
      "a layer that is not there",
      saved((files) => files.delete("layer-0/layer.tar")),
      ["layer-0/layer.tar is not there"],
    ],
    [
      "a layer that is another one",
      saved((files) => files.set("layer-0/layer.tar", Buffer.alloc(1000))),
      ["which the image's configuration names"],
    ],
    [
      "an archive that was cut off",
      async () => {
        const path = await saved(() => {})();
        await writeFile(path, (await readFile(path)).subarray(0, 2000));
        return path;
      },
      ["it was cut off"],
    ],
    [
      "a compressed layer that is another one",
      saved((files) => files.set("layer-0/layer.tar", gzipSync(Buffer.alloc(1000)))),
      ["which the image's configuration names"],
    ],
    [
      "a compressed layer that was cut off",
      saved((files) => files.set("layer-0/layer.tar", gzipSync(noise("a", 1000)).subarray(0, 500))),
      ["layer-0/layer.tar can't be uncompressed"],
    ],
    [
      "an archive of something else",
      async () => writeArchive(join(folder, "x.tar"), new Map([["a.txt", Buffer.from("a")]])),
      ["neither manifest.json nor oci-layout"],
    ],
    ["a folder of something else", async () => folder, ["oci-layout is not there"]],
    ["a file that is not there", async () => join(folder, "no.tar"), ["no.tar is not there"]],
    ["what is no file", async () => "/dev/null", ["/dev/null is neither a file nor a folder"]],
  ])("is told: %s", async (_, write, messages) => {
    const { code, errors } = await push(await write(), target());
    expect({ code, errors }).toMatchObject({ code: 1 });
    for (const message of messages) expect(errors).toContain(message);
    expect(errors).not.toContain("    at ");
    expect(await statusOf("manifests/v1")).toBe(404);
  });

  test("sends nothing where something is missing", async () => {
    const source = await writeFolder(join(folder, "layout"), without(base.digest));
    await push(source, target());
    const others = [...layout.files.keys()].map((name) => name.slice(6).replace("/", ":"));
    const statuses = others.map((digest) => statusOf(`blobs/${digest}`));
    expect(new Set(await Promise.all(statuses))).toEqual(new Set([404]));
  });

  test("is pushed if the registry has what is missing", async () => {
    await registry.pushBlob(repository, layout.files.get(blobFile(base.digest)) ?? "");
    const source = await writeFolder(join(folder, "layout"), without(base.digest));
    expect(await pushed(source, target())).toMatchObject({ digest: index.digest });
  });
});
