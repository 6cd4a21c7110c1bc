import { createHash, type Hash } from "node:crypto";
import { _SHA256, _SHA512 } from "@noble/hashes/sha2.js";
import { type Digest, type DigestAlgorithm, digestOf } from "../schemas/digest.ts";

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

/** The runtime's own: 1,650 MB/s in workerd, but its state can't be saved. */
class NativeDigest implements RunningDigest {
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
    return new NativeDigest(this.algorithm, this.#hash.copy());
  }

  withTail(tail: Uint8Array): Digest {
    return digestOf(this.algorithm, this.#hash.copy().update(tail).digest());
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

/** The digest of nothing yet. `savable` for a session that comes in chunks. */
export function beginDigest(algorithm: DigestAlgorithm, savable: boolean): RunningDigest {
  return savable
    ? new SavableDigest(algorithm)
    : new NativeDigest(algorithm, createHash(algorithm));
}

/** The digest that save() gave the state of. */
export function resumeDigest(algorithm: DigestAlgorithm, saved: Uint8Array): RunningDigest {
  return new SavableDigest(algorithm, saved);
}
