import { describe, expect, test } from "vitest";
import type { RepositoryName } from "../../schemas/reference.ts";
import {
  isMatch,
  isWildcardMatch,
  parseRepositoryPattern,
  type RepositoryPattern,
} from "../../schemas/repository-pattern.ts";

describe("a pattern", () => {
  test.each([
    ["app"],
    ["team/app"],
    ["*"],
    ["**"],
    ["team/*"],
    ["team/**"],
    ["**/app"],
    ["**/**"],
    ["team/**/app"],
    ["team-*/app"],
    ["*-team/app"],
    ["a*b*c/*d*"],
    ["a__b.c---d"],
    ["a".repeat(255)],
  ])("%s is one", (text) => {
    expect(parseRepositoryPattern(text)).toBe(text);
  });

  test.each([
    [""],
    ["/"],
    ["/app"],
    ["team/"],
    ["team//app"],
    ["Team/app"],
    ["team-**"],
    ["**-team"],
    ["a**b"],
    ["***"],
    ["team/***/app"],
    ["team app"],
    ["team/app:1"],
    ["team/app@sha256"],
    ["team?"],
    ["[ab]"],
    ["{a,b}"],
    ["(a|b)"],
    ["team\\app"],
    ["^team$"],
    ["é"],
    ["app\n"],
    ["app\u0000"],
    ["a".repeat(256)],
  ])("%j is none", (text) => {
    expect(parseRepositoryPattern(text)).toBeUndefined();
  });

  test.each([
    ["stars", `${"*".repeat(254)}!`],
    ["characters and stars", `${"a*".repeat(50_000)}!`],
    ["segments", `${"a/".repeat(50_000)}!`],
  ])("of many %s is refused", (_, text) => {
    expect(parseRepositoryPattern(text)).toBeUndefined();
  });
});

describe("a name", () => {
  test.each([
    ["app", "app"],
    ["team/app", "team/app"],
    ["*", "app"],
    ["team/*", "team/app"],
    ["*/app", "team/app"],
    ["*/*", "team/app"],
    ["team-*/app", "team-a/app"],
    ["team-*/app", "team-/app"],
    ["*-team/app", "the-team/app"],
    ["*a*", "a"],
    ["a*b*c", "abc"],
    ["a*b*c", "a-b-b-c"],
    ["*ab*ab", "abab"],
    ["**", "app"],
    ["**", "a/b/c/d"],
    ["team/**", "team/app"],
    ["team/**", "team/a/b/c"],
    ["team/**", "team"],
    ["team/**/**", "team"],
    ["**/app", "app"],
    ["**/app", "team/app"],
    ["**/app", "a/b/app"],
    ["**/app", "app/app"],
    ["a/**/z", "a/z"],
    ["a/**/z", "a/b/c/z"],
    ["a/**/z", "a/z/z"],
    ["**/b/**", "a/b/c"],
    ["**/b/**", "b"],
    ["**/b/**/d/**", "a/b/c/b/d"],
    ["a.c", "a.c"],
  ])("for %s is %s", (pattern, name) => {
    expect(isMatch(pattern as RepositoryPattern, name as RepositoryName)).toBe(true);
  });

  test.each([
    ["app", "apps"],
    ["app", "app/app"],
    ["team/app", "team"],
    ["team/app", "team/app/x"],
    ["*", "team/app"],
    ["team/*", "team"],
    ["team/*", "team/a/b"],
    ["team/*", "team-a/b"],
    ["team/*", "x/team/a"],
    ["team-*", "team-a/b"],
    ["team-*/app", "team/app"],
    ["team-*/app", "team-a/b/app"],
    ["aba*aba", "aba"],
    ["aba*aba", "abaaba-"],
    ["a*b*c", "acb"],
    ["*ab*ab", "ab"],
    ["team/**", "teams"],
    ["team/**", "teams/app"],
    ["team/**", "x/team/app"],
    ["**/app", "app/x"],
    ["**/app", "my-app"],
    ["a/**/z", "a"],
    ["a/**/z", "z"],
    ["a/**/z", "a/b"],
    ["**/*/**/*", "a"],
    ["a.c", "abc"],
  ])("for %s is not %s", (pattern, name) => {
    expect(isMatch(pattern as RepositoryPattern, name as RepositoryName)).toBe(false);
  });

  test("for a pattern of many ** is found out while somebody waits", () => {
    const pattern = `${"**/".repeat(80)}z`;
    const name = Array.from({ length: 128 }, () => "a").join("/");
    expect(isMatch(pattern as RepositoryPattern, name as RepositoryName)).toBe(false);
  });
});

describe("a text", () => {
  test.each([
    ["", ""],
    ["*", ""],
    ["*", "refs/heads/main"],
    ["acme/*", "acme/app"],
    ["acme/*", "acme/"],
    ["acme/*", "acme/a/b"],
    ["refs/heads/release-*", "refs/heads/release-1"],
    ["*:ref:*", "project:ref:main"],
    ["**", "a"],
    ["(a|b)", "(a|b)"],
  ])("for %j is %j", (pattern, text) => {
    expect(isWildcardMatch(pattern, text)).toBe(true);
  });

  test.each([
    ["", "a"],
    ["acme/*", "acme"],
    ["acme/*", "evil/acme/app"],
    ["acme/*", "ACME/app"],
    ["refs/heads/main", "refs/heads/main2"],
    ["*main", "main\n"],
    ["a?c", "abc"],
    ["(a|b)", "a"],
  ])("for %j is not %j", (pattern, text) => {
    expect(isWildcardMatch(pattern, text)).toBe(false);
  });
});
