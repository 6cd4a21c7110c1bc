import { describe, expect, test } from "vitest";
import { parseReference, parseRepositoryName, parseTag } from "../../schemas/reference.ts";

describe("a repository name", () => {
  test.each([
    ["a"],
    ["0"],
    ["a/b"],
    ["a/b/c/d/e/f/g"],
    ["a.b"],
    ["a_b"],
    ["a__b"],
    ["a-b"],
    ["a---b"],
    ["a.b_c__d-e--f"],
    ["library/ubuntu"],
    ["a/manifests"],
    ["a/blobs/uploads"],
    ["team/gc"],
    ["x/tags/list"],
    ["a".repeat(255)],
    [`${"a/".repeat(127)}a`],
  ])("%s is one", (text) => {
    expect(parseRepositoryName(text)).toBe(text);
  });

  test.each([
    [""],
    ["/"],
    ["/a"],
    ["a/"],
    ["a//b"],
    ["A"],
    ["a/B"],
    ["-a"],
    ["a-"],
    [".a"],
    ["a."],
    ["_a"],
    ["a_"],
    ["a..b"],
    ["a___b"],
    ["a._b"],
    ["a-/b"],
    ["."],
    [".."],
    ["a/../b"],
    ["a:b"],
    ["a@b"],
    ["a b"],
    ["a%2Fb"],
    ["a\\b"],
    ["é"],
    ["a\n"],
    ["a\u0000"],
    ["a".repeat(256)],
  ])("%j is none", (text) => {
    expect(parseRepositoryName(text)).toBeUndefined();
  });

  test("of 100,000 characters is refused without delay", () => {
    const startedMs = performance.now();
    for (const text of [
      "a-".repeat(50_000),
      `${"a".repeat(254)}!`,
      "a_".repeat(127),
      "-".repeat(255),
    ]) {
      expect(parseRepositoryName(text)).toBeUndefined();
    }
    expect(performance.now() - startedMs).toBeLessThan(1000);
  });
});

describe("a tag", () => {
  test.each([["a"], ["A"], ["0"], ["_"], ["__a"], ["a.b-c_D"], ["1.0.0-rc.1"], ["x".repeat(128)]])(
    "%s is one",
    (text) => {
      expect(parseTag(text)).toBe(text);
    },
  );

  test.each([
    [""],
    ["-a"],
    [".a"],
    [".."],
    ["a/b"],
    ["a:b"],
    ["a b"],
    ["a+b"],
    ["a%2Fb"],
    ["é"],
    ["a\n"],
    ["a\u0000"],
    ["x".repeat(129)],
  ])("%j is none", (text) => {
    expect(parseTag(text)).toBeUndefined();
  });
});

describe("a reference", () => {
  const digest = `sha256:${"0".repeat(64)}`;

  test.each([
    ["latest", { kind: "tag", tag: "latest" }],
    [digest.replace(":", "-"), { kind: "tag", tag: digest.replace(":", "-") }],
    [digest, { kind: "digest", digest }],
    [`${digest}0`, undefined],
    ["sha256:xyz", undefined],
    ["a:b", undefined],
    [":", undefined],
    ["", undefined],
    ["-", undefined],
  ])("%j is %j", (text, expected) => {
    expect(parseReference(text)).toEqual(expected);
  });
});
