import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { posix } from "node:path";
import { Readable } from "node:stream";
import { extract, type Header } from "tar-stream";
import { CommandError } from "../exit-codes.ts";
import type { ContentFiles } from "./content-files.ts";

/** Where a file's bytes are in the archive. */
interface Span {
  readonly offset: number;
  readonly size: number;
}

/** A header of the archive, with the offset in the archive at which what it is of begins. */
interface Entry {
  readonly header: Header;
  readonly offset: number;
}

const blockBytes = 512;
/** More links than this, one to the next, are a circle. */
const linksMax = 40;

/**
 * A tar archive on disk. Its headers are read once, and of the files what is asked for: nothing is
 * unpacked, and memory does not grow with the archive.
 */
export class TarArchive implements ContentFiles {
  readonly #path: string;
  readonly #shownPath: string;
  readonly #spans: ReadonlyMap<string, Span>;
  readonly #links: ReadonlyMap<string, string>;
  /** The folder in the archive that names are relative to. */
  readonly #folder: string;

  private constructor(
    path: string,
    shownPath: string,
    spans: ReadonlyMap<string, Span>,
    links: ReadonlyMap<string, string>,
    folder = ".",
  ) {
    this.#path = path;
    this.#shownPath = shownPath;
    this.#spans = spans;
    this.#links = links;
    this.#folder = folder;
  }

  /**
   * Reads the headers of the archive at `path`; errors name it as `shownPath`.
   * @throws CommandError if it is no archive, or is cut off
   */
  static async open(path: string, shownPath = path): Promise<TarArchive> {
    const { size } = await stat(path);
    const spans = new Map<string, Span>();
    const links = new Map<string, string>();
    let offset = 0;
    for (;;) {
      const entry = await entryAt(path, offset, shownPath);
      if (entry === undefined) break;
      const { header } = entry;
      const bytes = header.size;
      if (entry.offset + bytes > size) {
        throw new CommandError(
          `${shownPath} ends in ${header.name}: it was cut off, make it again`,
        );
      }
      const name = posix.normalize(header.name);
      // The last one of a name counts, as when it is unpacked.
      spans.delete(name);
      links.delete(name);
      if (header.type === "file" || header.type === "contiguous-file") {
        spans.set(name, { offset: entry.offset, size: bytes });
      } else if (header.type === "symlink") {
        links.set(name, posix.join(posix.dirname(name), header.linkname));
      } else if (header.type === "link") {
        links.set(name, posix.normalize(header.linkname));
      }
      offset = entry.offset + Math.ceil(bytes / blockBytes) * blockBytes;
    }
    return new TarArchive(path, shownPath, spans, links);
  }

  /** The same archive, with names relative to the folder that has a file of this name; else undefined. */
  from(fileName: string): TarArchive | undefined {
    const folder = [...this.#spans.keys()]
      .filter((name) => posix.basename(name) === fileName)
      .map((name) => posix.dirname(name))
      .toSorted((a, b) => a.split("/").length - b.split("/").length)
      .at(0);
    if (folder === undefined) return undefined;
    return new TarArchive(this.#path, this.#shownPath, this.#spans, this.#links, folder);
  }

  pathOf(name: string): string {
    return `${this.#shownPath}:${posix.join(this.#folder, name)}`;
  }

  async sizeOf(name: string): Promise<number | undefined> {
    return this.#spans.get(this.resolve(name))?.size;
  }

  open(name: string, offset: number): Readable {
    const span = this.#spans.get(this.resolve(name));
    if (span === undefined) throw new CommandError(`${this.pathOf(name)} is not there`);
    if (offset >= span.size) return Readable.from([]);
    const start = span.offset + offset;
    return createReadStream(this.#path, { start, end: span.offset + span.size - 1 });
  }

  /** The name of the entry that a name leads to by links: old archives link layers that are the same. */
  resolve(name: string): string {
    let found = posix.join(this.#folder, name);
    for (let links = 0; links < linksMax; links += 1) {
      const target = this.#links.get(found);
      if (target === undefined) return found;
      found = target;
    }
    return found;
  }
}

/** The first entry at or behind an offset, which is where a header begins; undefined at the end. */
async function entryAt(path: string, start: number, shownPath: string): Promise<Entry | undefined> {
  const bytes = createReadStream(path, { start, highWaterMark: 16 * 1024 });
  const headers = extract();
  try {
    return await new Promise((resolve, reject) => {
      headers.once("entry", (header, content) => {
        // It is destroyed unread, which is no error.
        content.on("error", () => {});
        // Told, and not among the types.
        const { byteOffset } = header as Header & { readonly byteOffset: number };
        resolve({ header, offset: start + byteOffset });
      });
      headers.once("finish", () => resolve(undefined));
      headers.once("error", (error: Error) =>
        reject(
          new CommandError(`${shownPath} is no tar archive that can be read: ${error.message}`),
        ),
      );
      bytes.once("error", (error) =>
        reject(new CommandError(`${shownPath} can't be read: ${error.message}`)),
      );
      bytes.pipe(headers);
    });
  } finally {
    bytes.destroy();
    headers.destroy();
  }
}
