import { describe, expect, test } from "vitest";
import { Variables } from "../../schemas/variables.ts";

describe("a text", () => {
  test.each<[unknown, string | undefined]>([
    ["a", "a"],
    [" ", " "],
    ["", undefined],
    [undefined, undefined],
    [null, undefined],
    [1, undefined],
    [true, undefined],
    [{ get: () => "a" }, undefined],
  ])("that is %j is %j", (value, expected) => {
    const variables = new Variables({ A: value });
    expect(variables.text("A")).toBe(expected);
    expect(variables.problems).toEqual([]);
  });

  test("that is not there is not set", () => {
    expect(new Variables({}).text("A")).toBeUndefined();
  });
});

describe("a text for a header", () => {
  test.each(["Registry", 'Our registry: "a"', "ü", "https://a/b?c=d"])("is %j", (text) => {
    const variables = new Variables({ A: text });
    expect(variables.headerText("A")).toBe(text);
    expect(variables.problems).toEqual([]);
  });

  test.each(["a\nb", "a\r\nX: b", "\n", "a\u0000", "a\tb", "a\u007F"])("is not %j", (text) => {
    const variables = new Variables({ A: text });
    variables.headerText("A");
    expect(variables.problems).toEqual([expect.stringMatching(/^A has a line break or a control/)]);
  });
});

describe("a whole number from 10 to 20, or else 15,", () => {
  test.each([
    ["10", 10],
    ["20", 20],
    ["010", 10],
    ["", 15],
  ])("is %j: %j", (text, expected) => {
    const variables = new Variables({ A: text });
    expect(variables.wholeNumber("A", 15, 10, 20)).toBe(expected);
    expect(variables.problems).toEqual([]);
  });

  test.each([["9"], ["21"], ["-10"], ["+10"], ["1e1"], ["10.0"], ["0xA"], [" 10"], ["10s"], ["٣"]])(
    "is not %j",
    (text) => {
      const variables = new Variables({ A: text });
      expect(variables.wholeNumber("A", 15, 10, 20)).toBe(15);
      expect(variables.problems).toEqual([
        `A is "${text}"; allowed is a whole number from 10 to 20`,
      ]);
    },
  );
});

describe("one of a, b", () => {
  test.each([
    ["a", undefined, "a"],
    ["b", undefined, "b"],
    ["b", "a", "b"],
    ["", "b", "b"],
    [undefined, "b", "b"],
  ] as const)("for %j with the preset %j is %j", (text, preset, expected) => {
    const variables = new Variables({ A: text });
    expect(variables.oneOf("A", preset, ["a", "b"])).toBe(expected);
    expect(variables.problems).toEqual([]);
  });

  test.each([
    ["c", undefined, 'A is "c"; allowed is a or b'],
    ["A", "b", 'A is "A"; allowed is a or b'],
    [" a", "b", 'A is " a"; allowed is a or b'],
    ["", undefined, "A is not set; allowed is a or b"],
    [undefined, undefined, "A is not set; allowed is a or b"],
  ] as const)("for %j with the preset %j is one problem", (text, preset, problem) => {
    const variables = new Variables({ A: text });
    variables.oneOf("A", preset, ["a", "b"]);
    expect(variables.problems).toEqual([problem]);
  });
});

describe("an origin", () => {
  test.each([
    ["https://registry.example.com", "https://registry.example.com"],
    ["https://registry.example.com/", "https://registry.example.com"],
    ["http://127.0.0.1:5000", "http://127.0.0.1:5000"],
    ["", undefined],
  ])("in %j is %j", (text, expected) => {
    const variables = new Variables({ A: text });
    expect(variables.origin("A")).toBe(expected);
    expect(variables.problems).toEqual([]);
  });

  test.each([
    ["registry.example.com"],
    ["https://registry.example.com/v2"],
    ["https://registry.example.com//"],
    ["https://user@registry.example.com"],
    ["ftp://registry.example.com"],
    ["https://registry.example.com:443"],
  ])("in %j is none", (text) => {
    const variables = new Variables({ A: text });
    expect(variables.origin("A")).toBeUndefined();
    expect(variables.problems).toEqual([expect.stringContaining(`A is "${text}"; allowed is `)]);
  });
});

describe("origins", () => {
  test.each<[string, "*" | string[]]>([
    ["*", "*"],
    [" * ", "*"],
    ["", []],
    ["https://a", ["https://a"]],
    ["https://a, https://b ,http://c:1", ["https://a", "https://b", "http://c:1"]],
  ])("in %j are %j", (text, expected) => {
    const variables = new Variables({ A: text });
    expect(variables.origins("A")).toEqual(expected);
    expect(variables.problems).toEqual([]);
  });

  test.each([
    ["https://a/", "https://a/"],
    ["https://a,*", "*"],
    ["https://a,,https://b", ""],
    ["null", "null"],
  ])("in %j are none for %j", (text, wrong) => {
    const variables = new Variables({ A: text });
    expect(variables.origins("A")).toEqual([]);
    expect(variables.problems).toEqual([expect.stringContaining(`A has "${wrong}"; allowed is `)]);
  });
});

test("problems are told in the order in which the variables are read", () => {
  const variables = new Variables({ A: "x", B: "y" });
  variables.wholeNumber("B", 1, 0, 9);
  variables.oneOf("A", "a", ["a"]);
  expect(variables.problems.map((problem) => problem[0])).toEqual(["B", "A"]);
});
