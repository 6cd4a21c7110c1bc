import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { digestOf, imageManifest, ociIndex, ociManifest } from "../client.ts";

/** What the runs push. A blob has the bytes of the manifest `m0`: the two have one digest. */
export const blobNames = ["b0", "b1", "b2", "b3", "m0"] as const;
export const manifestNames = ["m0", "m1", "m2", "m3"] as const;
export const tagNames = ["t0", "t1", "t2"] as const;
export type BlobName = (typeof blobNames)[number];
export type ManifestName = (typeof manifestNames)[number];
export type ItemName = BlobName | ManifestName;
export type TagName = (typeof tagNames)[number];

interface References {
  /** Config and layers. */
  readonly blobs: readonly BlobName[];
  /** What an index lists: manifests, and blobs as BuildKit's cache has them. */
  readonly children: readonly ItemName[];
  readonly subject?: ManifestName;
}

/** An image, an artifact that refers to it, an index of it, and an index that refers to it, too. */
export const references: Readonly<Record<ManifestName, References>> = {
  m0: { blobs: ["b0", "b1"], children: [] },
  m1: { blobs: ["b0", "b2"], children: [], subject: "m0" },
  m2: { blobs: [], children: ["m0", "b3"] },
  m3: { blobs: [], children: ["m2", "m1"], subject: "m0" },
};

interface Item {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly digest: string;
  readonly mediaType: string;
}

/** The blobs and manifests of one run. */
export interface Alphabet {
  readonly items: Readonly<Record<ItemName, Item>>;
  /** The indexes of its digests: few, so that few have to be looked into. */
  readonly indexes: readonly string[];
}

const indexNames = ["sha256:00", "sha256:01"];

/** Bytes by a number, tried until their digest belongs to one of the few indexes. */
function mined(text: (nonce: number) => string): Uint8Array<ArrayBuffer> {
  for (let nonce = 0; ; nonce++) {
    const bytes = Uint8Array.from(Buffer.from(text(nonce)));
    const first = createHash("sha256").update(bytes).digest()[0] ?? 255;
    if (first < indexNames.length) return bytes;
  }
}

/** Items that no other run has, so that runs do not meet at the digests of a shared registry. */
export function newAlphabet(): Alphabet {
  const run = crypto.randomUUID();
  const items = {} as Record<ItemName, Item>;
  const add = (name: ItemName, mediaType: string, bytes: Uint8Array<ArrayBuffer>) => {
    items[name] = { bytes, digest: digestOf(bytes), mediaType };
  };
  const descriptor = (name: ItemName) => {
    const { digest, bytes, mediaType } = items[name];
    return { mediaType, digest, size: bytes.length };
  };
  for (const name of ["b0", "b1", "b2", "b3"] as const) {
    add(
      name,
      "application/vnd.oci.image.layer.v1.tar+gzip",
      mined((nonce) => `${run} ${name} ${nonce}`),
    );
  }
  for (const name of manifestNames) {
    const { blobs, children, subject } = references[name];
    const more = subject === undefined ? {} : { subject: descriptor(subject) };
    const bytes = mined((nonce) => {
      const annotations = { nonce: `${nonce}` };
      const [config, ...layers] = blobs.map(descriptor);
      if (config !== undefined) return imageManifest(config, layers, { annotations, ...more });
      const manifests = children.map(descriptor);
      return JSON.stringify({
        schemaVersion: 2,
        mediaType: ociIndex,
        manifests,
        annotations,
        ...more,
      });
    });
    add(name, blobs.length > 0 ? ociManifest : ociIndex, bytes);
  }
  return { items, indexes: indexNames };
}
