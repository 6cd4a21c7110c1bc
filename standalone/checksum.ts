import { createHash, type Hash } from "node:crypto";
import { Buffer } from "node:buffer";
import { checksumError } from "./r2-rules.ts";

const algorithms = {
  sha256: { name: "SHA-256", bytes: 32 },
  sha512: { name: "SHA-512", bytes: 64 },
} as const;

type Algorithm = keyof typeof algorithms;

/** The checksum that a put was given: what is stored has it. */
export interface Checksum {
  readonly algorithm: Algorithm;
  readonly hex: string;
}

/**
 * The checksum among a put's options, as hex digits or bytes, with R2's errors for what is none: a
 * TypeError for the wrong length, for no hex digits, and for more than one.
 */
export function parseChecksum(options: R2PutOptions): Checksum | undefined {
  const { sha256, sha512 } = options;
  if (sha256 !== undefined && sha512 !== undefined) {
    throw new TypeError("You cannot specify multiple hashing algorithms.");
  }
  if (sha256 !== undefined) return { algorithm: "sha256", hex: parseHex("sha256", sha256) };
  if (sha512 !== undefined) return { algorithm: "sha512", hex: parseHex("sha512", sha512) };
  return undefined;
}

function parseHex(algorithm: Algorithm, value: ArrayBuffer | ArrayBufferView | string): string {
  const { name, bytes } = algorithms[algorithm];
  if (typeof value === "string") {
    const digits = 2 * bytes;
    if (value.length !== digits) {
      throw new TypeError(`${name} is ${digits} hex characters, not ${value.length}`);
    }
    if (!/^[0-9a-f]*$/i.test(value)) {
      throw new TypeError(`Provided ${name} wasn't a valid hex string`);
    }
    return value.toLowerCase();
  }
  if (value.byteLength !== bytes) {
    throw new TypeError(`${name} is ${bytes} bytes, not ${value.byteLength}`);
  }
  return viewBytes(value).toString("hex");
}

/** The bytes of a buffer or view, not copied. */
export function viewBytes(value: ArrayBuffer | ArrayBufferView): Buffer {
  if (value instanceof ArrayBuffer) return Buffer.from(value);
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

/** A hash that is fed the bytes as they come and has to end as expected. */
export class Verifier {
  readonly #expected: Checksum;
  readonly #hash: Hash;

  constructor(expected: Checksum) {
    this.#expected = expected;
    this.#hash = createHash(expected.algorithm);
  }

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  /** To be called once, after all bytes; throws R2's error 10037 if they are not the expected ones. */
  end(): void {
    const { algorithm, hex } = this.#expected;
    const actual = this.#hash.digest("hex");
    if (actual !== hex) throw checksumError(algorithms[algorithm].name, hex, actual);
  }
}
