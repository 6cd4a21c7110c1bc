import { _SHA256, _SHA512 } from "@noble/hashes/sha2.js";
import { type Digest, type DigestAlgorithm, digestOf } from "../schemas/digest.ts";
import { beginHash, type Hash } from "../streams/hash.ts";

/**
 * The digest of an upload's full parts, as they come. The tail is not in it: it is hashed at commit
 * from where it waits. So a digest stands at a part's end, which is the end of a hash block too.
 */
export interface RunningDigest {
  readonly algorithm: DigestAlgorithm;
  update(part: Uint8Array): void;
  /** A copy that goes its own way: a request that dies is rolled back to the one it began with. */
  copy(): RunningDigest;
  /** The digest of all parts and this tail; the running digest itself stays as it is. */
  withTail(tail: Uint8Array): Digest;
  /** The state to go on from in a restarted object; undefined for a digest that can't be saved. */
  save(): Uint8Array | undefined;
}

/** A hash whose state can't be saved: the runtime's own with 1,650 MB/s, or BLAKE3. */
class UnsavableDigest implements RunningDigest {
  readonly algorithm: DigestAlgorithm;
  readonly #hash: Hash;

  constructor(algorithm: DigestAlgorithm, hash: Hash) {
    this.algorithm = algorithm;
    this.#hash = hash;
  }

  update(part: Uint8Array): void {
    this.#hash.update(part);
  }

  copy(): RunningDigest {
    return new UnsavableDigest(this.algorithm, this.#hash.copy());
  }

  withTail(tail: Uint8Array): Digest {
    const hash = this.#hash.copy();
    hash.update(tail);
    return digestOf(this.algorithm, hash.digest());
  }

  save(): undefined {
    return undefined;
  }
}

/**
 * The state of @noble/hashes' SHA-2, which is protected there: eight words and the length hashed so
 * far. Only taken between blocks, when nothing is buffered.
 */
class SavableSha256 extends _SHA256 {
  words(): number[] {
    return this.get();
  }

  resume(words: number[], bytes: number): void {
    this.set(...(words as Parameters<_SHA256["set"]>));
    this.length = bytes;
  }

  get bytes(): number {
    return this.length;
  }
}

class SavableSha512 extends _SHA512 {
  words(): number[] {
    return this.get();
  }

  resume(words: number[], bytes: number): void {
    this.set(...(words as Parameters<_SHA512["set"]>));
    this.length = bytes;
  }

  get bytes(): number {
    return this.length;
  }
}

/** In JavaScript, 70 MB/s, with a state that can be saved: for sessions that come in chunks. */
class SavableDigest implements RunningDigest {
  readonly algorithm: DigestAlgorithm;
  readonly #hash: SavableSha256 | SavableSha512;

  constructor(algorithm: DigestAlgorithm, saved?: Uint8Array) {
    this.algorithm = algorithm;
    this.#hash = algorithm === "sha512" ? new SavableSha512() : new SavableSha256();
    if (saved === undefined) return;
    const view = new DataView(saved.buffer, saved.byteOffset, saved.byteLength);
    const words = Array.from({ length: (saved.byteLength - 8) / 4 }, (_, at) =>
      view.getInt32(8 + at * 4),
    );
    this.#hash.resume(words, Number(view.getBigUint64(0)));
  }

  update(part: Uint8Array): void {
    this.#hash.update(part);
  }

  copy(): RunningDigest {
    return new SavableDigest(this.algorithm, this.save());
  }

  withTail(tail: Uint8Array): Digest {
    const whole = new SavableDigest(this.algorithm, this.save());
    return digestOf(this.algorithm, whole.#hash.update(tail).digest());
  }

  /** The bytes hashed so far as 64 bits, then the words as 32 bits each, all big-endian. */
  save(): Uint8Array {
    const words = this.#hash.words();
    const view = new DataView(new ArrayBuffer(8 + words.length * 4));
    view.setBigUint64(0, BigInt(this.#hash.bytes));
    for (const [at, word] of words.entries()) view.setInt32(8 + at * 4, word);
    return new Uint8Array(view.buffer);
  }
}

/** The digest of nothing yet. `chunked` for a session that should outlive its object: SHA-2 can. */
export function beginDigest(algorithm: DigestAlgorithm, chunked: boolean): RunningDigest {
  return chunked && algorithm !== "blake3"
    ? new SavableDigest(algorithm)
    : new UnsavableDigest(algorithm, beginHash(algorithm));
}

/** The digest that save() gave the state of. */
export function resumeDigest(algorithm: DigestAlgorithm, saved: Uint8Array): RunningDigest {
  return new SavableDigest(algorithm, saved);
}
