import { Buffer } from "node:buffer";
import { env } from "cloudflare:workers";
import { expect } from "vitest";
import type { UploadSession } from "../../workers/registry.ts";
import { digestOf, send, startUpload, stream } from "../client.ts";

export const mebibyte = 1024 * 1024;

/** How a session's bytes are sent: one PATCH for each size, the rest with the PUT that closes it. */
export interface Sending {
  readonly sizes: readonly number[];
  /** With Content-Range and a length; else each PATCH is a stream. */
  readonly chunked: boolean;
  readonly algorithm: "sha256" | "sha512";
}

/** The Location of a new session of an algorithm. */
export async function start(repository: string, algorithm = "sha256"): Promise<string> {
  if (algorithm === "sha256") return startUpload(repository);
  const path = `/v2/${repository}/blobs/uploads/?digest-algorithm=${algorithm}`;
  return (await send("POST", path)).headers.get("Location") ?? "";
}

/** The object of an upload session, by its Location. */
export function uploadSession(location: string): DurableObjectStub<UploadSession> {
  const sealed = Buffer.from(location.split("/").at(-1) ?? "", "base64url");
  return env.UPLOAD_SESSION.getByName(sealed.toString("base64url", 0, 16));
}

export function streamed(location: string, bytes: Uint8Array): Promise<Response> {
  return send("PATCH", location, { body: stream(bytes, mebibyte) });
}

/** A chunk that goes to `offset`. */
export function chunk(
  method: "PATCH" | "PUT",
  location: string,
  bytes: Uint8Array<ArrayBuffer>,
  offset: number,
): Promise<Response> {
  return send(method, location, {
    body: bytes,
    headers: { "Content-Range": `${offset}-${offset + bytes.length - 1}` },
  });
}

export function close(location: string, digest: string): Promise<Response> {
  return send("PUT", `${location}?digest=${digest}`);
}

/** The bytes that a session says it has, or the status that it answers instead. */
export async function received(location: string): Promise<string> {
  const response = await send("GET", location);
  return response.status === 204
    ? (response.headers.get("Range") ?? "no Range")
    : String(response.status);
}

/** Sends all bytes as told, and expects each answer to be right; `between` runs after each PATCH. */
export async function sendAll(
  location: string,
  bytes: Uint8Array<ArrayBuffer>,
  { sizes, chunked, algorithm }: Sending,
  between: () => Promise<void>,
): Promise<string> {
  const digest = digestOf(bytes, algorithm);
  let offset = 0;
  let at = location;
  /* oxlint-disable no-await-in-loop */
  for (const size of sizes) {
    const piece = bytes.slice(offset, offset + size);
    const patch = chunked ? await chunk("PATCH", at, piece, offset) : await streamed(at, piece);
    offset += size;
    expect(patch.status).toBe(202);
    expect(patch.headers.get("Range")).toBe(`0-${offset - 1}`);
    at = patch.headers.get("Location") ?? "";
    await between();
    expect(await received(at)).toBe(`0-${offset - 1}`);
  }
  /* oxlint-enable no-await-in-loop */
  const rest = bytes.slice(offset);
  const put = `${at}?digest=${digest}`;
  const closed = rest.length > 0 ? await chunk("PUT", put, rest, offset) : await send("PUT", put);
  expect(closed.status).toBe(201);
  expect(closed.headers.get("Docker-Content-Digest")).toBe(digest);
  return digest;
}

/** Expects a blob to be there, byte for byte. */
export async function expectReadable(
  repository: string,
  digest: string,
  bytes: Uint8Array,
): Promise<void> {
  const head = await send("HEAD", `/v2/${repository}/blobs/${digest}`);
  expect(head.status).toBe(200);
  expect(head.headers.get("Content-Length")).toBe(String(bytes.length));
  const got = await send("GET", `/v2/${repository}/blobs/${digest}`);
  expect(digestOf(await got.bytes())).toBe(digestOf(bytes));
}
