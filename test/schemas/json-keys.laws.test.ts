import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fieldNames, misspeltKey, repeatedKey } from "../../schemas/json-keys.ts";
import { nearly, tries } from "./laws.ts";

/** JSON before it is written: objects as entries, so that they can have a key twice. */
type Tree = string | number | null | { list: Tree[] } | { entries: [string, Tree][] };

const keys = fc.oneof(
  fc.constantFrom("a", "b", "layers", "__proto__", "", '"', "\\", ":", "{", 'a":1,"a', "\u00E9"),
  fc.string({ unit: "grapheme", maxLength: 4 }),
);
const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { depthSize: "medium", withCrossShrink: true },
    fc.oneof(fc.constant(null), fc.integer(), keys),
    fc.record({ list: fc.array(tie("tree"), { maxLength: 4 }) }),
    fc.record({ entries: fc.array(fc.tuple(keys, tie("tree")), { maxLength: 5 }) }),
  ),
}));

/** A string of JSON, in which some characters are written by their number. */
function written(text: string, escaped: number): string {
  if ((text.length + escaped) % 3 !== 0) return JSON.stringify(text);
  const units = Array.from({ length: text.length }, (_, at) => text.charCodeAt(at));
  return `"${units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("")}"`;
}

function json(value: Tree, escaped: number): string {
  if (typeof value === "string") return written(value, escaped);
  if (value === null || typeof value === "number") return String(value);
  if ("list" in value) return `[${value.list.map((item) => json(item, escaped)).join(" , ")}]`;
  const entries = value.entries.map(
    ([key, item], at) => `${written(key, escaped + at)} : ${json(item, escaped)}`,
  );
  return `{${entries.join(",")}}`;
}

/** Every key that one object of the tree has twice. */
function repeatedIn(value: Tree): string[] {
  if (typeof value !== "object" || value === null) return [];
  if ("list" in value) return value.list.flatMap(repeatedIn);
  const names = value.entries.map(([key]) => key);
  const repeated = names.filter((key, at) => names.indexOf(key) !== at);
  return [...repeated, ...value.entries.flatMap(([, item]) => repeatedIn(item))];
}

describe("a repeated key", () => {
  test("is found in any JSON, however it is written, and only where there is one", () => {
    fc.assert(
      fc.property(tree, fc.nat({ max: 2 }), (value, escaped) => {
        const repeated = repeatedIn(value);
        const found = repeatedKey(json(value, escaped));
        if (repeated.length === 0) expect(found).toBeUndefined();
        else expect(repeated).toContain(found);
      }),
      tries,
    );
  });

  test("is in nothing that JSON.stringify writes", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(repeatedKey(JSON.stringify(value))).toBeUndefined();
      }),
      tries,
    );
  });
});

describe("a misspelt key", () => {
  const fields = ["layers", "mediaType", "config", "blobs", "subject"];
  const spelt = fc
    .tuple(fc.constantFrom(...fields), fc.array(fc.boolean(), { minLength: 9, maxLength: 9 }))
    .map(([name, upper]) =>
      Array.from(name, (letter, at) => (upper[at] ? letter.toUpperCase() : letter)).join(""),
    )
    .chain((name) =>
      fc.constantFrom(name, name.replace(/s/i, "\u017F"), name.replace("k", "\u212A")),
    );

  test("is one that a field's name matches when Unicode's cases are folded, but is not", () => {
    fc.assert(
      fc.property(nearly(spelt), (key) => {
        const name = fields.find((field) => new RegExp(`^${field}$`, "iu").test(key));
        const isMisspelt = name !== undefined && name !== key;
        expect(misspeltKey({ [key]: 1 }, fieldNames(fields))).toEqual(
          isMisspelt ? { key, name } : undefined,
        );
      }),
      tries,
    );
  });
});
