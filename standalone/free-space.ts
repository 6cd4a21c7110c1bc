import type { Disk } from "./disk.ts";
import { storageFullText, tellStorageFull } from "../stores/storage-full.ts";

/** In the folder of the bucket: an empty file that is there while blobs are refused. */
export const fullMark = "full";
/** It is asked for no more often. */
const askMs = 250;

/** What a Worker knows of the room on the disk; one instance stands for one bucket. */
export class FreeSpace {
  #askedMs = 0;
  #isFull = false;

  /** Looks whether the bucket is marked, if that was not looked at just now. */
  async look(disk: Disk): Promise<void> {
    const nowMs = Date.now();
    if (Math.abs(nowMs - this.#askedMs) < askMs) return;
    this.#askedMs = nowMs;
    try {
      this.#isFull = await disk.has(fullMark);
      tellStorageFull(this.#isFull);
    } catch {
      // It is as it was; who writes is told what the disk says.
    }
  }

  /** @throws an error that isStorageFull knows, if a blob is to be refused */
  async check(disk: Disk): Promise<void> {
    await this.look(disk);
    if (this.#isFull) throw new Error(storageFullText);
  }
}
