import type { Disk } from "./disk.ts";
import { bytesText, folderPath, segmentBytes, textBytes } from "./object-path.ts";

/** What the name of an object's file ends with. */
const objectSuffix = ".object";

/** What is under one segment of keys: an object, or the folder of those that go on with a slash. */
interface SegmentEntry {
  /** The segment's bytes, of a folder with the slash: entries sort by it as their keys do. */
  readonly bytes: string;
  /** Of a folder. */
  readonly path: string | undefined;
}

/** Which keys are asked for; byte strings have a character for each byte. */
interface Wanted {
  readonly prefix: string;
  /** They come behind this one. */
  readonly after: string;
}

/**
 * The keys of a bucket's objects that begin with `prefix` and come behind `after`, in the order of
 * their bytes; `objects` is the folder of all of them (see object-path.ts). A folder is read when its
 * turn comes, and only the names in it.
 */
export async function* keysOf(
  disk: Disk,
  objects: string,
  prefix: string,
  after: string,
): AsyncGenerator<string> {
  const folder = prefix.slice(0, prefix.lastIndexOf("/") + 1);
  const path = folder === "" ? objects : `${objects}/${folderPath(folder)}`;
  const wanted = { prefix: textBytes(prefix), after: textBytes(after) };
  for await (const bytes of walk(disk, path, textBytes(folder), wanted)) yield bytesText(bytes);
}

async function* walk(
  disk: Disk,
  folder: string,
  begin: string,
  wanted: Wanted,
): AsyncGenerator<string> {
  const entries = await segments(disk, folder, "");
  const sorted = entries.toSorted((a, b) => (a.bytes < b.bytes ? -1 : 1));
  for (const { bytes, path } of sorted) {
    const key = begin + bytes;
    if (!key.startsWith(wanted.prefix)) continue;
    if (path === undefined) {
      if (key > wanted.after) yield key;
    } else if (key > wanted.after || wanted.after.startsWith(key)) {
      yield* walk(disk, path, key, wanted);
    }
  }
}

/** What a folder holds; a name that goes on in a folder of its own stands among the others. */
async function segments(disk: Disk, folder: string, begun: string): Promise<SegmentEntry[]> {
  const found = (await disk.list(`${folder}/`)) ?? [];
  const entries = found.map(async ({ name, type }): Promise<SegmentEntry[]> => {
    const path = `${folder}/${name}`;
    // A file that is not whole yet.
    if (name.startsWith(".")) return [];
    if (name.endsWith("~")) return segments(disk, path, begun + name.slice(0, -1));
    if (type === "directory") return [{ bytes: `${segmentBytes(begun + name)}/`, path }];
    if (!name.endsWith(objectSuffix)) return [];
    const segment = begun + name.slice(0, -objectSuffix.length);
    return [{ bytes: segmentBytes(segment), path: undefined }];
  });
  return (await Promise.all(entries)).flat();
}
