/** Blobs as a test of collections pushes them and asks for them. */
import type { Digest } from "../../schemas/digest.ts";
import type { RepositoryName } from "../../schemas/reference.ts";
import {
  imageManifest,
  ociManifest,
  pushBlob,
  pushManifest,
  randomBytes,
  send,
} from "../client.ts";
import { repositoryObject } from "../durable-objects/names.ts";

export async function statusOf(method: string, path: string): Promise<number> {
  const response = await send(method, path);
  await response.arrayBuffer();
  return response.status;
}

/** Whether a repository has a blob. Asking so renews nothing, and no cache answers. */
export async function isLinked(repository: string, digest: string): Promise<boolean> {
  const found = await repositoryObject(repository as RepositoryName).blob(digest as Digest, "read");
  return found.ok;
}

/** An image of a config and one layer, each of a hundred bytes and more, pushed by tag. */
export async function pushOneLayer(
  repository: string,
  tag: string,
  layer: Uint8Array = randomBytes(1000),
): Promise<{ manifest: string; digest: string; config: string; layer: string }> {
  const bytes = randomBytes(100);
  const config = await pushBlob(repository, bytes);
  const digest = await pushBlob(repository, layer);
  const manifest = imageManifest({ digest: config, size: bytes.length }, [
    { digest, size: layer.length },
  ]);
  return {
    manifest,
    digest: await pushManifest(repository, tag, manifest, ociManifest),
    config,
    layer: digest,
  };
}

/** Deletes what a path names; it has to be there. */
export async function remove(path: string): Promise<void> {
  const status = await statusOf("DELETE", path);
  if (status !== 202) throw new Error(`DELETE of ${path}: ${status}`);
}
