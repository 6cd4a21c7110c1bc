/** Bytes of a chunk where nothing else is said. */
export const chunkBytesDefault = 16 * 1024 * 1024;

/** An upload sends one while it fills the next; five uploads at once stay within 256 MB so. */
const countDefault = 5;

/** A part of a blob in memory, until the registry has it. */
export interface Chunk {
  readonly bytes: Buffer;
  /** Gives its memory to the next one. To be called once. */
  readonly release: () => void;
}

/**
 * The memory of all chunks of a process: so many buffers, used again and again. Who finds none
 * waits for its turn. Nobody keeps a buffer while waiting for another, but for the one
 * that is being sent: so the turn comes.
 */
export class ChunkBuffers {
  /** The size of each, unless a registry wants longer chunks. */
  readonly bytes: number;
  readonly #free: Buffer[] = [];
  readonly #waiting: ((buffer: Buffer) => void)[] = [];
  #unmade: number;

  constructor(bytes = chunkBytesDefault, count = countDefault) {
    this.bytes = bytes;
    this.#unmade = count;
  }

  /**
   * Cuts bytes into chunks: all but the last have the size that was asked for. The next one is filled only when it is asked for.
   */
  async *chunksOf(source: AsyncIterable<Uint8Array>, chunkBytes: number): AsyncGenerator<Chunk> {
    const size = chunkBytes;
    let buffer: Buffer | undefined;
    let filled = 0;
    try {
      for await (const piece of source) {
        let taken = 0;
        while (taken < piece.length) {
          buffer ??= await this.#take(size);
          const end = Math.min(piece.length, taken + size - filled);
          buffer.set(piece.subarray(taken, end), filled);
          filled += end - taken;
          taken = end;
          if (filled < size) continue;
          const full = buffer;
          buffer = undefined;
          filled = 0;
          yield this.#chunk(full, size);
        }
      }
      if (buffer === undefined) return;
      const last = buffer;
      buffer = undefined;
      yield this.#chunk(last, filled);
    } finally {
      if (buffer !== undefined) this.#give(buffer);
    }
  }

  #chunk(buffer: Buffer, length: number): Chunk {
    return { bytes: buffer.subarray(0, length), release: () => this.#give(buffer) };
  }

  async #take(size: number): Promise<Buffer> {
    const buffer = this.#free.pop() ?? (await this.#turn());
    if (buffer !== undefined && buffer.length >= size) return buffer;
    return Buffer.allocUnsafeSlow(Math.max(size, this.bytes));
  }

  /** A buffer that somebody gives back; undefined if one may be made. */
  async #turn(): Promise<Buffer | undefined> {
    if (this.#unmade > 0) {
      this.#unmade -= 1;
      return undefined;
    }
    const { promise, resolve } = Promise.withResolvers<Buffer>();
    this.#waiting.push(resolve);
    return promise;
  }

  #give(buffer: Buffer): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(buffer);
    else next(buffer);
  }
}
