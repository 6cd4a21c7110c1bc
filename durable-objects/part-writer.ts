import type { BlobKey } from "../schemas/storage-keys.ts";
import { partBuffers, type Reservation } from "./part-buffers.ts";
import type { RunningDigest } from "./running-digest.ts";

/** R2 takes parts of at least 5 MiB, all the same but the last, at most 10,000. */
const r2PartBytesMin = 5 * 1024 * 1024;
/** Where nothing asks for others. Three parts of the largest are what an isolate may buffer. */
const partBytesMin = 8 * 1024 * 1024;
const partBytesMax = 16 * 1024 * 1024;
const partsMax = 10_000;
const partsInFlightMax = 2;
/** Read at once at least, more where that comes quickly: each read costs a wake-up. */
const readBytesMin = 64 * 1024;
const readBytesMax = 1024 * 1024;
const quickReadMs = 50;

const mebibyte = 1024 * 1024;

/** The size of the parts of a blob: 8 MiB, up to 16 MiB when its known length needs it. */
export function partBytesFor(length: number | undefined): number {
  const needed = Math.ceil((length ?? 0) / 8000 / mebibyte) * mebibyte;
  return Math.min(partBytesMax, Math.max(partBytesMin, needed));
}

/**
 * The size of the parts of a blob that comes in chunks as long as its first: where they can be, parts
 * end with chunks, so that no bytes have to wait in SQLite for the next one.
 */
export function partBytesForChunks(chunkBytes: number): number {
  if (chunkBytes >= r2PartBytesMin && chunkBytes < partBytesMin) return chunkBytes;
  for (let parts = Math.floor(chunkBytes / partBytesMin); parts > 0; parts -= 1) {
    const bytes = chunkBytes / parts;
    if (bytes > partBytesMax) break;
    if (Number.isInteger(bytes)) return bytes;
  }
  return partBytesMin;
}

/** The longest blob in parts of this size: from 48 GiB in chunks of 5 MiB to 156 GiB. */
export function blobBytesMax(partBytes: number): number {
  return partsMax * partBytes;
}

/** The client is gone, or what it sent is no body. */
export class BrokenBody extends Error {}

/** More bytes came than the parts can hold. */
export class TooManyParts extends Error {}

export interface UploadedPart {
  readonly number: number;
  readonly etag: string;
}

/** What a writer goes on from: parts that are uploaded, and the bytes behind them. */
export interface PartsSoFar {
  readonly key: BlobKey;
  readonly multipartId: string | undefined;
  readonly partBytes: number;
  readonly partCount: number;
  readonly tailBytes: number;
  /** Reads the tail, once there is memory for it. */
  readonly tail: () => Uint8Array;
  /** Of the parts alone; undefined if it was lost. */
  readonly digest: RunningDigest | undefined;
}

/** Who is told while a body is read: that its client is waited for, and that it sent something. */
export interface ReadWatch {
  awaitBytes(): void;
  gotBytes(): void;
}

/** Where parts go, and who is told that a multipart upload was begun. */
export interface PartTarget {
  readonly bucket: R2Bucket;
  readonly metadata: Record<string, string>;
  readonly began: (multipartId: string) => void;
}

/**
 * Cuts the bytes of one request into parts of one size and uploads them while it reads on, at most
 * two at once. What is left over stays in memory: the caller keeps it. Nothing that it uploads
 * counts before the caller has stored the etags, so a request that dies leaves no trace: the next
 * one uploads the same part numbers again.
 */
export class PartWriter {
  readonly parts: UploadedPart[] = [];
  readonly digest: RunningDigest | undefined;
  readonly #target: PartTarget;
  readonly #key: BlobKey;
  readonly #partBytes: number;
  readonly #inFlight = new Set<Promise<void>>();
  #multipart: R2MultipartUpload | undefined;
  #partCount: number;
  #buffer: Uint8Array<ArrayBuffer> | undefined;
  #reservation: Reservation | undefined;
  #filled = 0;
  #carried: { readonly bytes: number; readonly read: () => Uint8Array } | undefined;
  #failure: unknown;

  constructor(target: PartTarget, so: PartsSoFar) {
    this.#target = target;
    this.#key = so.key;
    this.#partBytes = so.partBytes;
    this.#partCount = so.partCount;
    this.#carried = { bytes: so.tailBytes, read: so.tail };
    this.digest = so.digest?.copy();
    if (so.multipartId !== undefined) {
      this.#multipart = target.bucket.resumeMultipartUpload(so.key, so.multipartId);
    }
  }

  /** The bytes behind the last full part. To be asked for after prepare() or read(). */
  get tail(): Uint8Array {
    return this.#buffer?.subarray(0, this.#filled) ?? new Uint8Array();
  }

  /** Parts that are uploaded or on their way, those of earlier requests included. */
  get partCount(): number {
    return this.#partCount;
  }

  get multipartId(): string | undefined {
    return this.#multipart?.uploadId;
  }

  /**
   * Waits for memory for the stored tail and `length` more bytes, a whole part if that is not known.
   * @throws NoBuffer
   */
  async prepare(length: number | undefined): Promise<void> {
    if (this.#buffer !== undefined) return;
    const carried = this.#carried?.bytes ?? 0;
    // A byte more than is announced, to see the end of the body, or that it is longer.
    const wanted = carried + (length ?? this.#partBytes) + 1;
    const bytes = Math.min(this.#partBytes, wanted);
    this.#reservation = await partBuffers.reserve(bytes);
    this.#buffer = new Uint8Array(bytes);
    if (this.#carried !== undefined) this.#buffer.set(this.#carried.read());
    this.#filled = carried;
    this.#carried = undefined;
  }

  /**
   * Reads a body to its end and answers its bytes; of one that is longer than `length`, some more.
   * @throws BrokenBody, what R2 throws, NoBuffer, TooManyParts
   */
  async read(
    reader: ReadableStreamBYOBReader,
    length: number | undefined,
    watch: ReadWatch,
  ): Promise<number> {
    let bytes = 0;
    let atLeast = readBytesMin;
    for (;;) {
      // One read after the other is the point: the next goes behind what this one brought.
      /* oxlint-disable no-await-in-loop */
      await this.prepare(length === undefined ? undefined : length - bytes);
      const room = this.#room();
      watch.awaitBytes();
      const askedMs = Date.now();
      const { done, value } = await reader
        .readAtLeast(Math.min(atLeast, room.length), room)
        .catch((error: unknown) => {
          throw new BrokenBody(String(error));
        });
      watch.gotBytes();
      const isQuick = Date.now() - askedMs < quickReadMs;
      atLeast = isQuick ? Math.min(2 * atLeast, readBytesMax) : readBytesMin;
      if (this.#reservation !== undefined) this.#reservation.touchedMs = Date.now();
      if (value !== undefined) {
        // The read took the buffer over and gave it back in another object.
        this.#buffer = new Uint8Array(value.buffer);
        this.#filled += value.byteLength;
        bytes += value.byteLength;
      }
      if (this.#filled === this.#partBytes) await this.#flush();
      if (done || (length !== undefined && bytes > length)) return bytes;
      /* oxlint-enable no-await-in-loop */
    }
  }

  /** Uploads the tail as the last part. */
  async finish(): Promise<void> {
    if (this.tail.length > 0) await this.#upload(this.tail);
    await this.settle();
  }

  /** Waits until nothing is in flight. @throws what an upload of a part threw */
  async settle(): Promise<void> {
    await Promise.all(this.#inFlight);
    if (this.#failure !== undefined) throw this.#failure as Error;
  }

  /** Gives the buffer back. The tail is gone with it. */
  async release(): Promise<void> {
    await Promise.all(this.#inFlight);
    if (this.#reservation !== undefined) partBuffers.release(this.#reservation);
    this.#reservation = undefined;
    this.#buffer = undefined;
  }

  /** Where the next bytes go. */
  #room(): Uint8Array<ArrayBuffer> {
    return this.#buffer?.subarray(this.#filled) ?? new Uint8Array();
  }

  async #flush(): Promise<void> {
    const part = this.tail;
    const reservation = this.#reservation;
    this.digest?.update(part);
    this.#buffer = undefined;
    this.#reservation = undefined;
    this.#filled = 0;
    await this.#upload(part, reservation);
  }

  async #upload(part: Uint8Array, reservation?: Reservation): Promise<void> {
    this.#partCount += 1;
    const number = this.#partCount;
    try {
      if (number > partsMax) throw new TooManyParts();
      while (this.#inFlight.size >= partsInFlightMax) {
        // oxlint-disable-next-line no-await-in-loop
        await Promise.race(this.#inFlight);
      }
      if (this.#failure !== undefined) throw this.#failure as Error;
      this.#multipart ??= await this.#begin();
    } catch (error) {
      if (reservation !== undefined) partBuffers.release(reservation);
      throw error;
    }
    const upload = this.#uploadPart(this.#multipart, number, part, reservation).finally(() => {
      this.#inFlight.delete(upload);
    });
    this.#inFlight.add(upload);
  }

  async #begin(): Promise<R2MultipartUpload> {
    const multipart = await this.#target.bucket.createMultipartUpload(this.#key, {
      customMetadata: this.#target.metadata,
    });
    this.#target.began(multipart.uploadId);
    return multipart;
  }

  /** Never rejects: the next step meets the failure. The buffer belongs to it until it settles. */
  async #uploadPart(
    multipart: R2MultipartUpload,
    number: number,
    part: Uint8Array,
    reservation: Reservation | undefined,
  ): Promise<void> {
    try {
      const { etag } = await multipart.uploadPart(number, part);
      this.parts.push({ number, etag });
    } catch (error) {
      this.#failure ??= error;
    } finally {
      if (reservation !== undefined) partBuffers.release(reservation);
    }
  }
}
