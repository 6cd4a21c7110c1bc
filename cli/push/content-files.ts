/** Named files that an image is stored in: a folder, or an archive that is not unpacked. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { manifestBytesMax } from "../../schemas/manifest.ts";
import { CommandError } from "../exit-codes.ts";

/** Files by their names, with `/` between folders, relative to where the image begins. */
export interface ContentFiles {
  /** A file's name as people find it. */
  pathOf(name: string): string;
  /** In bytes; undefined if there is no such file. */
  sizeOf(name: string): Promise<number | undefined>;
  /** A file's bytes from an offset. */
  open(name: string, offset: number): Readable;
}

/** The files of a folder. */
export class FolderFiles implements ContentFiles {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  pathOf(name: string): string {
    return join(this.#folder, name);
  }

  async sizeOf(name: string): Promise<number | undefined> {
    try {
      const found = await stat(this.pathOf(name));
      return found.isFile() ? found.size : undefined;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT" || code === "ENOTDIR") return undefined;
      throw new CommandError(`${this.pathOf(name)} can't be read: ${String(code)}`);
    }
  }

  open(name: string, offset: number): Readable {
    return createReadStream(this.pathOf(name), { start: offset });
  }
}

/**
 * A small file whole: JSON of a layout, or a manifest.
 * @throws CommandError if it is not there, or larger than a manifest may be
 */
export async function readSmallFile(files: ContentFiles, name: string): Promise<Uint8Array> {
  const size = await files.sizeOf(name);
  if (size === undefined) throw new CommandError(`${files.pathOf(name)} is not there`);
  if (size > manifestBytesMax) {
    throw new CommandError(
      `${files.pathOf(name)} has ${size} bytes; a manifest has at most ${manifestBytesMax}`,
    );
  }
  return buffer(files.open(name, 0));
}

/** The JSON in a small file. @throws CommandError */
export async function readJsonFile(files: ContentFiles, name: string): Promise<unknown> {
  const bytes = await readSmallFile(files, name);
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as unknown;
  } catch (error) {
    throw new CommandError(`${files.pathOf(name)} is not JSON: ${(error as Error).message}`);
  }
}
