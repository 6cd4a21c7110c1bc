import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { LateWrites } from "../../stores/late-writes.ts";
import { Patience, StoreRests } from "../../stores/patience.ts";
import { answerWithin, bodyLimitMs, StoreSilent, timeLimits } from "../../stores/time-limits.ts";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

const limitMs = 1000;

function answerAfter<T>(ms: number, answer: T): Promise<T> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(answer), ms);
  });
}

const never = () => new Promise<string>(() => undefined);
const answers = () => Promise.resolve("answer");
const fails = () => Promise.reject(new Error("500"));
const wait = (write: () => Promise<unknown>) => answerWithin(limitMs, "KV put", write());

/** What a promise has come to by now. */
async function outcome(promise: Promise<unknown>, ms: number): Promise<unknown> {
  const settled = promise.catch((error: unknown) => (error as Error).name);
  await vi.advanceTimersByTimeAsync(ms);
  return Promise.race([settled, Promise.resolve("nothing")]);
}

/** A patience that has just met silence. */
async function silenced(): Promise<Patience> {
  const patience = new Patience("KV");
  expect(await outcome(patience.ask(limitMs, never), limitMs)).toBe("StoreSilent");
  return patience;
}

describe("an answer", () => {
  test.each([
    ["in time", 999, "answer"],
    ["too late", 1001, "StoreSilent"],
  ])("%s", async (_case, ms, expected) => {
    const answer = answerWithin(limitMs, "R2 get", answerAfter(ms, "answer"));
    expect(await outcome(answer, limitMs)).toBe(expected);
  });

  test("that is too late is handed to who gets rid of it", async () => {
    const unused = vi.fn();
    const answer = answerWithin(limitMs, "R2 get", answerAfter(5000, "body"), unused);
    expect(await outcome(answer, limitMs)).toBe("StoreSilent");
    expect(unused).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(5000);
    expect(unused.mock.calls).toEqual([["body"]]);
  });

  test("leaves no timer behind", async () => {
    await expect(answerWithin(limitMs, "R2 get", Promise.resolve(1))).resolves.toBe(1);
    await expect(
      answerWithin(limitMs, "R2 get", Promise.reject(new Error("no"))),
    ).rejects.toThrow();
    expect(vi.getTimerCount()).toBe(0);
  });
});

test("a body has as long as a slow client needs for it", () => {
  expect(bodyLimitMs(0)).toBe(timeLimits.r2WriteMs);
  const gibibyte = 1024 ** 3;
  expect(bodyLimitMs(gibibyte)).toBeGreaterThan(16 * 60 * 60 * 1000);
});

describe("a store that was silent", () => {
  test("rests", async () => {
    const patience = await silenced();
    const question = vi.fn(answers);
    await expect(patience.ask(limitMs, question)).rejects.toThrow(StoreRests);
    await vi.advanceTimersByTimeAsync(timeLimits.restMs - 1);
    await expect(patience.ask(limitMs, question)).rejects.toThrow(StoreRests);
    expect(question).not.toHaveBeenCalled();
  });

  test("is asked by one, and by all once it answered", async () => {
    const patience = await silenced();
    await vi.advanceTimersByTimeAsync(timeLimits.restMs);
    const first = patience.ask(limitMs, () => answerAfter(100, "answer"));
    await expect(patience.ask(limitMs, answers)).rejects.toThrow(StoreRests);
    expect(await outcome(first, 100)).toBe("answer");
    await expect(patience.ask(limitMs, answers)).resolves.toBe("answer");
  });

  test("rests again where it is silent again", async () => {
    const patience = await silenced();
    await vi.advanceTimersByTimeAsync(timeLimits.restMs);
    expect(await outcome(patience.ask(limitMs, never), limitMs)).toBe("StoreSilent");
    await expect(patience.ask(limitMs, answers)).rejects.toThrow(StoreRests);
  });

  test("is asked where the clock was put back", async () => {
    const patience = await silenced();
    vi.setSystemTime(Date.now() - 1_000_000);
    await expect(patience.ask(limitMs, answers)).resolves.toBe("answer");
  });

  test("is not one that fails", async () => {
    const patience = new Patience("KV");
    await expect(patience.ask(limitMs, fails)).rejects.toThrow("500");
    await expect(patience.ask(limitMs, answers)).resolves.toBe("answer");
  });
});

describe("a key whose write is not answered", () => {
  const write = vi.fn(() => Promise.resolve());

  test.each([
    ["is not written again before it is", 9000, 4000, StoreSilent],
    ["is written again once it is", 5000, 6000, undefined],
    ["is written again when it can't be any more", 10 * 60_000, timeLimits.kvLateMs, undefined],
  ])("%s", async (_case, answerMs, ms, refused) => {
    const writes = new LateWrites();
    const first = writes.write("a", () => answerAfter(answerMs, undefined), wait);
    expect(await outcome(first, limitMs)).toBe("StoreSilent");
    await vi.advanceTimersByTimeAsync(ms - limitMs + 1000);
    const second = writes.write("a", write, wait);
    if (refused === undefined) await expect(second).resolves.toBeUndefined();
    else await expect(second).rejects.toThrow(refused);
    await expect(writes.write("b", write, wait)).resolves.toBeUndefined();
  });
});
