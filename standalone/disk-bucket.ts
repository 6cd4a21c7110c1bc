import { Buffer } from "node:buffer";
import { parseChecksum } from "./checksum.ts";
import { Disk, type Slice } from "./disk.ts";
import { DiskObject, DiskObjectBody } from "./disk-object.ts";
import type { FileSync } from "./file-sync.ts";
import type { FreeSpace } from "./free-space.ts";
import { DiskMultipartUpload, type OpenUploads } from "./multipart-upload.ts";
import { contentOf } from "./object-content.ts";
import { type ObjectCache, ObjectStore, randomId } from "./object-store.ts";
import {
  checkKey,
  checkKeyCount,
  checkListLimit,
  checkMetadata,
  checkObjectSize,
  checkOptions,
  listMax,
  r2Error,
} from "./r2-rules.ts";

/** What the buckets over one folder share: at most one of these per folder and process. */
export interface BucketMemory {
  readonly objects: ObjectCache;
  readonly uploads: OpenUploads;
  readonly space: FreeSpace;
}

/** How many files are read at the same time to describe a page of objects. */
const readAtOnceMax = 50;

/** How often an object is looked for that is another one by the time its files are opened. */
const looksMax = 100;

/**
 * A bucket of R2Bucket's shape over a folder on disk: what R2 does, as far as Longshore uses it.
 * What has been answered survives the death of the process. Reads and parts go
 * between client and disk natively; the bytes of a put pass through JavaScript, to be hashed.
 *
 * Different from R2: etags are random (no MD5 is reckoned, so `checksums` has only what a put was
 * given), and what Longshore does not use is refused: conditions, HTTP metadata, other checksums,
 * delimiters.
 */
export class DiskBucket implements R2Bucket {
  readonly #objects: ObjectStore;
  readonly #uploads: OpenUploads;
  readonly #space: FreeSpace;

  /** `service` is the binding of a writable `disk` service for a folder of this bucket alone. */
  constructor(service: Fetcher, memory: BucketMemory, sync?: FileSync) {
    this.#objects = new ObjectStore(new Disk(service, sync), memory.objects);
    this.#uploads = memory.uploads;
    this.#space = memory.space;
  }

  async head(key: string): Promise<R2Object | null> {
    checkKey("head", key);
    const found = await this.#objects.find(key);
    return found === undefined ? null : new DiskObject(found.descriptor);
  }

  /** The range is one of offsets, lengths and suffixes in bytes; 10039 if nothing lies in it. */
  async get(key: string, options: R2GetOptions = {}): Promise<R2ObjectBody | null> {
    checkKey("get", key);
    checkOptions("get", options, ["range"]);
    for (let looks = 0; looks < looksMax; looks += 1) {
      const found = await this.#objects.find(key);
      if (found === undefined) return null;
      const { descriptor } = found;
      const range = sliceOf(options.range, descriptor.size);
      const content = await this.#objects.open(found, range);
      if (content !== undefined) return new DiskObjectBody(descriptor, { ...range }, content);
    }
    throw new Error(
      `get: the files of ${key} are shorter than it says, or are made anew all the time`,
    );
  }

  /** Nothing is stored if the body fails on its way or has not the checksum it is given (10037). */
  async put(
    key: string,
    value: ReadableStream | ArrayBuffer | ArrayBufferView | string | null | Blob,
    options: R2PutOptions = {},
  ): Promise<R2Object> {
    checkOptions("put", options, ["sha256", "sha512", "customMetadata"]);
    const { customMetadata = {} } = options;
    checkKey("put", key);
    checkMetadata("put", customMetadata);
    const checksum = parseChecksum(options);
    const content = contentOf(value);
    checkObjectSize("put", content.length);
    const version = randomId();
    const descriptor = {
      key,
      version,
      size: content.length,
      etag: version,
      uploadedMs: Date.now(),
      ...(checksum === undefined ? {} : { checksum }),
      customMetadata,
    };
    await this.#space.check(this.#objects.disk);
    await this.#objects.put(descriptor, content);
    return new DiskObject(descriptor);
  }

  /** At most 1,000 keys; those that are not there are fine. */
  async delete(keys: string | string[]): Promise<void> {
    const all = typeof keys === "string" ? [keys] : keys;
    checkKeyCount(all);
    for (const key of all) checkKey("delete", key);
    await Promise.all(all.map((key) => this.#objects.remove(key)));
  }

  async createMultipartUpload(
    key: string,
    options: R2MultipartOptions = {},
  ): Promise<R2MultipartUpload> {
    checkOptions("createMultipartUpload", options, ["customMetadata"]);
    const { customMetadata = {} } = options;
    checkKey("createMultipartUpload", key);
    checkMetadata("createMultipartUpload", customMetadata);
    const uploadId = randomId();
    await this.#uploads.create(this.#objects.disk, key, uploadId, customMetadata);
    return this.resumeMultipartUpload(key, uploadId);
  }

  /** As with R2 nothing is checked until the upload is used: 10024 if there is none. */
  resumeMultipartUpload(key: string, uploadId: string): R2MultipartUpload {
    return new DiskMultipartUpload(this.#objects, this.#uploads, this.#space, key, uploadId);
  }

  /** A page of objects in the order of their keys' bytes; custom metadata if `include` names it. */
  async list(options: R2ListOptions = {}): Promise<R2Objects> {
    checkOptions("list", options, ["limit", "prefix", "cursor", "startAfter", "include"]);
    const { limit = listMax, prefix = "", cursor, startAfter = "", include = [] } = options;
    checkListLimit(limit);
    const after = cursor === undefined ? startAfter : Buffer.from(cursor, "base64url").toString();
    const { keys, more } = await this.#objects.keys(prefix, after, limit);
    const objects: DiskObject[] = [];
    for (let at = 0; at < keys.length; at += readAtOnceMax) {
      const page = keys.slice(at, at + readAtOnceMax);
      const found = await Promise.all(page.map((key) => this.#objects.describe(key)));
      for (const descriptor of found) {
        if (descriptor === undefined) continue;
        const customMetadata = include.includes("customMetadata") ? descriptor.customMetadata : {};
        objects.push(new DiskObject({ ...descriptor, customMetadata }));
      }
    }
    const last = keys.at(-1);
    const listed = { objects, delimitedPrefixes: [] };
    if (!more || last === undefined) return { ...listed, truncated: false };
    return { ...listed, truncated: true, cursor: Buffer.from(last).toString("base64url") };
  }
}

/** The bytes that a range means in an object of this size. */
function sliceOf(range: R2Range | Headers | undefined, size: number): Slice {
  if (range === undefined) return { offset: 0, length: size };
  if (range instanceof Headers) {
    throw new TypeError("get: a range of headers is not supported on one machine");
  }
  if ("suffix" in range) {
    const length = Math.min(range.suffix, size);
    if (length <= 0) throw r2Error("get", 10039);
    return { offset: size - length, length };
  }
  const { offset = 0, length = size } = range;
  if (offset < 0) {
    throw new RangeError(
      `Invalid range. Starting offset (${offset}) must be greater than or equal to 0.`,
    );
  }
  if (length <= 0 || offset >= size) throw r2Error("get", 10039);
  return { offset, length: Math.min(length, size - offset) };
}
