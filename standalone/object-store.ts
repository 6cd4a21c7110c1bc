import { RecentMap } from "../workers/recent-map.ts";
import type { Disk, Slice } from "./disk.ts";
import { descriptorBytesMax, type ObjectDescriptor } from "./disk-object.ts";
import { type Content, filesContent, hasParts, writeContent } from "./object-content.ts";
import { keysOf } from "./object-keys.ts";
import { objectPath } from "./object-path.ts";

/** What is read of an object's file to find its descriptor; 16 times as much if that is too little. */
const firstReadBytes = 4096;

/** A descriptor of more parts than this is read from disk each time. */
const cachedPartsMax = 1000;
const cachedObjectsMax = 4096;

const lineFeed = 10;

const objectsFolder = "objects";

/** An object, and where in its file the bytes begin that follow the descriptor. */
export interface StoredObject {
  readonly descriptor: ObjectDescriptor;
  readonly bytesOffset: number;
}

/**
 * The objects that were used last. One instance stands for one bucket: all that write to the bucket
 * share it, or it is wrong.
 */
export class ObjectCache {
  readonly #objects = new RecentMap<StoredObject>(cachedObjectsMax);
  /** The versions of objects whose parts were seen to be there. */
  readonly whole = new RecentMap<true>(cachedObjectsMax);
  /** Counts the changes, so that a read that met one leaves nothing behind. */
  #changes = 0;

  get changes(): number {
    return this.#changes;
  }

  get(key: string): StoredObject | undefined {
    const found = this.#objects.get(key);
    if (found !== undefined) this.#objects.set(key, found);
    return found;
  }

  /** Remembers what was read, unless anything changed since `changes` was asked for. */
  remember(found: StoredObject, changes: number): void {
    const { key, parts } = found.descriptor;
    if (changes !== this.#changes || (parts?.names.length ?? 0) > cachedPartsMax) return;
    this.#objects.set(key, found);
  }

  /** To be called before and after a change, so that no read across it is remembered. */
  forget(key: string): void {
    this.#changes += 1;
    this.#objects.delete(key);
  }
}

/**
 * The objects of a bucket on disk. `objects/<path of the key>.object` is one: a line of JSON that
 * describes it, and its bytes, or, of a multipart upload, only the line, which names the files of
 * `parts/<path of the key>.<upload id>/` that have them. So an object comes, changes and goes with one
 * file. Parts are written once, under names that are never used again.
 */
export class ObjectStore {
  readonly disk: Disk;
  readonly #cache: ObjectCache;

  constructor(disk: Disk, cache: ObjectCache) {
    this.disk = disk;
    this.#cache = cache;
  }

  /**
   * The object under a key. One whose bytes are not all there, as after a power cut if nothing was
   * synced, is none, so that it is found to be lost, and taken once more.
   */
  async find(key: string): Promise<StoredObject | undefined> {
    const cached = this.#cache.get(key);
    if (cached !== undefined) return cached;
    const { changes } = this.#cache;
    const read = await this.#read(key);
    if (read === undefined || !(await this.#isWhole(read))) return undefined;
    this.#cache.remember(read.found, changes);
    return read.found;
  }

  /** What the object under a key says of itself, whether or not its bytes are there. */
  async describe(key: string): Promise<ObjectDescriptor | undefined> {
    const { descriptor } = this.#cache.get(key) ?? (await this.#read(key))?.found ?? {};
    return descriptor;
  }

  async #read(key: string): Promise<ReadObject | undefined> {
    for (let length = firstReadBytes; length <= descriptorBytesMax; length *= 16) {
      const file = await this.disk.read(filePath(key), { offset: 0, length });
      if (file === undefined) return undefined;
      const bytes = await file.bytes();
      const end = bytes.indexOf(lineFeed);
      if (end < 0 && bytes.byteLength === length) continue;
      const descriptor = end < 0 ? undefined : parseDescriptor(bytes.subarray(0, end));
      if (descriptor === undefined) return undefined;
      return { found: { descriptor, bytesOffset: end + 1 }, fileBytes: fileSize(file) };
    }
    return undefined;
  }

  async #isWhole({ found, fileBytes }: ReadObject): Promise<boolean> {
    const { key, version, size, parts } = found.descriptor;
    if (parts === undefined) return fileBytes === found.bytesOffset + size;
    if (this.#cache.whole.get(version) === true) return true;
    const isWhole = await hasParts(this.disk, partsPath(key, parts.uploadId), parts.names);
    if (isWhole) this.#cache.whole.set(version, true);
    return isWhole;
  }

  /** The first `limit` keys that begin with `prefix` and come behind `after`, and whether there are more. */
  async keys(
    prefix: string,
    after: string,
    limit: number,
  ): Promise<{ keys: string[]; more: boolean }> {
    const keys: string[] = [];
    for await (const key of keysOf(this.disk, objectsFolder, prefix, after)) {
      if (keys.length === limit) return { keys, more: true };
      keys.push(key);
    }
    return { keys, more: false };
  }

  /**
   * Writes an object, which is the one under its key once all is written and verified. Parts of the
   * one before it go at once if that is known, else with the leftovers.
   */
  async put(descriptor: ObjectDescriptor, content?: Content): Promise<void> {
    const { key } = descriptor;
    const previous = this.#cache.get(key);
    const line = new TextEncoder().encode(`${JSON.stringify(descriptor)}\n`);
    this.#cache.forget(key);
    const { changes } = this.#cache;
    const { checksum } = descriptor;
    await writeContent(this.disk, filePath(key), content ?? noContent, line, checksum);
    const isAlone = this.#cache.changes === changes;
    this.#cache.forget(key);
    if (isAlone) {
      this.#cache.remember({ descriptor, bytesOffset: line.byteLength }, this.#cache.changes);
    }
    const { parts } = previous?.descriptor ?? {};
    if (parts !== undefined && parts.uploadId !== descriptor.parts?.uploadId) {
      await this.disk.remove(partsPath(key, parts.uploadId));
    }
  }

  /**
   * The bytes of a range as the body of a response, natively; undefined if what was found is gone: to
   * be looked for once more, as there may be another object by now.
   */
  async open(found: StoredObject, range: Slice): Promise<Response | undefined> {
    const { descriptor, bytesOffset } = found;
    const { key, parts, size } = descriptor;
    if (range.length === 0) return new Response("");
    let file: Response | undefined;
    if (parts === undefined) {
      const slice = { offset: bytesOffset + range.offset, length: range.length };
      file = await this.disk.read(filePath(key), slice);
      if (file !== undefined && fileSize(file) !== bytesOffset + size) {
        await file.body?.cancel();
        file = undefined;
      }
    } else {
      file = await filesContent(this.disk, partsPath(key, parts.uploadId), parts.names, range);
    }
    if (file === undefined) this.#cache.forget(key);
    return file;
  }

  /** Removes the object, if there is one, or what is left of one. */
  async remove(key: string): Promise<void> {
    const { parts } = (await this.describe(key)) ?? {};
    this.#cache.forget(key);
    await this.disk.remove(filePath(key));
    this.#cache.forget(key);
    if (parts !== undefined) await this.disk.remove(partsPath(key, parts.uploadId));
  }
}

/** An object, and how long the file is that says so. */
interface ReadObject {
  readonly found: StoredObject;
  readonly fileBytes: number;
}

/** Undefined for a line that a power cut has spoilt. */
function parseDescriptor(line: Uint8Array): ObjectDescriptor | undefined {
  try {
    return JSON.parse(new TextDecoder().decode(line)) as ObjectDescriptor;
  } catch {
    return undefined;
  }
}

/** The size of a file that was read, all of it or a slice. */
function fileSize({ headers }: Response): number {
  return Number(headers.get("content-range")?.split("/")[1] ?? headers.get("content-length"));
}

const noContent: Content = { source: new Uint8Array(), length: 0 };

function filePath(key: string): string {
  return `${objectsFolder}/${objectPath(key)}.object`;
}

/** The folder of an upload's parts; `uploadId` is 32 hex digits, never used before. */
export function partsPath(key: string, uploadId: string): string {
  return `parts/${objectPath(key)}.${uploadId}`;
}

/** 32 random hex digits. */
export function randomId(): string {
  return crypto.randomUUID().replaceAll("-", "");
}
