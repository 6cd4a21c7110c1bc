/**
 * The rules that R2 enforces, so that what works on one machine works when deployed:
 * https://developers.cloudflare.com/r2/platform/limits/ and, for the numbers in the messages,
 * https://developers.cloudflare.com/r2/api/error-codes/
 */

const keyBytesMax = 1024;
const metadataBytesMax = 8192;
const objectBytesMax = 5_363_466_240;
const keysPerDeleteMax = 1000;
/** Of a page of a list. */
export const listMax = 1000;
const partNumberMax = 10_000;

/** The least that every part of an upload but the last has. */
const partBytesMin = 5 * 1024 * 1024;

const messages = {
  10011: "Your proposed upload is smaller than the minimum allowed object size.",
  10012: "Your metadata headers exceed the maximum allowed metadata size.",
  10020: "The specified object name is not valid.",
  10022: "MaxKeys params must be positive integer <= 1000.",
  10024: "The specified multipart upload does not exist.",
  10025: "One or more of the specified parts could not be found.",
  10039: "The requested range is not satisfiable",
  10048: "There was a problem with the multipart upload.",
  100100: "Your proposed upload exceeds the maximum allowed object size.",
};

/** The error R2 answers an operation with; its code is only in the text, in parentheses at the end. */
export function r2Error(operation: string, code: keyof typeof messages): Error {
  return new Error(`${operation}: ${messages[code]} (${code})`);
}

export function checksumError(name: string, expected: string, actual: string): Error {
  return new Error(
    `put: The ${name} checksum you specified did not match what we received.\n` +
      `You provided a ${name} checksum with value: ${expected}\n` +
      `Actual ${name} was: ${actual} (10037)`,
  );
}

export function checkKey(operation: string, key: string): void {
  if (new TextEncoder().encode(key).byteLength > keyBytesMax) throw r2Error(operation, 10020);
}

export function checkKeyCount(keys: readonly string[]): void {
  if (keys.length > keysPerDeleteMax) {
    throw new Error(`delete: at most ${keysPerDeleteMax} keys at once, not ${keys.length}`);
  }
}

export function checkListLimit(limit: number): void {
  if (!Number.isInteger(limit) || limit < 1 || limit > listMax) throw r2Error("list", 10022);
}

export function checkMetadata(operation: string, metadata: Readonly<Record<string, string>>): void {
  let bytes = 0;
  for (const [name, value] of Object.entries(metadata)) {
    bytes += new TextEncoder().encode(name + value).byteLength;
  }
  if (bytes > metadataBytesMax) throw r2Error(operation, 10012);
}

export function checkObjectSize(operation: string, size: number): void {
  if (size > objectBytesMax) throw r2Error(operation, 100100);
}

export function checkPartNumber(partNumber: number): void {
  if (partNumber >= 1 && partNumber <= partNumberMax) return;
  throw new TypeError(
    `Part number must be between 1 and ${partNumberMax} (inclusive). Actual value was: ${partNumber}`,
  );
}

/** `sizes` in the order of the part numbers: all the same but the last, which may not be larger. */
export function checkPartSizes(sizes: readonly number[]): void {
  const operation = "completeMultipartUpload";
  const firsts = sizes.slice(0, -1);
  if (firsts.some((size) => size < partBytesMin)) throw r2Error(operation, 10011);
  const [first] = firsts;
  if (first === undefined) return;
  if (sizes.some((size, at) => (at < firsts.length ? size !== first : size > first))) {
    throw r2Error(operation, 10048);
  }
}

/** Options that R2 has and one machine has not: better refused than silently left out. */
export function checkOptions(operation: string, options: object, known: readonly string[]): void {
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && !known.includes(name)) {
      throw new TypeError(`${operation}: the option ${name} is not supported on one machine`);
    }
  }
}
