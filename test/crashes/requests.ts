import { stream } from "../client.ts";
import type { Client } from "./client.ts";
import type { Blob, Manifest } from "./world.ts";

/** The Location of a new session. */
export async function startSession(client: Client, repository: string): Promise<string> {
  const path = `/v2/${repository}/blobs/uploads/`;
  const response = await client.ask({ method: "POST", path, wanted: [202] });
  return response.headers.get("Location") ?? "";
}

/** As containerd does, which begins anew when its session has expired: all bytes with the PUT. */
export async function pushWhole(client: Client, repository: string, blob: Blob): Promise<void> {
  const location = await startSession(client, repository);
  const path = `${location}?digest=${blob.digest}`;
  await client.ask({
    method: "PUT",
    path,
    init: () => ({ body: blob.bytes }),
    wanted: [201],
    beginsAgain: [404],
  });
}

/** A PATCH of a stream; a client that gets no answer begins a session anew. */
export async function sendStream(
  client: Client,
  location: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<string> {
  const response = await client.ask({
    method: "PATCH",
    path: location,
    init: () => ({ body: stream(bytes, 1024 * 1024) }),
    wanted: [202],
    // It has expired.
    beginsAgain: [404],
    isRepeated: false,
  });
  return response.headers.get("Location") ?? "";
}

/** As docker does: all bytes with a PATCH of unknown length, and a PUT without. */
export async function pushStream(client: Client, repository: string, blob: Blob): Promise<void> {
  const location = await startSession(client, repository);
  const next = await sendStream(client, location, blob.bytes);
  await client.ask({
    method: "PUT",
    path: `${next}?digest=${blob.digest}`,
    wanted: [201],
    beginsAgain: [404],
  });
}

function chunkOf({ bytes }: Blob, from: number, to: number): () => RequestInit {
  return () => ({
    body: bytes.slice(from, to),
    headers: { "Content-Range": `${from}-${to - 1}` },
  });
}

/** As regctl does: chunks, the last one with the PUT; it asks where to go on when it is told to. */
export async function pushChunks(client: Client, repository: string, blob: Blob): Promise<void> {
  const half = Math.floor(blob.bytes.length / 2);
  let location = await startSession(client, repository);
  const patched = await client.ask({
    method: "PATCH",
    path: location,
    init: chunkOf(blob, 0, half),
    wanted: [202, 416],
  });
  location = patched.headers.get("Location") ?? location;
  if (patched.status === 416) {
    const stands = await client.ask({ method: "GET", path: location, wanted: [204] });
    if (stands.headers.get("Range") !== `0-${half - 1}`) throw new Error("a chunk is kept in part");
  }
  await client.ask({
    method: "PUT",
    path: `${location}?digest=${blob.digest}`,
    init: chunkOf(blob, half, blob.bytes.length),
    wanted: [201],
  });
}

/** Upon `beginsAgain` the client pushes the blobs again, too. */
export async function putManifest(
  client: Client,
  repository: string,
  reference: string,
  { text, mediaType }: Manifest,
  beginsAgain: readonly number[] = [],
): Promise<void> {
  await client.ask({
    method: "PUT",
    path: `/v2/${repository}/manifests/${reference}`,
    init: () => ({ body: text, headers: { "Content-Type": mediaType } }),
    wanted: [201],
    beginsAgain,
  });
}

/** Deletes what is under a path; what is gone already is deleted too. */
export async function deletePath(client: Client, path: string): Promise<void> {
  await client.ask({ method: "DELETE", path, wanted: [202, 404] });
}
