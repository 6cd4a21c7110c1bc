import { exports } from "cloudflare:workers";
import { createHash } from "node:crypto";

const origin = "http://registry.test";

/** Sends a request to the registry as a client would; `path` begins with a slash. */
export function send(method: string, path: string, init: RequestInit = {}): Promise<Response> {
  return exports.default.fetch(new Request(new URL(path, origin), { ...init, method }));
}

export function digestOf(bytes: Uint8Array | string, algorithm = "sha256"): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}

/** Bytes that no other test has, so that no blob is there before its push. */
export function randomBytes(size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65_536) {
    crypto.getRandomValues(bytes.subarray(at, Math.min(size, at + 65_536)));
  }
  return bytes;
}

/** A body of unknown length, as docker's graph driver sends it, in pieces of at most `pieceBytes`. */
export function stream(bytes: Uint8Array, pieceBytes = 65_536): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at + pieceBytes));
      at += pieceBytes;
    },
  });
}

/** A body that never ends; `sent` is called once all its bytes were taken. */
export function unfinishedStream(bytes: Uint8Array, sent: () => void): ReadableStream<Uint8Array> {
  const pieces = stream(bytes).getReader();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await pieces.read();
      if (!done) return controller.enqueue(value);
      setTimeout(sent, 100);
      await new Promise(() => undefined);
    },
  });
}

/** A repository that no other test has. */
export function newRepository(): string {
  return `team/r${crypto.randomUUID()}`;
}

/** The Location of a new upload session. */
export async function startUpload(repository: string): Promise<string> {
  const response = await send("POST", `/v2/${repository}/blobs/uploads/`);
  return response.headers.get("Location") ?? "";
}

/** Pushes a blob whole, as containerd does; answers its digest. */
export async function pushBlob(
  repository: string,
  bytes: Uint8Array | string,
  algorithm = "sha256",
): Promise<string> {
  const digest = digestOf(bytes, algorithm);
  const location = await startUpload(repository);
  const response = await send("PUT", `${location}?digest=${digest}`, { body: bytes });
  if (response.status !== 201) throw new Error(`push of a blob: ${await response.text()}`);
  return digest;
}

export const ociManifest = "application/vnd.oci.image.manifest.v1+json";
export const ociIndex = "application/vnd.oci.image.index.v1+json";

/** An index over descriptors; with none, a manifest that needs nothing and that nobody else has. */
export function indexOf(
  manifests: readonly { mediaType: string; digest: string; size: number }[] = [],
  more: Record<string, unknown> = {},
): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: ociIndex,
    manifests,
    annotations: { id: crypto.randomUUID() },
    ...more,
  });
}

/** An image manifest over blobs that were pushed. */
export function imageManifest(
  config: { digest: string; size: number },
  layers: readonly { digest: string; size: number }[],
  more: Record<string, unknown> = {},
): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: ociManifest,
    config: { mediaType: "application/vnd.oci.image.config.v1+json", ...config },
    layers: layers.map((layer) => ({
      mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
      ...layer,
    })),
    ...more,
  });
}

/** Pushes an image of a config and the layers, and answers its manifest and digest. */
export async function pushImage(
  repository: string,
  reference: string,
  layers: readonly Uint8Array[],
  more: Record<string, unknown> = {},
): Promise<{ manifest: string; digest: string; layers: string[] }> {
  const config = JSON.stringify({ architecture: "amd64", os: "linux", id: crypto.randomUUID() });
  const configDigest = await pushBlob(repository, config);
  const pushed = [];
  for (const layer of layers) {
    // oxlint-disable-next-line no-await-in-loop
    pushed.push({ digest: await pushBlob(repository, layer), size: layer.length });
  }
  const manifest = imageManifest({ digest: configDigest, size: config.length }, pushed, more);
  const digest = digestOf(manifest);
  await pushManifest(repository, reference, manifest, ociManifest);
  return { manifest, digest, layers: pushed.map((layer) => layer.digest) };
}

export function putManifest(
  repository: string,
  reference: string,
  manifest: string | Uint8Array,
  mediaType: string = ociManifest,
): Promise<Response> {
  return send("PUT", `/v2/${repository}/manifests/${reference}`, {
    body: manifest,
    headers: { "Content-Type": mediaType },
  });
}

/** Pushes a manifest that has to be taken, by tag or by its digest; answers its digest. */
export async function pushManifest(
  repository: string,
  reference: string,
  manifest: string,
  mediaType: string = ociIndex,
): Promise<string> {
  const digest = digestOf(manifest);
  const named = reference === "" ? digest : reference;
  const response = await putManifest(repository, named, manifest, mediaType);
  if (response.status !== 201) throw new Error(`push of a manifest: ${await response.text()}`);
  return digest;
}

/** The status of an answer and the code in its body, which every error has. */
export async function refusal(response: Response): Promise<[number, string | undefined]> {
  return [response.status, await errorCode(response)];
}

/** The code of the first error in an error's body. */
export async function errorCode(response: Response): Promise<string | undefined> {
  const body = await response.json<{ errors: { code: string }[] }>();
  return body.errors[0]?.code;
}
