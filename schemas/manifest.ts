import {
  type Descriptor,
  isJsonObject,
  type JsonObject,
  mediaTypeCharactersMax,
  parseDescriptor,
  refuseMisspeltKey,
  shown,
} from "./descriptor.ts";
import type { Digest } from "./digest.ts";
import { RegistryError } from "./errors.ts";
import { fieldNames, repeatedKey } from "./json-keys.ts";

/** A manifest as the registry needs to know it; its bytes are kept beside it, exactly as they came. */
export interface Manifest {
  readonly mediaType: string;
  /** Config, layers and the blobs of an artifact: they have to be linked in the repository. */
  readonly blobs: readonly Descriptor[];
  /** What an index lists: manifests, or blobs (BuildKit's cache pushes an index of layers). */
  readonly children: readonly Descriptor[];
  readonly subject: Digest | undefined;
  /** The artifact type that referrers are filtered by: artifactType, else the config's media type. */
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Distribution spec, "Pushing manifests": registries should take at least 4 MiB. */
export const manifestBytesMax = 4 * 1024 * 1024;
/** Config, layers, blobs and children together. */
const manifestDescriptorsMax = 10_000;

/**
 * Objects, arrays and commas that a manifest may have. 4 MiB of `{},` would parse to 90 MB of heap,
 * and an isolate has 128 MB.
 */
const manifestOpeningsMax = 100_000;
const manifestCommasMax = 250_000;

export const ociIndexMediaType = "application/vnd.oci.image.index.v1+json";
const ociManifestMediaType = "application/vnd.oci.image.manifest.v1+json";
/** The media types of indexes: what is none of them is an image. */
export const indexMediaTypes: ReadonlySet<string> = new Set([
  ociIndexMediaType,
  "application/vnd.docker.distribution.manifest.list.v2+json",
]);
const imageMediaTypes: ReadonlySet<string> = new Set([
  ociManifestMediaType,
  "application/vnd.docker.distribution.manifest.v2+json",
]);

const mediaTypePattern = /^[a-zA-Z0-9][\w!#$&^.+-]{0,126}\/[a-zA-Z0-9][\w!#$&^.+-]{0,126}$/;

const manifestFields = fieldNames([
  "schemaVersion",
  "mediaType",
  "artifactType",
  "config",
  "layers",
  "blobs",
  "manifests",
  "subject",
  "annotations",
]);

function invalid(what: string): RegistryError {
  return new RegistryError("MANIFEST_INVALID", what);
}

/** A byte's character: JSON's structure is ASCII, and so can't be part of a longer character. */
function refuseHostileStructure(bytes: Uint8Array): void {
  let openings = 0;
  let commas = 0;
  for (const byte of bytes) {
    if (byte === 0x7b || byte === 0x5b) openings += 1;
    else if (byte === 0x2c) commas += 1;
  }
  if (openings > manifestOpeningsMax) {
    throw invalid(`${openings} objects and arrays, at most ${manifestOpeningsMax}`);
  }
  if (commas > manifestCommasMax) throw invalid(`${commas} commas, at most ${manifestCommasMax}`);
}

function parseJson(bytes: Uint8Array): JsonObject {
  refuseHostileStructure(bytes);
  const text = textOf(bytes);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(`the body is not JSON: ${(error as SyntaxError).message.slice(0, 200)}`);
  }
  if (!isJsonObject(value)) throw invalid(`the body is ${shown(value)}, not an object`);
  const repeated = repeatedKey(text);
  if (repeated !== undefined) throw invalid(`an object has the key ${shown(repeated)} twice`);
  refuseMisspeltKey(value, manifestFields, "the manifest");
  return value;
}

function textOf(bytes: Uint8Array): string {
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw invalid("the body is not UTF-8");
  }
  if (text.startsWith("\ufeff")) throw invalid("the body begins with a byte-order mark");
  return text;
}

function parseDescriptors(json: JsonObject, field: string): readonly Descriptor[] {
  const list = json[field];
  if (list === undefined || list === null) return [];
  if (!Array.isArray(list)) throw invalid(`${field} is ${shown(list)}, not an array`);
  return list.map((item, at) => parseDescriptor(item, `${field}[${at}]`));
}

function parseAnnotations(json: JsonObject): Readonly<Record<string, string>> {
  const annotations = json["annotations"];
  if (annotations === undefined || annotations === null) return {};
  if (!isJsonObject(annotations)) {
    throw invalid(`annotations is ${shown(annotations)}, not an object`);
  }
  for (const [key, value] of Object.entries(annotations)) {
    if (typeof value !== "string") {
      throw invalid(`annotations[${shown(key)}] is ${shown(value)}, not a string`);
    }
  }
  return annotations as Record<string, string>;
}

/**
 * The media type that header and body agree on; a Content-Type's parameters do not count. It is
 * answered as a header and kept in KV's metadata, and so has to be one (RFC 6838 section 4.2).
 */
function mediaTypeOf(json: JsonObject, contentType: string | undefined): string {
  const header = contentType?.split(";", 1)[0]?.trim().toLowerCase();
  const announced = header === "" ? undefined : header;
  const written = json["mediaType"];
  if (written !== undefined && typeof written !== "string") {
    throw invalid(`mediaType is ${shown(written)}, not a string`);
  }
  if (announced !== undefined && written !== undefined && announced !== written.toLowerCase()) {
    throw invalid(`Content-Type is ${shown(announced)}, mediaType is ${shown(written)}`);
  }
  const guessed = Array.isArray(json["manifests"]) ? ociIndexMediaType : ociManifestMediaType;
  const mediaType = written ?? announced ?? guessed;
  if (!mediaTypePattern.test(mediaType)) {
    throw invalid(`${shown(mediaType)} is no media type of the form type/subtype`);
  }
  return mediaType;
}

/** An image with children, or an index with layers, is read differently by different clients. */
function refuseAmbiguousForm(json: JsonObject, mediaType: string): void {
  const isIndex = indexMediaTypes.has(mediaType);
  const isImage = imageMediaTypes.has(mediaType);
  const image = ["config", "layers"].find((field) => json[field] !== undefined);
  if (json["manifests"] !== undefined && (image !== undefined || isImage)) {
    throw invalid(`manifests beside ${image ?? `the media type ${mediaType}`} (CVE-2021-41190)`);
  }
  const needed = (field: string, kind: string) =>
    invalid(`${field} is ${shown(json[field])}, ${mediaType} needs ${kind}`);
  if (isIndex && !Array.isArray(json["manifests"])) throw needed("manifests", "an array");
  if (isImage && !isJsonObject(json["config"])) throw needed("config", "an object");
  if (isImage && !Array.isArray(json["layers"])) throw needed("layers", "an array");
}

/**
 * The manifest in `bytes`, which came with `contentType`: an image manifest or index of OCI or
 * Docker schema 2, or another media type of the same form.
 * @throws RegistryError MANIFEST_INVALID, MANIFEST_TOO_LARGE
 */
export function parseManifest(bytes: Uint8Array, contentType: string | undefined): Manifest {
  if (bytes.length > manifestBytesMax) throw new RegistryError("MANIFEST_TOO_LARGE");
  const json = parseJson(bytes);
  const version = json["schemaVersion"];
  if (version !== 2) throw invalid(`schemaVersion is ${shown(version)}, not the number 2`);
  const mediaType = mediaTypeOf(json, contentType);
  refuseAmbiguousForm(json, mediaType);
  const config =
    json["config"] === undefined ? undefined : parseDescriptor(json["config"], "config");
  const blobs = [
    ...(config === undefined ? [] : [config]),
    ...parseDescriptors(json, "layers"),
    ...parseDescriptors(json, "blobs"),
  ];
  const children = parseDescriptors(json, "manifests");
  const descriptors = blobs.length + children.length;
  if (descriptors > manifestDescriptorsMax) {
    throw invalid(`${descriptors} descriptors, at most ${manifestDescriptorsMax}`);
  }
  const subject = json["subject"];
  const artifactType = json["artifactType"];
  if (artifactType !== undefined && typeof artifactType !== "string") {
    throw invalid(`artifactType is ${shown(artifactType)}, not a string`);
  }
  if (artifactType !== undefined && artifactType.length > mediaTypeCharactersMax) {
    const characters = artifactType.length;
    throw invalid(`artifactType has ${characters} characters, at most ${mediaTypeCharactersMax}`);
  }
  return {
    mediaType,
    blobs,
    children,
    subject:
      subject === undefined || subject === null
        ? undefined
        : parseDescriptor(subject, "subject").digest,
    artifactType: artifactType === "" ? config?.mediaType : (artifactType ?? config?.mediaType),
    annotations: parseAnnotations(json),
  };
}
