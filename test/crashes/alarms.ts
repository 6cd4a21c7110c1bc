import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { catalogName, maintenanceName } from "../../schemas/storage-keys.ts";
import { namesOf, type ObjectBinding, objectBindings } from "../doubles/call-seam.ts";
import { advance, secondMs } from "../durable-objects/clock.ts";

/** What is told later is told within two seconds. */
const soonMs = 2 * secondMs;
const roundsMax = 30;

type Stub = () => DurableObjectStub;

/** When an object's alarm is due, or null. One that is aborted just then is asked once more. */
async function alarmOf(stub: Stub): Promise<number | null> {
  const look = () => runInDurableObject(stub(), (_, { storage }) => storage.getAlarm());
  try {
    return await look();
  } catch {
    return look();
  }
}

/** Runs an object's alarm as the platform does: one that fails is run again. */
async function runAlarm(stub: Stub, dueMs: number): Promise<void> {
  try {
    await runDurableObjectAlarm(stub());
  } catch {
    await runInDurableObject(stub(), (_, { storage }) => storage.setAlarm(dueMs));
  }
}

/** The names of the objects of a binding that there may be; tests ask some past the seam. */
function objectsOf(binding: ObjectBinding): string[] {
  if (binding === "CATALOG") return [catalogName];
  return binding === "MAINTENANCE" ? [maintenanceName] : namesOf(binding);
}

/** Runs all alarms that are due until none is. */
export async function runAlarms(): Promise<void> {
  for (let round = 0; round < roundsMax; round++) {
    const stubs = objectBindings.flatMap((binding) => {
      const namespace: DurableObjectNamespace = env[binding];
      return objectsOf(binding).map((name) => () => namespace.getByName(name));
    });
    // oxlint-disable-next-line no-await-in-loop
    const alarms = await Promise.all(
      stubs.map(async (stub) => ({ stub, ms: await alarmOf(stub) })),
    );
    const due = alarms.filter(({ ms }) => ms !== null && ms <= Date.now());
    if (due.length === 0) return;
    // One after the other: a call is then the so-manieth each time.
    // oxlint-disable-next-line no-await-in-loop
    for (const { stub, ms } of due) await runAlarm(stub, ms ?? 0);
  }
  throw new Error("alarms are due again and again");
}

/** Has time pass, then alarms run, and then those by which others are told. */
export async function letPassMs(ms: number): Promise<void> {
  advance(ms);
  await runAlarms();
  advance(soonMs);
  await runAlarms();
}
