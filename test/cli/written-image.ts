/** Images that tests write by hand, as OCI layouts and as archives of `docker save`. */
import { createCipheriv, createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { pack } from "tar-stream";

/** A descriptor as manifests have it. */
export interface WrittenDescriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: { readonly os: string; readonly architecture: string };
}

export const mediaTypes = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar+gzip",
} as const;

export function digestOf(bytes: Uint8Array | string): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** Bytes that look random, and are the same for the same seed. */
export function noise(seed: string, bytes: number): Buffer {
  const key = createHash("sha256").update(seed).digest();
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(bytes));
}

/** The files of an OCI layout, by their names. */
export class WrittenLayout {
  readonly files = new Map<string, Uint8Array>();
  readonly #entries: WrittenDescriptor[] = [];

  blob(bytes: Uint8Array | string, mediaType: string): WrittenDescriptor {
    const content = Buffer.from(bytes);
    const digest = digestOf(content);
    this.files.set(blobFile(digest), content);
    return { mediaType, digest, size: content.length };
  }

  /** An image with these layers. */
  image(layers: readonly WrittenDescriptor[], fields: object = {}): WrittenDescriptor {
    const platform = { os: "linux", architecture: "amd64" };
    const config = this.blob(JSON.stringify({ ...platform, layers }), mediaTypes.config);
    return this.json(mediaTypes.manifest, { config, layers, ...fields });
  }

  index(manifests: readonly WrittenDescriptor[]): WrittenDescriptor {
    return this.json(mediaTypes.index, { manifests });
  }

  json(mediaType: string, fields: object): WrittenDescriptor {
    return this.blob(JSON.stringify({ schemaVersion: 2, mediaType, ...fields }), mediaType);
  }

  /** Lists a manifest in the layout's index. */
  list(manifest: WrittenDescriptor, annotations: Record<string, string> = {}): void {
    this.#entries.push({ ...manifest, annotations });
  }

  /** All files, with the layout's index and marker. */
  all(): ReadonlyMap<string, Uint8Array> {
    const index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: this.#entries };
    return new Map([
      ...this.files,
      ["oci-layout", Buffer.from('{"imageLayoutVersion":"1.0.0"}')],
      ["index.json", Buffer.from(JSON.stringify(index))],
    ]);
  }
}

export const refName = "org.opencontainers.image.ref.name";

/** The name of a blob's file in a layout. */
export function blobFile(digest: string): string {
  return `blobs/${digest.replace(":", "/")}`;
}

/** Writes files into a folder. */
export async function writeFolder(
  folder: string,
  files: ReadonlyMap<string, Uint8Array>,
): Promise<string> {
  for (const [name, bytes] of files) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), bytes);
  }
  return folder;
}

/** Writes files into an archive, with symbolic links behind them. */
export async function writeArchive(
  path: string,
  files: ReadonlyMap<string, Uint8Array>,
  links: Readonly<Record<string, string>> = {},
): Promise<string> {
  const archive = pack();
  for (const [name, bytes] of files) archive.entry({ name }, Buffer.from(bytes));
  for (const [name, linkname] of Object.entries(links)) {
    archive.entry({ name, type: "symlink", linkname });
  }
  archive.finalize();
  await pipeline(archive, createWriteStream(path));
  return path;
}

/**
 * An image for two platforms that share a layer, with a signature of the index and an attestation
 * of the signature. `v1` is its name.
 */
export function multiPlatformLayout(layerBytes = 300_000) {
  const layout = new WrittenLayout();
  const layer = (seed: string) => layout.blob(noise(seed, layerBytes), mediaTypes.layer);
  const base = layer("base");
  const platform = (architecture: string) => ({
    ...layout.image([base, layer(architecture)]),
    platform: { os: "linux", architecture },
  });
  const children = [platform("amd64"), platform("arm64")];
  const index = layout.index(children);
  layout.list(index, { [refName]: "v1" });
  const referrerOf = (subject: WrittenDescriptor, artifactType: string) =>
    layout.image([layer(artifactType)], { subject, artifactType });
  const signature = referrerOf(index, "application/vnd.example.signature");
  const attestation = referrerOf(signature, "application/vnd.example.attestation");
  layout.list(attestation);
  layout.list(signature);
  return { layout, index, children, base, signature, attestation };
}

const layerName = (at: number) => `layer-${at}/layer.tar`;

/** The files of a `docker save` archive of the old form, with the layers as tars. */
export function savedImage(name: string, layers: readonly Uint8Array[]): Map<string, Uint8Array> {
  const config = Buffer.from(
    JSON.stringify({
      os: "linux",
      architecture: "amd64",
      rootfs: { type: "layers", diff_ids: layers.map((layer) => digestOf(layer)) },
    }),
  );
  const configName = `${digestOf(config).slice("sha256:".length)}.json`;
  const Layers = layers.map((_, at) => layerName(at));
  const list = [{ Config: configName, RepoTags: [name], Layers }];
  return new Map([
    [configName, config],
    ...layers.map((layer, at) => [layerName(at), layer] as const),
    ["manifest.json", Buffer.from(JSON.stringify(list))],
  ]);
}
