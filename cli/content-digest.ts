import { createHash } from "node:crypto";
import { blake3 } from "@noble/hashes/blake3.js";
import { type Digest, type DigestAlgorithm, digestOf } from "../schemas/digest.ts";

/** The digest of bytes that are all there. */
export function digestOfBytes(bytes: Uint8Array, algorithm: DigestAlgorithm = "sha256"): Digest {
  if (algorithm === "blake3") return digestOf(algorithm, blake3(bytes));
  return digestOf(algorithm, createHash(algorithm).update(bytes).digest());
}
