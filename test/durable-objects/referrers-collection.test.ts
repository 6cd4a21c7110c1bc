/** Referrers of a deleted subject, where they go with it and where they are kept. */
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { advance, hourMs } from "./clock.ts";
import { draw, type Drawing } from "./drawing.ts";

beforeAll(() => advance(hourMs));
afterAll(() => {
  vi.useRealTimers();
});

const graceMs = hourMs;

/** `a` is an image with a tag. It is deleted, then something happens half a grace later. */
interface Case {
  readonly name: string;
  readonly draw: (drawing: Drawing) => void;
  readonly meanwhile?: (drawing: Drawing) => void;
  /** A grace after the deletion of `a`, two, and three. */
  readonly left: readonly [string[], string[], string[]];
}

const cases: readonly Case[] = [
  {
    name: "a referrer goes a grace later",
    draw: (drawing) => drawing.push("r", { subject: "a" }),
    left: [[], [], []],
  },
  {
    name: "a referrer of another subject stays",
    draw: (drawing) => {
      drawing.push("b");
      drawing.push("r", { subject: "b" });
    },
    left: [
      ["b", "r"],
      ["b", "r"],
      ["b", "r"],
    ],
  },
  {
    name: "a referrer whose subject was never there stays",
    draw: (drawing) => drawing.push("r", { subject: "missing" }),
    left: [["r"], ["r"], ["r"]],
  },
  {
    name: "a referrer stays whose subject comes back in time",
    draw: (drawing) => drawing.push("r", { subject: "a" }),
    meanwhile: (drawing) => drawing.push("a"),
    left: [
      ["a", "r"],
      ["a", "r"],
      ["a", "r"],
    ],
  },
  {
    name: "a referrer that comes only behind the deletion stays",
    draw: () => undefined,
    meanwhile: (drawing) => drawing.push("r", { subject: "a" }),
    left: [["r"], ["r"], ["r"]],
  },
  {
    name: "a referrer with a tag stays",
    draw: (drawing) => {
      drawing.push("r", { subject: "a" });
      drawing.tag("sig", "r");
    },
    left: [["r"], ["r"], ["r"]],
  },
  {
    name: "a referrer that loses its tag meanwhile goes",
    draw: (drawing) => {
      drawing.push("r", { subject: "a" });
      drawing.tag("sig", "r");
    },
    meanwhile: (drawing) => drawing.untag("sig"),
    left: [[], [], []],
  },
  {
    name: "a referrer in an index stays",
    draw: (drawing) => {
      drawing.push("r", { subject: "a" });
      drawing.push("i", { children: ["r"] });
    },
    left: [
      ["i", "r"],
      ["i", "r"],
      ["i", "r"],
    ],
  },
  {
    name: "a chain goes link by link, a grace each",
    draw: (drawing) => {
      drawing.push("r", { subject: "a" });
      drawing.push("s", { subject: "r" });
      drawing.push("u", { subject: "s" });
    },
    left: [["s", "u"], ["u"], []],
  },
  {
    name: "a chain ends where a link has a tag",
    draw: (drawing) => {
      drawing.push("r", { subject: "a" });
      drawing.push("s", { subject: "r" });
      drawing.push("u", { subject: "s" });
      drawing.tag("kept", "s");
    },
    left: [
      ["s", "u"],
      ["s", "u"],
      ["s", "u"],
    ],
  },
  {
    name: "an index as a referrer goes, and its children stay",
    draw: (drawing) => {
      drawing.push("b");
      drawing.push("r", { subject: "a", children: ["b"] });
    },
    left: [["b"], ["b"], ["b"]],
  },
];

function begin(drawing: Drawing, { draw: more }: Case): void {
  drawing.push("a");
  drawing.tag("latest", "a");
  more(drawing);
  advance(10 * graceMs);
  const before = drawing.left();
  drawing.collect();
  expect(drawing.left()).toEqual(before);
  drawing.remove("a");
}

describe("where referrers go with their subject,", () => {
  test.for(cases)("$name", async (one) => {
    await draw({ graceMs, deletesReferrers: true }, (drawing) => {
      begin(drawing, one);
      advance(graceMs / 2);
      one.meanwhile?.(drawing);
      const before = drawing.left();
      advance(graceMs / 2 - 1);
      drawing.collect();
      expect(drawing.left()).toEqual(before);
      advance(1);
      for (const left of one.left) {
        const there = drawing.left();
        expect(drawing.wouldGo()).toEqual(there.filter((name) => !left.includes(name)));
        drawing.collect();
        expect(drawing.left()).toEqual(left);
        advance(graceMs);
      }
    });
  });

  test("a referrer that is pushed again, before its subject is, stays for that", async () => {
    await draw({ graceMs, deletesReferrers: true }, (drawing) => {
      drawing.push("a");
      drawing.push("r", { subject: "a" });
      drawing.remove("a");
      advance(graceMs - 1);
      drawing.push("r", { subject: "a" });
      advance(1);
      drawing.collect();
      drawing.push("a");
      drawing.collect();
      expect(drawing.left()).toEqual(["a", "r"]);
    });
  });

  test("force takes a whole chain at once, as its dry run tells", async () => {
    await draw({ graceMs, deletesReferrers: true }, (drawing) => {
      drawing.push("a");
      drawing.push("r", { subject: "a" });
      drawing.push("s", { subject: "r" });
      drawing.push("b");
      drawing.push("kept", { subject: "b" });
      drawing.remove("a");
      const told = drawing.wouldGo(true);
      expect(drawing.collectByForce()).toEqual(["r", "s"]);
      expect(told).toEqual(["r", "s"]);
    });
  });
});

describe("where referrers are kept,", () => {
  test.for(cases)("nothing goes of: $name", async (one) => {
    await draw({ graceMs, deletesReferrers: false }, (drawing) => {
      begin(drawing, one);
      one.meanwhile?.(drawing);
      const before = drawing.left();
      advance(100 * graceMs);
      drawing.collect();
      expect(drawing.collectByForce()).toEqual([]);
      expect(drawing.left()).toEqual(before);
    });
  });
});
