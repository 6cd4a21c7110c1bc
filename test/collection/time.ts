/** A clock that only goes forward, and alarms that run when a test says so. */
import { listDurableObjectIds, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { vi } from "vitest";
import { advance, hourMs, secondMs } from "../durable-objects/clock.ts";

/**
 * To be called before the tests of a file: from then on the clock stands ahead of the runtime's, which
 * therefore runs no alarm by itself. What would be logged is not, as there is much of it.
 */
export function takeTime(): void {
  advance(hourMs);
  vi.spyOn(console, "info").mockImplementation(() => undefined);
}

export const catalogObject = () => env.CATALOG.getByName("catalog");
export const maintenanceObject = () => env.MAINTENANCE.getByName("maintenance");

async function runAlarmsOf(namespace: DurableObjectNamespace): Promise<void> {
  for (const id of await listDurableObjectIds(namespace)) {
    // One after the other, as what they do must not depend on chance.
    // oxlint-disable-next-line no-await-in-loop
    await runDurableObjectAlarm(namespace.get(id));
  }
}

/** Moves the clock, and has repositories, then indexes, then the catalog do what is due by then. */
export async function pass(ms: number): Promise<void> {
  advance(ms);
  await runAlarmsOf(env.REPOSITORY);
  await runAlarmsOf(env.BLOB_INDEX);
  await runDurableObjectAlarm(catalogObject());
}

/** Has repositories and indexes tell each other and the catalog what they have to. */
export function settle(): Promise<void> {
  return pass(2 * secondMs);
}

/** When the alarm of an object stands, null if it has none. */
export function alarmOf(stub: DurableObjectStub): Promise<number | null> {
  return runInDurableObject(stub, (_, { storage }) => storage.getAlarm());
}
