import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, expect, test, vi } from "vitest";
import { Tables } from "../../durable-objects/tables.ts";
import { Tasks } from "../../durable-objects/tasks.ts";
import { advance, hourMs, minuteMs, secondMs } from "./clock.ts";

afterEach(() => {
  vi.useRealTimers();
});

const inAnHour = () => Date.now() + 3_600_000;
const retryMs = 5000;

/** Runs in an object that has nothing but tasks. */
function withTasks(
  work: (tasks: Tasks<"a" | "b">, storage: DurableObjectStorage) => Promise<void>,
): Promise<void> {
  const stub = env.CATALOG.getByName(crypto.randomUUID());
  return runInDurableObject(stub, async (_, { storage }) => {
    const tables = new Tables(storage, [Tasks.table]);
    tables.write(() => undefined);
    await work(new Tasks(storage, tables), storage);
    await storage.deleteAll();
  });
}

test("the alarm stands at the earliest task and is only moved earlier", () =>
  withTasks(async (tasks, storage) => {
    const due = inAnHour();
    tasks.schedule("a", due);
    expect(await storage.getAlarm()).toBe(due);
    tasks.schedule("b", due + 1000);
    expect(await storage.getAlarm()).toBe(due);
    tasks.schedule("b", due - 1000);
    expect(await storage.getAlarm()).toBe(due - 1000);
    tasks.schedule("b", due + 9000);
    tasks.schedule("a", due + 9000);
    expect(await storage.getAlarm()).toBe(due - 1000);
  }));

test.each([
  ["a second", secondMs],
  ["four minutes", 4 * minuteMs],
])("an alarm that is overdue for %s is not put off", (_case, overdueMs) =>
  withTasks(async (tasks, storage) => {
    const due = inAnHour();
    tasks.schedule("a", due);
    advance(hourMs + overdueMs);
    tasks.schedule("b", Date.now());
    tasks.schedule("b", Date.now() + minuteMs);
    tasks.schedule("a", Date.now() + minuteMs);
    expect(await storage.getAlarm()).toBe(due);
  }),
);

test("an alarm that is overdue for more than five minutes is set anew, to now", () =>
  withTasks(async (tasks, storage) => {
    tasks.schedule("a", inAnHour());
    advance(hourMs + 5 * minuteMs + secondMs);
    const beforeMs = Date.now();
    tasks.schedule("b", Date.now() + minuteMs);
    const alarm = await storage.getAlarm();
    expect(alarm).toBeGreaterThanOrEqual(beforeMs);
    expect(alarm).toBeLessThanOrEqual(Date.now());
  }));

test("an overdue task that is running sets no alarm anew", () =>
  withTasks(async (tasks, storage) => {
    tasks.schedule("a", inAnHour());
    advance(hourMs + 6 * minuteMs);
    const setAlarm = vi.spyOn(storage, "setAlarm");
    await tasks.run(Date.now(), retryMs, () => {
      tasks.schedule("b", Date.now() + hourMs);
      return Promise.resolve();
    });
    const [[alarm] = []] = setAlarm.mock.calls;
    expect(Number(alarm)).toBeGreaterThan(Date.now() + 59 * minuteMs);
    setAlarm.mockRestore();
  }));

test("what is due runs once, the rest stays with its time", () =>
  withTasks(async (tasks, storage) => {
    const due = inAnHour();
    tasks.schedule("a", due);
    tasks.schedule("b", due + 1000);
    const work = vi.fn(() => Promise.resolve());
    await tasks.run(due - 1, retryMs, work);
    expect(work).not.toHaveBeenCalled();
    expect(await storage.getAlarm()).toBe(due);
    await tasks.run(due, retryMs, work);
    expect(work.mock.calls).toEqual([["a"]]);
    expect(await storage.getAlarm()).toBe(due + 1000);
    await tasks.run(due, retryMs, work);
    expect(work).toHaveBeenCalledTimes(1);
  }));

test("a task that throws is tried again, and stops no other one", () =>
  withTasks(async (tasks, storage) => {
    const due = inAnHour();
    tasks.schedule("a", due);
    tasks.schedule("b", due);
    const ran: string[] = [];
    await tasks.run(due, retryMs, (kind) => {
      ran.push(kind);
      return kind === "a" ? Promise.reject(new Error("it failed")) : Promise.resolve();
    });
    expect(ran.toSorted()).toEqual(["a", "b"]);
    expect(await storage.getAlarm()).toBe(due + retryMs);
    await tasks.run(due + retryMs, retryMs, (kind) => {
      ran.push(`${kind} again`);
      return Promise.resolve();
    });
    expect(ran).toHaveLength(3);
    expect(ran).toContain("a again");
  }));

test("a task may schedule itself again while it runs", () =>
  withTasks(async (tasks, storage) => {
    const due = inAnHour();
    tasks.schedule("a", due);
    await tasks.run(due, retryMs, (kind) => {
      tasks.schedule(kind, due + 60_000);
      return Promise.resolve();
    });
    expect(await storage.getAlarm()).toBe(due + 60_000);
  }));

test("a task that was cut off while it ran is still there for the alarm that is called again", () =>
  withTasks(async (tasks, storage) => {
    const due = inAnHour();
    tasks.schedule("a", due);
    const { promise: began, resolve } = Promise.withResolvers<void>();
    void tasks.run(due, retryMs, () => {
      resolve();
      return new Promise<void>(() => undefined);
    });
    await began;
    // As a restarted object does, of which nothing but the rows is left.
    const again = vi.fn(() => Promise.resolve());
    const tables = new Tables(storage, [Tasks.table]);
    await new Tasks<"a" | "b">(storage, tables).run(due + 60_000, retryMs, again);
    expect(again.mock.calls).toEqual([["a"]]);
  }));
