/** An image as the registry gives it to anyone who asks, checked byte by byte on the way. */
import { createHash } from "node:crypto";
import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import type { Descriptor } from "./oci-layout.ts";
import { sha256Of } from "./sha256.ts";

/** The two kinds of manifest that an image for one platform may have. */
const manifestTypes = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];

const indexType = "application/vnd.oci.image.index.v1+json";

/** The manifest of an image for one platform. */
export interface RemoteManifest {
  /** Its own digest. */
  readonly digest: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** One of the descriptors of an index. */
export interface IndexEntry extends Descriptor {
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Headers that a registry wants to see, as of who asks. */
export type AskedWith = Readonly<Record<string, string>>;

/** GETs; anything but a 200 with a body is an error that says what was answered. */
async function get(url: string, headers: AskedWith): Promise<Response> {
  const response = await fetch(url, { headers });
  if (response.status !== 200) {
    throw new Error(`GET ${url}: ${response.status} ${await response.text()}`);
  }
  return response;
}

function expectSame(what: string, actual: unknown, expected: unknown): void {
  if (actual !== expected) {
    throw new Error(`${what}: ${String(actual)} instead of ${String(expected)}`);
  }
}

/** Reads a blob, compares it with its descriptor, and answers the digest of its uncompressed bytes. */
async function readBlob(url: string, blob: Descriptor, headers: AskedWith): Promise<string> {
  const response = await get(url, headers);
  expectSame(`Content-Length of ${url}`, response.headers.get("content-length"), `${blob.size}`);
  const hash = createHash("sha256");
  let size = 0;
  const read = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of response.body ?? []) {
      hash.update(chunk);
      size += chunk.length;
      yield chunk;
    }
  };
  let unpacked = blob.digest;
  if (blob.mediaType.endsWith("gzip")) {
    await pipeline(read(), createGunzip(), async (content) => {
      unpacked = await sha256Of(content);
    });
  } else {
    await pipeline(read(), new Writable({ write: (_chunk, _encoding, written) => written() }));
  }
  expectSame(`size of ${url}`, size, blob.size);
  expectSame(`digest of ${url}`, `sha256:${hash.digest("hex")}`, blob.digest);
  return unpacked;
}

/** Reads the text of a manifest, and compares it with the digest that it comes with. */
async function readText(
  url: string,
  headers: AskedWith,
): Promise<{ digest: string; text: string }> {
  const response = await get(url, headers);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const digest = await sha256Of([bytes]);
  expectSame(`digest of ${url}`, response.headers.get("docker-content-digest"), digest);
  return { digest, text: new TextDecoder().decode(bytes) };
}

/** Reads the manifest of an image from the registry at a URL, by tag or by digest. */
export async function readManifest(
  registryUrl: string,
  repository: string,
  reference: string,
  headers: AskedWith = {},
): Promise<RemoteManifest> {
  const url = `${registryUrl}/v2/${repository}/manifests/${reference}`;
  const { digest, text } = await readText(url, { ...headers, accept: manifestTypes.join(", ") });
  const manifest: Omit<RemoteManifest, "digest"> = JSON.parse(text);
  return { digest, config: manifest.config, layers: manifest.layers };
}

/** Reads an index, and answers what it refers to. */
export async function readIndex(
  registryUrl: string,
  repository: string,
  reference: string,
  headers: AskedWith = {},
): Promise<readonly IndexEntry[]> {
  const url = `${registryUrl}/v2/${repository}/manifests/${reference}`;
  const { text } = await readText(url, { ...headers, accept: indexType });
  const index: { manifests: readonly IndexEntry[] } = JSON.parse(text);
  return index.manifests;
}

/** Reads every byte of an image, and answers the digests of its uncompressed layers. */
export async function readImage(
  registryUrl: string,
  repository: string,
  reference: string,
  headers: AskedWith = {},
): Promise<string[]> {
  const { config, layers } = await readManifest(registryUrl, repository, reference, headers);
  const blobs = `${registryUrl}/v2/${repository}/blobs`;
  await readBlob(`${blobs}/${config.digest}`, config, headers);
  const diffIds: string[] = [];
  for (const layer of layers) {
    diffIds.push(await readBlob(`${blobs}/${layer.digest}`, layer, headers));
  }
  return diffIds;
}
