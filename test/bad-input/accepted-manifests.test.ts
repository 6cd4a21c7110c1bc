import { expect, test } from "vitest";
import {
  digestOf,
  imageManifest,
  indexOf,
  newRepository,
  ociIndex,
  ociManifest,
  pushBlob,
  pushManifest,
  send,
} from "../client.ts";

const mebibyte = 1024 * 1024;

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

type Fields = Readonly<Record<string, unknown>>;

/** An image manifest over one blob, with other fields. */
type Image = (more: Fields) => string;

function mediaTypeOf(characters: number): string {
  return "application/".padEnd(characters, "x");
}

function copies<T>(count: number, of: T): T[] {
  return Array.from({ length: count }, () => of);
}

/** The manifest with more text before its end. */
function and(manifest: string, text: string): string {
  return `${manifest.slice(0, -1)},${text}}`;
}

/** What is odd, or as large as it may be, and legal. */
test.each<[string, (image: Image, layer: Descriptor) => string]>([
  ["of exactly 4 MiB", (image) => image({}).padEnd(4 * mebibyte)],
  [
    "of exactly 4 MiB, all of it an annotation",
    (image) => {
      const empty = image({ annotations: { a: "" } });
      return image({ annotations: { a: "x".repeat(4 * mebibyte - empty.length) } });
    },
  ],
  [
    "of exactly 10,000 descriptors",
    (image, layer) => image({ layers: copies(5000, layer), blobs: copies(4999, layer) }),
  ],
  ["of 9,999 layers and the config", (image, layer) => image({ layers: copies(9999, layer) })],
  ["of an index of 10,000", (_image, layer) => indexOf(copies(10_000, layer))],
  ["without layers", (image) => image({ layers: [] })],
  ["of an index without children", () => indexOf()],
  ["whose subject is a layer's digest", (image, layer) => image({ subject: layer })],
  [
    "whose subject is not here",
    (image, layer) => image({ subject: { ...layer, digest: `sha256:${"a".repeat(64)}` } }),
  ],
  ["whose subject has another size", (image, layer) => image({ subject: { ...layer, size: 9 } })],
  ["whose subject is null", (image) => image({ subject: null })],
  [
    "with parameters in a descriptor's media type",
    (image, layer) => image({ layers: [{ ...layer, mediaType: "a/b; version=1.4" }] }),
  ],
  ["of 255 characters of artifactType", (image) => image({ artifactType: mediaTypeOf(255) })],
  [
    "of 255 characters of a config's media type",
    (image, layer) => image({ config: { ...layer, mediaType: mediaTypeOf(255) } }),
  ],
  [
    "of 255 characters of a layer's media type",
    (image, layer) => image({ layers: [{ ...layer, mediaType: mediaTypeOf(255) }] }),
  ],
  [
    "of 255 characters of a blob's media type",
    (image, layer) => image({ blobs: [{ ...layer, mediaType: mediaTypeOf(255) }] }),
  ],
  [
    "of 255 characters of a subject's media type",
    (image, layer) => image({ subject: { ...layer, mediaType: mediaTypeOf(255) } }),
  ],
  [
    "whose foreign layer is not here",
    (image, layer) => {
      const urls = ["https://example.com/layer"];
      return image({ layers: [{ ...layer, digest: `sha256:${"b".repeat(64)}`, urls }] });
    },
  ],
  [
    "whose foreign layer is here with another size",
    (image, layer) => image({ layers: [{ ...layer, size: 9, urls: ["https://example.com/"] }] }),
  ],
  ["with fields that nobody knows", (image) => image({ history: [], fsLayers: {}, signature: 1 })],
  [
    "with arrays 90,000 deep in a field that nobody reads",
    (image) => and(image({}), `"a":${"[".repeat(90_000)}${"]".repeat(90_000)}`),
  ],
  [
    "with objects 90,000 deep in a field that nobody reads",
    (image) => and(image({}), `"a":${'{"a":'.repeat(90_000)}1${"}".repeat(90_000)}`),
  ],
  ["with 200,000 numbers in a field", (image) => image({ a: copies(200_000, 0) })],
  [
    "with 100,000 annotations",
    (image) => {
      const keys = Array.from({ length: 100_000 }, (_, at) => [`key${at}`, ""]);
      return image({ annotations: Object.fromEntries(keys) });
    },
  ],
  [
    "with an annotation of 2 MiB",
    (image) => image({ annotations: { a: "x".repeat(2 * mebibyte) } }),
  ],
  [
    "with 500,000 quotes in an annotation",
    (image) => image({ annotations: { a: '"'.repeat(500_000) } }),
  ],
  [
    "with annotations that differ in case, or are named like fields",
    (image) => image({ annotations: { a: "1", A: "2", Layers: "3", config: "{}" } }),
  ],
  [
    "with a key in several objects",
    (image, layer) => image({ layers: [layer, layer], a: [{ b: { a: 1 } }, { b: { a: 1 } }] }),
  ],
  [
    "with its keys and values in each other",
    (image) => image({ annotations: { '{"a":1,"a":2}': "layers", "\\": '"layers":[]' } }),
  ],
  [
    "with keys that are escaped",
    (image) => image({}).replace('"layers"', String.raw`"l\u0061yers"`),
  ],
  [
    "with space between all",
    (image) => JSON.stringify(JSON.parse(image({})), undefined, "\t\r\n "),
  ],
  ["with __proto__ in it", (image) => and(image({}), '"__proto__":{"layers":5}')],
  ["with constructor in it", (image) => image({ constructor: { prototype: {} } })],
  [
    "with every plane of Unicode",
    (image) => image({ annotations: { "\u{10ffff}": "\u00e9\u{1f433}" } }),
  ],
  ["with half of a surrogate pair, escaped", (image) => and(image({}), String.raw`"a":"\ud800"`)],
])("a manifest %s is 201, and read back byte for byte", async (_case, make) => {
  const repository = newRepository();
  const digest = await pushBlob(repository, "layer");
  const layer = { mediaType: "application/x", digest, size: 5 };
  const known = JSON.parse(imageManifest(layer, [layer])) as Fields;
  const manifest = make((more) => JSON.stringify({ ...known, ...more }), layer);
  const mediaType = manifest.includes('"manifests":[') ? ociIndex : ociManifest;
  await pushManifest(repository, "latest", manifest, mediaType);
  const got = await send("GET", `/v2/${repository}/manifests/latest`);
  const bytes = await got.bytes();
  expect([bytes.length, digestOf(bytes)]).toEqual([
    new TextEncoder().encode(manifest).length,
    digestOf(manifest),
  ]);
});

test("a layer's digest that is a subject has its referrer, and stays a blob", async () => {
  const repository = newRepository();
  const digest = await pushBlob(repository, "layer");
  const subject = { mediaType: "application/x", digest, size: 5 };
  const referrer = await pushManifest(repository, "", indexOf([], { subject }));
  const listed = await send("GET", `/v2/${repository}/referrers/${digest}`);
  const { manifests } = await listed.json<{ manifests: Descriptor[] }>();
  expect(manifests.map((manifest) => manifest.digest)).toEqual([referrer]);
  expect((await send("GET", `/v2/${repository}/manifests/${digest}`)).status).toBe(404);
  expect(await (await send("GET", `/v2/${repository}/blobs/${digest}`)).bytes()).toHaveLength(5);
});

test("an index nested 50 deep is 201 at each step, and all are read back", async () => {
  const repository = newRepository();
  const pushed: { manifest: string; digest: string }[] = [];
  let children: Descriptor[] = [];
  /* oxlint-disable no-await-in-loop */
  for (let depth = 0; depth < 50; depth += 1) {
    const manifest = indexOf(children);
    const digest = await pushManifest(repository, `depth-${depth}`, manifest);
    pushed.push({ manifest, digest });
    children = [{ mediaType: ociIndex, digest, size: manifest.length }];
  }
  for (const { manifest, digest } of pushed) {
    const got = await send("GET", `/v2/${repository}/manifests/${digest}`);
    expect(await got.text()).toBe(manifest);
  }
  /* oxlint-enable no-await-in-loop */
});
