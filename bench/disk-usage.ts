import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

/** What a folder takes. */
export interface DiskUsage {
  readonly files: number;
  /** The length of all files. */
  readonly bytes: number;
  /** The blocks of the disk that files and folders have. */
  readonly allocatedBytes: number;
}

/** Looks at every file below a folder. */
export async function diskUsage(folder: string): Promise<DiskUsage> {
  let files = 0;
  let bytes = 0;
  let allocatedBytes = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const stat = await lstat(join(entry.parentPath, entry.name)).catch(() => undefined);
    if (stat === undefined) continue; // It was removed meanwhile.
    allocatedBytes += stat.blocks * 512;
    if (!stat.isFile()) continue;
    files += 1;
    bytes += stat.size;
  }
  return { files, bytes, allocatedBytes };
}
