import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type BlobRange,
  type ByteRange,
  parseBlobRange,
  parseChunkRange,
  uploadRange,
} from "../../schemas/range.ts";
import { nearly, tries } from "./laws.ts";

const terabyte = 2 ** 40;
const sizes = fc.oneof(
  fc.constantFrom(0, 1, 2, 10),
  fc.nat({ max: 100 }),
  fc.nat({ max: terabyte }),
);
/** Positions around `size`, far from it, and with digits that no number holds. */
function positions(size: number): fc.Arbitrary<string> {
  return fc.oneof(
    fc.integer({ min: Math.max(0, size - 2), max: size + 2 }).map(String),
    fc.nat({ max: size }).map(String),
    fc.nat({ max: 10 * terabyte }).map(String),
    fc.constantFrom("", "0", "00", "007", String(2 ** 53), "9".repeat(30)),
  );
}

/** Headers of one to three ranges, most of which are nearly right, with a blob's size. */
const asked = sizes.chain((size) => {
  const range = fc.tuple(positions(size), positions(size)).map(([a, b]) => `${a}-${b}`);
  const list = fc.oneof(
    { weight: 3, arbitrary: range },
    fc.array(range, { minLength: 2, maxLength: 3 }).map((ranges) => ranges.join(", ")),
  );
  return fc.tuple(nearly(list.map((ranges) => `bytes=${ranges}`)), fc.constant(size));
});

/** Section 14.1.2 of RFC 9110: int-range and suffix-range, with space around. */
const single = /^\s*(\d+-\d*|-\d+)\s*$/;

/** The texts of the ranges in a header; undefined if it is of another unit. */
function rangesOf(header: string): string[] | undefined {
  return /^bytes=(.*)$/is.exec(header.trim())?.[1]?.split(",");
}

function partsOf(range: BlobRange): readonly ByteRange[] {
  if (range.kind === "part") return [range.part];
  return range.kind === "parts" ? range.parts : [];
}

describe("the range of a blob", () => {
  test("is parts of the blob in order, each of a byte at least, whatever the header is", () => {
    fc.assert(
      fc.property(asked, ([header, size]) => {
        let end = 0;
        for (const { offset, length } of partsOf(parseBlobRange(header, size))) {
          expect(Number.isSafeInteger(offset) && Number.isSafeInteger(length)).toBe(true);
          expect(offset).toBeGreaterThanOrEqual(end);
          expect(length).toBeGreaterThanOrEqual(1);
          end = offset + length;
        }
        expect(end).toBeLessThanOrEqual(size);
      }),
      tries,
    );
  });

  test("is one part or none for one range, never one part for several, else the whole blob", () => {
    fc.assert(
      fc.property(asked, ([header, size]) => {
        const texts = rangesOf(header) ?? [];
        const isList = texts.length > 0 && texts.every((text) => single.test(text));
        const { kind } = parseBlobRange(header, size);
        if (!isList) expect(kind).toBe("whole");
        else if (texts.length === 1) expect(["part", "unsatisfiable"]).toContain(kind);
        else expect(["parts", "whole", "unsatisfiable"]).toContain(kind);
      }),
      tries,
    );
  });

  test("is several parts in the order that they were asked for, less than the blob together", () => {
    const size = 10_000;
    const several = fc.array(fc.tuple(fc.nat({ max: size }), fc.nat({ max: 300 })), {
      minLength: 2,
      maxLength: 5,
    });
    const spaced = fc.constantFrom(",", ", ", " ,");
    fc.assert(
      fc.property(several, fc.boolean(), spaced, (drawn, isOrdered, comma) => {
        const ranges = isOrdered ? drawn.toSorted(([a], [b]) => a - b) : drawn;
        const texts = ranges.map(([first, more]) => `${first}-${first + more}`);
        const range = parseBlobRange(`bytes=${texts.join(comma)}`, size);
        expect(range.kind).not.toBe("part");
        if (range.kind !== "parts") return;
        const lengths = range.parts.map(({ length }) => length);
        expect(lengths.reduce((sum, length) => sum + length, 0)).toBeLessThan(size);
        expect(range.parts).toEqual(
          ranges.map(([first, more]) => ({
            offset: first,
            length: Math.min(more + 1, size - first),
          })),
        );
      }),
      tries,
    );
  });

  test("is the bytes that were asked for, in each of the three forms", () => {
    const parts = fc
      .integer({ min: 1, max: terabyte })
      .chain((size) =>
        fc.tuple(fc.constant(size), fc.nat({ max: size - 1 }), fc.nat({ max: size - 1 })),
      );
    fc.assert(
      fc.property(parts, ([size, a, b]) => {
        const [first, last] = [Math.min(a, b), Math.max(a, b)];
        const part = { kind: "part", part: { offset: first, length: last - first + 1 } };
        const rest = { kind: "part", part: { offset: first, length: size - first } };
        expect(parseBlobRange(`bytes=${first}-${last}`, size)).toEqual(part);
        expect(parseBlobRange(`bytes=${first}-`, size)).toEqual(rest);
        expect(parseBlobRange(`bytes=-${size - first}`, size)).toEqual(rest);
        expect(parseBlobRange(`bytes=${first}-${size + b}`, size)).toEqual(rest);
        expect(parseBlobRange(`bytes=${size + a}-`, size)).toEqual({ kind: "unsatisfiable" });
      }),
      tries,
    );
  });
});

describe("the range of a chunk", () => {
  /** Distribution spec, "Pushing a blob in chunks". */
  const ofSpec = /^[0-9]+-[0-9]+$/;
  const numbers = fc.nat({ max: 10 * terabyte });

  test("is read as it was written, in the spec's form and in RFC 9110's", () => {
    fc.assert(
      fc.property(numbers, numbers, (offset, more) => {
        const text = `${offset}-${offset + more}`;
        const chunk = { offset, length: more + 1 };
        expect(text).toMatch(ofSpec);
        expect(parseChunkRange(text)).toEqual(chunk);
        expect(parseChunkRange(`bytes ${text}/*`)).toEqual(chunk);
        expect(parseChunkRange(`bytes ${text}/${offset + more + 1}`)).toEqual(chunk);
      }),
      tries,
    );
  });

  test("is of the spec's form but for a unit and a size, and has a byte at least", () => {
    const forms = fc
      .tuple(
        fc.constantFrom("", "bytes ", "bytes=", "bytes", "Bytes "),
        positions(100),
        positions(100),
        fc.constantFrom("", "/*", "/100", "/", "/x"),
      )
      .map(([unit, first, last, size]) => `${unit}${first}-${last}${size}`);
    fc.assert(
      fc.property(nearly(forms), (header) => {
        const chunk = parseChunkRange(header);
        const range = header
          .trim()
          .replace(/^bytes[ =]/, "")
          .replace(/\/(\d+|\*)$/, "");
        if (chunk === undefined) {
          const [first = "", last = ""] = range.split("-");
          const isOrdered = Number(first) <= Number(last) && last.length <= 15;
          expect(ofSpec.test(range) && isOrdered && first.length <= 15).toBe(
            // Refused for its size alone, which has more digits than a number holds.
            /\/\d{16,}$/.test(header.trim()),
          );
          return;
        }
        expect(range).toMatch(ofSpec);
        expect(Number.isSafeInteger(chunk.offset + chunk.length)).toBe(true);
        expect(chunk.length).toBeGreaterThanOrEqual(1);
      }),
      tries,
    );
  });

  test("that an upload session tells is that of all its bytes", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10 * terabyte }), (offset) => {
        expect(parseChunkRange(uploadRange(offset))).toEqual({ offset: 0, length: offset });
      }),
      tries,
    );
  });
});
