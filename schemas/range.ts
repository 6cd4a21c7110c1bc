/** Bytes of a blob that a Range header asks for. */
export type BlobRange =
  | { readonly kind: "whole" }
  | { readonly kind: "part"; readonly offset: number; readonly length: number }
  | { readonly kind: "unsatisfiable" };

const rangePattern = /^bytes=(\d*)-(\d*)$/;
const chunkPattern = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\d{1,15}|\*))?$/;

/**
 * The bytes of a blob of `size` bytes that a Range header asks for (RFC 9110 section 14).
 *
 * An end past the blob is clipped (regctl asks for one byte too many). Several ranges, another unit
 * and what can't be parsed are answered whole, as RFC 9110 allows: never a single part for several
 * ranges, which containers/image and stargz take for a fault. A start behind the end is
 * unsatisfiable, where the RFC would ignore it: the conformance suite asks for 416.
 */
export function parseBlobRange(header: string | null, size: number): BlobRange {
  const match = header === null ? null : rangePattern.exec(header.trim());
  if (match === null) return { kind: "whole" };
  const [, first = "", last = ""] = match;
  if (first === "" && last === "") return { kind: "whole" };
  if (first === "") {
    const length = Math.min(Number(last), size);
    return length === 0
      ? { kind: "unsatisfiable" }
      : { kind: "part", offset: size - length, length };
  }
  const offset = Number(first);
  const end = last === "" ? size - 1 : Math.min(Number(last), size - 1);
  if (offset >= size || end < offset) return { kind: "unsatisfiable" };
  return { kind: "part", offset, length: end - offset + 1 };
}

/** The bytes that a chunk says it has: the first, and how many. */
export interface ChunkRange {
  readonly offset: number;
  readonly length: number;
}

/**
 * The Content-Range of a chunk: `<first>-<last>`, both inclusive (distribution spec, "Pushing a
 * blob in chunks"); also `bytes <first>-<last>/<size or *>` of RFC 9110, which some clients send.
 * Undefined if it is neither or ends before it begins.
 */
export function parseChunkRange(header: string): ChunkRange | undefined {
  const match = chunkPattern.exec(header.trim());
  if (match === null) return undefined;
  const offset = Number(match[1]);
  const last = Number(match[2]);
  return last < offset ? undefined : { offset, length: last - offset + 1 };
}

/**
 * The Range header of an upload session with `offset` bytes. Docker's graph driver reads the size
 * of the layer from it and writes that into the manifest, so it is exact and without a unit.
 */
export function uploadRange(offset: number): string {
  return `0-${offset - 1}`;
}
