import { createHash } from "node:crypto";
import { blake3 } from "@noble/hashes/blake3.js";
import { type Digest, type DigestAlgorithm, digestOf } from "../schemas/digest.ts";

/** A hash that is under way. */
export interface Hash {
  update(bytes: Uint8Array): unknown;
  /** The hash of all bytes; the last thing that is asked of it. */
  digest(): Uint8Array;
  /** A copy that goes its own way. */
  copy(): Hash;
}

type Blake3 = ReturnType<typeof blake3.create>;

class Blake3Hash implements Hash {
  readonly #hash: Blake3;

  constructor(hash: Blake3) {
    this.#hash = hash;
  }

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  digest(): Uint8Array {
    return this.#hash.digest();
  }

  copy(): Blake3Hash {
    return new Blake3Hash(this.#hash.clone());
  }
}

/** The hash of nothing yet: SHA-2 by the runtime, BLAKE3, which it lacks, in JavaScript (40 MB/s). */
export function beginHash(algorithm: DigestAlgorithm): Hash {
  return algorithm === "blake3" ? new Blake3Hash(blake3.create()) : createHash(algorithm);
}

/** The digest of bytes that are all there. */
export function digestOfBytes(bytes: Uint8Array, algorithm: DigestAlgorithm): Digest {
  const hash = beginHash(algorithm);
  hash.update(bytes);
  return digestOf(algorithm, hash.digest());
}
