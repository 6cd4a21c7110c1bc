import { expect, test } from "vitest";
import { printable } from "../../cli/printable.ts";

test.each([
  ["a message", "a message"],
  ["two\nlines\tand more", "two\nlines\tand more"],
  ["Zürich, 東京, 🚢", "Zürich, 東京, 🚢"],
  ["\u001b[2Jcleared", "\\x1b[2Jcleared"],
  ["\u001b]0;title\u0007", "\\x1b]0;title\\x07"],
  ["back\rward", "back\\x0dward"],
  ["\u009b31mred", "\\x9b31mred"],
  ["\u0000", "\\x00"],
])("%j is printed as %j", (text, printed) => {
  expect(printable(text)).toBe(printed);
});
