import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { inTime } from "../../durable-objects/deadline.ts";
import { done, type Outcome } from "../../schemas/outcome.ts";
import { secondMs } from "./clock.ts";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

function after(seconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, seconds * secondMs);
  });
}

/** What is answered after these seconds, "nothing" if nothing is. */
async function answerAt(seconds: number, answer: Promise<Outcome<undefined>>): Promise<string> {
  let answered = "nothing";
  void answer.then(
    (outcome) => (answered = outcome.ok ? "done" : outcome.code),
    (error: unknown) => (answered = String(error)),
  );
  await vi.advanceTimersByTimeAsync(seconds * secondMs);
  return answered;
}

async function outcomeAfter(seconds: number): Promise<Outcome<undefined>> {
  await after(seconds);
  return done(undefined);
}

async function failureAfter(seconds: number): Promise<Outcome<undefined>> {
  await after(seconds);
  throw new Error("it failed");
}

describe("the 25 s of an answer begin when the body was read", () => {
  test.each([
    ["an outcome before that", 10, 60, "done"],
    ["an outcome at once", 60, 60, "done"],
    ["an outcome 24 s later", 84, 60, "done"],
    ["an outcome 26 s later", 86, 60, "OVERLOADED"],
    ["an outcome 24 s after no body", 24, 0, "done"],
    ["an outcome 26 s after no body", 26, 0, "OVERLOADED"],
  ])("%s", async (_case, outcome, bodyRead, answer) => {
    const answered = inTime(outcomeAfter(outcome), after(bodyRead));
    expect(await answerAt(100, answered)).toBe(answer);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("and one that is late is answered then, not before", async () => {
    const answered = inTime(outcomeAfter(200), after(60));
    expect(await answerAt(84, answered)).toBe("nothing");
    expect(await answerAt(2, answered)).toBe("OVERLOADED");
  });

  test("and the late answer says when to come back", async () => {
    const answered = inTime(outcomeAfter(200), Promise.resolve());
    await vi.advanceTimersByTimeAsync(26 * secondMs);
    expect(await answered).toMatchObject({ ok: false, headers: { "Retry-After": "5" } });
  });
});

test.each([
  ["before the body was read", 10],
  ["after the body was read", 70],
])("an outcome that fails %s fails the answer", async (_case, failure) => {
  const outcome = failureAfter(failure);
  // As the session has it: it outlives who waits for it.
  outcome.catch(() => undefined);
  expect(await answerAt(100, inTime(outcome, after(60)))).toBe("Error: it failed");
  expect(vi.getTimerCount()).toBe(0);
});
