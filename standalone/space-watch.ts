import { randomBytes } from "node:crypto";
import { rm, stat, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fullMark } from "./free-space.ts";

/**
 * What blobs leave free on the disk: room for the databases, so that what is there can still be
 * pulled, deleted and collected when nothing more fits.
 */
const keptFreeBytes = 32 * 1024 * 1024;

/** Given up when others take the last of it: without a few pages SQLite can't even read. */
const reserveBytes = 16 * 1024 * 1024;
const reserveFreeBytesMin = 1024 * 1024;

const watchMs = 250;
/** In the storage folder: bytes that no file system can make smaller. */
const reserveName = "reserve";

/** Looks after the room on the disk that a storage folder is on. */
class SpaceWatch {
  readonly #storagePath: string;
  readonly #mark: string;
  readonly #reserve: string;
  #isMarked: boolean | undefined;

  constructor(storagePath: string) {
    this.#storagePath = storagePath;
    this.#mark = join(storagePath, "blobs", fullMark);
    this.#reserve = join(storagePath, reserveName);
  }

  /** Marks the bucket or takes the mark away; gives the reserve up or makes it anew. */
  async look(): Promise<void> {
    const { bavail, bsize } = await statfs(this.#storagePath);
    const freeBytes = bavail * bsize;
    if (freeBytes < reserveFreeBytesMin) await rm(this.#reserve, { force: true });
    const isFull = freeBytes < keptFreeBytes;
    if (isFull !== this.#isMarked) await this.#tell(isFull);
    if (freeBytes > keptFreeBytes + 2 * reserveBytes) await this.#makeReserve();
  }

  async #tell(isFull: boolean): Promise<void> {
    if (isFull) await writeFile(this.#mark, "");
    else await rm(this.#mark, { force: true });
    if (isFull) console.warn("longshore: storage is full: blobs are refused until there is room");
    else if (this.#isMarked === true) console.warn("longshore: storage has room again");
    this.#isMarked = isFull;
  }

  async #makeReserve(): Promise<void> {
    const size = await stat(this.#reserve).then(
      (found) => found.size,
      () => undefined,
    );
    if (size !== reserveBytes) await writeFile(this.#reserve, randomBytes(reserveBytes));
  }
}

/** Looks after the room for a storage folder, now and as long as this process runs. */
export async function watchFreeSpace(storagePath: string): Promise<void> {
  const watch = new SpaceWatch(storagePath);
  await watch.look();
  let isLooking = false;
  setInterval(() => {
    if (isLooking) return;
    isLooking = true;
    watch
      .look()
      // The next look tries again.
      .catch(() => undefined)
      .finally(() => (isLooking = false));
  }, watchMs).unref();
}
