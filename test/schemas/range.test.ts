import { describe, expect, test } from "vitest";
import { parseBlobRange, parseChunkRange, uploadRange } from "../../schemas/range.ts";

function part(offset: number, length: number) {
  return { kind: "part", part: { offset, length } };
}

describe("the Range of a blob", () => {
  const whole = { kind: "whole" };
  const unsatisfiable = { kind: "unsatisfiable" };

  test.each([
    [undefined, 10, whole],
    ["", 10, whole],
    ["bytes=0-0", 10, part(0, 1)],
    ["bytes=0-9", 10, part(0, 10)],
    ["bytes=3-5", 10, part(3, 3)],
    [" bytes=3-5 ", 10, part(3, 3)],
    ["bytes=3-", 10, part(3, 7)],
    ["bytes=9-", 10, part(9, 1)],
    ["bytes=3-10", 10, part(3, 7)],
    ["bytes=3-999999999999999999999999", 10, part(3, 7)],
    ["bytes=-1", 10, part(9, 1)],
    ["bytes=-10", 10, part(0, 10)],
    ["bytes=-11", 10, part(0, 10)],
    ["bytes=-0", 10, unsatisfiable],
    ["bytes=10-", 10, unsatisfiable],
    ["bytes=10-11", 10, unsatisfiable],
    ["bytes=5-4", 10, unsatisfiable],
    ["bytes=500-0", 10, unsatisfiable],
    ["bytes=999999999999999999999999-", 10, unsatisfiable],
    ["bytes=0-", 0, unsatisfiable],
    ["bytes=0-0", 0, unsatisfiable],
    ["bytes=-5", 0, unsatisfiable],
    ["bytes=-", 10, whole],
    ["bytes=", 10, whole],
    ["bytes", 10, whole],
    ["bytes=0-1,3-4", 10, whole],
    ["bytes=0-1,", 10, whole],
    ["bytes=a-b", 10, whole],
    ["bytes=1.5-2", 10, whole],
    ["bytes=0x1-0x2", 10, whole],
    ["bytes= 1-2", 10, part(1, 2)],
    ["BYTES=1-2", 10, part(1, 2)],
    ["bytes=1-2=3", 10, whole],
    ["lines=1-2", 10, whole],
    ["bytes=1-2\n", 10, part(1, 2)],
    ["bytes=5368709120-5368709121", 5_368_709_130, part(5_368_709_120, 2)],
  ])("%j of %i bytes is %j", (header, size, expected) => {
    expect(parseBlobRange(header, size)).toEqual(expected);
  });
});

describe("the Content-Range of a chunk", () => {
  test.each([
    ["0-0", 0, 1],
    ["0-9", 0, 10],
    ["10-19", 10, 10],
    [" 0-9 ", 0, 10],
    ["bytes 0-9/10", 0, 10],
    ["bytes 5-9/*", 5, 5],
    ["bytes=0-9", 0, 10],
    ["0-9/10", 0, 10],
    ["5368709120-5368709121", 5_368_709_120, 2],
  ])("%j begins at %i and has %i bytes", (header, offset, length) => {
    expect(parseChunkRange(header)).toEqual({ offset, length });
  });

  test.each([
    [""],
    ["-"],
    ["5"],
    ["0-"],
    ["-9"],
    ["9-0"],
    ["a-b"],
    ["0-9-10"],
    ["0-9,10-19"],
    ["-1-5"],
    ["0x0-0x9"],
    ["1e1-1e2"],
    ["bytes */10"],
    ["lines 0-9/10"],
    ["0-9/"],
    [`0-${"9".repeat(16)}`],
  ])("%j is none", (header) => {
    expect(parseChunkRange(header)).toBeUndefined();
  });
});

test.each([
  [0, "0--1"],
  [1, "0-0"],
  [2, "0-1"],
  [5_368_709_120, "0-5368709119"],
])("the Range of a session of %i bytes is %s", (offset, expected) => {
  expect(uploadRange(offset)).toBe(expected);
});
