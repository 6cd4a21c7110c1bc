import type { Chunk, ChunkBuffers } from "./chunk-buffers.ts";
import { answerError, type RegistryAnswer } from "./registry-answer.ts";
import type { RegistryClient } from "./registry-client.ts";
import { SessionLost, UploadSession, type UploadTerms } from "./upload-session.ts";

/** A blob that can be read again from anywhere, such as a file. */
export interface UploadableBlob {
  readonly repository: string;
  readonly digest: string;
  /** In bytes. */
  readonly size: number;
  /** Its bytes in order, from an offset on. */
  readonly bytesFrom: (offset: number) => AsyncIterable<Uint8Array>;
}

/** How a blob is sent. */
export interface UploadBlobOptions extends UploadTerms {
  readonly buffers: ChunkBuffers;
  /** The wanted size of chunks in bytes, at most that of the buffers. */
  readonly chunkBytes?: number;
  /** Where an upload was broken off before (see `onKept`). */
  readonly resume?: URL | undefined;
}

/** Blobs up to this length go in the request that would begin their session. */
const oneRequestBytesMax = 1024 * 1024;
/** How often a blob is begun anew when the registry forgot its session. */
const beginningsMax = 3;

/**
 * Pushes one blob that the repository does not have: in one request, or in chunks, going on from an
 * earlier session where one is given and still there.
 * @throws RegistryAnswerError, RegistryUnreachable, CommandError; the signal's reason
 */
export async function uploadBlob(
  client: RegistryClient,
  blob: UploadableBlob,
  options: UploadBlobOptions,
): Promise<void> {
  let resume = options.resume;
  for (let beginnings = 1; ; beginnings += 1) {
    try {
      const found = resume && (await UploadSession.find(client, resume, options));
      await uploadTo(client, found, blob, options);
      return;
    } catch (error) {
      if (!(error instanceof SessionLost) || beginnings === beginningsMax) throw error;
      resume = undefined;
    }
  }
}

async function uploadTo(
  client: RegistryClient,
  found: UploadSession | undefined,
  blob: UploadableBlob,
  options: UploadBlobOptions,
): Promise<void> {
  // More than the blob has: it is another one's.
  const known = found !== undefined && found.offset <= blob.size ? found : undefined;
  if (known === undefined && blob.size <= oneRequestBytesMax) {
    return uploadAtOnce(client, blob, options);
  }
  const session = known ?? (await UploadSession.begin(client, blob.repository, options));
  const { offset } = session;
  const source = offset === blob.size ? none() : blob.bytesFrom(offset);
  const { buffers, chunkBytes } = options;
  const last = await sendChunks(session, source, {
    buffers,
    ...(chunkBytes === undefined ? {} : { chunkBytes }),
    bytesTotal: blob.size,
  });
  try {
    const answer = await session.commit(blob.digest, last?.bytes ?? new Uint8Array());
    await answer.body.dump();
  } finally {
    last?.release();
  }
}

/** POST with the digest and all bytes; a registry that knows no such thing begins a session. */
async function uploadAtOnce(
  client: RegistryClient,
  blob: UploadableBlob,
  options: UploadBlobOptions,
): Promise<void> {
  const pieces: Uint8Array[] = [];
  for await (const piece of blob.size === 0 ? none() : blob.bytesFrom(0)) pieces.push(piece);
  const bytes = Buffer.concat(pieces);
  const answer = await pushAtOnce(client, blob.repository, blob.digest, bytes, options);
  await answer.body.dump();
}

/**
 * Pushes a whole blob that is in memory (POST with `digest`, else PUT). The answer (201) is to be
 * dumped. @throws as uploadBlob
 */
export async function pushAtOnce(
  client: RegistryClient,
  repository: string,
  digest: string,
  bytes: Uint8Array,
  terms: UploadTerms,
): Promise<RegistryAnswer> {
  const { authorization, signal, onSent } = terms;
  const path = `/v2/${repository}/blobs/uploads/?digest=${digest}`;
  const headers = { "content-type": "application/octet-stream" };
  // The digest says what it is: sent twice, it is stored once.
  const sent = { body: bytes, repeats: "always", authorization, signal, onSent } as const;
  const answer = await client.send({ method: "POST", path, headers, ...sent });
  if (answer.status === 201) return answer;
  // Too much for one body: its own session, in pieces.
  const isTooLong = answer.status === 413 && bytes.length > 0;
  if (answer.status !== 202 && !isTooLong) throw await answerError("POST", answer);
  if (isTooLong) await answer.body.dump();
  const session = isTooLong
    ? await UploadSession.begin(client, repository, terms)
    : await UploadSession.begun(client, answer, terms);
  return session.commit(digest, bytes);
}

/** How bytes of unknown number are cut. */
export interface ChunkTerms {
  readonly buffers: ChunkBuffers;
  readonly chunkBytes?: number;
  /** Where the blob ends, if that is known: then the last chunk is handed back, to go in the PUT. */
  readonly bytesTotal?: number | undefined;
}

/**
 * Sends what a source has to a session, one chunk on the way while the next one is filled. Answers
 * the last chunk, not sent, where it can be told; it is to be released.
 * @throws what the session throws, at once; what the source throws
 */
export async function sendChunks(
  session: UploadSession,
  source: AsyncIterable<Uint8Array>,
  { buffers, chunkBytes = buffers.bytes, bytesTotal }: ChunkTerms,
): Promise<Chunk | undefined> {
  const chunks = buffers.chunksOf(source, session.chunkBytes(chunkBytes));
  const { promise: failed, reject: fail } = Promise.withResolvers<never>();
  failed.catch(() => undefined);
  let sending: Promise<void> = Promise.resolve();
  let filledTo = session.offset;
  let next: Promise<IteratorResult<Chunk>> | undefined;
  let held: Chunk | undefined;
  try {
    for (;;) {
      next = chunks.next();
      next.catch(() => undefined);
      const { done, value: chunk } = await Promise.race([next, failed]);
      next = undefined;
      held = done ? undefined : chunk;
      // The one before has to be there first, also when the source has broken off.
      await sending;
      if (done) return undefined;
      held = undefined;
      filledTo += chunk.bytes.length;
      if (filledTo === bytesTotal) return chunk;
      sending = session.append(chunk.bytes).finally(chunk.release);
      sending.catch(fail);
    }
  } finally {
    // One that waited for its turn, and one that is still being filled, belong to nobody then.
    held?.release();
    void next?.then(({ value }) => value?.release()).catch(() => undefined);
    void chunks.return(undefined).catch(() => undefined);
  }
}

async function* none(): AsyncGenerator<Uint8Array> {}
