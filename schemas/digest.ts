/** A digest that parseDigest has accepted: `sha256:` or `blake3:` and 64, or `sha512:` and 128 lower-case hex digits. */
export type Digest = string & { readonly __brand: "Digest" };

export type DigestAlgorithm = "sha256" | "sha512" | "blake3";

const hexDigits: Record<DigestAlgorithm, number> = { sha256: 64, sha512: 128, blake3: 64 };

export const digestAlgorithms: readonly DigestAlgorithm[] = ["sha256", "sha512", "blake3"];

/** The algorithm of this name, or undefined (OCI image spec, descriptor.md: registered algorithms). */
export function parseDigestAlgorithm(text: string): DigestAlgorithm | undefined {
  return Object.hasOwn(hexDigits, text) ? (text as DigestAlgorithm) : undefined;
}

/** The digest that the text is, or undefined. Upper-case hex is not a digest (descriptor.md). */
export function parseDigest(text: string): Digest | undefined {
  const colon = text.indexOf(":");
  const algorithm = parseDigestAlgorithm(text.slice(0, colon));
  if (algorithm === undefined) return undefined;
  const hex = text.slice(colon + 1);
  if (hex.length !== hexDigits[algorithm] || !/^[0-9a-f]+$/.test(hex)) return undefined;
  return text as Digest;
}

/** The digest of a hash that was just computed. */
export function digestOf(algorithm: DigestAlgorithm, hash: Uint8Array): Digest {
  const hex = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${algorithm}:${hex}` as Digest;
}

export function algorithmOf(digest: Digest): DigestAlgorithm {
  return digest.slice(0, digest.indexOf(":")) as DigestAlgorithm;
}

/** The hex digits, without the algorithm. */
export function hexOf(digest: Digest): string {
  return digest.slice(algorithmOf(digest).length + 1);
}
