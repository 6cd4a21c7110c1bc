import { Buffer } from "node:buffer";
import type { Checksum } from "./checksum.ts";

/** What is stored about an object, as a line of JSON. */
export interface ObjectDescriptor {
  readonly key: string;
  readonly version: string;
  readonly size: number;
  readonly etag: string;
  readonly uploadedMs: number;
  readonly checksum?: Checksum;
  readonly customMetadata: Readonly<Record<string, string>>;
  /** Of a multipart upload: the names of the files of its parts, which tell their sizes, in order. */
  readonly parts?: { readonly uploadId: string; readonly names: readonly string[] };
}

/** A descriptor of 10,000 parts is shorter. */
export const descriptorBytesMax = 1024 * 1024;

/** What a bucket tells about an object, of R2Object's shape. */
export class DiskObject implements R2Object {
  readonly key: string;
  readonly version: string;
  readonly size: number;
  readonly etag: string;
  readonly httpEtag: string;
  readonly checksums: R2Checksums;
  readonly uploaded: Date;
  readonly httpMetadata: R2HTTPMetadata = {};
  readonly customMetadata: Record<string, string>;
  readonly storageClass = "Standard";

  constructor(descriptor: ObjectDescriptor) {
    this.key = descriptor.key;
    this.version = descriptor.version;
    this.size = descriptor.size;
    this.etag = descriptor.etag;
    this.httpEtag = `"${descriptor.etag}"`;
    this.checksums = new DiskChecksums(descriptor.checksum);
    this.uploaded = new Date(descriptor.uploadedMs);
    this.customMetadata = { ...descriptor.customMetadata };
  }

  /** Nothing: one machine stores no HTTP metadata. */
  writeHttpMetadata(_headers: Headers): void {}
}

/** An object with its bytes, of R2ObjectBody's shape; the bytes can be had once. */
export class DiskObjectBody extends DiskObject implements R2ObjectBody {
  readonly range: R2Range;
  readonly #content: Response;

  /** `content` has the bytes of `range` as its body. */
  constructor(
    descriptor: ObjectDescriptor,
    range: { offset: number; length: number },
    content: Response,
  ) {
    super(descriptor);
    this.range = range;
    this.#content = content;
  }

  get body(): ReadableStream {
    const { body } = this.#content;
    if (body === null) throw new Error("the bytes of an object without a body were asked for");
    return body;
  }

  get bodyUsed(): boolean {
    return this.#content.bodyUsed;
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    return this.#content.arrayBuffer();
  }

  bytes(): Promise<Uint8Array> {
    return this.#content.bytes();
  }

  text(): Promise<string> {
    return this.#content.text();
  }

  json<T>(): Promise<T> {
    return this.#content.json<T>();
  }

  blob(): Promise<Blob> {
    return this.#content.blob();
  }
}

class DiskChecksums implements R2Checksums {
  readonly sha256?: ArrayBuffer;
  readonly sha512?: ArrayBuffer;

  constructor(checksum: Checksum | undefined) {
    if (checksum === undefined) return;
    this[checksum.algorithm] = new Uint8Array(Buffer.from(checksum.hex, "hex")).buffer;
  }

  toJSON(): R2StringChecksums {
    const hex: R2StringChecksums = {};
    if (this.sha256 !== undefined) hex.sha256 = Buffer.from(this.sha256).toString("hex");
    if (this.sha512 !== undefined) hex.sha512 = Buffer.from(this.sha512).toString("hex");
    return hex;
  }
}
