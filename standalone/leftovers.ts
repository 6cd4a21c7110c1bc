import { open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { descriptorBytesMax, type ObjectDescriptor } from "./disk-object.ts";
import { errorCode } from "./error-code.ts";

/** R2 aborts an incomplete multipart upload after seven days; so does one machine. */
const openUploadMsMax = 7 * 24 * 60 * 60 * 1000;

/** The name of the folder of an upload's parts: the last segment of its key, and its id. */
const partsName = /^(.+)\.([0-9a-f]{32})$/;

/** The name under which workerd's `disk` service writes a file that is not whole yet. */
const partialName = /^\..+\.tmp$/;

/** What an empty SQLite database has: a single page of this size. */
const pageBytes = 4096;

/**
 * Removes what processes that were killed left behind in the folders of the bucket and the
 * namespaces: files that never became whole, and parts of objects that are not, or never came to be.
 * Only what is older than `beforeMs`, when this process began, so it may run beside workerd; and, of
 * multipart uploads that are open, those that got no part for seven days.
 */
export async function removeLeftovers(storagePath: string, beforeMs: number): Promise<void> {
  const objects = join(storagePath, "blobs/objects");
  await removeParts(join(storagePath, "blobs/parts"), objects, {
    beforeMs,
    openBeforeMs: Date.now() - openUploadMsMax,
  });
  for (const folder of [objects, join(storagePath, "manifests"), join(storagePath, "tags")]) {
    await removePartial(folder, beforeMs);
  }
}

/** How old parts are that go. */
interface PartAges {
  readonly beforeMs: number;
  /** While their upload is open. */
  readonly openBeforeMs: number;
}

/** `objects` is the folder that mirrors `parts`: see object-store.ts. */
async function removeParts(parts: string, objects: string, ages: PartAges): Promise<void> {
  for await (const { path, name } of entriesOf(parts)) {
    const [, object, uploadId] = partsName.exec(name) ?? [];
    if (object === undefined || uploadId === undefined) {
      await removeParts(path, join(objects, name), ages);
    } else if (!(await isOfUpload(join(objects, `${object}.object`), uploadId))) {
      const isOpen = await exists(join(path, "upload.json"));
      await removeOlder(path, isOpen ? ages.openBeforeMs : ages.beforeMs);
    }
  }
}

/** Whether an object's file is there and may be of an upload: no other way of writing has parts. */
async function isOfUpload(path: string, uploadId: string): Promise<boolean> {
  const file = await open(path).catch(nothingIfAbsent);
  if (file === undefined) return false;
  try {
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(descriptorBytesMax) });
    const [line = ""] = buffer.toString("utf8", 0, bytesRead).split("\n", 1);
    const { parts }: ObjectDescriptor = JSON.parse(line);
    return parts?.uploadId === uploadId;
  } catch {
    return true;
  } finally {
    await file.close();
  }
}

/** Removes the files below a folder that never became whole. */
async function removePartial(folder: string, beforeMs: number): Promise<void> {
  for await (const { path, name, isFolder } of entriesOf(folder)) {
    if (isFolder) await removePartial(path, beforeMs);
    else if (partialName.test(name)) await removeOlder(path, beforeMs);
  }
}

/**
 * Removes the databases of Durable Objects that deleted all they had: workerd keeps an empty file for
 * each of them. To be called while no workerd runs. `objects` has a folder for each class.
 */
export async function removeEmptyObjects(objects: string): Promise<void> {
  for await (const folder of entriesOf(objects)) {
    if (!folder.isFolder) continue;
    for await (const { path, name } of entriesOf(folder.path)) {
      // workerd's own, of the alarms of all objects of the class.
      if (name === "metadata.sqlite" || !name.endsWith(".sqlite")) continue;
      if (await isEmptyDatabase(path)) await rm(path);
    }
  }
}

/**
 * Whether a database has no tables, as its file format says (https://sqlite.org/fileformat.html):
 * its first page, after a header of 100 bytes, is the table of tables, a leaf with this many cells.
 */
async function isEmptyDatabase(path: string): Promise<boolean> {
  if ((await stat(path)).size !== pageBytes || (await exists(`${path}-wal`))) return false;
  const file = await open(path);
  try {
    const { buffer } = await file.read({ buffer: Buffer.alloc(105) });
    return buffer.readUInt8(100) === 0x0d && buffer.readUInt16BE(103) === 0;
  } finally {
    await file.close();
  }
}

interface FoundEntry {
  readonly path: string;
  readonly name: string;
  readonly isFolder: boolean;
}

/** What is in a folder; nothing if it is not there. */
async function* entriesOf(folder: string): AsyncGenerator<FoundEntry> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    yield { path: join(folder, entry.name), name: entry.name, isFolder: entry.isDirectory() };
  }
}

/** Rethrows all but the system's word for what is not there. */
function nothingIfAbsent(error: unknown): undefined {
  const code = errorCode(error);
  if (code !== "ENOENT" && code !== "ENOTDIR") throw error;
}

async function modifiedMs(path: string): Promise<number | undefined> {
  return (await stat(path).catch(nothingIfAbsent))?.mtimeMs;
}

async function exists(path: string): Promise<boolean> {
  return (await modifiedMs(path)) !== undefined;
}

async function removeOlder(path: string, thanMs: number): Promise<void> {
  const ms = await modifiedMs(path);
  if (ms !== undefined && ms < thanMs) await rm(path, { recursive: true, force: true });
}
