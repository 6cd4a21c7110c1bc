import { Buffer } from "node:buffer";
import { Verifier, viewBytes, type Checksum } from "./checksum.ts";
import type { Disk, Slice } from "./disk.ts";
import { streamLength } from "./stream-length.ts";

/** Two of these are in use while a body is hashed: one is read while the other is written. */
const blockBytes = 512 * 1024;
/** How many files are looked at together. */
const lookedAtOnceMax = 50;
/** A body up to this is read whole, and written in one go. */
const readWholeBytesMax = 2 * blockBytes;

/** What a put or a part is to store: a native stream of known length, or bytes at hand. */
export interface Content {
  readonly source: ReadableStream<Uint8Array> | Uint8Array;
  readonly length: number;
}

/** The value of a put or a part, with R2's TypeError for a stream of unknown length. */
export function contentOf(
  value: ReadableStream | ArrayBuffer | ArrayBufferView | string | Blob | null,
): Content {
  if (value instanceof ReadableStream) {
    const length = streamLength(value);
    if (length !== undefined) return { source: value, length };
    throw new TypeError(
      "Provided readable stream must have a known length (request/response body or readable half of FixedLengthStream)",
    );
  }
  if (value instanceof Blob) return { source: value.stream(), length: value.size };
  const source =
    value === null || typeof value === "string"
      ? new TextEncoder().encode(value ?? "")
      : viewBytes(value);
  return { source, length: source.byteLength };
}

/**
 * Writes a file of a head and the content, only if the content has the checksum it has to have.
 * Content alone is written natively.
 */
export async function writeContent(
  disk: Disk,
  path: string,
  content: Content,
  head?: Uint8Array,
  checksum?: Checksum,
): Promise<void> {
  const { source, length } = content;
  const verifier = checksum === undefined ? undefined : new Verifier(checksum);
  if (source instanceof Uint8Array) {
    verifier?.update(source);
    verifier?.end();
    await disk.write(path, head === undefined ? source : Buffer.concat([head, source]));
  } else if (head === undefined) {
    await disk.write(path, source);
  } else if (length > 0 && length <= readWholeBytesMax) {
    await disk.write(path, await wholeVerified(source, head, length, verifier));
  } else {
    const { readable, writable } = new FixedLengthStream(head.byteLength + length);
    const written = disk.write(path, readable);
    const copied = copyVerified(source, head, length, writable, verifier);
    const [copy, write] = await Promise.allSettled([copied, written]);
    // The one fails by the other: of a disk that took no more, the disk has to say so.
    if (copy.status === "rejected" && !(copy.reason instanceof NotTaken)) throw copy.reason;
    if (write.status === "rejected") throw write.reason;
    if (copy.status === "rejected") throw copy.reason;
  }
}

/** A file that took no more bytes. */
class NotTaken extends Error {}

/** Writes a block; whoever awaits it is told NotTaken if it is not taken. */
function taken(writer: WritableStreamDefaultWriter<Uint8Array>, block: Uint8Array): Promise<void> {
  const writing = writer.write(block).catch((error: unknown) => {
    throw new NotTaken(String(error));
  });
  writing.catch(() => {});
  return writing;
}

/** A head and behind it a stream of known length, not empty, if it is what the verifier expects. */
async function wholeVerified(
  source: ReadableStream<Uint8Array>,
  head: Uint8Array,
  length: number,
  verifier: Verifier | undefined,
): Promise<Uint8Array> {
  const reader = source.getReader({ mode: "byob" });
  try {
    const room = new Uint8Array(head.byteLength + length);
    const { value } = await reader.readAtLeast(length, room.subarray(head.byteLength));
    if (value === undefined || value.byteLength < length) throw endedBefore(length);
    verifier?.update(value);
    verifier?.end();
    const file = new Uint8Array(value.buffer);
    file.set(head);
    return file;
  } finally {
    // What is left of the body is read by who answers: its client may read no answer before.
    reader.releaseLock();
  }
}

function endedBefore(length: number): Error {
  return new Error(`the body ended before its ${length} bytes`);
}

/**
 * Copies a head, and a stream of known length through the verifier. The last block is held back until
 * the hash is known to be right, so that a wrong one ends the write before the file takes its name.
 */
async function copyVerified(
  source: ReadableStream<Uint8Array>,
  head: Uint8Array,
  length: number,
  target: WritableStream<Uint8Array>,
  verifier: Verifier | undefined,
): Promise<void> {
  const reader = source.getReader({ mode: "byob" });
  const writer = target.getWriter();
  const size = Math.min(blockBytes, length);
  let free = new ArrayBuffer(size);
  let spare = new ArrayBuffer(length > size ? size : 0);
  let writing = taken(writer, head);
  try {
    for (let at = 0; at < length;) {
      const wanted = Math.min(size, length - at);
      const { value } = await reader.readAtLeast(wanted, new Uint8Array(free, 0, wanted));
      if (value === undefined || value.byteLength < wanted) {
        throw endedBefore(length);
      }
      verifier?.update(value);
      at += wanted;
      if (at === length) verifier?.end();
      await writing;
      writing = taken(writer, value);
      free = spare;
      spare = value.buffer;
    }
    if (length === 0) verifier?.end();
    await writing;
    await writer.close();
  } catch (error) {
    await writer.abort(error).catch(() => {});
    // What is left of the body is read by who answers: its client may read no answer before.
    reader.releaseLock();
    throw error;
  }
}

/** A file and the part of it that a read needs. */
interface FileSlice extends Slice {
  readonly path: string;
}

/**
 * A range, not empty, of files that follow each other: the body of a response, or undefined if the
 * first of them is gone. Those that the range touches are piped natively, one after the other, each
 * opened when its turn comes.
 */
export async function filesContent(
  disk: Disk,
  folder: string,
  names: readonly string[],
  range: Slice,
): Promise<Response | undefined> {
  const [first, ...rest] = fileSlices(folder, names, range);
  if (first === undefined) return undefined;
  const opened = await disk.read(first.path, first);
  if (opened === undefined || rest.length === 0) return opened;
  const { readable, writable } = new FixedLengthStream(range.length);
  void pipeFiles(disk, opened, rest, writable);
  return new Response(readable);
}

function fileSlices(folder: string, names: readonly string[], range: Slice): FileSlice[] {
  const slices: FileSlice[] = [];
  let start = 0;
  for (const name of names) {
    const size = partSize(name);
    const from = Math.max(range.offset - start, 0);
    const to = Math.min(range.offset + range.length - start, size);
    if (from < to) slices.push({ path: `${folder}/${name}`, offset: from, length: to - from });
    start += size;
  }
  return slices;
}

/** Runs by itself: how it ends is told to whoever reads the other end. */
async function pipeFiles(
  disk: Disk,
  opened: Response,
  rest: readonly FileSlice[],
  target: WritableStream,
): Promise<void> {
  try {
    await opened.body?.pipeTo(target, { preventClose: true });
    for (const slice of rest) {
      const file = await disk.read(slice.path, slice);
      if (file === undefined) throw new Error(`${slice.path} was removed while it was read`);
      await file.body?.pipeTo(target, { preventClose: true });
    }
    await target.close();
  } catch (error) {
    await target.abort(error).catch(() => {});
  }
}

/** True if the files of these parts are in a folder, each with the size that it was written with. */
export async function hasParts(
  disk: Disk,
  folder: string,
  names: readonly string[],
): Promise<boolean> {
  for (let at = 0; at < names.length; at += lookedAtOnceMax) {
    const some = names.slice(at, at + lookedAtOnceMax);
    const sizes = await Promise.all(some.map((name) => disk.size(`${folder}/${name}`)));
    if (!some.every((name, index) => sizes[index] === partSize(name))) return false;
  }
  return true;
}

/** The size in bytes that a part's file name (`<number>.<random id>-<size>`) ends with. */
export function partSize(name: string): number {
  return Number(name.slice(name.lastIndexOf("-") + 1));
}
