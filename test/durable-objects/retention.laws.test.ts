/** What a repository lets go of is what a model of a few lines says. */
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { advance, hourMs } from "./clock.ts";
import { draw, type Drawing, type Node } from "./drawing.ts";

beforeAll(() => advance(hourMs));
afterAll(() => {
  vi.useRealTimers();
});

const untaggedMs = 10 * hourMs;
const runs = 300;

/** The manifests there may be: each always the same, and its children and subject before it. */
const nodes: Readonly<Record<string, Node>> = {
  a: {},
  b: {},
  c: { subject: "a" },
  d: { children: ["a", "b"] },
  e: { children: ["d", "c"] },
  f: { subject: "d" },
  g: { subject: "f", children: ["b"] },
  h: { subject: "missing" },
};
const names = Object.keys(nodes);
const tags = ["t", "u"];

/** What is there, since when each was not released, and which tag names what. */
class Model {
  readonly #releasedMs = new Map<string, number>();
  readonly #tags = new Map<string, string>();

  get left(): string[] {
    return [...this.#releasedMs.keys()].toSorted();
  }

  push(name: string): void {
    this.#releasedMs.set(name, Date.now());
  }

  tag(tag: string, name: string): void {
    if (this.#tags.get(tag) === name) return;
    this.untag(tag);
    this.#tags.set(tag, name);
  }

  untag(tag: string): void {
    const name = this.#tags.get(tag);
    if (name !== undefined) this.#release(name);
    this.#tags.delete(tag);
  }

  remove(name: string): void {
    for (const child of nodes[name]?.children ?? []) this.#release(child);
    for (const [tag, named] of this.#tags) if (named === name) this.#tags.delete(tag);
    this.#releasedMs.delete(name);
  }

  /** Keeps what is tagged or young, and what is connected with what is kept, be that there or not. */
  collect(): void {
    const isYoung = (name: string) => (this.#releasedMs.get(name) ?? 0) > Date.now() - untaggedMs;
    const kept = new Set([...this.#tags.values(), ...this.left.filter(isYoung)]);
    for (let size = 0; size !== kept.size;) {
      size = kept.size;
      for (const name of this.left) {
        const { children = [], subject } = nodes[name] ?? {};
        // Of an index its children, of a referrer its subject, and the other way round.
        if (kept.has(name)) for (const child of children) kept.add(child);
        if (subject === undefined) continue;
        if (kept.has(name)) kept.add(subject);
        if (kept.has(subject)) kept.add(name);
      }
    }
    const gone = this.left.filter((name) => !kept.has(name));
    // A collection lets go of what nobody asked for: ages begin anew where somebody deletes.
    for (const name of gone) this.#releasedMs.delete(name);
  }

  #release(name: string): void {
    if (this.#releasedMs.has(name)) this.#releasedMs.set(name, Date.now());
  }
}

type Step = (real: Drawing, model: Model) => void;

const anyName = fc.constantFrom(...names);
const anyTag = fc.constantFrom(...tags);

function described(text: string, step: Step): Step {
  return Object.assign(step, { toString: () => text });
}

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: anyName.map((name) => described(`push ${name}`, push(name))) },
  {
    weight: 3,
    arbitrary: fc.tuple(anyTag, anyName).map(([tag, name]) =>
      described(`tag ${tag} ${name}`, (real, model) => {
        push(name)(real, model);
        real.tag(tag, name);
        model.tag(tag, name);
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: anyTag.map((tag) =>
      described(`untag ${tag}`, (real, model) => {
        real.untag(tag);
        model.untag(tag);
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: anyName.map((name) =>
      described(`delete ${name}`, (real, model) => {
        if (!real.has(name)) return;
        real.remove(name);
        model.remove(name);
      }),
    ),
  },
  {
    weight: 3,
    arbitrary: fc
      .integer({ min: 1, max: 11 })
      .map((hours) => described(`wait ${hours} h`, () => advance(hours * hourMs))),
  },
  {
    weight: 3,
    arbitrary: fc.constant(
      described("collect", (real, model) => {
        const before = real.left();
        const told = real.wouldGo();
        expect(real.left()).toEqual(before);
        real.collect();
        model.collect();
        expect(real.left()).toEqual(model.left);
        expect(told).toEqual(before.filter((name) => !model.left.includes(name)));
      }),
    ),
  },
);

function push(name: string): Step {
  return (real, model) => {
    real.push(name, nodes[name]);
    model.push(name);
  };
}

test("whatever is pushed, tagged, deleted and collected", { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { minLength: 5, maxLength: 40 }), async (steps) => {
      await draw({ untaggedMs }, (real) => {
        const model = new Model();
        for (const step of steps) {
          step(real, model);
          expect(real.left()).toEqual(model.left);
        }
      });
    }),
    { numRuns: runs },
  );
});
