import * as fc from "fast-check";
import { expect, test } from "vitest";
import { parseRepositoryName, type RepositoryName } from "../../schemas/reference.ts";
import {
  isMatch,
  isWildcardMatch,
  parseRepositoryPattern,
  type RepositoryPattern,
} from "../../schemas/repository-pattern.ts";
import { nearly, tries } from "./laws.ts";

/** Few characters, so that patterns and names often nearly fit. */
const segments = fc.string({ unit: fc.constantFrom("a", "b", "-"), minLength: 1, maxLength: 4 });
const names = fc
  .array(segments, { minLength: 1, maxLength: 5 })
  .map((parts) => parts.join("/") as RepositoryName);
const partPatterns = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom("*", "**") },
  {
    weight: 2,
    arbitrary: fc
      .string({ unit: fc.constantFrom("a", "b", "-", "*"), minLength: 1, maxLength: 5 })
      .map((text) => text.replaceAll(/\*+/g, "*")),
  },
);
const patterns = fc
  .array(partPatterns, { minLength: 1, maxLength: 5 })
  .map((parts) => parts.join("/") as RepositoryPattern);

/** As the rules say, by trying everything. */
function fits(pattern: readonly string[], name: readonly string[]): boolean {
  const [part, ...more] = pattern;
  if (part === undefined) return name.length === 0;
  if (part === "**") return fits(more, name) || (name.length > 0 && fits(pattern, name.slice(1)));
  const [segment] = name;
  return segment !== undefined && textFits(part, segment) && fits(more, name.slice(1));
}

function textFits(pattern: string, text: string): boolean {
  if (pattern === "") return text === "";
  const more = pattern.slice(1);
  if (pattern.startsWith("*")) {
    return textFits(more, text) || (text !== "" && textFits(pattern, text.slice(1)));
  }
  return text !== "" && text[0] === pattern[0] && textFits(more, text.slice(1));
}

test("a pattern stands for a name just if it does when everything is tried", () => {
  fc.assert(
    fc.property(patterns, names, (pattern, name) => {
      expect(isMatch(pattern, name)).toBe(fits(pattern.split("/"), name.split("/")));
    }),
    { numRuns: 20_000 },
  );
});

test("a text fits a pattern just if it does when everything is tried", () => {
  const texts = fc.string({ unit: fc.constantFrom("a", "b", "/"), maxLength: 8 });
  const wild = fc.string({ unit: fc.constantFrom("a", "b", "/", "*"), maxLength: 8 });
  fc.assert(
    fc.property(wild, texts, (pattern, text) => {
      expect(isWildcardMatch(pattern, text)).toBe(textFits(pattern, text));
    }),
    { numRuns: 20_000 },
  );
});

test("a name with a segment's piece replaced by * is a pattern that stands for it", () => {
  fc.assert(
    fc.property(names, fc.nat(), fc.nat(), fc.nat(), (name, which, from, length) => {
      const parts = name.split("/");
      const at = which % parts.length;
      const part = parts[at] ?? "";
      const start = from % (part.length + 1);
      parts[at] = `${part.slice(0, start)}*${part.slice(start + (length % (part.length + 1)))}`;
      const pattern = parseRepositoryPattern(parts.join("/"));
      expect(pattern === undefined ? undefined : isMatch(pattern, name)).toBe(true);
    }),
    tries,
  );
});

test("each repository name is a pattern, for itself alone", () => {
  const known = fc.stringMatching(/^[a-z0-9]+(?:[._-][a-z0-9]+)*(?:\/[a-z0-9]+){0,3}$/);
  fc.assert(
    fc.property(known, names, (text, other) => {
      const name = parseRepositoryName(text);
      fc.pre(name !== undefined);
      const pattern = parseRepositoryPattern(text);
      expect(pattern).toBe(text);
      expect(isMatch(text as RepositoryPattern, name)).toBe(true);
      expect(isMatch(text as RepositoryPattern, other)).toBe(text === other);
    }),
    tries,
  );
});

test("a pattern has segments of a name's characters and single stars, or is ** there", () => {
  fc.assert(
    fc.property(nearly(patterns), (text) => {
      const isPattern =
        text.length <= 255 &&
        text
          .split("/")
          .every((part) => part === "**" || (/^[a-z0-9._*-]+$/.test(part) && !part.includes("**")));
      expect(parseRepositoryPattern(text)).toBe(isPattern ? text : undefined);
    }),
    tries,
  );
});
