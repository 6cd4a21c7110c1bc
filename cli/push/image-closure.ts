/** All that belongs to a manifest: what it lists, what those list, and what refers to any of them. */
import type { Descriptor } from "../../schemas/descriptor.ts";
import { algorithmOf, type Digest, hexOf } from "../../schemas/digest.ts";
import { RegistryError } from "../../schemas/errors.ts";
import { type Manifest, parseManifest } from "../../schemas/manifest.ts";
import { digestOfBytes } from "../content-digest.ts";
import { CommandError } from "../exit-codes.ts";
import { type ContentFiles, readSmallFile } from "./content-files.ts";
import type { MissingContent, SourceBlob, SourceManifest } from "./image-source.ts";
import { isManifestDescriptor } from "./layout-index.ts";

/** The name of a blob's file in an OCI layout (OCI image spec, image-layout.md). */
export function blobName(digest: Digest): string {
  return `blobs/${algorithmOf(digest)}/${hexOf(digest)}`;
}

/**
 * The manifest that a descriptor is of, with its size and digest checked; undefined if a layout
 * does not have it.
 * @throws CommandError if it is not what the descriptor says
 */
export async function readManifest(
  files: ContentFiles,
  { digest, size, mediaType }: Descriptor,
): Promise<SourceManifest | undefined> {
  const name = blobName(digest);
  if ((await files.sizeOf(name)) === undefined) return undefined;
  const bytes = await readSmallFile(files, name);
  const path = files.pathOf(name);
  if (bytes.length !== size) {
    throw new CommandError(`${path} has ${bytes.length} bytes, and its descriptor says ${size}`);
  }
  if (digestOfBytes(bytes, algorithmOf(digest)) !== digest) {
    throw new CommandError(`${path} is not ${digest}: its bytes were changed; make it again`);
  }
  const manifest = parsed(bytes, mediaType, path);
  return { digest, mediaType: manifest.mediaType, bytes, manifest };
}

function parsed(bytes: Uint8Array, mediaType: string, path: string): Manifest {
  try {
    return parseManifest(bytes, mediaType);
  } catch (error) {
    if (error instanceof RegistryError) throw new CommandError(`${path}: ${error.message}`);
    throw error;
  }
}

/** What a push of some manifests of a layout consists of; grows by `add`. */
export class ImageClosure {
  readonly #files: ContentFiles;
  readonly #manifests = new Map<Digest, SourceManifest>();
  readonly #blobs = new Map<Digest, SourceBlob>();
  readonly #missing = new Map<Digest, MissingContent>();

  constructor(files: ContentFiles) {
    this.#files = files;
  }

  /** Children before what lists them. */
  get manifests(): readonly SourceManifest[] {
    return [...this.#manifests.values()];
  }

  get blobs(): readonly SourceBlob[] {
    return [...this.#blobs.values()];
  }

  get missing(): readonly MissingContent[] {
    return [...this.#missing.values()];
  }

  /** Whether a manifest belongs to it. */
  has(digest: Digest): boolean {
    return this.#manifests.has(digest);
  }

  /**
   * Adds a manifest with all that it lists. `namedBy` says what names it.
   * @throws CommandError if something is not what its descriptor says
   */
  async add(descriptor: Descriptor, namedBy: string): Promise<void> {
    if (this.#manifests.has(descriptor.digest)) return;
    const found = await readManifest(this.#files, descriptor);
    if (found === undefined) {
      this.#miss(descriptor, "manifest", namedBy);
      return;
    }
    for (const child of found.manifest.children) {
      const where = `${child.where} of ${found.digest}`;
      if (isManifestDescriptor(child)) await this.add(child, where);
      else await this.#addBlob(child, where);
    }
    for (const blob of found.manifest.blobs) {
      await this.#addBlob(blob, `${blob.where} of ${found.digest}`);
    }
    this.#manifests.set(found.digest, found);
  }

  async #addBlob(descriptor: Descriptor, namedBy: string): Promise<void> {
    const { digest, size, foreign } = descriptor;
    // A foreign layer is fetched from its own place: the registry needs no copy.
    if (foreign || this.#blobs.has(digest)) return;
    const name = blobName(digest);
    const path = this.#files.pathOf(name);
    const found = await this.#files.sizeOf(name);
    if (found === undefined) {
      this.#miss(descriptor, "blob", namedBy);
      return;
    }
    if (found !== size) {
      throw new CommandError(`${path} has ${found} bytes, and ${namedBy} says ${size}`);
    }
    const open = (offset: number) => this.#files.open(name, offset);
    this.#blobs.set(digest, { digest, size, path, open });
  }

  #miss({ digest }: Descriptor, kind: MissingContent["kind"], namedBy: string): void {
    const path = this.#files.pathOf(blobName(digest));
    this.#missing.set(digest, { digest, kind, path, namedBy });
  }
}
