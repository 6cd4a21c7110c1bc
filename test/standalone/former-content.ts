import { createHash } from "node:crypto";

const image = "application/vnd.oci.image.manifest.v1+json";
const index = "application/vnd.oci.image.index.v1+json";

/** What was pushed into the storage folders in test/fixtures, by the release that wrote them. */
export interface Manifest {
  /** The tags that name it; none for what an index or a subject keeps. */
  readonly tags: readonly string[];
  readonly mediaType: string;
  readonly text: string;
}

export const repository = "team/app";

/** Longer than a part of a multipart upload, and small when it is compressed. */
const largeLayer = Buffer.alloc(9 * 1024 * 1024, "a layer that comes in parts, ");
const smallLayer = Buffer.from("a layer that came whole");
const config = Buffer.from('{"architecture":"amd64","os":"linux"}');
const signature = Buffer.from("a signature");

/** Blobs that manifests use. */
export const blobs = [largeLayer, smallLayer, config, signature];

/** The blob whose upload was open when the registry was stopped, and how much of it had come. */
export const openBlob = Buffer.alloc(10 * 1024 * 1024, "a layer whose upload goes on, ");
export const openBytes = 9 * 1024 * 1024;

function digestOf(bytes: Buffer | string): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

function descriptor(mediaType: string, bytes: Buffer | string) {
  return { mediaType, digest: digestOf(bytes), size: Buffer.byteLength(bytes) };
}

const layerType = "application/vnd.oci.image.layer.v1.tar";

const imageText = JSON.stringify({
  schemaVersion: 2,
  mediaType: image,
  config: descriptor("application/vnd.oci.image.config.v1+json", config),
  layers: [descriptor(layerType, largeLayer), descriptor(layerType, smallLayer)],
});
const indexText = JSON.stringify({
  schemaVersion: 2,
  mediaType: index,
  manifests: [
    { ...descriptor(image, imageText), platform: { architecture: "amd64", os: "linux" } },
  ],
});
const referrerText = JSON.stringify({
  schemaVersion: 2,
  mediaType: image,
  artifactType: "application/vnd.example.signature",
  config: descriptor("application/vnd.oci.image.config.v1+json", config),
  layers: [descriptor("application/vnd.example.signature", signature)],
  subject: descriptor(image, imageText),
});

/** In the order in which they were pushed. */
export const manifests: readonly Manifest[] = [
  { tags: ["1.0"], mediaType: image, text: imageText },
  { tags: ["latest"], mediaType: index, text: indexText },
  { tags: [], mediaType: image, text: referrerText },
];

/** What has a referrer, and what that is. */
export const subjectDigest = digestOf(imageText);
export const referrerDigest = digestOf(referrerText);
