import { createHash } from "node:crypto";
import { viewBytes } from "./checksum.ts";
import { Disk } from "./disk.ts";
import type { FileSync } from "./file-sync.ts";

/** https://developers.cloudflare.com/kv/platform/limits/ */
const keyBytesMax = 512;
const metadataBytesMax = 1024;
const valueBytesMax = 25 * 1024 * 1024;

const lineFeed = 10;

type ValueType = "text" | "json" | "arrayBuffer" | "stream";
type GetOptions = ValueType | { readonly type?: ValueType | undefined };

/** The first line of an entry's file, as JSON; after its line feed comes the value. */
interface Header {
  readonly key: string;
  readonly metadata: unknown;
}

/**
 * A namespace of KVNamespace's shape over a folder on disk. An entry is one file named by the
 * SHA-256 of its key, so that a put replaces value and metadata at once. Unlike Cloudflare's it is
 * consistent: what was put is read. Expiration and list, which Longshore does not use, are refused.
 */
export class DiskKV implements KVNamespace {
  readonly #disk: Disk;

  /** `service` is the binding of a writable `disk` service for a folder of this namespace alone. */
  constructor(service: Fetcher, sync?: FileSync) {
    this.#disk = new Disk(service, sync);
  }

  // A dozen overloads say which type asks for which value: no single function is of their type.
  /** The value of a key, or a Map of the values of several; null where there is none. */
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  readonly get = ((keys: string | readonly string[], options?: GetOptions) =>
    this.#each(keys, async (key) => (await this.#read(key, options)).value)) as KVNamespace["get"];

  /** Like `get`, with the metadata of the entries. */
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  readonly getWithMetadata = ((keys: string | readonly string[], options?: GetOptions) =>
    this.#each(keys, (key) => this.#read(key, options))) as KVNamespace["getWithMetadata"];

  async #each<T>(
    keys: string | readonly string[],
    read: (key: string) => Promise<T>,
  ): Promise<T | Map<string, T>> {
    if (typeof keys === "string") return read(keys);
    return new Map(
      await Promise.all(keys.map(async (key): Promise<[string, T]> => [key, await read(key)])),
    );
  }

  async #read(
    key: string,
    options: GetOptions = "text",
  ): Promise<KVNamespaceGetWithMetadataResult<unknown, unknown>> {
    checkKey("GET", key);
    const type = typeof options === "string" ? options : (options.type ?? "text");
    const file = await this.#disk.read(entryPath(key));
    if (file === undefined) return { value: null, metadata: null, cacheStatus: null };
    const bytes = await file.bytes();
    const end = bytes.indexOf(lineFeed);
    const { metadata } = await new Response(bytes.subarray(0, end)).json<Header>();
    return { value: valueAs(type, bytes.slice(end + 1)), metadata, cacheStatus: null };
  }

  /** Metadata is anything that JSON can say; what was there under the key is replaced. */
  async put(
    key: string,
    value: string | ArrayBuffer | ArrayBufferView | ReadableStream,
    options: KVNamespacePutOptions = {},
  ): Promise<void> {
    checkKey("PUT", key);
    if (options.expiration !== undefined || options.expirationTtl !== undefined) {
      throw new TypeError("KV PUT failed: expiration is not supported on one machine");
    }
    const metadata: unknown = options.metadata ?? null;
    const metadataBytes = metadata === null ? 0 : byteLength(JSON.stringify(metadata));
    if (metadataBytes > metadataBytesMax) {
      throw refused(
        "PUT",
        413,
        `Metadata length of ${metadataBytes} exceeds limit of ${metadataBytesMax}.`,
      );
    }
    const bytes = await valueBytes(value);
    if (bytes.byteLength > valueBytesMax) {
      throw refused(
        "PUT",
        413,
        `Value length of ${bytes.byteLength} exceeds limit of ${valueBytesMax}.`,
      );
    }
    const header: Header = { key, metadata };
    const line = new TextEncoder().encode(`${JSON.stringify(header)}\n`);
    const file = new Uint8Array(line.byteLength + bytes.byteLength);
    file.set(line);
    file.set(bytes, line.byteLength);
    await this.#disk.write(entryPath(key), file);
  }

  /** A key that is not there is fine. */
  async delete(key: string): Promise<void> {
    checkKey("DELETE", key);
    await this.#disk.remove(entryPath(key));
  }

  list(): Promise<never> {
    return Promise.reject(new TypeError("list is not supported on one machine"));
  }
}

/** 256 folders, so that none of them gets too long. */
function entryPath(key: string): string {
  const name = createHash("sha256").update(key).digest("hex");
  return `${name.slice(0, 2)}/${name.slice(2)}`;
}

function valueAs(type: ValueType, value: Uint8Array<ArrayBuffer>): unknown {
  switch (type) {
    case "arrayBuffer":
      return value.buffer;
    case "stream":
      return new Response(value).body;
    case "json":
      return JSON.parse(new TextDecoder().decode(value));
    case "text":
      return new TextDecoder().decode(value);
    default:
      throw new TypeError(
        'Unknown response type. Possible types are "text", "arrayBuffer", "json", and "stream".',
      );
  }
}

async function valueBytes(
  value: string | ArrayBuffer | ArrayBufferView | ReadableStream,
): Promise<Uint8Array> {
  if (typeof value === "string") return new TextEncoder().encode(value);
  if (value instanceof ReadableStream) return new Response(value).bytes();
  return viewBytes(value);
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).byteLength;
}

function checkKey(method: string, key: string): void {
  if (key === "") throw new TypeError("Key name cannot be empty.");
  if (key === "." || key === "..") throw new TypeError(`"${key}" is not allowed as a key name.`);
  const bytes = byteLength(key);
  if (bytes > keyBytesMax) {
    throw refused(
      method,
      414,
      `UTF-8 encoded length of ${bytes} exceeds key length limit of ${keyBytesMax}.`,
    );
  }
}

function refused(method: string, status: number, reason: string): Error {
  return new Error(`KV ${method} failed: ${status} ${reason}`);
}
