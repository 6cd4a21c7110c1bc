import { type Digest, parseDigest } from "./digest.ts";
import { RegistryError } from "./errors.ts";
import { fieldNames, type FieldNames, misspeltKey } from "./json-keys.ts";

/** Content by media type, digest and size in bytes (OCI image spec, descriptor.md). */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  /** True for a layer that is fetched from elsewhere and need not be in the registry. */
  readonly foreign: boolean;
  /** Where it stands in its manifest, for errors: "layers[3]". */
  readonly where: string;
}

/** RFC 6838 section 4.2: 127 for the type, a slash, 127 for the subtype. */
export const mediaTypeCharactersMax = 255;

/** Parameters are no part of a media type's name, but harmless: nobody is answered with it. */
const mediaTypePattern = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?: *;[ -~]*)?$/;

const descriptorFields = fieldNames([
  "mediaType",
  "digest",
  "size",
  "urls",
  "annotations",
  "data",
  "artifactType",
  "platform",
]);

export type JsonObject = { readonly [key: string]: unknown };

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A wrong value as errors name it: text is cut, what can be deep is told by its kind alone. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 100));
  if (Array.isArray(value)) return "an array";
  if (isJsonObject(value)) return "an object";
  if (value === undefined) return "missing";
  // JSON.stringify has no word for what 1e400 is.
  return typeof value === "number" ? String(value) : JSON.stringify(value);
}

/** @throws RegistryError MANIFEST_INVALID for a key that some readers take for another one */
export function refuseMisspeltKey(object: JsonObject, names: FieldNames, where: string): void {
  const misspelt = misspeltKey(object, names);
  if (misspelt === undefined) return;
  const { key, name } = misspelt;
  throw new RegistryError("MANIFEST_INVALID", `${where} has the key ${shown(key)}, write ${name}`);
}

/**
 * The descriptor in `value`; `where` names it in errors ("layers[3]").
 * @throws RegistryError MANIFEST_INVALID
 */
export function parseDescriptor(value: unknown, where: string): Descriptor {
  const wrong = (field: string, is: unknown, allowed: string) =>
    new RegistryError("MANIFEST_INVALID", `${where}${field} is ${shown(is)}, not ${allowed}`);
  if (!isJsonObject(value)) throw wrong("", value, "an object");
  refuseMisspeltKey(value, descriptorFields, where);
  const { mediaType, digest: digestText, size, urls } = value;
  if (typeof mediaType !== "string") throw wrong(".mediaType", mediaType, "a media type");
  if (mediaType.length > mediaTypeCharactersMax) {
    throw new RegistryError(
      "MANIFEST_INVALID",
      `${where}.mediaType has ${mediaType.length} characters, at most ${mediaTypeCharactersMax}`,
    );
  }
  if (!mediaTypePattern.test(mediaType)) {
    throw wrong(".mediaType", mediaType, "of the form type/subtype");
  }
  const digest = typeof digestText === "string" ? parseDigest(digestText) : undefined;
  if (digest === undefined) throw wrong(".digest", digestText, "a digest in lower case");
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw wrong(".size", size, "a whole number of bytes from 0 to 2^53 - 1");
  }
  return { mediaType, digest, size, foreign: Array.isArray(urls) && urls.length > 0, where };
}
