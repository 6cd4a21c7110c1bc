import { describe, expect, test } from "vitest";
import { Journal, type State } from "./journal.ts";

const key = "tag a/b latest";

/** A step of a story: begin an operation under a name, or end it. */
type Step =
  | `${string}: put ${string}`
  | `${string}: remove`
  | `${string}: remove if ${string}`
  | `${string} done`
  | `${string} refused`
  | `${string} unanswered`
  | `seen ${string}`;

function told(steps: readonly Step[]): Journal {
  const journal = new Journal();
  const pending = new Map<string, ReturnType<Journal["begin"]>>();
  for (const step of steps) {
    const [, name, effect, state] = /^(\w+): (put|remove if|remove) ?(\w*)$/.exec(step) ?? [];
    const [, ended, outcome] = /^(\w+) (done|refused|unanswered)$/.exec(step) ?? [];
    if (name !== undefined && (effect === "put" || effect === "remove if")) {
      pending.set(name, journal.begin(key, { kind: effect, state: state ?? "" }));
    } else if (name !== undefined) {
      pending.set(name, journal.begin(key, { kind: "remove" }));
    } else if (ended !== undefined) {
      pending.get(ended)?.[outcome as "done"]();
    } else {
      const seen = step.slice("seen ".length);
      journal.settle(key, seen === "nothing" ? undefined : seen);
    }
  }
  return journal;
}

describe("after these, a tag may be", () => {
  const stories: [string, Step[], State[]][] = [
    ["nothing at first", [], [undefined]],
    ["what an answered push put", ["a: put x", "a done"], ["x"]],
    ["what was seen", ["a: put x", "a unanswered", "seen nothing"], [undefined]],
    ["either, where no answer came", ["seen x", "a: put y", "a unanswered"], ["x", "y"]],
    ["either, while it is under way", ["seen x", "a: put y"], ["x", "y"]],
    ["what it was, where a push is refused", ["seen x", "a: put y", "a refused"], ["x"]],
    ["the later of two", ["a: put x", "a done", "b: put y", "b done"], ["y"]],
    ["either of two at once", ["a: put x", "b: put y", "a done", "b done"], ["x", "y"]],
    [
      "what came after an unanswered one, or that",
      ["a: remove", "a unanswered", "b: put x", "b done"],
      ["x", undefined],
    ],
    ["gone", ["seen x", "a: remove", "a done"], [undefined]],
    ["gone with its manifest", ["seen x", "a: remove if x", "a done"], [undefined]],
    [
      "moved, where its manifest went later",
      ["seen x", "a: put y", "b: remove if x", "a done", "b done"],
      ["y", undefined],
    ],
    [
      "either, where a push and a delete met",
      ["seen x", "a: put y", "b: remove", "b done", "a done"],
      ["y", undefined],
    ],
  ];
  test.each(stories)("%s", (_, steps, states) => {
    expect(told(steps).possible(key)).toEqual(new Set(states));
  });
});

test("a reader may have seen what was there since it began", () => {
  const journal = told(["seen x"]);
  const since = journal.now;
  const pending = journal.begin(key, { kind: "put", state: "y" });
  pending.done();
  expect(journal.possible(key, since)).toEqual(new Set(["x", "y"]));
  expect(journal.possible(key)).toEqual(new Set(["y"]));
});

test("an upload that was cut off may still come true behind what was seen", () => {
  const journal = new Journal();
  journal.begin(key, { kind: "put", state: "there" }, true).unanswered();
  journal.settle(key, undefined);
  expect(journal.possible(key)).toEqual(new Set(["there", undefined]));
});
