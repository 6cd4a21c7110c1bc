import type { Digest } from "../../schemas/digest.ts";
import type { ChunkBuffers } from "../chunk-buffers.ts";
import { uploadBlob } from "../chunked-upload.ts";
import type { Progress } from "../progress.ts";
import type { RegistryClient } from "../registry-client.ts";
import { RegistryAnswerError, RegistryUnreachable } from "../registry-error.ts";
import { UploadSession } from "../upload-session.ts";
import type { SourceBlob } from "./image-source.ts";
import type { UnfinishedUploads } from "./unfinished-uploads.ts";

/** What became of a blob: it was sent, linked from another repository, or there already. */
export interface BlobOutcome {
  readonly kind: "pushed" | "mounted" | "skipped";
  /** How many of its bytes were sent; fewer than it has where an earlier push had begun. */
  readonly bytes: number;
}

/** Where blobs are pushed to, and how. */
export interface BlobTarget {
  readonly client: RegistryClient;
  readonly repository: string;
  /** Repositories of the registry that may have the blobs. */
  readonly mountFrom: readonly string[];
  readonly unfinished: UnfinishedUploads;
  readonly buffers: ChunkBuffers;
  readonly chunkBytes: number;
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** Told what becomes of blobs that are not sent. */
  readonly onNote: (text: string) => void;
}

/** Up to this length a blob goes in the request that would ask for a mount. */
const mountedBytesMin = 1024 * 1024;
/** By which a registry, or what stands before it, asks to be left alone for a while. */
const busyStatuses: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/**
 * Sees to it that the repository has a blob: asks whether it is there, goes on with a session that
 * an earlier push left, has it mounted, or sends it.
 * @throws RegistryAnswerError, RegistryUnreachable, CommandError; the signal's reason
 */
export async function pushBlob(target: BlobTarget, blob: SourceBlob): Promise<BlobOutcome> {
  const { repository, unfinished, onNote } = target;
  if (await isThere(target, repository, blob.digest)) {
    await unfinished.forget(blob.digest);
    onNote(`${shortDigest(blob.digest)}: is there`);
    return { kind: "skipped", bytes: 0 };
  }
  const earlier = await earlierSession(target, blob.digest);
  const begun = earlier ?? (await mountOrBegin(target, blob));
  if (begun === "mounted") {
    onNote(`${shortDigest(blob.digest)}: mounted`);
    return { kind: "mounted", bytes: 0 };
  }
  // What an earlier push sent may be of other bytes, which are put right by now.
  const isTriedAgain = (error: unknown) => isWrongDigest(error) && (earlier?.offset ?? 0) > 0;
  try {
    return await sendBlob(target, blob, begun);
  } catch (error) {
    if (!isTriedAgain(error)) throw error;
    return sendBlob(target, blob, undefined);
  }
}

async function sendBlob(
  target: BlobTarget,
  blob: SourceBlob,
  session: UploadSession | undefined,
): Promise<BlobOutcome> {
  const { client, repository, unfinished, buffers, signal } = target;
  const { digest, size } = blob;
  const transfer = target.progress.begin(shortDigest(digest), size);
  try {
    await uploadBlob(
      client,
      { repository, digest, size, bytesFrom: (offset) => blob.open(offset) },
      {
        signal,
        onSent: (offset) => transfer.update(offset),
        onKept: (location) => unfinished.keep(digest, location.href),
        buffers,
        chunkBytes: session?.chunkBytes(target.chunkBytes) ?? target.chunkBytes,
        resume: session?.location,
      },
    );
  } catch (error) {
    // No more bytes mend a session that has wrong ones.
    if (isWrongDigest(error)) await unfinished.forget(digest);
    transfer.gaveUp(signal.aborted ? "stopped" : `failed, ${firstLine(error)}`);
    throw error;
  }
  await unfinished.forget(digest);
  transfer.done();
  return { kind: "pushed", bytes: size - (session?.offset ?? 0) };
}

/** Whether an error says that the bytes are not those of the digest. */
export function isWrongDigest(error: unknown): boolean {
  return error instanceof RegistryAnswerError && error.code === "DIGEST_INVALID";
}

/** A digest as people tell it from others. */
function shortDigest(digest: Digest): string {
  return digest.slice(0, digest.indexOf(":") + 1 + 12);
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n", 1)[0] ?? text;
}

async function isThere(
  { client, signal }: BlobTarget,
  repository: string,
  digest: Digest,
): Promise<boolean> {
  const path = `/v2/${repository}/blobs/${digest}`;
  const answer = await client.expect({ method: "HEAD", path, follows: true, signal }, [200, 404]);
  await answer.body.dump();
  return answer.status === 200;
}

function isForNow(error: unknown): boolean {
  if (error instanceof RegistryUnreachable) return true;
  return error instanceof RegistryAnswerError && busyStatuses.has(error.status);
}

async function earlierSession(
  { client, unfinished, signal }: BlobTarget,
  digest: Digest,
): Promise<UploadSession | undefined> {
  const location = URL.parse((await unfinished.locationOf(digest)) ?? "");
  if (location === null) return undefined;
  try {
    const session = await UploadSession.find(client, location, { signal });
    if (session !== undefined) return session;
  } catch (error) {
    // A registry that is busy or away goes on with it later. Another host may have gone for good.
    if (location.origin === client.url.origin && isForNow(error)) throw error;
    // Whatever else there is against it, a new one may do.
    if (!isForNow(error) && !(error instanceof RegistryAnswerError)) throw error;
  }
  await unfinished.forget(digest);
  return undefined;
}

/**
 * Asks for a mount: from a repository that has the blob, else from wherever the registry finds it
 * (distribution spec, "Mounting a blob from another repository"). If there is none, the same answer
 * begins the session that the upload needs anyway. Undefined for a small blob that is just sent.
 */
async function mountOrBegin(
  target: BlobTarget,
  { digest, size }: SourceBlob,
): Promise<UploadSession | "mounted" | undefined> {
  const { client, repository, signal } = target;
  const from = await repositoryWith(target, digest);
  if (from === undefined && size <= mountedBytesMin) return undefined;
  const query = from === undefined ? "" : `&from=${encodeURIComponent(from)}`;
  const path = `/v2/${repository}/blobs/uploads/?mount=${digest}${query}`;
  const request = { method: "POST", path, signal, repeats: "always" } as const;
  const answer = await client.expect(request, [201, 202]);
  if (answer.status === 202) return UploadSession.begun(client, answer, { signal });
  await answer.body.dump();
  return "mounted";
}

/** The first of the repositories to mount from that has a blob, as far as the user may see. */
async function repositoryWith(target: BlobTarget, digest: Digest): Promise<string | undefined> {
  for (const repository of target.mountFrom) {
    try {
      if (await isThere(target, repository, digest)) return repository;
    } catch (error) {
      if (!(error instanceof RegistryAnswerError)) throw error;
    }
  }
  return undefined;
}
