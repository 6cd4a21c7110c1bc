import { type Digest, type DigestAlgorithm, digestOf } from "../schemas/digest.ts";
import { beginHash, type Hash } from "../streams/hash.ts";

/**
 * The digest of an upload's full parts, as they come. The tail is not in it: it is hashed at commit
 * from where it waits.
 *
 * It lives in memory alone. SHA-2 whose state can be saved runs in JavaScript, at 70 MB/s; the
 * runtime's own is so much faster (over 1 GB/s) that reading an object again at commit, where its
 * digest was lost with its session's memory, costs less than hashing it so in the first place.
 */
export class RunningDigest {
  readonly algorithm: DigestAlgorithm;
  readonly #hash: Hash;

  constructor(algorithm: DigestAlgorithm, hash = beginHash(algorithm)) {
    this.algorithm = algorithm;
    this.#hash = hash;
  }

  update(part: Uint8Array): void {
    this.#hash.update(part);
  }

  /** A copy that goes its own way: a request that dies is rolled back to the one it began with. */
  copy(): RunningDigest {
    return new RunningDigest(this.algorithm, this.#hash.copy());
  }

  /** The digest of all parts and this tail; the running digest itself stays as it is. */
  withTail(tail: Uint8Array): Digest {
    const hash = this.#hash.copy();
    hash.update(tail);
    return digestOf(this.algorithm, hash.digest());
  }
}
