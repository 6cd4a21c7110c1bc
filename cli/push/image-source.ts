/** What `longshore push` reads an image from, whatever form it has. */
import type { Readable } from "node:stream";
import type { Digest } from "../../schemas/digest.ts";
import type { Manifest } from "../../schemas/manifest.ts";

/** A manifest of the image, with the bytes that its digest is of. */
export interface SourceManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
}

/** A blob that the source has. */
export interface SourceBlob {
  readonly digest: Digest;
  /** In bytes, as its descriptor says and as the source has it. */
  readonly size: number;
  /** Where it is, for people: the path of a file, or the name of an archive's entry. */
  readonly path: string;
  /** Its bytes from an offset. */
  open(offset: number): Readable;
}

/** What a manifest names and the source does not have. */
export interface MissingContent {
  readonly digest: Digest;
  readonly kind: "blob" | "manifest";
  /** Where it would be. */
  readonly path: string;
  /** What names it: "layers[0] of sha256:…". */
  readonly namedBy: string;
}

/** An image that can be pushed: one platform, or an index with all of them and its referrers. */
export interface ImageSource {
  /** The manifest that the target's tag will name. */
  readonly root: Digest;
  /** In the order of a push: children before their index, referrers behind it, the root last. */
  readonly manifests: readonly SourceManifest[];
  /** Each once. */
  readonly blobs: readonly SourceBlob[];
  readonly missing: readonly MissingContent[];
  /**
   * Repositories, by the registry's host, that the image came from
   * (containerd's annotation `containerd.io/distribution.source.<host>`).
   */
  readonly origins: ReadonlyMap<string, readonly string[]>;
  /** What people should know about how the image was read. */
  readonly notices: readonly string[];
}

/** Which image to take of a source that may have several. */
export interface ImageSelection {
  /** A name as the source has it, or a digest. */
  readonly image?: string | undefined;
  /** The target's tag: the image of this name, if nothing else says which one. */
  readonly tag?: string | undefined;
  /** One platform of an index: "linux/arm64", "linux/arm/v7". */
  readonly platform?: string | undefined;
}
