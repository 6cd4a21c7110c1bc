import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RepositoryMemory } from "../../standalone/repository-memory.ts";

const kib = 1024;
const small = (): number => 100;

/** A repository that counts its changes, and how often it was asked. */
class Counted {
  readonly memory: RepositoryMemory;
  readonly id: string;
  changes = 0;
  asked = 0;

  constructor(memory = new RepositoryMemory(), id = "one") {
    this.memory = memory;
    this.id = id;
  }

  async read(question = "tag a", bytes: () => number | undefined = small): Promise<number> {
    const ask = async (): Promise<number> => {
      this.asked += 1;
      return this.changes;
    };
    return this.memory.answer(this.id, question, ask, bytes);
  }

  change(): void {
    this.memory.change(this.id, () => {
      this.changes += 1;
    });
  }
}

describe("what a repository answered", () => {
  test("is asked for once, until it changes", async () => {
    const counted = new Counted();
    expect([await counted.read(), await counted.read(), await counted.read("tag b")]).toEqual([
      0, 0, 0,
    ]);
    expect(counted.asked).toBe(2);
    counted.change();
    expect([await counted.read(), await counted.read()]).toEqual([1, 1]);
    expect(counted.asked).toBe(3);
  });

  test("is not forgotten for a change of another", async () => {
    const counted = new Counted();
    const other = new Counted(counted.memory, "other");
    await counted.read();
    other.change();
    await counted.read();
    expect(counted.asked).toBe(1);
  });

  test.each([
    ["a refusal", () => undefined],
    ["what is larger than 256 KiB", () => 256 * kib + 1],
  ])("is not remembered: %s", async (_, bytes) => {
    const counted = new Counted();
    await counted.read("tag a", bytes);
    await counted.read("tag a", bytes);
    expect(counted.asked).toBe(2);
  });

  test("is forgotten by a change that fails, too", async () => {
    const counted = new Counted();
    await counted.read();
    expect(() =>
      counted.memory.change("one", () => {
        throw new Error("full");
      }),
    ).toThrow("full");
    await expect(
      counted.memory.change("one", async () => Promise.reject(new Error("away"))),
    ).rejects.toThrow("away");
    await counted.read();
    await counted.read();
    expect(counted.asked).toBe(2);
  });

  test("is remembered again once an object begins whose predecessor never ended", async () => {
    const counted = new Counted();
    void counted.memory.change("one", async () => new Promise<void>(() => {}));
    await counted.read();
    await counted.read();
    expect(counted.asked).toBe(2);
    counted.memory.began("one");
    await counted.read();
    await counted.read();
    expect(counted.asked).toBe(3);
  });

  test("is not remembered while a change runs, whatever a former object ends", async () => {
    const counted = new Counted();
    const former = Promise.withResolvers<void>();
    const ended = counted.memory.change("one", async () => former.promise);
    counted.memory.began("one");
    void counted.memory.change("one", async () => new Promise<void>(() => {}));
    former.resolve();
    await ended;
    await counted.read();
    await counted.read();
    expect(counted.asked).toBe(2);
  });

  test.each([
    ["of a thousand other repositories", 1000, 100],
    ["of 32 MiB in other repositories", 128, 256 * kib],
  ])("makes room for answers %s", async (_, count, bytes) => {
    const counted = new Counted();
    await counted.read();
    for (let number = 0; number < count; number += 1) {
      // oxlint-disable-next-line no-await-in-loop
      await new Counted(counted.memory, `other-${number}`).read("tag a", () => bytes);
    }
    await counted.read();
    expect(counted.asked).toBe(2);
  });

  test("makes room for a thousand other answers of its repository", async () => {
    const counted = new Counted();
    for (let number = 0; number <= 1000; number += 1) {
      // oxlint-disable-next-line no-await-in-loop
      await counted.read(`tag ${number}`);
    }
    await counted.read("tag 0");
    expect(counted.asked).toBe(1002);
  });
});

test("what changed while it was asked for takes no room", async () => {
  const { memory } = new Counted();
  for (let number = 0; number < 200; number += 1) {
    const changed = async (): Promise<number> => {
      memory.change("other", () => undefined);
      return number;
    };
    // oxlint-disable-next-line no-await-in-loop
    await memory.answer("other", "tag a", changed, () => 256 * kib);
  }
  const counted = new Counted(memory);
  await counted.read();
  await counted.read();
  expect(counted.asked).toBe(1);
});

/** A repository whose questions and answers take their time, in an order that is not ours to say. */
class Distant {
  readonly #memory = new RepositoryMemory();
  readonly #scheduler: fc.Scheduler;
  #changes = 0;
  /** Changes that somebody was told of, and the newest answer that somebody has. */
  #told = 0;
  #seen = 0;

  constructor(scheduler: fc.Scheduler) {
    this.#scheduler = scheduler;
  }

  /** Fails where an answer is older than what somebody knew before it was asked for. */
  async read(): Promise<void> {
    const leastExpected = Math.max(this.#told, this.#seen);
    const ask = async (): Promise<number> => {
      await this.#step("asked");
      const answer = this.#changes;
      await this.#step("answered");
      return answer;
    };
    const answer = await this.#memory.answer("one", "tag a", ask, small);
    expect(answer).toBeGreaterThanOrEqual(leastExpected);
    expect(answer).toBeLessThanOrEqual(this.#changes);
    this.#seen = Math.max(this.#seen, answer);
  }

  async change(): Promise<void> {
    await this.#step("change is asked for");
    const told = this.#memory.change("one", () => {
      this.#changes += 1;
      return this.#changes;
    });
    await this.#step("change is told");
    this.#told = Math.max(this.#told, told);
  }

  /** As a collection: what it does behind its transaction takes its time. */
  async changeSlowly(): Promise<void> {
    await this.#step("slow change is asked for");
    const told = await this.#memory.change("one", async () => {
      await this.#step("slow change begins");
      this.#changes += 1;
      const now = this.#changes;
      await this.#step("slow change ends");
      return now;
    });
    this.#told = Math.max(this.#told, told);
  }

  async #step(what: string): Promise<void> {
    await this.#scheduler.schedule(Promise.resolve(), what);
  }
}

test("no answer is older than what somebody knew before it was asked for", async () => {
  const steps = fc.array(fc.constantFrom("read", "change", "changeSlowly"), {
    minLength: 2,
    maxLength: 12,
  });
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), steps, async (scheduler, names) => {
      const distant = new Distant(scheduler);
      const begun: Promise<void>[] = [];
      const sequence = scheduler.scheduleSequence(
        names.map((name) => async () => {
          begun.push(distant[name]());
        }),
      );
      await scheduler.waitFor(sequence.task);
      await scheduler.waitFor(Promise.all(begun));
    }),
    { numRuns: 2000 },
  );
});
