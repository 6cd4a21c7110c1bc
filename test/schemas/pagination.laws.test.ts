import * as fc from "fast-check";
import { expect, test } from "vitest";
import { nextLink, parsePage } from "../../schemas/pagination.ts";
import { codeOfRefusal, nearly, tries } from "./laws.ts";

const limits = fc
  .tuple(fc.integer({ min: 1, max: 10_000 }), fc.integer({ min: 1, max: 10_000 }))
  .map(([a, b]) => ({ defaultLimit: Math.min(a, b), maxLimit: Math.max(a, b) }));
const numbers = fc.oneof(
  fc.nat({ max: 20_000 }).map(String),
  fc.stringMatching(/^[0-9]{1,40}$/),
  fc.constantFrom("-1", "1.5", "1e3", "0x1", "Infinity", "NaN", "+1"),
);

test("n is a whole number, cut at the maximum, or refused as PAGINATION_NUMBER_INVALID", () => {
  fc.assert(
    fc.property(nearly(numbers), fc.string(), limits, (n, last, bounds) => {
      const isNumber = /^[0-9]+$/.test(n);
      const code = codeOfRefusal(() => parsePage(n, last, bounds));
      expect(code).toBe(isNumber || n === "" ? undefined : "PAGINATION_NUMBER_INVALID");
      if (code !== undefined) return;
      const limit = n === "" ? bounds.defaultLimit : Math.min(Number(n), bounds.maxLimit);
      expect(parsePage(n, last, bounds)).toEqual({ limit, last });
    }),
    tries,
  );
});

test("the next page's link leads to its path and query, whatever they hold", () => {
  const text = fc.oneof(fc.string({ unit: "grapheme" }), nearly(fc.constant('a/b>; rel="x",<&')));
  const wellFormed = text.map((value) => value.toWellFormed());
  const query = fc.dictionary(fc.constantFrom("n", "last", "artifactType"), wellFormed);
  fc.assert(
    fc.property(fc.constantFrom("/v2/_catalog", "/v2/a/b/tags/list"), query, (path, wanted) => {
      const [, link = ""] = /^<([^<>,]*)>; rel="next"$/.exec(nextLink(path, wanted)) ?? [];
      const url = new URL(link, "http://registry.test");
      expect(url.pathname).toBe(path);
      expect(new Map(url.searchParams)).toEqual(new Map(Object.entries(wanted)));
    }),
    tries,
  );
});
