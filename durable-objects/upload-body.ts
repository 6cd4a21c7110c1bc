import type { ByteRange } from "../schemas/range.ts";
import { partBuffers } from "./part-buffers.ts";
import { partBytesFor, partBytesForChunks, type PartWriter } from "./part-writer.ts";
import type { LockHolder } from "./upload-lock.ts";
import type { UploadState } from "./upload-state.ts";

/** A request's body with what its headers say of it. */
export interface UploadBody {
  readonly stream: ReadableStream<Uint8Array>;
  /** Bytes by Content-Length; undefined for a stream of unknown length. */
  readonly length: number | undefined;
  /** By Content-Range. */
  readonly chunk: ByteRange | undefined;
  /** The most bytes that a stream of unknown length may have; any number without. */
  readonly bytesMax?: number | undefined;
}

/** An upload whose client is silent for so long gives its memory back when others wait for some. */
const silentMsMax = 60_000;
const silentCheckMs = 5000;

/** The session with what its first body decides: the size of its parts. */
export function begun(state: UploadState, body: UploadBody | undefined): UploadState {
  if (state.offset > 0 || state.multipartId !== undefined || body === undefined) return state;
  const { chunk, length } = body;
  const partBytes = chunk === undefined ? partBytesFor(length) : partBytesForChunks(chunk.length);
  return { ...state, partBytes };
}

/**
 * Has a writer read a body; answers its bytes, or undefined if its reader had to give up. Of one that
 * is longer than it says or may be, some more are read.
 */
export async function readBody(
  { stream, length, chunk, bytesMax }: UploadBody,
  writer: PartWriter,
  holder: LockHolder,
): Promise<number | undefined> {
  const reader = stream.getReader({ mode: "byob" });
  holder.beginReading(() => {
    void reader.cancel().catch(() => undefined);
    reader.releaseLock();
  });
  const watch = setInterval(() => {
    if (partBuffers.isWanted && holder.isSilentFor(silentMsMax)) holder.giveUp();
  }, silentCheckMs);
  try {
    const bytes = await writer.read(reader, chunk?.length ?? length ?? bytesMax, holder);
    return holder.givenUp ? undefined : bytes;
  } finally {
    clearInterval(watch);
    // What is left of a body that was refused midway is drained by who answers.
    reader.releaseLock();
  }
}
