/** Bytes that are next to each other. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** Bytes of a blob that a Range header asks for. */
export type BlobRange =
  | { readonly kind: "whole" }
  | { readonly kind: "part"; readonly part: ByteRange }
  | { readonly kind: "parts"; readonly parts: readonly ByteRange[] }
  | { readonly kind: "unsatisfiable" };

/** Several ranges cost a read each; more than these are answered whole. */
const partsMax = 32;
/** What the heading of a part may take: a range that is not shorter saves nothing. */
const partHeadingBytesMax = 200;

const rangePattern = /^(\d*)-(\d*)$/;
const chunkPattern = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\d{1,15}|\*))?$/;

/**
 * The bytes of a blob of `size` bytes that a Range header asks for (RFC 9110 section 14).
 *
 * An end past the blob is clipped (regctl asks for one byte too many). Another unit and what can't
 * be parsed are answered whole, as the RFC allows, and so are several ranges that would cost more
 * than the blob: many, overlapping, or not in order. Never a single part for several ranges, which
 * containers/image and stargz take for a fault. A start behind the end is unsatisfiable, where the
 * RFC would ignore it: the conformance suite asks for 416.
 */
export function parseBlobRange(header: string | undefined, size: number): BlobRange {
  const list = /^bytes=([\d\s,-]+)$/i.exec(header?.trim() ?? "")?.[1];
  if (list === undefined) return { kind: "whole" };
  const texts = list.split(",", partsMax + 1);
  const ranges = texts.map((text) => parseByteRange(text.trim(), size));
  const [first, ...more] = ranges;
  if (first === undefined || ranges.includes(undefined)) return { kind: "whole" };
  if (more.length === 0) {
    return first === "unsatisfiable" ? { kind: "unsatisfiable" } : { kind: "part", part: first };
  }
  const parts = ranges.filter((range) => typeof range === "object");
  if (parts.length === 0) return { kind: "unsatisfiable" };
  return parts.length === ranges.length && isSaving(parts, size)
    ? { kind: "parts", parts }
    : { kind: "whole" };
}

function parseByteRange(text: string, size: number): ByteRange | "unsatisfiable" | undefined {
  const match = rangePattern.exec(text);
  if (match === null || text === "-") return undefined;
  const [, first = "", last = ""] = match;
  if (first === "") {
    const length = Math.min(Number(last), size);
    return length === 0 ? "unsatisfiable" : { offset: size - length, length };
  }
  const offset = Number(first);
  const end = last === "" ? size - 1 : Math.min(Number(last), size - 1);
  if (offset >= size || end < offset) return "unsatisfiable";
  return { offset, length: end - offset + 1 };
}

/** True if ranges follow one another and are, with their headings, less than the whole. */
function isSaving(parts: readonly ByteRange[], size: number): boolean {
  let end = 0;
  let bytes = 0;
  for (const { offset, length } of parts) {
    if (offset < end) return false;
    end = offset + length;
    bytes += length + partHeadingBytesMax;
  }
  return parts.length <= partsMax && bytes < size;
}

/**
 * The Content-Range of a chunk: `<first>-<last>`, both inclusive (distribution spec, "Pushing a
 * blob in chunks"); also `bytes <first>-<last>/<size or *>` of RFC 9110, which some clients send.
 * Undefined if it is neither or ends before it begins.
 */
export function parseChunkRange(header: string): ByteRange | undefined {
  const match = chunkPattern.exec(header.trim());
  if (match === null) return undefined;
  const offset = Number(match[1]);
  const last = Number(match[2]);
  return last < offset ? undefined : { offset, length: last - offset + 1 };
}

/** True for a Content-Range in the form that the distribution spec has. */
export function isSpecifiedChunkRange(header: string): boolean {
  return /^\d+-\d+$/.test(header);
}

/**
 * The Range header of an upload session with `offset` bytes. Docker's graph driver reads the size
 * of the layer from it and writes that into the manifest, so it is exact and without a unit.
 */
export function uploadRange(offset: number): string {
  return `0-${offset - 1}`;
}
