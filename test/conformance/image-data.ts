import { Buffer } from "node:buffer";
import { digestOf, ociIndex, ociManifest, randomBytes } from "../client.ts";

const emptyMediaType = "application/vnd.oci.empty.v1+json";
export const layerMediaType = "application/vnd.oci.image.layer.v1.tar+gzip";
const configMediaType = "application/vnd.oci.image.config.v1+json";

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: { readonly os: string; readonly architecture: string };
  readonly urls?: readonly string[];
  readonly data?: string;
}

/** A manifest with the digest that it is pushed by. */
export interface DataManifest extends Descriptor {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The digest of its subject, which the answer to its push has to name. */
  readonly subject: string | undefined;
}

/** What a manifest has beside config and layers, or beside its children. */
interface ManifestFields {
  readonly mediaType?: string;
  readonly subject?: Descriptor;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly [custom: string]: unknown;
}

/** The blobs, manifests and tags of one push, and the referrers that are to be found after it. */
export class ImageData {
  readonly blobs = new Map<string, Uint8Array<ArrayBuffer>>();
  /** Each comes after what it references. */
  readonly manifests: DataManifest[] = [];
  readonly tags = new Map<string, DataManifest>();
  /** What is referenced and not pushed: content that a sparse registry does without. */
  readonly withheldBlobs = new Map<string, Uint8Array<ArrayBuffer>>();
  readonly withheldManifests: DataManifest[] = [];
  /** By the digest of the subject. */
  readonly referrers = new Map<string, Descriptor[]>();
  readonly algorithm: string;
  readonly #embeds: boolean;

  /** With `embeds`, each descriptor has the content in its field `data`. */
  constructor(algorithm = "sha256", embeds = false) {
    this.algorithm = algorithm;
    this.#embeds = embeds;
  }

  /** A blob; of random bytes, as the registry does not look into layers. */
  blob(mediaType: string, bytes: Uint8Array<ArrayBuffer> = randomBytes(600)): Descriptor {
    const digest = digestOf(bytes, this.algorithm);
    this.blobs.set(digest, bytes);
    return this.#descriptor(mediaType, digest, bytes);
  }

  config(fields: Readonly<Record<string, unknown>> = {}): Descriptor {
    const id = crypto.randomUUID();
    const config = { architecture: "amd64", os: "linux", config: { Labels: { id } }, ...fields };
    return this.blob(configMediaType, encoded(config));
  }

  /** A config and two layers under a manifest. */
  image(fields: ManifestFields = {}): Descriptor {
    const layers = [this.blob(layerMediaType), this.blob(layerMediaType)];
    return this.manifest(this.config(), layers, fields);
  }

  /** The blob `{}`, for a field that has to be there. */
  empty(): Descriptor {
    return this.blob(emptyMediaType, encoded({}));
  }

  /** One blob of the type under a manifest whose config is the empty one. */
  artifact(artifactType: string, fields: ManifestFields = {}): Descriptor {
    return this.manifest(this.empty(), [this.blob(artifactType)], { artifactType, ...fields });
  }

  manifest(
    config: Descriptor,
    layers: readonly Descriptor[],
    fields: ManifestFields = {},
  ): Descriptor {
    const manifest = { schemaVersion: 2, mediaType: ociManifest, config, layers, ...fields };
    return this.#add(manifest, fields.artifactType ?? config.mediaType);
  }

  index(children: readonly Descriptor[], fields: ManifestFields = {}): Descriptor {
    const index = { schemaVersion: 2, mediaType: ociIndex, manifests: children, ...fields };
    return this.#add(index, fields.artifactType);
  }

  /** Has a tag name the manifest of a descriptor. */
  tag(tag: string, { digest }: Descriptor): void {
    this.tags.set(tag, this.manifests[this.#at(digest)] as DataManifest);
  }

  /** Keeps a blob or a manifest back from the push. */
  withhold(descriptor: Descriptor): Descriptor {
    const bytes = this.blobs.get(descriptor.digest);
    if (bytes === undefined) {
      this.withheldManifests.push(...this.manifests.splice(this.#at(descriptor.digest), 1));
    } else {
      this.blobs.delete(descriptor.digest);
      this.withheldBlobs.set(descriptor.digest, bytes);
    }
    return descriptor;
  }

  #at(digest: string): number {
    const at = this.manifests.findIndex((manifest) => manifest.digest === digest);
    if (at === -1) throw new Error(`no manifest ${digest} in the data`);
    return at;
  }

  #add(manifest: ManifestFields & { mediaType: string }, artifactType?: string): Descriptor {
    const bytes = encoded(manifest);
    const { mediaType, subject, annotations } = manifest;
    const content = { mediaType, digest: digestOf(bytes, this.algorithm), size: bytes.length };
    this.manifests.push({ ...content, bytes, subject: subject?.digest });
    if (subject !== undefined) {
      const referrer = {
        ...content,
        ...(artifactType === undefined ? {} : { artifactType }),
        ...(annotations === undefined ? {} : { annotations }),
      };
      this.referrers.set(subject.digest, [...(this.referrers.get(subject.digest) ?? []), referrer]);
    }
    return this.#descriptor(mediaType, content.digest, bytes);
  }

  #descriptor(mediaType: string, digest: string, bytes: Uint8Array): Descriptor {
    const data = this.#embeds ? { data: Buffer.from(bytes).toString("base64") } : {};
    return { mediaType, digest, size: bytes.length, ...data };
  }
}

function encoded(json: unknown): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(new TextEncoder().encode(JSON.stringify(json)));
}
