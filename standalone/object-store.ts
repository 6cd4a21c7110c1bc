import type { Disk } from "./disk.ts";
import type { ObjectDescriptor } from "./disk-object.ts";
import { objectPath } from "./object-path.ts";

/** A descriptor of more parts than this is read from disk each time. */
const cachedPartsMax = 1000;
const cachedDescriptorsMax = 4096;

/**
 * The descriptors that were used last. One instance stands for one bucket: all that write to the
 * bucket share it, or it is wrong.
 */
export class DescriptorCache {
  readonly #descriptors = new Map<string, ObjectDescriptor>();
  /** Counts the changes, so that a read that met one leaves nothing behind. */
  #changes = 0;

  get changes(): number {
    return this.#changes;
  }

  get(key: string): ObjectDescriptor | undefined {
    const found = this.#descriptors.get(key);
    if (found !== undefined) {
      this.#descriptors.delete(key);
      this.#descriptors.set(key, found);
    }
    return found;
  }

  /** Remembers what was read, unless anything changed since `changes` was asked for. */
  remember(descriptor: ObjectDescriptor, changes: number): void {
    if (changes !== this.#changes || (descriptor.parts?.length ?? 0) > cachedPartsMax) return;
    this.#descriptors.set(descriptor.key, descriptor);
    if (this.#descriptors.size <= cachedDescriptorsMax) return;
    const [oldest] = this.#descriptors.keys();
    if (oldest !== undefined) this.#descriptors.delete(oldest);
  }

  /** To be called before and after a change, so that no read across it is remembered. */
  forget(key: string): void {
    this.#changes += 1;
    this.#descriptors.delete(key);
  }
}

/**
 * The objects of a bucket on disk: `objects/<path of the key>.json` describes one,
 * `data/<path of the key>.<random id>` are its bytes, a file, or a folder of part files. Data is
 * written once, under an id that is never used again.
 */
export class ObjectStore {
  readonly disk: Disk;
  readonly #cache: DescriptorCache;

  constructor(disk: Disk, cache: DescriptorCache) {
    this.disk = disk;
    this.#cache = cache;
  }

  async read(key: string): Promise<ObjectDescriptor | undefined> {
    const cached = this.#cache.get(key);
    if (cached !== undefined) return cached;
    const { changes } = this.#cache;
    const file = await this.disk.read(descriptorPath(key));
    if (file === undefined) return undefined;
    const descriptor = await file.json<ObjectDescriptor>();
    this.#cache.remember(descriptor, changes);
    return descriptor;
  }

  /** Makes the object with this descriptor the one under its key; its bytes are on disk already. */
  async publish(descriptor: ObjectDescriptor): Promise<void> {
    const { key } = descriptor;
    const previous = await this.read(key);
    this.#cache.forget(key);
    await this.disk.write(descriptorPath(key), JSON.stringify(descriptor));
    this.#cache.forget(key);
    if (previous !== undefined && previous.data !== descriptor.data) {
      await this.disk.remove(previous.data);
    }
  }

  /** Removes the object, if there is one: first what makes it exist, then its bytes. */
  async remove(key: string): Promise<void> {
    const descriptor = await this.read(key);
    if (descriptor === undefined) return;
    this.#cache.forget(key);
    await this.disk.remove(descriptorPath(key));
    this.#cache.forget(key);
    await this.disk.remove(descriptor.data);
  }
}

function descriptorPath(key: string): string {
  return `objects/${objectPath(key)}.json`;
}

/** Where data of a key goes; `id` is 32 hex digits, never used before. */
export function dataPath(key: string, id: string): string {
  return `data/${objectPath(key)}.${id}`;
}

/** 32 random hex digits. */
export function randomId(): string {
  return crypto.randomUUID().replaceAll("-", "");
}
