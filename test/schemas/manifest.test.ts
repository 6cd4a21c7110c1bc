import { describe, expect, test } from "vitest";
import { RegistryError } from "../../schemas/errors.ts";
import { manifestBytesMax, type Manifest, parseManifest } from "../../schemas/manifest.ts";

const ociManifest = "application/vnd.oci.image.manifest.v1+json";
const ociIndex = "application/vnd.oci.image.index.v1+json";
const dockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
const dockerList = "application/vnd.docker.distribution.manifest.list.v2+json";

const digest = `sha256:${"0".repeat(64)}`;
const descriptor = { mediaType: "application/x", digest, size: 2 };
const parsedDescriptor = { ...descriptor, foreign: false };
const image = { schemaVersion: 2, config: descriptor, layers: [descriptor] };
const index = { schemaVersion: 2, manifests: [descriptor] };

function parse(json: unknown, contentType?: string): Manifest {
  return parseManifest(new TextEncoder().encode(JSON.stringify(json)), contentType);
}

function refusal(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error instanceof RegistryError ? error.code : error;
  }
  return "taken";
}

describe("the media type", () => {
  test.each([
    [image, ociManifest, ociManifest],
    [image, dockerManifest, dockerManifest],
    [index, ociIndex, ociIndex],
    [index, dockerList, dockerList],
    [image, undefined, ociManifest],
    [index, undefined, ociIndex],
    [image, "", ociManifest],
    [{ ...image, mediaType: ociManifest }, undefined, ociManifest],
    [{ ...image, mediaType: ociManifest }, ociManifest.toUpperCase(), ociManifest],
    [{ ...image, mediaType: ociManifest }, ` ${ociManifest} ; charset=utf-8`, ociManifest],
    [image, "application/vnd.example.v1+json", "application/vnd.example.v1+json"],
  ])("of %j with Content-Type %j is %s", (json, contentType, expected) => {
    expect(parse(json, contentType).mediaType).toBe(expected);
  });
});

describe("what a manifest references", () => {
  test.each([
    ["config and layers", image, ociManifest, 2, 0],
    ["children", index, ociIndex, 0, 1],
    ["no children", { ...index, manifests: [] }, ociIndex, 0, 0],
    ["blobs of an artifact", { schemaVersion: 2, blobs: [descriptor] }, "application/x+json", 1, 0],
    [
      "null for none",
      { ...image, blobs: null, subject: null, annotations: null },
      ociManifest,
      2,
      0,
    ],
  ])("%s", (_case, json, contentType, blobs, children) => {
    const manifest = parse(json, contentType);
    expect(manifest.blobs).toEqual(Array.from({ length: blobs }, () => parsedDescriptor));
    expect(manifest.children).toEqual(Array.from({ length: children }, () => parsedDescriptor));
    expect(manifest.subject).toBeUndefined();
    expect(manifest.annotations).toEqual({});
  });

  test.each([
    [["https://example.com/"], true],
    [[], false],
    [undefined, false],
  ])("a layer with urls %j is foreign: %s", (urls, foreign) => {
    const { blobs } = parse({ ...image, layers: [{ ...descriptor, urls }] }, ociManifest);
    expect(blobs.map((blob) => blob.foreign)).toEqual([false, foreign]);
  });

  test("a subject by its digest", () => {
    expect(parse({ ...index, subject: descriptor }, ociIndex).subject).toBe(digest);
  });
});

test.each([
  ["artifactType", { ...image, artifactType: "a/b" }, "a/b"],
  ["the config's media type without it", image, "application/x"],
  ["the config's media type if it is empty", { ...image, artifactType: "" }, "application/x"],
  ["an index's artifactType", { ...index, artifactType: "a/b" }, "a/b"],
  ["nothing for an index without it", index, undefined],
])("the type for referrers is %s", (_case, json, expected) => {
  expect(parse(json).artifactType).toBe(expected);
});

describe("refused is", () => {
  test.each([
    ["null", null],
    ["an array", []],
    ["text", "x"],
    ["no schemaVersion", { ...image, schemaVersion: undefined }],
    ["schemaVersion 1", { ...image, schemaVersion: 1 }],
    ["schemaVersion in quotes", { ...image, schemaVersion: "2" }],
    ["an empty mediaType", { ...image, mediaType: "" }],
    ["a mediaType that is a number", { ...image, mediaType: 5 }],
    ["another mediaType than the header's", { ...image, mediaType: ociIndex }],
    ["an image without config", { ...image, config: undefined }],
    ["an image with a config of null", { ...image, config: null }],
    ["an image without layers", { ...image, layers: undefined }],
    ["an image with children", { ...image, manifests: [] }],
    ["an index by an image's type", index],
    ["layers that are no array", { ...image, layers: { 0: descriptor } }],
    ["a layer that is text", { ...image, layers: [digest] }],
    ["a layer without mediaType", { ...image, layers: [{ digest, size: 2 }] }],
    ["a layer without digest", { ...image, layers: [{ mediaType: "x", size: 2 }] }],
    ["a layer without size", { ...image, layers: [{ mediaType: "x", digest }] }],
    ["a digest that is none", { ...image, layers: [{ ...descriptor, digest: "sha256:x" }] }],
    ["a negative size", { ...image, layers: [{ ...descriptor, size: -1 }] }],
    ["half a byte", { ...image, layers: [{ ...descriptor, size: 0.5 }] }],
    ["a size beyond 2^53", { ...image, layers: [{ ...descriptor, size: 2 ** 53 }] }],
    ["a subject that is text", { ...image, subject: digest }],
    ["an artifactType that is a number", { ...image, artifactType: 5 }],
    ["annotations that are an array", { ...image, annotations: [] }],
    ["an annotation that is a number", { ...image, annotations: { a: 5 } }],
    ["10,001 layers", { ...image, layers: Array.from({ length: 10_001 }, () => descriptor) }],
  ])("%s", (_case, json) => {
    expect(refusal(() => parse(json, ociManifest))).toBe("MANIFEST_INVALID");
  });

  test.each([
    ["layers", { ...index, layers: [] }],
    ["a config", { ...index, config: descriptor }],
    ["no manifests", { schemaVersion: 2 }],
    ["manifests of null", { schemaVersion: 2, manifests: null }],
  ])("an index with %s", (_case, json) => {
    expect(refusal(() => parse(json, ociIndex))).toBe("MANIFEST_INVALID");
    expect(refusal(() => parse(json, dockerList))).toBe("MANIFEST_INVALID");
  });

  test.each([
    ["nothing", []],
    ["a byte-order mark", [0xef, 0xbb, 0xbf, 0x7b, 0x7d]],
    ["no UTF-8", [0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]],
    ["four million brackets", Array.from({ length: manifestBytesMax }, () => 0x5b)],
    [
      "two million empty objects",
      Array.from({ length: manifestBytesMax }, (_, at) => (at % 2 ? 0x7d : 0x7b)),
    ],
    ["four million commas", Array.from({ length: manifestBytesMax }, () => 0x2c)],
  ])("%s", (_case, bytes) => {
    expect(refusal(() => parseManifest(Uint8Array.from(bytes), ociIndex))).toBe("MANIFEST_INVALID");
  });
});

/** An index of `size` bytes. */
function sized(size: number): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(index).padEnd(size, " "));
}

test("4 MiB are taken, and a byte more is not", () => {
  expect(refusal(() => parseManifest(sized(manifestBytesMax), ociIndex))).toBe("taken");
  expect(refusal(() => parseManifest(sized(manifestBytesMax + 1), ociIndex))).toBe(
    "MANIFEST_TOO_LARGE",
  );
});
