import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Descriptor, isJsonObject, parseDescriptor } from "../../schemas/descriptor.ts";
import { type Manifest, parseManifest } from "../../schemas/manifest.ts";
import { codeOfRefusal, nearly, tries } from "./laws.ts";

const ociManifest = "application/vnd.oci.image.manifest.v1+json";
const ociIndex = "application/vnd.oci.image.index.v1+json";
const dockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
const dockerList = "application/vnd.docker.distribution.manifest.list.v2+json";

type Json = Record<string, unknown>;

const registered = /^(sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}|blake3:[a-f0-9]{64})$/;
const mediaTypes = fc.constantFrom(
  "application/vnd.oci.image.layer.v1.tar+gzip",
  "application/vnd.oci.empty.v1+json",
  "a/b",
);
const annotations = fc.dictionary(fc.string(), fc.string({ unit: "grapheme" }), { maxKeys: 3 });

const descriptors = fc.record(
  {
    mediaType: mediaTypes,
    digest: fc.stringMatching(registered),
    size: fc.maxSafeNat(),
    urls: fc.array(fc.webUrl(), { maxLength: 2 }),
    annotations,
  },
  { requiredKeys: ["mediaType", "digest", "size"] },
);
const lists = fc.array(descriptors, { maxLength: 4 });
const extras = { subject: descriptors, artifactType: mediaTypes, annotations };

function form(parts: Record<string, fc.Arbitrary<unknown>>, types: readonly string[]) {
  const whole = { schemaVersion: fc.constant(2), ...parts };
  const json = fc
    .tuple(fc.record(whole), fc.record(extras, { requiredKeys: [] }))
    .map(([required, optional]): Json => ({ ...required, ...optional }));
  return fc.tuple(json, fc.constantFrom(...types));
}

/** Manifests of every form with the media type that they are pushed with. */
const right = fc.oneof(
  form({ config: descriptors, layers: lists }, [ociManifest, dockerManifest]),
  form({ manifests: lists }, [ociIndex, dockerList]),
  form({ blobs: lists }, ["application/vnd.oci.artifact.manifest.v1+json"]),
);

function encode(json: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(json));
}

/** What the registry has to make of a descriptor that it takes. */
function expectDescriptor(parsed: Descriptor, json: unknown, where: string): void {
  if (!isJsonObject(json)) throw new Error("taken, and no object");
  const { mediaType, digest, size, urls } = json;
  const foreign = Array.isArray(urls) && urls.length > 0;
  expect(parsed).toEqual({ mediaType, digest, size, foreign, where });
  expect(digest).toMatch(registered);
  expect(mediaType).toMatch(/^[^/]+\/./);
  expect(Number.isSafeInteger(size) && Number(size) >= 0).toBe(true);
}

/** The values of a list with where they stand; none for what is no list. */
function placesOf(field: string, value: unknown): [string, unknown][] {
  if (!Array.isArray(value)) return [];
  return value.map((item: unknown, at): [string, unknown] => [`${field}[${at}]`, item]);
}

/** Taken, a manifest references what its JSON does, each in its place, and nothing else. */
function expectManifestOf(bytes: Uint8Array, manifest: Manifest): void {
  const json: unknown = JSON.parse(new TextDecoder().decode(bytes));
  if (!isJsonObject(json)) throw new Error("taken, and no object");
  const { config, layers, blobs, manifests, subject } = json;
  const children = placesOf("manifests", manifests);
  const wanted: [string, unknown][] = [
    ...(config === undefined ? [] : [["config", config] as [string, unknown]]),
    ...placesOf("layers", layers),
    ...placesOf("blobs", blobs),
    ...children,
  ];
  const parsed = [...manifest.blobs, ...manifest.children];
  expect(parsed).toHaveLength(wanted.length);
  expect(manifest.children).toHaveLength(children.length);
  for (const [at, descriptor] of parsed.entries()) {
    const [where = "", value] = wanted[at] ?? [];
    expectDescriptor(descriptor, value, where);
  }
  expect(manifest.subject).toBe(isJsonObject(subject) ? subject["digest"] : undefined);
  expect(manifest.annotations).toEqual(json["annotations"] ?? {});
}

/** The manifest in the bytes is what they say, or refused by a code of manifests. */
function expectTrueOrRefused(bytes: Uint8Array, contentType: string | undefined): void {
  let manifest: Manifest | undefined;
  const code = codeOfRefusal(() => (manifest = parseManifest(bytes, contentType)));
  if (manifest === undefined) expect(code).toBe("MANIFEST_INVALID");
  else expectManifestOf(bytes, manifest);
}

const oddValues = fc.oneof(
  fc.constantFrom<unknown>(null, "", 0, -1, 1.5, 2, "2", 2 ** 53, -0, true, [], {}, [[]], [null]),
  fc.constantFrom<unknown>(ociManifest, ociIndex, `sha256:${"0".repeat(63)}`, "sha256:", "x"),
  fc.jsonValue(),
  nearly(fc.stringMatching(registered)),
);

/** `json` with the value at the end of a way through its keys replaced, or removed. */
function withChange(json: unknown, way: readonly number[], value: unknown): unknown {
  const copy: unknown = structuredClone(json);
  let at: unknown = copy;
  for (const [step, number] of way.entries()) {
    if (typeof at !== "object" || at === null) break;
    const keys = Object.keys(at);
    const key = keys[number % Math.max(1, keys.length)];
    if (key === undefined) break;
    const next: unknown = (at as Json)[key];
    if (step === way.length - 1 || typeof next !== "object") {
      if (value === undefined) Reflect.deleteProperty(at, key);
      else (at as Json)[key] = value;
      break;
    }
    at = next;
  }
  return copy;
}

const ways = fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 4 });
const contentTypes = fc.option(
  nearly(fc.constantFrom(ociManifest, ociIndex, dockerManifest, `${dockerList}; charset=utf-8`)),
  { nil: undefined },
);

describe("a manifest", () => {
  test("of every form is taken, and references what its JSON does", () => {
    fc.assert(
      fc.property(right, ([json, mediaType]) => {
        const bytes = encode(json);
        const manifest = parseManifest(bytes, mediaType);
        expect(manifest.mediaType).toBe(mediaType);
        expectManifestOf(bytes, manifest);
      }),
      tries,
    );
  });

  test("with a value changed or gone is true to its JSON, or MANIFEST_INVALID", () => {
    const changed = fc
      .tuple(right, ways, fc.option(oddValues, { nil: undefined }))
      .map(([[json, mediaType], way, value]) => [withChange(json, way, value), mediaType] as const);
    fc.assert(
      fc.property(changed, ([json, mediaType]) => expectTrueOrRefused(encode(json), mediaType)),
      tries,
    );
  });

  test("with a field more is true to its JSON, or MANIFEST_INVALID", () => {
    const fields = fc.constantFrom(
      "config",
      "layers",
      "blobs",
      "manifests",
      "subject",
      "annotations",
      "mediaType",
      "artifactType",
      "schemaVersion",
      "urls",
      "data",
      "fsLayers",
      "__proto__",
      "Layers",
    );
    const values = fc.oneof(oddValues, descriptors, lists);
    fc.assert(
      fc.property(right, fields, values, ([json, mediaType], field, value) => {
        const entries = [...Object.entries(json), [field, value]];
        expectTrueOrRefused(encode(Object.fromEntries(entries)), mediaType);
      }),
      tries,
    );
  });

  test("with bytes changed or missing is true to its JSON, or MANIFEST_INVALID", () => {
    const changed = fc.tuple(
      right,
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.nat({ max: 3 }),
      fc.uint8Array({ maxLength: 3 }),
      fc.boolean(),
    );
    fc.assert(
      fc.property(changed, ([[json, mediaType], at, removed, inserted, isCut]) => {
        const bytes = encode(json);
        const start = Math.floor(at * bytes.length);
        const rest = isCut ? [] : bytes.subarray(start + removed);
        const edited = Uint8Array.from([...bytes.subarray(0, start), ...inserted, ...rest]);
        expectTrueOrRefused(edited, mediaType);
      }),
      tries,
    );
  });

  test("with any Content-Type is true to its JSON, or MANIFEST_INVALID", () => {
    fc.assert(
      fc.property(right, contentTypes, ([json], contentType) => {
        expectTrueOrRefused(encode(json), contentType);
      }),
      tries,
    );
  });

  test("is no bytes at random, whatever their Content-Type", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.json().map((text) => new TextEncoder().encode(text)),
      fc
        .string({ unit: fc.constantFrom("{", "}", "[", "]", '"', ",", ":", "0", "2") })
        .map((text) => new TextEncoder().encode(text)),
    );
    fc.assert(
      fc.property(bytes, contentTypes, (random, contentType) => {
        expectTrueOrRefused(random, contentType);
      }),
      tries,
    );
  });
});

test("a descriptor is what its JSON says, or MANIFEST_INVALID with where it stood", () => {
  const changed = fc
    .tuple(descriptors, ways, fc.option(oddValues, { nil: undefined }))
    .map(([json, way, value]) => withChange(json, way, value));
  fc.assert(
    fc.property(fc.oneof(changed, fc.anything()), (json) => {
      try {
        expectDescriptor(parseDescriptor(json, "layers[3]"), json, "layers[3]");
      } catch (error) {
        expect(error).toMatchObject({ code: "MANIFEST_INVALID" });
        expect(String(error)).toContain("layers[3]");
      }
    }),
    tries,
  );
});
