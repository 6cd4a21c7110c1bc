import { describe, expect, test } from "vitest";
import {
  catalogScope,
  formatScope,
  isGranted,
  parseAccessClaim,
  parseScopes,
  repositoryOf,
  type Scope,
} from "../../schemas/scope.ts";

function repository(name: string, ...actions: string[]): Scope {
  return { type: "repository", name, actions };
}

describe("scopes", () => {
  test.each<[string, string[], Scope[]]>([
    ["one", ["repository:team/app:pull"], [repository("team/app", "pull")]],
    ["two actions", ["repository:a:pull,push"], [repository("a", "pull", "push")]],
    ["an order", ["repository:a:push,pull"], [repository("a", "push", "pull")]],
    ["every action", ["repository:a:*"], [repository("a", "*")]],
    ["an action of ours", ["repository:a:create"], [repository("a", "create")]],
    ["the same action twice", ["repository:a:pull,pull"], [repository("a", "pull")]],
    [
      "two texts",
      ["repository:a:pull", "repository:b:push"],
      [repository("a", "pull"), repository("b", "push")],
    ],
    [
      "a space between",
      ["repository:a:pull repository:b:pull"],
      [repository("a", "pull"), repository("b", "pull")],
    ],
    ["more spaces", ["  repository:a:pull   "], [repository("a", "pull")]],
    [
      "one resource twice",
      ["repository:a:pull", "repository:a:push,pull"],
      [repository("a", "pull", "push")],
    ],
    [
      "one name of two types",
      ["repository:a:pull registry:a:*"],
      [repository("a", "pull"), { type: "registry", name: "a", actions: ["*"] }],
    ],
    ["the catalog", ["registry:catalog:*"], [catalogScope]],
    ["a class", ["repository(plugin):a:pull"], [repository("a", "pull")]],
    ["a host with a port", ["repository:host:5000/a:pull"], [repository("host:5000/a", "pull")]],
    [
      "a name that no repository has",
      ["repository:A b:pull", "repository:.*:pull"],
      [repository(".*", "pull")],
    ],
    ["a name of every object", ["repository:__proto__:pull"], [repository("__proto__", "pull")]],
    ["nothing", [], []],
    ["an empty text", [""], []],
  ])("of %s are read", (_, texts, expected) => {
    expect(parseScopes(texts)).toEqual(expected);
  });

  test.each([
    ["repository"],
    ["repository:a"],
    ["repository:a:"],
    ["repository::pull"],
    [":a:pull"],
    ["Repository:a:pull"],
    ["repository:a:PULL"],
    ["repository:a:pull,"],
    ["repository:a:,pull"],
    ["repository:a:pull;push"],
    ["repository:a:pull\n"],
    ["repository():a:pull"],
    ["repository(plugin:a:pull"],
    ["repository:a:pull push"],
  ])("of %j have what is no scope left out", (text) => {
    const kept = parseScopes([text, "repository:b:pull"]);
    expect(kept.filter(({ name }) => name !== "a")).toEqual([repository("b", "pull")]);
    expect(kept.length).toBe(text.endsWith(" push") ? 2 : 1);
  });
});

test.each<[Scope, string]>([
  [repository("team/app", "pull", "push"), "repository:team/app:pull,push"],
  [catalogScope, "registry:catalog:*"],
])("%j is written %s", (scope, text) => {
  expect(formatScope(scope)).toBe(text);
});

test.each<[string, Scope, string | undefined]>([
  ["repository:team/app:pull", repository("team/app", "pull"), "team/app"],
  ["repository:Team/app:pull", repository("Team/app", "pull"), undefined],
  ["repository:../app:pull", repository("../app", "pull"), undefined],
  ["repository:team/*:pull", repository("team/*", "pull"), undefined],
  ["registry:catalog:*", catalogScope, undefined],
])("the repository of %s: %s", (_, scope, expected) => {
  expect(repositoryOf(scope)).toBe(expected);
});

describe("a grant", () => {
  const granted = [repository("a", "pull"), repository("a", "push"), repository("b", "*")];

  test.each<[Scope, boolean]>([
    [repository("a", "pull"), true],
    [repository("a", "push"), true],
    [repository("a", "pull", "push"), true],
    [repository("a", "delete"), false],
    [repository("a", "pull", "delete"), false],
    [repository("a", "*"), false],
    [repository("b", "pull"), true],
    [repository("b", "delete", "create"), true],
    [repository("b", "*"), true],
    [repository("c", "pull"), false],
    [repository("a/b", "pull"), false],
    [{ type: "registry", name: "a", actions: ["pull"] }, false],
    [catalogScope, false],
  ])("is for %j: %s", (wanted, expected) => {
    expect(isGranted(granted, wanted)).toBe(expected);
  });
});

describe("a claim", () => {
  test.each<[string, unknown, Scope[]]>([
    [
      "one scope",
      [{ type: "repository", name: "a", actions: ["pull"] }],
      [repository("a", "pull")],
    ],
    ["no actions", [{ type: "repository", name: "a", actions: [] }], [repository("a")]],
    [
      "actions that are no text",
      [{ type: "repository", name: "a", actions: ["pull", 1, null, ["push"]] }],
      [repository("a", "pull")],
    ],
    [
      "more than a scope has",
      [{ type: "repository", class: "image", name: "a", actions: ["pull"] }],
      [repository("a", "pull")],
    ],
    ["a type that is no text", [{ type: 1, name: "a", actions: ["pull"] }], []],
    ["no name", [{ type: "repository", actions: ["pull"] }], []],
    ["actions in one text", [{ type: "repository", name: "a", actions: "pull" }], []],
    [
      "what is no object, and one scope",
      [null, "repository:a:pull", 1, [], { type: "repository", name: "a", actions: ["*"] }],
      [repository("a", "*")],
    ],
    ["nothing", undefined, []],
    ["null", null, []],
    ["a text", "repository:a:pull", []],
    ["an object", { type: "repository", name: "a", actions: ["pull"] }, []],
  ])("of %s is read", (_, claim, expected) => {
    expect(parseAccessClaim(claim)).toEqual(expected);
  });
});
