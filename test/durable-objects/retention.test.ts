/** Which manifests a repository lets go of by their age, by graphs that are drawn. */
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { advance, hourMs } from "./clock.ts";
import { draw, type Drawing, type Node } from "./drawing.ts";

// Ahead of the runtime's clock, so that no alarm runs by itself; it only goes forward.
beforeAll(() => advance(hourMs));
afterAll(() => {
  vi.useRealTimers();
});

const ageMs = 10 * hourMs;

/** A graph is drawn, grows old, and is changed; what is left by then, and when that is old too. */
interface Graph {
  readonly name: string;
  readonly nodes: Readonly<Record<string, Node>>;
  readonly tags?: Readonly<Record<string, string>>;
  readonly change?: (drawing: Drawing) => void;
  readonly left: readonly string[];
  /** If it differs from `left`. */
  readonly later?: readonly string[];
}

const graphs: readonly Graph[] = [
  { name: "an image without a tag", nodes: { a: {} }, left: [] },
  { name: "an image with a tag", nodes: { a: {} }, tags: { t: "a" }, left: ["a"] },
  {
    name: "an image with two tags that loses one",
    nodes: { a: {} },
    tags: { t: "a", u: "a" },
    change: (drawing) => drawing.untag("t"),
    left: ["a"],
  },
  {
    name: "an image that loses its tag",
    nodes: { a: {} },
    tags: { t: "a" },
    change: (drawing) => drawing.untag("t"),
    left: ["a"],
    later: [],
  },
  {
    name: "a tag that moves",
    nodes: { a: {}, b: {} },
    tags: { t: "a", u: "b" },
    change: (drawing) => drawing.tag("t", "b"),
    left: ["a", "b"],
    later: ["b"],
  },
  {
    name: "an image that is pushed again",
    nodes: { a: {}, b: {} },
    change: (drawing) => drawing.push("a"),
    left: ["a"],
    later: [],
  },
  {
    name: "a tagged index of images",
    nodes: { a: {}, b: {}, c: {}, i: { children: ["a", "b"] } },
    tags: { t: "i" },
    left: ["a", "b", "i"],
  },
  {
    name: "an index without a tag",
    nodes: { a: {}, i: { children: ["a"] } },
    left: [],
  },
  {
    name: "a nested index",
    nodes: { a: {}, i: { children: ["a"] }, j: { children: ["i"] }, k: { children: ["j"] } },
    tags: { t: "k" },
    left: ["a", "i", "j", "k"],
  },
  {
    name: "the tagged child of an index without a tag",
    nodes: { a: {}, b: {}, i: { children: ["a", "b"] } },
    tags: { t: "a" },
    left: ["a"],
  },
  {
    name: "a young index of old images",
    nodes: { a: {}, b: {} },
    change: (drawing) => drawing.push("i", { children: ["a"] }),
    left: ["a", "i"],
    later: [],
  },
  {
    name: "a deleted index, whose children get their time anew",
    nodes: { a: {}, b: {}, i: { children: ["a", "b"] } },
    tags: { t: "i", u: "b" },
    change: (drawing) => drawing.remove("i"),
    left: ["a", "b"],
    later: ["b"],
  },
  {
    name: "a child of two indexes of which one is deleted",
    nodes: { a: {}, i: { children: ["a"] }, j: { children: ["a"] } },
    tags: { t: "i", u: "j" },
    change: (drawing) => drawing.remove("i"),
    left: ["a", "j"],
  },
  {
    name: "an index whose child was deleted",
    nodes: { a: {}, b: {}, i: { children: ["a", "b"] } },
    tags: { t: "i" },
    change: (drawing) => drawing.remove("a"),
    left: ["b", "i"],
  },
  {
    name: "the referrer of a kept image",
    nodes: { a: {}, r: { subject: "a" } },
    tags: { t: "a" },
    left: ["a", "r"],
  },
  {
    name: "the referrer of an image that nothing keeps",
    nodes: { a: {}, r: { subject: "a" } },
    left: [],
  },
  {
    name: "a chain of referrers",
    nodes: { a: {}, r: { subject: "a" }, s: { subject: "r" }, u: { subject: "s" } },
    tags: { t: "a" },
    left: ["a", "r", "s", "u"],
  },
  {
    name: "the referrer of a kept index's child",
    nodes: { a: {}, i: { children: ["a"] }, r: { subject: "a" } },
    tags: { t: "i" },
    left: ["a", "i", "r"],
  },
  {
    name: "an index as a referrer, with its children",
    nodes: { a: {}, b: {}, r: { subject: "a", children: ["b"] } },
    tags: { t: "a" },
    left: ["a", "b", "r"],
  },
  {
    name: "the subject of a tagged referrer",
    nodes: { a: {}, r: { subject: "a" }, s: { subject: "a" } },
    tags: { t: "r" },
    left: ["a", "r", "s"],
  },
  {
    name: "the subject of a young referrer",
    nodes: { a: {} },
    change: (drawing) => drawing.push("r", { subject: "a" }),
    left: ["a", "r"],
    later: [],
  },
  {
    name: "a referrer whose subject is not there",
    nodes: { r: { subject: "a" } },
    left: [],
  },
  {
    name: "a tagged referrer whose subject is not there",
    nodes: { r: { subject: "a" } },
    tags: { t: "r" },
    left: ["r"],
  },
  {
    name: "a referrer whose subject was deleted",
    nodes: { a: {}, r: { subject: "a" } },
    tags: { t: "a" },
    change: (drawing) => drawing.remove("a"),
    left: [],
  },
  {
    name: "a signature by cosign's tag, which nothing connects with what it signs",
    nodes: { a: {}, s: {} },
    tags: { "sha256-0123.sig": "s" },
    left: ["s"],
  },
  {
    name: "a referrers index by its fallback tag",
    nodes: { a: {}, r: { subject: "a" }, i: { children: ["r"] } },
    tags: { "sha256-0123": "i" },
    left: ["a", "i", "r"],
  },
];

describe("untagged manifests by age:", () => {
  test.for(graphs)("$name", async ({ nodes, tags = {}, change, left, later = left }) => {
    await draw({ untaggedMs: ageMs }, (drawing) => {
      for (const [name, node] of Object.entries(nodes)) drawing.push(name, node);
      for (const [tag, name] of Object.entries(tags)) drawing.tag(tag, name);
      advance(ageMs - 1);
      drawing.collect();
      expect(drawing.left()).toEqual(Object.keys(nodes).toSorted());
      change?.(drawing);
      advance(1);
      const before = drawing.left();
      expect(drawing.wouldGo()).toEqual(before.filter((name) => !left.includes(name)));
      expect(drawing.left()).toEqual(before);
      drawing.collect();
      expect(drawing.left()).toEqual([...left]);
      advance(ageMs);
      drawing.collect();
      expect(drawing.left()).toEqual([...later]);
    });
  });

  test.for(graphs.filter(({ name }) => !name.includes("deleted")))(
    "$name: nothing goes where they are kept",
    async ({ nodes, tags = {}, change }) => {
      await draw({ untaggedMs: undefined }, (drawing) => {
        for (const [name, node] of Object.entries(nodes)) drawing.push(name, node);
        for (const [tag, name] of Object.entries(tags)) drawing.tag(tag, name);
        change?.(drawing);
        const before = drawing.left();
        advance(100 * ageMs);
        drawing.collect();
        expect(drawing.left()).toEqual(before);
        expect(drawing.collectByForce()).toEqual([]);
      });
    },
  );

  test("an index of 600 images goes with all of them at once, as the dry run tells", async () => {
    await draw({ untaggedMs: ageMs }, (drawing) => {
      const children = Array.from({ length: 600 }, (_, at) => `c${at}`);
      for (const child of children) drawing.push(child);
      drawing.push("i", { children });
      advance(ageMs);
      expect(drawing.wouldGo()).toHaveLength(601);
      drawing.collect();
      expect(drawing.left().length).toBe(0);
    });
  });

  test("force does not let them go before their time", async () => {
    await draw({ untaggedMs: ageMs }, (drawing) => {
      drawing.push("a");
      advance(ageMs - 1);
      expect(drawing.wouldGo(true)).toEqual([]);
      expect(drawing.collectByForce()).toEqual([]);
    });
  });
});
