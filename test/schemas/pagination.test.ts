import { expect, test } from "vitest";
import { RegistryError } from "../../schemas/errors.ts";
import { nextLink, parsePage } from "../../schemas/pagination.ts";

const limits = { defaultLimit: 100, maxLimit: 1000 };

test.each([
  [undefined, undefined, 100, ""],
  [undefined, "a", 100, "a"],
  ["0", undefined, 0, ""],
  ["1", "", 1, ""],
  ["0005", "b", 5, "b"],
  ["1000", undefined, 1000, ""],
  ["1001", undefined, 1000, ""],
  ["1000000000000", undefined, 1000, ""],
  ["9".repeat(400), undefined, 1000, ""],
])("n=%j last=%j is a page of %i after %j", (n, last, limit, after) => {
  expect(parsePage(n, last, limits)).toEqual({ limit, last: after });
});

test.each([
  ["-1"],
  ["-0"],
  ["+1"],
  ["1.0"],
  ["1e3"],
  ["0x1"],
  ["abc"],
  [" 1"],
  ["1 "],
  ["NaN"],
  ["١"],
])("n=%j is no number", (n) => {
  let thrown: unknown;
  try {
    parsePage(n, undefined, limits);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(RegistryError);
  expect(thrown).toMatchObject({ code: "PAGINATION_NUMBER_INVALID", status: 400 });
});

test.each([
  ["/v2/_catalog", { n: "2", last: "team/app" }, "</v2/_catalog?n=2&last=team%2Fapp>"],
  ["/v2/a/tags/list", { n: "5", last: "1.0_x-y" }, "</v2/a/tags/list?n=5&last=1.0_x-y>"],
  ["/v2/a/referrers/x", { last: "a b&c=d>,<" }, "</v2/a/referrers/x?last=a+b%26c%3Dd%3E%2C%3C>"],
])("the next page of %s after %j is %s", (path, query, expected) => {
  expect(nextLink(path, query)).toBe(`${expected}; rel="next"`);
});
