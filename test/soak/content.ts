import { createCipheriv, createHash } from "node:crypto";
import type { Random } from "../fuzz/random.ts";

/** A blob that can be made again from a few numbers, so that none has to be kept. */
export interface Blob {
  readonly digest: string;
  readonly size: number;
  bytes(): Buffer;
}

/** A manifest, and what it needs. */
export interface Manifest {
  /** The client that pushes it, which alone deletes it. */
  readonly owner: string;
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Buffer;
  readonly blobs: readonly { readonly digest: string; readonly size: number }[];
  readonly children: readonly string[];
  readonly subject: string | undefined;
}

const imageType = "application/vnd.oci.image.manifest.v1+json";
const indexType = "application/vnd.oci.image.index.v1+json";

const layerBytesMin = 1024;
const layerBytesMax = 12 * 1024 * 1024;

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** Bytes that look random and are the same for the same seed. */
function seededBytes(seed: string, size: number): Buffer {
  const key = createHash("sha256").update(seed).digest();
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(size));
}

/** A layer of the bytes of a seed. */
export function layerOf(seed: string, size: number): Blob {
  return {
    digest: digestOf(seededBytes(seed, size)),
    size,
    bytes: () => seededBytes(seed, size),
  };
}

/** A config, or any other blob that is written as text. */
export function textBlob(text: string): Blob {
  const bytes = Buffer.from(text);
  return { digest: digestOf(bytes), size: bytes.length, bytes: () => bytes };
}

/** From 1 KiB to 12 MiB, most of them small. */
export function layerSize(random: Random): number {
  const share = (random.below(10_000) / 10_000) ** 8;
  return Math.round(layerBytesMin + share * (layerBytesMax - layerBytesMin));
}

export function imageOf(
  owner: string,
  config: Blob,
  layers: readonly Blob[],
  subject?: Manifest,
): Manifest {
  return manifestOf(
    owner,
    imageType,
    {
      config: { mediaType: "application/vnd.oci.image.config.v1+json", ...descriptor(config) },
      layers: layers.map((layer) => ({
        mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
        ...descriptor(layer),
      })),
      ...(subject === undefined ? {} : { subject: childDescriptor(subject) }),
    },
    { blobs: [config, ...layers].map(descriptor), children: [], subject: subject?.digest },
  );
}

/** An index that nobody else has. */
export function indexOf(owner: string, children: readonly Manifest[], id: string): Manifest {
  return manifestOf(
    owner,
    indexType,
    { manifests: children.map(childDescriptor), annotations: { owner, id } },
    { blobs: [], children: children.map(({ digest }) => digest), subject: undefined },
  );
}

function manifestOf(
  owner: string,
  mediaType: string,
  fields: Record<string, unknown>,
  needs: Pick<Manifest, "blobs" | "children" | "subject">,
): Manifest {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...fields }));
  return { owner, digest: digestOf(bytes), mediaType, bytes, ...needs };
}

function descriptor({ digest, size }: { digest: string; size: number }) {
  return { digest, size };
}

function childDescriptor({ digest, mediaType, bytes }: Manifest) {
  return { mediaType, digest, size: bytes.length };
}
