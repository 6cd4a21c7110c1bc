import type { BlobKey } from "../schemas/storage-keys.ts";
import { partBuffers, type PartLease } from "./part-buffers.ts";
import type { RunningDigest } from "./running-digest.ts";

/** R2: at least 5 MiB, all the same but the last, at most 10,000. */
const partBytesMin = 8 * 1024 * 1024;
const partsMax = 10_000;
const partsInFlightMax = 2;
/** Read at once at least: small reads cost a wake-up each. */
const readBytesMin = 64 * 1024;

const mebibyte = 1024 * 1024;

/** The size of the parts of a blob: 8 MiB, more when its known length would need too many parts. */
export function partBytesFor(length: number | undefined): number {
  return Math.max(partBytesMin, Math.ceil((length ?? 0) / 8000 / mebibyte) * mebibyte);
}

/** More bytes came than parts of this size can hold: 78 GiB where no length was announced. */
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
  readonly tail: Uint8Array;
  /** Of the parts alone; undefined if it was lost. */
  readonly digest: RunningDigest | undefined;
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
  #lease: PartLease | undefined;
  #filled = 0;
  #carried: Uint8Array;
  #failure: unknown;

  constructor(target: PartTarget, so: PartsSoFar) {
    this.#target = target;
    this.#key = so.key;
    this.#partBytes = so.partBytes;
    this.#partCount = so.partCount;
    this.#carried = so.tail;
    this.digest = so.digest?.copy();
    if (so.multipartId !== undefined) {
      this.#multipart = target.bucket.resumeMultipartUpload(so.key, so.multipartId);
    }
  }

  /** The bytes behind the last full part. */
  get tail(): Uint8Array {
    return this.#buffer === undefined ? this.#carried : this.#buffer.subarray(0, this.#filled);
  }

  /** Parts that are uploaded or on their way, those of earlier requests included. */
  get partCount(): number {
    return this.#partCount;
  }

  get multipartId(): string | undefined {
    return this.#multipart?.uploadId;
  }

  /**
   * Reads a body to its end and answers its bytes. `progress` is called after each read.
   * @throws what the body throws when the client is gone, what R2 throws, NoBuffer, TooManyParts
   */
  async read(reader: ReadableStreamBYOBReader, progress: () => void): Promise<number> {
    let bytes = 0;
    for (;;) {
      // One read after the other is the point: the next goes behind what this one brought.
      /* oxlint-disable no-await-in-loop */
      const buffer = await this.#ensureBuffer();
      const room = this.#partBytes - this.#filled;
      const { done, value } = await reader.readAtLeast(
        Math.min(readBytesMin, room),
        buffer.subarray(this.#filled),
      );
      progress();
      if (this.#lease !== undefined) this.#lease.touchedMs = Date.now();
      if (value !== undefined) {
        // The read took the buffer over and gave it back in another object.
        this.#buffer = new Uint8Array(value.buffer);
        this.#filled += value.byteLength;
        bytes += value.byteLength;
      }
      if (this.#filled === this.#partBytes) await this.#flush();
      if (done) return bytes;
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
    if (this.#lease !== undefined) partBuffers.release(this.#lease);
    this.#lease = undefined;
    this.#buffer = undefined;
  }

  async #ensureBuffer(): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#buffer !== undefined) return this.#buffer;
    this.#lease = await partBuffers.lease(this.#partBytes);
    this.#buffer = new Uint8Array(this.#partBytes);
    this.#buffer.set(this.#carried);
    this.#filled = this.#carried.length;
    this.#carried = new Uint8Array();
    return this.#buffer;
  }

  async #flush(): Promise<void> {
    const part = this.tail;
    const lease = this.#lease;
    this.digest?.update(part);
    this.#buffer = undefined;
    this.#lease = undefined;
    this.#filled = 0;
    await this.#upload(part, lease);
  }

  async #upload(part: Uint8Array, lease?: PartLease): Promise<void> {
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
      if (lease !== undefined) partBuffers.release(lease);
      throw error;
    }
    const upload = this.#uploadPart(this.#multipart, number, part, lease).finally(() => {
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
    lease: PartLease | undefined,
  ): Promise<void> {
    try {
      const { etag } = await multipart.uploadPart(number, part);
      this.parts.push({ number, etag });
    } catch (error) {
      this.#failure ??= error;
    } finally {
      if (lease !== undefined) partBuffers.release(lease);
    }
  }
}
