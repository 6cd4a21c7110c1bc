import { beforeAll, describe, expect, test } from "vitest";
import { digestOf, ociIndex, ociManifest, randomBytes, send, stream } from "../client.ts";
import { KnownRepository, type Refused } from "./known-repository.ts";

const known = new KnownRepository();
beforeAll(() => known.push());

const dockerList = "application/vnd.docker.distribution.manifest.list.v2+json";
const mebibyte = 1024 * 1024;
const { config, layer, image: child } = known;
// Other bytes than the known image has, so that a digest tells whether they were stored.
const image = {
  pushed: "never",
  schemaVersion: 2,
  mediaType: ociManifest,
  config,
  layers: [layer],
};
const index = { pushed: "never", schemaVersion: 2, mediaType: ociIndex, manifests: [child] };

type Fields = Readonly<Record<string, unknown>>;

/** An image manifest that would be taken, but for what is changed in it. */
function imageWith(more: Fields): string {
  return JSON.stringify({ ...image, ...more });
}

function indexWith(more: Fields): string {
  return JSON.stringify({ ...index, ...more });
}

function layerWith(more: Fields): string {
  return imageWith({ layers: [{ ...layer, ...more }] });
}

/** An image manifest that says something more, as text that JSON.stringify would not write. */
function imageAnd(text: string): string {
  return `${JSON.stringify(image).slice(0, -1)},${text}}`;
}

/** A layer that says something more, likewise. */
function layerAnd(text: string): string {
  return imageWith({}).replace(JSON.stringify(layer), (same) => `${same.slice(0, -1)},${text}}`);
}

function put(reference: string, body: BodyInit, contentType = ""): Promise<Response> {
  const headers = { "Content-Type": contentType };
  return send("PUT", `/v2/${known.name}/manifests/${reference}`, { body, headers });
}

/** Pushed as `latest`, the manifest is refused, `latest` is what it was, and nothing is new. */
async function expectInvalid(
  body: string | Uint8Array<ArrayBuffer>,
  message: RegExp,
  contentType = "",
): Promise<void> {
  const refused = await put("latest", body, contentType);
  await known.expectRefused(refused, [400, "MANIFEST_INVALID", message]);
  const head = await send("HEAD", `/v2/${known.name}/manifests/${digestOf(body)}`);
  expect(head.status).toBe(404);
}

function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new TextEncoder().encode(text));
}

/** The image manifest with other bytes in the place of a word of it. */
function imageOfBytes(...bytes: number[]): Uint8Array<ArrayBuffer> {
  const [before = "", after = ""] = imageWith({ annotations: { key: "HERE" } }).split("HERE");
  return Uint8Array.from([...utf8(before), ...bytes, ...utf8(after)]);
}

function utf16(text: string, ...before: number[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([...before, ...[...utf8(text)].flatMap((byte) => [byte, 0])]);
}

/** The text again and again, in 4 MiB. */
function fourMebibytesOf(text: string): string {
  return text.repeat(4 * mebibyte).slice(0, 4 * mebibyte);
}

describe("a body that is no JSON object", () => {
  test.each<[string, string | Uint8Array<ArrayBuffer>, RegExp]>([
    ["nothing", "", /not JSON: .*end/],
    ["a space", " ", /not JSON: .*end/],
    ["an opening brace", "{", /not JSON: /],
    ["a word", "hello", /not JSON: .*hello/],
    ["a page of HTML", "<html></html>", /not JSON: .*<html>/],
    ["a form", "a=1&b=2", /not JSON: .*a=1/],
    ["null", "null", /the body is null, not an object/],
    ["true", "true", /the body is true, not an object/],
    ["a number", "2", /the body is 2, not an object/],
    ["a string", '"manifest"', /the body is "manifest", not an object/],
    ["an array", "[]", /the body is an array, not an object/],
    ["a manifest in an array", `[${imageWith({})}]`, /the body is an array, not an object/],
    ["two manifests", imageWith({}).repeat(2), /not JSON: /],
    ["a manifest that was cut", imageWith({}).slice(0, -1), /not JSON: /],
    ["a comma too many", imageAnd(""), /not JSON: /],
    ["single quotes", imageWith({}).replaceAll('"', "'"), /not JSON: /],
    ["a comment", `/* image */ ${imageWith({})}`, /not JSON: /],
    ["a key without quotes", imageAnd("a:1"), /not JSON: /],
    ["NaN", imageAnd('"a":NaN'), /not JSON: .*"a":NaN/],
    ["a hexadecimal number", imageAnd('"a":0x10'), /not JSON: /],
    ["a number with a leading zero", imageAnd('"a":010'), /not JSON: /],
    ["a line's end in a string", imageAnd('"a":"\n"'), /not JSON: /],
    ["a NUL in a string", imageAnd('"a":"\0"'), /not JSON: /],
    ["an unknown escape", imageAnd(String.raw`"a":"\x41"`), /not JSON: /],
    ["a byte that UTF-8 does not have", imageOfBytes(0xff), /not UTF-8/],
    ["a character of UTF-8 cut short", imageOfBytes(0xe2, 0x82), /not UTF-8/],
    ["a slash in two bytes", imageOfBytes(0xc0, 0xaf), /not UTF-8/],
    ["half of a surrogate pair in UTF-8", imageOfBytes(0xed, 0xa0, 0x80), /not UTF-8/],
    ["Latin 1", imageOfBytes(0x63, 0x61, 0x66, 0xe9), /not UTF-8/],
    ["the beginning of gzip", Uint8Array.of(0x1f, 0x8b, 8, 0), /not UTF-8/],
    ["a byte-order mark first", `\ufeff${imageWith({})}`, /begins with a byte-order mark/],
    ["UTF-16 with its mark", utf16(imageWith({}), 0xff, 0xfe), /not UTF-8/],
    ["UTF-16 without a mark", utf16(imageWith({})), /not JSON: /],
    ["200,000 brackets", "[".repeat(200_000), /200000 objects and arrays, at most 100000/],
    [
      "arrays 200,000 deep in a field that nobody reads",
      imageAnd(`"a":${"[".repeat(200_000)}${"]".repeat(200_000)}`),
      /2000\d\d objects and arrays, at most 100000/,
    ],
    [
      "objects 200,000 deep in a field that nobody reads",
      imageAnd(`"a":${'{"a":'.repeat(200_000)}1${"}".repeat(200_000)}`),
      /2000\d\d objects and arrays, at most 100000/,
    ],
    ["4 MiB of {},", fourMebibytesOf("{},"), /1398102 objects and arrays, at most/],
    ["4 MiB of {}", fourMebibytesOf("{}"), /2097152 objects and arrays, at most 100000/],
    ["4 MiB of [", fourMebibytesOf("["), /4194304 objects and arrays, at most 100000/],
    ["4 MiB of commas", fourMebibytesOf(","), /4194304 commas, at most 250000/],
  ])("%s is 400", async (_case, body, message) => {
    await expectInvalid(body, message, ociManifest);
  });
});

describe("a key that readers take differently", () => {
  test.each([
    ["schemaVersion twice", imageAnd('"schemaVersion":2'), /the key "schemaVersion" twice/],
    ["mediaType twice", imageAnd(`"mediaType":"${ociManifest}"`), /the key "mediaType" twice/],
    ["config twice", imageAnd(`"config":${JSON.stringify(config)}`), /the key "config" twice/],
    ["layers twice", imageAnd('"layers":[]'), /the key "layers" twice/],
    [
      "layers twice, once escaped",
      imageAnd(String.raw`"lay\u0065rs":[]`),
      /the key "layers" twice/,
    ],
    [
      "layers twice, escaped throughout",
      imageAnd(String.raw`"\u006C\u0061\u0079\u0065\u0072\u0073":[]`),
      /the key "layers" twice/,
    ],
    ["layers twice, with space", imageAnd('\n"layers"\t\r\n : []'), /the key "layers" twice/],
    ["an unknown field twice", imageAnd('"a":1,"a":1'), /the key "a" twice/],
    ["the empty key twice", imageAnd('"":1,"":2'), /the key "" twice/],
    ["__proto__ twice", imageAnd('"__proto__":1,"__proto__":2'), /the key "__proto__" twice/],
    ["a quote twice", imageAnd(String.raw`"\"":1,"\u0022":2`), /the key "\\"" twice/],
    ["a brace twice", imageAnd('"}":1,"}":2'), /the key "}" twice/],
    ["an annotation twice", imageAnd('"annotations":{"a":"1","a":"2"}'), /the key "a" twice/],
    [
      "an annotation twice, once with an escaped slash",
      imageAnd(String.raw`"annotations":{"a/b":"1","a\/b":"2"}`),
      /the key "a\/b" twice/,
    ],
    ["a digest twice", layerAnd(`"digest":"${config.digest}"`), /the key "digest" twice/],
    ["a size twice", layerAnd('"size":1000'), /the key "size" twice/],
    ["a key of a platform twice", layerAnd('"platform":{"os":"a","os":"b"}'), /the key "os" twice/],
    ["a key twice far inside", imageAnd('"a":[[{"b":[{"c":{},"c":1}]}]]'), /the key "c" twice/],
    ["a key again behind an object", imageAnd('"a":1,"b":{"a":1},"a":2'), /the key "a" twice/],
    ["a key again behind a string", imageAnd(String.raw`"a":"\\","a":2`), /the key "a" twice/],
    ["Layers beside layers", imageAnd('"Layers":[]'), /the key "Layers", write layers/],
    ["LAYERS for layers", imageWith({ layers: undefined, LAYERS: [] }), /"LAYERS", write layers/],
    ["layer\u017f, with a long s", imageAnd('"layer\u017f":[]'), /"layer\u017f", write layers/],
    ["Manifests in an image", imageAnd('"Manifests":[]'), /"Manifests", write manifests/],
    ["MediaType", imageAnd(`"MediaType":"${ociIndex}"`), /"MediaType", write mediaType/],
    ["mediatype", imageAnd(`"mediatype":"${ociIndex}"`), /"mediatype", write mediaType/],
    ["SchemaVersion", imageAnd('"SchemaVersion":1'), /"SchemaVersion", write schemaVersion/],
    ["Config", imageAnd('"Config":{}'), /"Config", write config/],
    ["Subject", imageAnd('"Subject":{}'), /"Subject", write subject/],
    ["ArtifactType", imageAnd('"ArtifactType":"a/b"'), /"ArtifactType", write artifactType/],
    ["Annotations", imageAnd('"Annotations":{}'), /"Annotations", write annotations/],
    ["Blobs", imageAnd('"Blobs":[]'), /"Blobs", write blobs/],
    [
      "a layer's Digest",
      layerAnd('"Digest":"a"'),
      /layers\[0\] has the key "Digest", write digest/,
    ],
    ["a layer's SIZE", layerAnd('"SIZE":1'), /layers\[0\] has the key "SIZE", write size/],
    ["a layer's \u017fize", layerAnd('"\u017fize":1'), /layers\[0\] .* write size/],
    ["a layer's URLs", layerAnd('"URLs":[]'), /layers\[0\] has the key "URLs", write urls/],
    ["a layer's Data", layerAnd('"Data":""'), /layers\[0\] has the key "Data", write data/],
    [
      "a config's MediaType",
      imageWith({ config: { ...config, MediaType: "a/b" } }),
      /config has the key "MediaType", write mediaType/,
    ],
    [
      "a child's Platform",
      indexWith({ manifests: [child, { ...child, Platform: {} }] }),
      /manifests\[1\] has the key "Platform", write platform/,
    ],
    [
      "a subject's Digest",
      imageWith({ subject: { ...child, Digest: config.digest } }),
      /subject has the key "Digest", write digest/,
    ],
  ])("%s is 400", async (_case, body, message) => {
    await expectInvalid(body, message);
  });
});

describe("a field that is wrong", () => {
  test.each<[string, string, RegExp]>([
    ["no schemaVersion", imageWith({ schemaVersion: undefined }), /schemaVersion is missing, not/],
    ["schemaVersion 1", imageWith({ schemaVersion: 1 }), /schemaVersion is 1, not the number 2/],
    ["schemaVersion 3", imageWith({ schemaVersion: 3 }), /schemaVersion is 3, not the number 2/],
    ["schemaVersion 2.5", imageWith({ schemaVersion: 2.5 }), /schemaVersion is 2\.5, not/],
    ["schemaVersion in quotes", imageWith({ schemaVersion: "2" }), /schemaVersion is "2", not/],
    ["schemaVersion null", imageWith({ schemaVersion: null }), /schemaVersion is null, not/],
    ["schemaVersion true", imageWith({ schemaVersion: true }), /schemaVersion is true, not/],
    ["schemaVersion in an array", imageWith({ schemaVersion: [2] }), /schemaVersion is an array/],
    ["an empty object", "{}", /schemaVersion is missing, not the number 2/],
    ["no config", imageWith({ config: undefined }), /config is missing, .* needs an object/],
    ["a config that is null", imageWith({ config: null }), /config is null, .* needs an object/],
    ["a config that is an array", imageWith({ config: [config] }), /config is an array, .* needs/],
    ["a config that is text", imageWith({ config: config.digest }), /config is "sha256:.*needs/],
    ["an empty config", imageWith({ config: {} }), /config\.mediaType is missing, not/],
    ["no layers", imageWith({ layers: undefined }), /layers is missing, .* needs an array/],
    ["layers that are null", imageWith({ layers: null }), /layers is null, .* needs an array/],
    [
      "layers that are an object",
      imageWith({ layers: { 0: layer } }),
      /layers is an object, .* needs/,
    ],
    ["layers that are text", imageWith({ layers: "none" }), /layers is "none", .* needs an array/],
    [
      "a layer that is null",
      imageWith({ layers: [layer, null] }),
      /layers\[1\] is null, not an obj/,
    ],
    [
      "a layer that is text",
      imageWith({ layers: [layer.digest] }),
      /layers\[0\] is "sha256:.*not an/,
    ],
    [
      "a layer that is an array",
      imageWith({ layers: [[layer]] }),
      /layers\[0\] is an array, not an/,
    ],
    ["a layer that is a number", imageWith({ layers: [5] }), /layers\[0\] is 5, not an object/],
    ["blobs that are an object", imageWith({ blobs: {} }), /blobs is an object, not an array/],
    ["blobs that are text", imageWith({ blobs: "x" }), /blobs is "x", not an array/],
    ["an image with manifests", imageWith({ manifests: [] }), /manifests beside config/],
    ["an image with manifests of null", imageWith({ manifests: null }), /manifests beside config/],
    ["an index with layers", indexWith({ layers: [] }), /manifests beside layers/],
    ["an index with a config", indexWith({ config }), /manifests beside config/],
    ["an index with a config of null", indexWith({ config: null }), /manifests beside config/],
    ["an index by an image's type", indexWith({ mediaType: ociManifest }), /beside the media type/],
    [
      "no manifests",
      indexWith({ manifests: undefined }),
      /manifests is missing, .* needs an array/,
    ],
    ["manifests of null", indexWith({ manifests: null }), /manifests is null, .* needs an array/],
    ["manifests in an object", indexWith({ manifests: { 0: child } }), /manifests is an object, /],
    ["manifests in text", indexWith({ manifests: child.digest }), /manifests is "sha256:/],
    ["a child that is null", indexWith({ manifests: [null] }), /manifests\[0\] is null, not an/],
    [
      "a Docker list with layers",
      indexWith({ mediaType: dockerList, layers: [] }),
      /manifests beside layers/,
    ],
    [
      "a Docker list without manifests",
      indexWith({ mediaType: dockerList, manifests: undefined }),
      /manifests is missing, .*docker.* needs an array/,
    ],
    ["annotations in an array", imageWith({ annotations: [] }), /annotations is an array, not an/],
    [
      "annotations in text",
      imageWith({ annotations: "a=b" }),
      /annotations is "a=b", not an object/,
    ],
    ["annotations of a number", imageWith({ annotations: 7 }), /annotations is 7, not an object/],
    [
      "an annotation of 1",
      imageWith({ annotations: { a: 1 } }),
      /annotations\["a"\] is 1, not a str/,
    ],
    [
      "an annotation of null",
      imageWith({ annotations: { a: null } }),
      /annotations\["a"\] is null/,
    ],
    [
      "an annotation of an object",
      imageWith({ annotations: { a: {} } }),
      /annotations\["a"\] is an o/,
    ],
    ["an artifactType of 5", imageWith({ artifactType: 5 }), /artifactType is 5, not a string/],
    [
      "an artifactType of null",
      imageWith({ artifactType: null }),
      /artifactType is null, not a str/,
    ],
    [
      "an artifactType in an array",
      imageWith({ artifactType: ["a/b"] }),
      /artifactType is an array/,
    ],
    [
      "an artifactType of 256 characters",
      imageWith({ artifactType: "application/".padEnd(256, "x") }),
      /artifactType has 256 characters, at most 255/,
    ],
    [
      "a subject that is text",
      imageWith({ subject: child.digest }),
      /subject is "sha256:.*, not an/,
    ],
    [
      "a subject that is an array",
      imageWith({ subject: [child] }),
      /subject is an array, not an obj/,
    ],
    ["a subject that is true", imageWith({ subject: true }), /subject is true, not an object/],
    ["an empty subject", imageWith({ subject: {} }), /subject\.mediaType is missing, not/],
    [
      "a subject without size",
      imageWith({ subject: { ...child, size: undefined } }),
      /subject\.size is m/,
    ],
    [
      "a subject of x",
      imageWith({ subject: { ...child, digest: "x" } }),
      /subject\.digest is "x", not/,
    ],
  ])("%s is 400", async (_case, body, message) => {
    await expectInvalid(body, message);
  });
});

describe("a media type", () => {
  test.each<[string, unknown, RegExp]>([
    ["that is a number", 5, /mediaType is 5, not a string/],
    ["that is null", null, /mediaType is null, not a string/],
    ["that is an object", {}, /mediaType is an object, not a string/],
    ["that is empty", "", /"" is no media type of the form type\/subtype/],
    ["without a slash", "json", /"json" is no media type/],
    ["that is a slash", "/", /"\/" is no media type/],
    ["without a subtype", "application/", /"application\/" is no media type/],
    ["with two slashes", "a/b/c", /"a\/b\/c" is no media type/],
    ["with a space", "a/b c", /"a\/b c" is no media type/],
    ["with a line's end", "a/x\r\nX-Header: y", /"a\/x\\r\\nX-Header: y" is no media type/],
    ["with a NUL", "a/b\0", /"a\/b\\u0000" is no media type/],
    ["that is not ASCII", "a/caf\u00e9", /"a\/caf\u00e9" is no media type/],
    ["with parameters", "a/b; charset=utf-8", /"a\/b; charset=utf-8" is no media type/],
    ["that is too long for a header of KV", `a/${"x".repeat(1000)}`, /"a\/x{98}" is no media type/],
    ["with a subtype of 128 characters", `a/${"x".repeat(128)}`, /"a\/x{98}" is no media type/],
  ])("of a manifest %s is 400", async (_case, mediaType, message) => {
    await expectInvalid(imageWith({ mediaType }), message);
  });

  test.each([
    ["another one", ociIndex, imageWith({}), /Content-Type is ".*index.*", mediaType is ".*manif/],
    [
      "Docker's for OCI's",
      dockerList,
      indexWith({}),
      /Content-Type is ".*list.*", mediaType is ".*oci/,
    ],
    [
      "that of text",
      "text/plain;charset=UTF-8",
      imageWith({}),
      /Content-Type is "text\/plain", media/,
    ],
    [
      "a word, without mediaType",
      "json",
      imageWith({ mediaType: undefined }),
      /"json" is no media/,
    ],
    [
      "two, without mediaType",
      "a/b, c/d",
      imageWith({ mediaType: undefined }),
      /"a\/b, c\/d" is no/,
    ],
    [
      "an index's for an image",
      ociIndex,
      imageWith({ mediaType: undefined }),
      /manifests is missing/,
    ],
    [
      "an image's for an index",
      ociManifest,
      indexWith({ mediaType: undefined }),
      /beside the media t/,
    ],
  ])("in Content-Type that is %s is 400", async (_case, contentType, body, message) => {
    await expectInvalid(body, message, contentType);
  });

  test.each<[string, unknown, RegExp]>([
    ["that is missing", undefined, /mediaType is missing, not a media type/],
    ["that is null", null, /mediaType is null, not a media type/],
    ["that is a number", 5, /mediaType is 5, not a media type/],
    ["that is empty", "", /mediaType is "", not of the form type\/subtype/],
    ["without a slash", "x", /mediaType is "x", not of the form type\/subtype/],
    ["with a line's end", "a/b\n", /mediaType is "a\/b\\n", not of the form/],
    ["with a space", "a/b c", /mediaType is "a\/b c", not of the form/],
    ["that is not ASCII", "a/b\u00e9", /mediaType is "a\/b\u00e9", not of the form/],
    ["of 256 characters", "a/".padEnd(256, "x"), /mediaType has 256 characters, at most 255/],
  ])("of a descriptor %s is 400", async (_case, mediaType, message) => {
    await expectInvalid(layerWith({ mediaType }), message);
  });

  test.each<[string, (mediaType: string) => string, RegExp]>([
    [
      "config",
      (mediaType) => imageWith({ config: { ...config, mediaType } }),
      /: config\.mediaType has/,
    ],
    [
      "blob",
      (mediaType) => imageWith({ blobs: [{ ...layer, mediaType }] }),
      /: blobs\[0\]\.mediaType has/,
    ],
    [
      "child",
      (mediaType) => indexWith({ manifests: [{ ...child, mediaType }] }),
      /: manifests\[0\]\.med/,
    ],
    [
      "subject",
      (mediaType) => imageWith({ subject: { ...child, mediaType } }),
      /: subject\.mediaType has/,
    ],
  ])("of a %s of 256 characters is 400 too", async (_case, make, message) => {
    await expectInvalid(make("application/".padEnd(256, "x")), message);
  });
});

const hex = "0".repeat(64);

describe("a digest in a descriptor", () => {
  test.each<[string, unknown, RegExp]>([
    ["missing", undefined, /digest is missing, not a digest/],
    ["null", null, /digest is null, not a digest/],
    ["a number", 5, /digest is 5, not a digest/],
    ["empty", "", /digest is "", not a digest/],
    ["a word", "latest", /digest is "latest", not a digest/],
    ["without an algorithm", hex, /digest is "0{64}", not a digest/],
    ["without a colon", `sha256${hex}`, /digest is "sha2560{64}", not a digest/],
    ["without hex digits", "sha256:", /digest is "sha256:", not a digest/],
    ["xyz", "sha256:xyz", /digest is "sha256:xyz", not a digest/],
    ["a digit short", `sha256:${hex.slice(1)}`, /digest is "sha256:0{63}", not a digest/],
    ["a digit long", `sha256:${hex}0`, /digest is "sha256:0{65}", not a digest/],
    ["in upper case", `sha256:${"A".repeat(64)}`, /digest is "sha256:A{64}", not a digest/],
    ["with an algorithm in upper case", `SHA256:${hex}`, /digest is "SHA256:0{64}", not a digest/],
    ["of no hex digits", `sha256:${"g".repeat(64)}`, /digest is "sha256:g{64}", not a digest/],
    ["of md5", `md5:${"0".repeat(32)}`, /digest is "md5:0{32}", not a digest/],
    ["of sha1", `sha1:${"0".repeat(40)}`, /digest is "sha1:0{40}", not a digest/],
    ["of sha384", `sha384:${"0".repeat(96)}`, /digest is "sha384:0{93}", not a digest/],
    [
      "of sha512 as long as one of sha256",
      `sha512:${hex}`,
      /digest is "sha512:0{64}", not a digest/,
    ],
    ["of an algorithm that is no word", `__proto__:${hex}`, /digest is "__proto__:0{64}", not a/],
    ["a path", "../../etc/passwd", /digest is "\.\.\/\.\.\/etc\/passwd", not a digest/],
    [
      "a path behind an algorithm",
      "sha256:../../etc/passwd",
      /"sha256:\.\.\/\.\.\/etc\/passwd", not/,
    ],
    ["a path in an algorithm", `../sha256:${hex}`, /digest is "\.\.\/sha256:0{64}", not a digest/],
    ["with a line's end", `sha256:${hex}\n`, /digest is "sha256:0{64}\\n", not a digest/],
    ["with a NUL", `sha256:${hex}\0`, /digest is "sha256:0{64}\\u0000", not a digest/],
    ["with a space first", ` sha256:${hex}`, /digest is " sha256:0{64}", not a digest/],
    ["with two colons", `sha256::${hex}`, /digest is "sha256::0{64}", not a digest/],
  ])("%s is 400", async (_case, digest, message) => {
    await expectInvalid(layerWith({ digest }), message);
  });

  test.each([
    ["config", imageWith({ config: { ...config, digest: "a" } }), /: config\.digest is "a", not/],
    ["blob", imageWith({ blobs: [{ ...layer, digest: "a" }] }), /: blobs\[0\]\.digest is "a", not/],
    [
      "child",
      indexWith({ manifests: [child, { ...child, digest: "a" }] }),
      /manifests\[1\]\.digest is "a"/,
    ],
  ])("of a %s is read too", async (_case, body, message) => {
    await expectInvalid(body, message);
  });
});

/** The image manifest with a layer's size as text that JSON.stringify would not write. */
function layerSized(size: string): string {
  return layerWith({ size: "SIZE" }).replace('"SIZE"', size);
}

describe("a size", () => {
  test.each([
    ["missing", layerWith({ size: undefined }), /layers\[0\]\.size is missing, not a whole number/],
    ["null", layerSized("null"), /layers\[0\]\.size is null, not a whole number/],
    ["true", layerSized("true"), /layers\[0\]\.size is true, not a whole number/],
    ["in quotes", layerSized('"1000"'), /layers\[0\]\.size is "1000", not a whole number/],
    ["in an array", layerSized("[1000]"), /layers\[0\]\.size is an array, not a whole number/],
    ["of -1", layerSized("-1"), /layers\[0\]\.size is -1, not a whole number/],
    ["of half a byte", layerSized("0.5"), /layers\[0\]\.size is 0\.5, not a whole number/],
    ["of 2^53", layerSized("9007199254740992"), /layers\[0\]\.size is 9007199254740992, not/],
    ["of 2^63", layerSized("9223372036854775808"), /layers\[0\]\.size is 9223372036854776000, not/],
    ["of 1e30", layerSized("1e30"), /layers\[0\]\.size is 1e\+30, not a whole number/],
    ["of 1e400", layerSized("1e400"), /layers\[0\]\.size is Infinity, not a whole number/],
    ["of -1e400", layerSized("-1e400"), /layers\[0\]\.size is -Infinity, not a whole number/],
    [
      "of a config in quotes",
      imageWith({ config: { ...config, size: "2" } }),
      /: config\.size is "2"/,
    ],
    [
      "of a child of -1",
      indexWith({ manifests: [{ ...child, size: -1 }] }),
      /manifests\[0\]\.size is -1/,
    ],
    [
      "of a blob of 0.1",
      imageWith({ blobs: [{ ...layer, size: 0.1 }] }),
      /blobs\[0\]\.size is 0\.1, not/,
    ],
    [
      "of a subject of -1",
      imageWith({ subject: { ...child, size: -1 } }),
      /subject\.size is -1, not/,
    ],
  ])("%s is 400", async (_case, body, message) => {
    await expectInvalid(body, message);
  });

  const of = (where: string, size: number, kind: string, { digest, size: bytes }: typeof layer) =>
    new RegExp(`: ${where} has size ${size}, the ${kind} ${digest} has ${bytes} bytes$`);

  test.each([
    ["a config", imageWith({ config: { ...config, size: 5 } }), of("config", 5, "blob", config)],
    ["a layer, one more", layerWith({ size: 1001 }), of("layers\\[0\\]", 1001, "blob", layer)],
    ["a layer, one less", layerWith({ size: 999 }), of("layers\\[0\\]", 999, "blob", layer)],
    ["a layer, nothing", layerWith({ size: 0 }), of("layers\\[0\\]", 0, "blob", layer)],
    [
      "a layer, the largest number",
      layerWith({ size: 2 ** 53 - 1 }),
      of("layers\\[0\\]", 2 ** 53 - 1, "blob", layer),
    ],
    [
      "a layer that another one has right",
      imageWith({ layers: [layer, { ...layer, size: 1 }] }),
      of("layers\\[1\\]", 1, "blob", layer),
    ],
    [
      "an artifact's blob",
      imageWith({ blobs: [{ ...layer, size: 7 }] }),
      of("blobs\\[0\\]", 7, "blob", layer),
    ],
    [
      "a child manifest",
      indexWith({ manifests: [{ ...child, size: 9 }] }),
      of("manifests\\[0\\]", 9, "manifest", child),
    ],
    [
      "a layer that an index lists",
      indexWith({ manifests: [child, { ...layer, size: 3 }] }),
      of("manifests\\[1\\]", 3, "blob", layer),
    ],
  ])("that is not the stored one's, of %s, is 400 and says both", async (_case, body, message) => {
    await expectInvalid(body, message);
  });
});

const absent = { ...layer, digest: `sha256:${"a".repeat(64)}` };
const absentSha512 = { ...layer, digest: `sha512:${"a".repeat(128)}` };
const elsewhere = new KnownRepository();

describe("what is not in the repository", () => {
  beforeAll(() => elsewhere.push());

  test.each([
    ["a config", imageWith({ config: { ...config, digest: absent.digest } }), absent],
    ["a layer", imageWith({ layers: [layer, absent] }), absent],
    ["a layer by sha512", imageWith({ layers: [layer, absentSha512] }), absentSha512],
    ["an artifact's blob", imageWith({ blobs: [absent] }), absent],
    ["a layer of another repository", imageWith({ layers: [elsewhere.layer] }), elsewhere.layer],
    ["a manifest as a layer", imageWith({ layers: [{ ...layer, ...child }] }), child],
    ["a manifest as the config", imageWith({ config: child }), child],
    ["a child", indexWith({ manifests: [child, { ...child, digest: absent.digest }] }), absent],
    ["an index", indexWith({ manifests: [{ ...absent, mediaType: ociIndex }] }), absent],
    ["a child of another repository", indexWith({ manifests: [elsewhere.image] }), elsewhere.image],
    ["a blob that an index lists", indexWith({ manifests: [absent] }), absent],
    [
      "a layer, where another's size is wrong",
      imageWith({ layers: [{ ...layer, size: 1 }, absent] }),
      absent,
    ],
  ])("%s is 400 and named", async (_case, body, { digest }) => {
    const message = new RegExp(`registry: ${digest} not in ${known.name}$`);
    const refused: Refused = [400, "MANIFEST_BLOB_UNKNOWN", message];
    await known.expectRefused(await put("latest", body), refused);
  });

  test("many layers are 400 with five of them named", async () => {
    const layers = Array.from({ length: 5000 }, (_, at) => ({
      ...layer,
      digest: digestOf(`${at}`),
    }));
    const message = /registry: (sha256:[0-9a-f]{64},? ){5}and 4995 more not in team/;
    const refused: Refused = [400, "MANIFEST_BLOB_UNKNOWN", message];
    await known.expectRefused(await put("latest", imageWith({ layers })), refused);
  });
});

function tagsQuery(count: number): string {
  return Array.from({ length: count }, (_, number) => `tag=x${number}`).join("&");
}

function copies<T>(count: number, of: T): T[] {
  return Array.from({ length: count }, () => of);
}

describe("too much", () => {
  test.each([
    ["10,001 layers and a config", imageWith({ layers: copies(10_000, layer) }), /10001 desc/],
    [
      "10,000 blobs, and two",
      imageWith({ blobs: copies(10_000, layer) }),
      /10002 descriptors, at mos/,
    ],
    [
      "5,000 layers, 5,000 blobs and a config",
      imageWith({ layers: copies(5000, layer), blobs: copies(5000, layer) }),
      /10001 descriptors, at most 10000/,
    ],
    [
      "10,001 children",
      indexWith({ manifests: copies(10_001, child) }),
      /10001 descriptors, at most/,
    ],
    [
      "100,000 empty layers",
      imageWith({ layers: copies(100_000, {}) }),
      /100003 objects and arrays/,
    ],
    ["300,000 layers of 0", imageWith({ layers: copies(300_000, 0) }), /30\d{4} commas, at most/],
  ])("%s are 400", async (_case, body, message) => {
    await expectInvalid(body, message);
  });

  test.each<[string, () => BodyInit]>([
    ["4 MiB and a byte", () => imageWith({}).padEnd(4 * mebibyte + 1)],
    ["4 MiB and a byte as a stream", () => stream(utf8(imageWith({}).padEnd(4 * mebibyte + 1)))],
    ["100,000 layers", () => imageWith({ layers: copies(100_000, layer) })],
    [
      "100,000 layers as a stream",
      () => stream(utf8(imageWith({ layers: copies(100_000, layer) }))),
    ],
    ["8 MiB of random bytes", () => randomBytes(8 * mebibyte)],
  ])("%s are 413", async (_case, body) => {
    const refused: Refused = [413, "MANIFEST_INVALID", /too large: more than 4194304 bytes/];
    await known.expectRefused(await put("latest", body()), refused);
  });
});

describe("a manifest pushed by", () => {
  const body = imageWith({ annotations: { of: "digests" } });
  const digest = digestOf(body);

  test.each([
    ["another digest", `sha256:${hex}`, new RegExp(`: the manifest sent is ${digest}$`)],
    [
      "another digest by sha512",
      `sha512:${hex}${hex}`,
      /: the manifest sent is sha512:[0-9a-f]{128}$/,
    ],
    [
      "a digest of the text with a line's end",
      digestOf(`${body}\n`),
      /the manifest sent is sha256:/,
    ],
    ["a bad digest", "sha256:baddigeststring", /"sha256:baddigeststring"/],
    ["no hex digits", "sha256:", /"sha256:"/],
    ["a digest without algorithm", `:${hex}`, /":0{64}"/],
    ["a digest that is short", digest.slice(0, -1), /"sha256:[0-9a-f]{63}"/],
    ["a digest that is long", `${digest}0`, /"sha256:[0-9a-f]{65}"/],
    [
      "its digest in upper case",
      `sha256:${digest.slice(7).toUpperCase()}`,
      /"sha256:[0-9A-F]{64}"/,
    ],
    ["its digest with SHA256", digest.replace("sha", "SHA"), /"SHA256:[0-9a-f]{64}"/],
    ["md5", `md5:${"0".repeat(32)}`, /"md5:0{32}"/],
    ["sha1", `sha1:${"0".repeat(40)}`, /"sha1:0{40}"/],
    ["sha384", `sha384:${"0".repeat(96)}`, /"sha384:0{96}"/],
    ["a tag and its digest", `latest@${digest}`, /"latest@sha256:[0-9a-f]{64}"/],
    ["its digest and a NUL", `${digest}%00`, /"sha256:[0-9a-f]{64}%00"/],
    ["its digest, escaped twice", digest.replace(":", "%253A") + ":", /"sha256%253A[0-9a-f]{64}:"/],
    ["a path behind a digest", "sha256:..%2F..%2Fetc", /"sha256:\.\.%2F\.\.%2Fetc"/],
  ])("%s is 400", async (_case, reference, message) => {
    const refused: Refused = [400, "DIGEST_INVALID", message];
    await known.expectRefused(await put(reference, body, ociManifest), refused);
    expect((await send("HEAD", `/v2/${known.name}/manifests/${digest}`)).status).toBe(404);
  });

  test.each([
    ["an illegal tag", "?tag=-x", 400, /invalid tag: "-x"/],
    ["an empty tag", "?tag=", 400, /invalid tag: ""/],
    ["a legal and an illegal tag", "?tag=new&tag=a/b", 400, /invalid tag: "a\/b"/],
    ["a tag of 129 characters", `?tag=${"x".repeat(129)}`, 400, /invalid tag: "x{129}"/],
    ["a tag with a NUL", "?tag=a%00", 400, /invalid tag: "a\\?/],
    ["101 tags", `?${tagsQuery(101)}`, 414, /101 tags, at most 100/],
  ])("its digest, to be named by %s, is refused", async (_case, query, status, message) => {
    const refused: Refused = [status, "TAG_INVALID", message];
    await known.expectRefused(await put(digest + query, body, ociManifest), refused);
    expect((await send("HEAD", `/v2/${known.name}/manifests/${digest}`)).status).toBe(404);
  });
});
