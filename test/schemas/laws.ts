import * as fc from "fast-check";
import { RegistryError } from "../../schemas/errors.ts";

/** How often each law is tried. A failure tells the seed and path by which it is tried again. */
export const tries = { numRuns: 2000 };

/** Characters at which parsers of text have been seen to err. */
const oddCharacters = [
  ...Array.from(" \t\r\n\u0000\u007F%/\\:@?#.,;_-+=*[]\"'AZaz09gG\u00E9١"),
  "\uD800",
];

/** One change of a text: at `at` of its length, `remove` characters make place for `insert`. */
const edit = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  remove: fc.integer({ min: 0, max: 2 }),
  insert: fc.oneof(
    fc.constant(""),
    fc.constantFrom(...oddCharacters),
    fc.string({ maxLength: 2 }),
    fc.string({ unit: "binary", maxLength: 2 }),
  ),
});

/** Texts that are right, texts that are nearly right, and some that are neither. */
export function nearly(right: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const edited = fc
    .tuple(right, fc.array(edit, { minLength: 1, maxLength: 3 }))
    .map(([text, edits]) =>
      edits.reduce((soFar, { at, remove, insert }) => {
        const start = Math.floor(at * soFar.length);
        return soFar.slice(0, start) + insert + soFar.slice(start + remove);
      }, text),
    );
  const doubled = right.map((text) => text + text);
  return fc.oneof(
    { weight: 4, arbitrary: right },
    { weight: 8, arbitrary: edited },
    { weight: 1, arbitrary: doubled },
    { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 300 }) },
  );
}

/** The code with which something is refused, or undefined. What is thrown otherwise goes on. */
export function codeOfRefusal(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof RegistryError) return error.code;
    throw error;
  }
}
