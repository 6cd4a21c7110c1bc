import { describe, expect, test } from "vitest";
import { fieldNames, misspeltKey, repeatedKey } from "../../schemas/json-keys.ts";

describe("the key that an object has twice", () => {
  test.each([
    ['{"a":1,"a":2}', "a"],
    ['{"a":1,"b":2,"a":3}', "a"],
    ['{"a":1,"a":1,"b":2,"b":2}', "a"],
    ['{"a":{"b":1},"a":2}', "a"],
    ['{"a":[{}],"a":2}', "a"],
    ['{"x":{"a":1,"a":2}}', "a"],
    ['[{"a":1},{"a":1,"a":2}]', "a"],
    ['[[[{"a":[{"b":{},"b":{}}]}]]]', "b"],
    ['{"":1,"":2}', ""],
    ['{"a" : 1 ,\n\t"a"\r\n:2}', "a"],
    [String.raw`{"a":1,"\u0061":2}`, "a"],
    [String.raw`{"\u0061":1,"a":2}`, "a"],
    [String.raw`{"a/b":1,"a\/b":2}`, "a/b"],
    [String.raw`{"\"":1,"\u0022":2}`, '"'],
    [String.raw`{"\\":1,"\u005c":2}`, "\\"],
    [String.raw`{"\\\"":1,"a":"\\","\\\"":2}`, '\\"'],
    [String.raw`{"\ud83d\udc33":1,"🐳":2}`, "🐳"],
    ['{"{":1,"}":2,"{":3}', "{"],
    ['{":":1,":":2}', ":"],
    ['{"__proto__":1,"__proto__":2}', "__proto__"],
    ['{"a":"b","a":"c"}', "a"],
  ])("of %s is %j", (json, key) => {
    expect(repeatedKey(json)).toBe(key);
  });

  test.each([
    ["{}"],
    ["[]"],
    ["null"],
    ['"a"'],
    ['{"a":1,"A":2}'],
    ['{"a":1,"a ":2}'],
    ['{"a":{"a":{"a":1}}}'],
    ['[{"a":1},{"a":2}]'],
    ['{"a":[{"b":1},{"b":2}],"b":3}'],
    ['{"a":"b","b":"a"}'],
    ['{"a":"a","b":"a"}'],
    [String.raw`{"a":"\"a\":1,\"a\":2"}`],
    [String.raw`{"a\\":1,"a":2}`],
    [String.raw`{"\\u0061":1,"a":2}`],
    ['{"a":"{\\"b\\":","b":"}"}'],
    ['["a",":","a",":"]'],
  ])("is none in %s", (json) => {
    expect(repeatedKey(json)).toBeUndefined();
  });
});

describe("the key that is a field's name but for case", () => {
  const names = fieldNames(["layers", "mediaType", "k"]);

  test.each([
    ["Layers", "layers"],
    ["LAYERS", "layers"],
    ["layer\u017f", "layers"],
    ["mediatype", "mediaType"],
    ["MediaType", "mediaType"],
    ["K", "k"],
    ["\u212a", "k"],
  ])("%s is %s", (key, name) => {
    expect(misspeltKey({ layers: [], [key]: 1 }, names)).toEqual({ key, name });
  });

  test.each([
    ["layers"],
    ["mediaType"],
    ["layer"],
    ["layerss"],
    [""],
    ["l\u0430yers"],
    ["toString"],
  ])("%j is none", (key) => {
    expect(misspeltKey({ [key]: 1 }, names)).toBeUndefined();
  });
});
