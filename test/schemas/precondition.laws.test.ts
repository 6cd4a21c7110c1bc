import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Digest, parseDigest } from "../../schemas/digest.ts";
import { entityTag, failedCondition, parsePrecondition } from "../../schemas/precondition.ts";
import { nearly, tries } from "./laws.ts";

const digests: fc.Arbitrary<Digest> = fc
  .constantFrom("0", "1", "2", "f")
  .map((digit) => parseDigest(`sha256:${digit.repeat(64)}`))
  .filter((digest) => digest !== undefined);

/** A list of entity tags (RFC 9110 section 8.8.3), and what is in it. */
const lists = fc
  .tuple(
    fc.array(fc.record({ digest: digests, weak: fc.boolean() }), { minLength: 1, maxLength: 5 }),
    fc.constantFrom(",", ", ", " , ", ",,"),
  )
  .map(([tags, comma]) => ({
    tags,
    header: tags.map(({ digest, weak }) => `${weak ? "W/" : ""}${entityTag(digest)}`).join(comma),
  }));
const current = fc.option(digests, { nil: undefined });

/** The condition that fails for a pair of headers. */
function failed(
  ifMatch: string | undefined,
  ifNoneMatch: string | undefined,
  now: Digest | undefined,
): string | undefined {
  const precondition = parsePrecondition(ifMatch, ifNoneMatch);
  return precondition && failedCondition(precondition, now);
}

describe("a precondition", () => {
  test("If-Match fails unless one of its strong entity tags is that of what is there", () => {
    fc.assert(
      fc.property(lists, current, ({ header, tags }, now) => {
        const matches = tags.some(({ digest, weak }) => !weak && digest === now);
        expect(failed(header, undefined, now)).toBe(matches ? undefined : "If-Match");
      }),
      tries,
    );
  });

  test("If-None-Match fails if one of its entity tags is that of what is there", () => {
    fc.assert(
      fc.property(lists, current, ({ header, tags }, now) => {
        const matches = tags.some(({ digest }) => digest === now);
        expect(failed(undefined, header, now)).toBe(matches ? "If-None-Match" : undefined);
      }),
      tries,
    );
  });

  test("If-Match comes first, and * stands for whatever is there", () => {
    fc.assert(
      fc.property(lists, current, ({ header }, now) => {
        const alone = failed(header, undefined, now);
        const isThere = now !== undefined;
        expect(failed(header, "*", now)).toBe(alone ?? (isThere ? "If-None-Match" : undefined));
        expect(failed("*", undefined, now)).toBe(isThere ? undefined : "If-Match");
      }),
      tries,
    );
  });

  test("of any header is one that is met or fails, and without headers there is none", () => {
    const header = fc.option(nearly(lists.map(({ header: text }) => text)), { nil: undefined });
    fc.assert(
      fc.property(header, header, current, (ifMatch, ifNoneMatch, now) => {
        const precondition = parsePrecondition(ifMatch, ifNoneMatch);
        expect(precondition === undefined).toBe(ifMatch === undefined && ifNoneMatch === undefined);
        const condition = precondition && failedCondition(precondition, now);
        if (condition === "If-Match") expect(ifMatch).toBeDefined();
        else if (condition === "If-None-Match") {
          expect(ifNoneMatch?.trim() === "*" || ifNoneMatch?.includes(now ?? "nothing")).toBe(true);
        } else expect(condition).toBeUndefined();
      }),
      tries,
    );
  });
});
