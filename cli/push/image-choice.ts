/** Which image of a layout somebody means. */
import type { Digest } from "../../schemas/digest.ts";
import { CommandError } from "../exit-codes.ts";
import { type ContentFiles, readJsonFile } from "./content-files.ts";
import { blobName, readManifest } from "./image-closure.ts";
import type { ImageSelection } from "./image-source.ts";
import {
  type IndexEntry,
  isIndexDescriptor,
  isManifestDescriptor,
  isPlatform,
  parseIndexEntries,
  platformOf,
} from "./layout-index.ts";

/** Annotations of a layout's index that name an image: the OCI's (a tag, mostly) and containerd's. */
const nameAnnotations = ["org.opencontainers.image.ref.name", "io.containerd.image.name"] as const;
/** Tags that stand for a list of referrers (distribution spec, "Referrers tag schema"). */
const referrersTag = /^(sha(?:256|512))-([0-9a-f]{64,128})$/;

/** What a layout's index calls an image. */
function namesOf({ annotations }: IndexEntry): readonly string[] {
  return nameAnnotations.flatMap((key) => annotations[key] ?? []);
}

/** Whether an entry lists referrers of another one, for registries that know no referrers. */
export function isReferrersList(entry: IndexEntry): boolean {
  return namesOf(entry).some((name) => referrersTag.test(name));
}

/**
 * The entry that is pushed: the one that `--image` names; else the only image; else the one with
 * the target's tag. Referrers are no images by themselves, but can be named.
 * @throws CommandError that lists what there is
 */
export async function chooseImage(
  files: ContentFiles,
  entries: readonly IndexEntry[],
  { image, tag }: ImageSelection,
): Promise<IndexEntry> {
  if (image !== undefined) {
    const named = different(entries.filter((entry) => isNamed(entry, image)));
    if (named[0] !== undefined && named.length === 1) return named[0];
    throw new CommandError(`${named.length} images are ${image}: there ${listed(entries)}`);
  }
  const images: IndexEntry[] = [];
  for (const entry of entries) {
    if (!isManifestDescriptor(entry.descriptor) || isReferrersList(entry)) continue;
    const found = await readManifest(files, entry.descriptor);
    if (found?.manifest.subject === undefined) images.push(entry);
  }
  const all = different(images);
  const tagged = tag === undefined ? [] : different(all.filter((entry) => isNamed(entry, tag)));
  const [chosen] = all.length === 1 ? all : tagged;
  if (chosen !== undefined && (all.length === 1 || tagged.length === 1)) return chosen;
  if (all.length === 0) throw new CommandError(`${files.pathOf("index.json")} lists no image`);
  throw new CommandError(`say by --image which one is to be pushed: there ${listed(all)}`);
}

/** Entries of the same manifest are one image with several names. */
function different(entries: readonly IndexEntry[]): readonly IndexEntry[] {
  const byDigest = new Map<Digest, IndexEntry>();
  for (const entry of entries) {
    const { digest } = entry.descriptor;
    if (!byDigest.has(digest)) byDigest.set(digest, entry);
  }
  return [...byDigest.values()];
}

/** `app:1` is also what the engine calls `docker.io/library/app:1`. */
function isNamed(entry: IndexEntry, wanted: string): boolean {
  return (
    entry.descriptor.digest === wanted ||
    namesOf(entry).some((name) => name === wanted || name.endsWith(`/${wanted}`))
  );
}

function listed(entries: readonly IndexEntry[]): string {
  const names = entries.map((entry) => namesOf(entry)[0] ?? entry.descriptor.digest);
  return names.length === 0 ? "is none" : `are ${names.join(", ")}`;
}

/**
 * The one image of an index that is for a platform; an image that is for one platform is it.
 * @throws CommandError that says what there is
 */
export async function choosePlatform(
  files: ContentFiles,
  entry: IndexEntry,
  platform: string,
): Promise<IndexEntry> {
  const path = files.pathOf(blobName(entry.descriptor.digest));
  if (!isIndexDescriptor(entry.descriptor)) {
    const only = await platformOfImage(files, entry);
    if (isPlatform(only, platform)) return entry;
    throw new CommandError(`${path} is for ${only ?? "no platform"}, not for ${platform}`);
  }
  const children = await childrenOf(files, entry);
  const found =
    children.find((child) => child.platform === platform) ??
    children.find((child) => isPlatform(child.platform, platform));
  if (found !== undefined) return { ...found, annotations: entry.annotations };
  const platforms = children.flatMap((child) => child.platform ?? []);
  throw new CommandError(`${path} has no image for ${platform}: it has ${platforms.join(", ")}`);
}

/** The platform that an image's configuration names. */
async function platformOfImage(
  files: ContentFiles,
  { descriptor }: IndexEntry,
): Promise<string | undefined> {
  const image = await readManifest(files, descriptor);
  // The configuration is the first blob of an image.
  const config = image?.manifest.blobs[0];
  if (config === undefined) return undefined;
  return platformOf(await readJsonFile(files, blobName(config.digest)));
}

/** What an index of a layout lists. @throws CommandError */
export async function childrenOf(
  files: ContentFiles,
  { descriptor }: IndexEntry,
): Promise<readonly IndexEntry[]> {
  const name = blobName(descriptor.digest);
  return parseIndexEntries(await readJsonFile(files, name), files.pathOf(name));
}

/**
 * Of an index that lists more platforms than an engine has: the one image that it has, as docker
 * push does it. Undefined if all are there, or several of them.
 */
export async function onlyPlatformPresent(
  files: ContentFiles,
  entry: IndexEntry,
): Promise<IndexEntry | undefined> {
  const present: IndexEntry[] = [];
  let isComplete = true;
  for (const child of await childrenOf(files, entry)) {
    const isThere = (await files.sizeOf(blobName(child.descriptor.digest))) !== undefined;
    isComplete &&= isThere;
    // Attestations are for the platform "unknown/unknown".
    if (isThere && child.platform?.startsWith("unknown/") !== true) present.push(child);
  }
  const [only] = present;
  if (isComplete || only === undefined || present.length > 1) return undefined;
  return { ...only, annotations: entry.annotations };
}
