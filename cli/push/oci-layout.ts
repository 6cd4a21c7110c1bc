import type { Digest } from "../../schemas/digest.ts";
import { CommandError } from "../exit-codes.ts";
import { type ContentFiles, readJsonFile } from "./content-files.ts";
import {
  childrenOf,
  chooseImage,
  choosePlatform,
  isReferrersList,
  onlyPlatformPresent,
} from "./image-choice.ts";
import { ImageClosure, readManifest } from "./image-closure.ts";
import type { ImageSelection, ImageSource } from "./image-source.ts";
import {
  type IndexEntry,
  isIndexDescriptor,
  isManifestDescriptor,
  originsOf,
  parseIndexEntries,
} from "./layout-index.ts";

/** The file by which a folder is an OCI layout (OCI image spec, image-layout.md). */
export const layoutMarker = "oci-layout";

/** How a layout is read. */
export interface LayoutOptions extends ImageSelection {
  /**
   * Written by an engine, whose index may list platforms that it never pulled: if it has one, that
   * one is the image.
   */
  readonly isFromEngine: boolean;
}

/**
 * An image of an OCI layout, with all its platforms and the referrers that the layout has.
 * @throws CommandError if the layout is not one, or is not what it says
 */
export async function openOciLayout(
  files: ContentFiles,
  options: LayoutOptions,
): Promise<ImageSource> {
  const marker = await readJsonFile(files, layoutMarker);
  const version = (marker as { imageLayoutVersion?: unknown } | null)?.imageLayoutVersion;
  if (typeof version !== "string" || !version.startsWith("1.")) {
    throw new CommandError(`${files.pathOf(layoutMarker)} is not of an OCI layout of version 1`);
  }
  const entries = parseIndexEntries(
    await readJsonFile(files, "index.json"),
    files.pathOf("index.json"),
  );
  const notices: string[] = [];
  const named = await chooseImage(files, entries, options);
  const root = await platformOf(files, named, options, notices);
  const closure = new ImageClosure(files);
  await closure.add(root.descriptor, files.pathOf("index.json"));
  await addReferrers(files, entries, closure);
  const { digest } = root.descriptor;
  // Who sees the tag sees its signatures, too: the manifest that the tag names goes last.
  const manifests = [
    ...closure.manifests.filter((manifest) => manifest.digest !== digest),
    ...closure.manifests.filter((manifest) => manifest.digest === digest),
  ];
  return {
    root: digest,
    manifests,
    blobs: closure.blobs,
    missing: closure.missing,
    origins: originsOf(named.annotations),
    notices,
  };
}

async function platformOf(
  files: ContentFiles,
  entry: IndexEntry,
  { platform, isFromEngine }: LayoutOptions,
  notices: string[],
): Promise<IndexEntry> {
  if (platform !== undefined) return choosePlatform(files, entry, platform);
  if (!isFromEngine || !isIndexDescriptor(entry.descriptor)) return entry;
  if ((await readManifest(files, entry.descriptor)) === undefined) return entry;
  const only = await onlyPlatformPresent(files, entry);
  if (only === undefined) return entry;
  const name = only.platform ?? only.descriptor.digest;
  notices.push(`the engine has one platform of this image, ${name}: that one is pushed, alone`);
  return only;
}

/** Adds each manifest whose subject belongs to the image, and what refers to that, and so on. */
async function addReferrers(
  files: ContentFiles,
  entries: readonly IndexEntry[],
  closure: ImageClosure,
): Promise<void> {
  const candidates = new Map<Digest, { entry: IndexEntry; subject: Digest }>();
  for (const entry of await listedManifests(files, entries)) {
    const subject = (await readManifest(files, entry.descriptor))?.manifest.subject;
    if (subject !== undefined) candidates.set(entry.descriptor.digest, { entry, subject });
  }
  for (;;) {
    const next = [...candidates.values()].filter(({ subject }) => closure.has(subject));
    if (next.length === 0) return;
    for (const { entry } of next) {
      candidates.delete(entry.descriptor.digest);
      await closure.add(entry.descriptor, files.pathOf("index.json"));
    }
  }
}

/** The manifests of a layout's index, and of the lists of referrers in it. */
async function listedManifests(
  files: ContentFiles,
  entries: readonly IndexEntry[],
): Promise<readonly IndexEntry[]> {
  const manifests = entries.filter(({ descriptor }) => isManifestDescriptor(descriptor));
  const found: IndexEntry[] = [];
  for (const entry of manifests) {
    const isList = isReferrersList(entry) && isIndexDescriptor(entry.descriptor);
    const isThere = isList && (await readManifest(files, entry.descriptor)) !== undefined;
    found.push(...(isThere ? await childrenOf(files, entry) : [entry]));
  }
  return found.filter(({ descriptor }) => isManifestDescriptor(descriptor));
}
