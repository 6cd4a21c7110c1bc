import { describe, expect, test } from "vitest";
import { type Manifest, parseManifest } from "../../schemas/manifest.ts";

const ociManifest = "application/vnd.oci.image.manifest.v1+json";
const ociIndex = "application/vnd.oci.image.index.v1+json";
const dockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
const dockerList = "application/vnd.docker.distribution.manifest.list.v2+json";

const digest = `sha256:${"0".repeat(64)}`;
const descriptor = { mediaType: "application/x", digest, size: 2 };
const image = { schemaVersion: 2, config: descriptor, layers: [descriptor] };
const index = { schemaVersion: 2, manifests: [descriptor] };

function parse(json: unknown, contentType?: string): Manifest {
  return parseManifest(new TextEncoder().encode(JSON.stringify(json)), contentType);
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

function parsed(where: string): unknown {
  return { ...descriptor, foreign: false, where };
}

describe("what a manifest references", () => {
  test.each<[string, unknown, string, string[], string[]]>([
    ["config and layers", image, ociManifest, ["config", "layers[0]"], []],
    ["children", index, ociIndex, [], ["manifests[0]"]],
    ["no children", { ...index, manifests: [] }, ociIndex, [], []],
    [
      "blobs of an artifact",
      { schemaVersion: 2, blobs: [descriptor, descriptor] },
      "application/x+json",
      ["blobs[0]", "blobs[1]"],
      [],
    ],
    [
      "null for none",
      { ...image, blobs: null, subject: null, annotations: null },
      ociManifest,
      ["config", "layers[0]"],
      [],
    ],
  ])("%s", (_case, json, contentType, blobs, children) => {
    const manifest = parse(json, contentType);
    expect(manifest.blobs).toEqual(blobs.map(parsed));
    expect(manifest.children).toEqual(children.map(parsed));
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
