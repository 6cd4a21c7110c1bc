import { type Digest, parseDigest } from "./digest.ts";
import { RegistryError } from "./errors.ts";

/** Content by media type, digest and size in bytes (OCI image spec, descriptor.md). */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  /** True for a layer that is fetched from elsewhere and need not be in the registry. */
  readonly foreign: boolean;
}

/** RFC 6838 section 4.2: 127 for the type, a slash, 127 for the subtype. */
export const mediaTypeCharactersMax = 255;

export type JsonObject = { readonly [key: string]: unknown };

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * The descriptor in `value`; `where` names it in errors ("layers[3]").
 * @throws RegistryError MANIFEST_INVALID
 */
export function parseDescriptor(value: unknown, where: string): Descriptor {
  if (!isJsonObject(value)) throw new RegistryError("MANIFEST_INVALID", `${where} is no object`);
  const { mediaType, digest: digestText, size, urls } = value;
  if (typeof mediaType !== "string" || mediaType === "") {
    throw new RegistryError("MANIFEST_INVALID", `${where}.mediaType is not a non-empty string`);
  }
  if (mediaType.length > mediaTypeCharactersMax) {
    throw new RegistryError(
      "MANIFEST_INVALID",
      `${where}.mediaType is longer than ${mediaTypeCharactersMax} characters`,
    );
  }
  const digest = typeof digestText === "string" ? parseDigest(digestText) : undefined;
  if (digest === undefined) {
    throw new RegistryError("MANIFEST_INVALID", `${where}.digest is no sha256 or sha512 digest`);
  }
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw new RegistryError(
      "MANIFEST_INVALID",
      `${where}.size is not a whole number of bytes from 0 to 2^53 - 1`,
    );
  }
  return { mediaType, digest, size, foreign: Array.isArray(urls) && urls.length > 0 };
}
