/** Writes tar archives, streaming: an archive may be larger than memory. */
import { createReadStream, createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

const blockBytes = 512;

/** One file of an archive. */
export interface TarEntry {
  readonly name: string;
  /** Has to be known before the content: it stands in front of it. */
  readonly size: number;
  readonly content: () => AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** An entry with a text. */
export function textEntry(name: string, text: string): TarEntry {
  const bytes = new TextEncoder().encode(text);
  return { name, size: bytes.length, content: () => [bytes] };
}

/** An entry with a file's content. */
export function fileEntry(name: string, file: string, size: number): TarEntry {
  return { name, size, content: () => createReadStream(file) };
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}

/** The block in front of a file (POSIX ustar): nothing in it depends on the clock or the user. */
function header(entry: TarEntry): Uint8Array {
  const block = Buffer.alloc(blockBytes);
  block.write(entry.name, 0, 100);
  block.write(`${octal(0o644, 7)}\0${octal(0, 7)}\0${octal(0, 7)}\0`, 100);
  block.write(`${octal(entry.size, 11)}\0${octal(0, 11)}\0`, 124);
  // The checksum counts its own eight bytes as blanks.
  block.write("        0", 148);
  block.write("ustar\u000000", 257);
  let sum = 0;
  for (const byte of block) {
    sum += byte;
  }
  block.write(`${octal(sum, 6)}\0 `, 148);
  return block;
}

async function* archive(entries: readonly TarEntry[]): AsyncGenerator<Uint8Array> {
  for (const entry of entries) {
    yield header(entry);
    yield* entry.content();
    yield Buffer.alloc((blockBytes - (entry.size % blockBytes)) % blockBytes);
  }
  yield Buffer.alloc(2 * blockBytes);
}

/** Writes an archive. */
export async function writeTar(file: string, entries: readonly TarEntry[]): Promise<void> {
  await pipeline(Readable.from(archive(entries)), createWriteStream(file));
}
