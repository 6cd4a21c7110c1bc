import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { objectPath } from "../../standalone/object-path.ts";

/** What lies in the bucket of one machine. */
export interface BucketContent {
  /** The digest of the bytes of each object, as often as there are objects that have them. */
  readonly digests: readonly string[];
  /** The bytes of all files, with those that no object has. */
  readonly bytes: number;
  /** Files that belong to no object: parts of uploads, files that never became whole. */
  readonly stray: readonly string[];
  /**
   * Files of uploads that were begun and got no part: a kill came before their session had stored
   * their id. R2 ends such an upload after seven days, and so does one machine.
   */
  readonly begun: readonly string[];
}

interface FoundFile {
  readonly path: string;
  readonly size: number;
}

/** Hashes all that is stored under `<folder>/blobs`: see standalone/object-store.ts. */
export async function readBucket(folder: string): Promise<BucketContent> {
  const bucket = join(folder, "blobs");
  const files = await filesBelow(bucket);
  const digests: string[] = [];
  const known = new Set<string>();
  for (const { path } of files.filter((file) => isObject(bucket, file))) {
    // oxlint-disable-next-line no-await-in-loop
    const { digest, uses } = await hashObject(bucket, path);
    digests.push(digest);
    for (const used of uses) known.add(used);
  }
  const paths = files.map(({ path }) => path);
  const unknown = paths.filter((path) => !known.has(path));
  const begun = unknown.filter((path) => isAlone(path, paths));
  return {
    digests,
    bytes: files.reduce((sum, { size }) => sum + size, 0),
    stray: unknown.filter((path) => !begun.includes(path)),
    begun,
  };
}

/** Whether it says that an upload is open whose folder has nothing else: see multipart-upload.ts. */
function isAlone(path: string, all: readonly string[]): boolean {
  const folder = dirname(path);
  return basename(path) === "upload.json" && all.every((p) => p === path || dirname(p) !== folder);
}

/** The bytes of all files of the storage folder. */
export async function storedBytes(folder: string): Promise<number> {
  return (await filesBelow(folder)).reduce((sum, { size }) => sum + size, 0);
}

/** The file of the object that has the bytes of the digest. */
export async function objectFile(folder: string, digest: string): Promise<string> {
  const bucket = join(folder, "blobs");
  for (const file of await filesBelow(bucket)) {
    if (!isObject(bucket, file)) continue;
    // oxlint-disable-next-line no-await-in-loop
    if ((await hashObject(bucket, file.path)).digest === digest) return file.path;
  }
  throw new Error(`${digest} is not in the bucket`);
}

/** The bytes of the object under a key; undefined if there is none. */
export async function objectBytes(folder: string, key: string): Promise<Buffer | undefined> {
  const bucket = join(folder, "blobs");
  const path = join(bucket, "objects", `${objectPath(key)}.object`);
  const isThere = await stat(path).catch(() => undefined);
  if (isThere === undefined) return undefined;
  const { descriptor, end } = await descriptorOf(path);
  const { parts } = descriptor;
  if (parts === undefined) return (await readFile(path)).subarray(end);
  const place = join(bucket, "parts", `${objectPath(key)}.${parts.uploadId}`);
  return Buffer.concat(await Promise.all(parts.names.map((name) => readFile(join(place, name)))));
}

function isObject(bucket: string, { path }: FoundFile): boolean {
  return path.startsWith(join(bucket, "objects/")) && path.endsWith(".object");
}

/** The digest of an object's bytes, and the files that it is made of. */
async function hashObject(
  bucket: string,
  path: string,
): Promise<{ digest: string; uses: string[] }> {
  const { descriptor, end } = await descriptorOf(path);
  const hash = createHash("sha256");
  const uses = [path];
  if (descriptor.parts === undefined) {
    await addBytes(hash, path, end);
  } else {
    const key = relative(join(bucket, "objects"), path).slice(0, -".object".length);
    for (const name of descriptor.parts.names) {
      const part = join(bucket, "parts", `${key}.${descriptor.parts.uploadId}`, name);
      uses.push(part);
      // oxlint-disable-next-line no-await-in-loop
      await addBytes(hash, part, 0);
    }
  }
  return { digest: `sha256:${hash.digest("hex")}`, uses };
}

interface Descriptor {
  readonly parts?: { readonly uploadId: string; readonly names: readonly string[] };
}

/** The line that describes an object, and where its bytes begin. */
async function descriptorOf(path: string): Promise<{ descriptor: Descriptor; end: number }> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(65_536), position: 0 });
    const end = buffer.subarray(0, bytesRead).indexOf("\n");
    if (end < 0) throw new Error(`${path} does not begin with a line`);
    return { descriptor: JSON.parse(buffer.toString("utf8", 0, end)) as Descriptor, end: end + 1 };
  } finally {
    await file.close();
  }
}

async function addBytes(
  hash: ReturnType<typeof createHash>,
  path: string,
  start: number,
): Promise<void> {
  for await (const chunk of createReadStream(path, { start })) hash.update(chunk as Buffer);
}

/** All files below a folder, at any depth; those that go meanwhile are left out. */
async function filesBelow(folder: string): Promise<FoundFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const found = entries
    .filter((entry) => entry.isFile())
    .map(async (entry) => {
      const path = join(entry.parentPath, entry.name);
      const size = (await stat(path).catch(() => undefined))?.size;
      return size === undefined ? [] : [{ path, size }];
    });
  return (await Promise.all(found)).flat();
}
