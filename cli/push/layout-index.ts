import { type Descriptor, isJsonObject, parseDescriptor } from "../../schemas/descriptor.ts";
import { RegistryError } from "../../schemas/errors.ts";
import { parseRepositoryName, type RepositoryName } from "../../schemas/reference.ts";
import { CommandError } from "../exit-codes.ts";

/** What an index lists, with what says which of its images somebody means. */
export interface IndexEntry {
  readonly descriptor: Descriptor;
  readonly annotations: Readonly<Record<string, string>>;
  /** "linux/arm/v7"; undefined where the index names none. */
  readonly platform: string | undefined;
}

const indexMediaTypes: ReadonlySet<string> = new Set([
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
]);
const manifestMediaTypes: ReadonlySet<string> = new Set([
  ...indexMediaTypes,
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
]);

/** Whether a descriptor is of a manifest: an index may list blobs, too (BuildKit's cache). */
export function isManifestDescriptor({ mediaType }: { readonly mediaType: string }): boolean {
  return manifestMediaTypes.has(mediaType);
}

/** Whether a descriptor is of an index. */
export function isIndexDescriptor({ mediaType }: { readonly mediaType: string }): boolean {
  return indexMediaTypes.has(mediaType);
}

/** An annotation by which containerd notes where content came from; the registry's host follows. */
const originAnnotation = "containerd.io/distribution.source.";
/** Each of them is asked for each blob. */
const originsMax = 8;

/**
 * The entries of an index, in its order; `path` names it in errors.
 * @throws CommandError if it is no index
 */
export function parseIndexEntries(json: unknown, path: string): readonly IndexEntry[] {
  const list = isJsonObject(json) ? json["manifests"] : undefined;
  if (!Array.isArray(list)) throw new CommandError(`${path} has no list of manifests`);
  return list.map((item: unknown, at) => {
    const descriptor = readDescriptor(item, `manifests[${at}]`, path);
    const fields = isJsonObject(item) ? item : {};
    return {
      descriptor,
      annotations: textsOf(fields["annotations"]),
      platform: platformOf(fields["platform"]),
    };
  });
}

function readDescriptor(item: unknown, where: string, path: string): Descriptor {
  try {
    return parseDescriptor(item, where);
  } catch (error) {
    if (error instanceof RegistryError) throw new CommandError(`${path}: ${error.message}`);
    throw error;
  }
}

function textsOf(value: unknown): Readonly<Record<string, string>> {
  if (!isJsonObject(value)) return {};
  const texts = Object.entries(value).filter(([, text]) => typeof text === "string");
  return Object.fromEntries(texts) as Record<string, string>;
}

/** The platform that an object names, of an index's entry or an image's configuration. */
export function platformOf(value: unknown): string | undefined {
  if (!isJsonObject(value)) return undefined;
  const { os, architecture, variant } = value;
  const parts = [os, architecture, variant].filter((part) => typeof part === "string" && part);
  return parts.length === 0 ? undefined : parts.join("/");
}

/** Whether a platform is the one that somebody named, who may have left the variant out. */
export function isPlatform(platform: string | undefined, wanted: string): boolean {
  return platform === wanted || platform?.startsWith(`${wanted}/`) === true;
}

/** The repositories that annotations name as where content came from, by their registry's host. */
export function originsOf(
  annotations: Readonly<Record<string, string>>,
): ReadonlyMap<string, readonly RepositoryName[]> {
  const origins = Object.entries(annotations)
    .filter(([key]) => key.startsWith(originAnnotation))
    .map(([key, names]) => {
      // Who wrote the image wrote them: what is no name could be another path of the registry.
      const repositories = names.split(",").flatMap((name) => parseRepositoryName(name) ?? []);
      return [key.slice(originAnnotation.length), repositories.slice(0, originsMax)] as const;
    });
  return new Map(origins);
}
