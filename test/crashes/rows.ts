import { describe, expect, test, vi } from "vitest";
import { startUpload } from "../client.ts";
import {
  type Call,
  type Cut,
  cutOff,
  cuts,
  delayStores,
  letPass,
  takeCalls,
} from "../doubles/call-seam.ts";
import { dayMs } from "../durable-objects/clock.ts";
import { Client, type Persistence, persistences } from "./client.ts";
import {
  expectNoMultiparts,
  expectNothingLeft,
  expectNothingMissing,
  expectTokensUsedOnce,
} from "./invariants.ts";
import { type Blob, blobOf, World } from "./world.ts";

/** The layer of the image that nobody touches. */
export const sharedLayer: Blob = blobOf("shared");

/** What is interrupted, at each of its calls. */
export interface Operation {
  readonly name: string;
  /** Makes what has to be there before, and answers what a client, or an alarm, then does. */
  readonly prepare: (world: World) => Promise<(client: Client) => Promise<void>>;
  /** Whose calls are cut off; without it, all that are made. */
  readonly of?: "Worker";
  /** True if it is an alarm's, which runs again whatever happens, and no client's. */
  readonly isAlarm?: boolean;
  /** True if something is lost before it begins; it is repaired once the operation was done. */
  readonly repairs?: boolean;
}

/** Far from the real time, so that no alarm runs by itself. */
function setClock(): void {
  vi.setSystemTime(Date.now() + 30 * dayMs);
}

/** Silent but for what fails: audits, and errors that a row is about. */
export function silence(): void {
  for (const level of ["info", "warn", "error"] as const) {
    vi.spyOn(console, level).mockImplementation(() => undefined);
  }
}

/** Before a file's operations are looked at. */
export async function begin(): Promise<void> {
  setClock();
  silence();
  // The key that seals sessions is asked for once per isolate.
  await startUpload("team/app");
}

/** The calls that an operation makes when nothing disturbs it. */
export async function callsOf(operation: Operation): Promise<Call[]> {
  const world = await World.begin(sharedLayer);
  const work = await operation.prepare(world);
  takeCalls();
  await new Client("retries").perform(work);
  return takeCalls();
}

interface Row {
  readonly name: string;
  readonly operation: Operation;
  readonly call: Call;
  readonly cut: Cut;
  readonly persistence: Persistence;
}

/** A row for each call, each place where it may be cut off, and what the client does then. */
function rowsOf(operation: Operation, calls: readonly Call[]): Row[] {
  return calls
    .filter(({ name }) => operation.of === undefined || name.startsWith(operation.of))
    .flatMap((call) => cutsOf(call).map((cut) => ({ call, cut })))
    .flatMap(({ call, cut }) => {
      const isAlarms = operation.isAlarm === true || isOfAlarm(operation, call);
      // Who gives up sees no more of an object that was aborted than of a Worker.
      const isLost = cut === "unreached" || cut === "unanswered";
      const goingOn = isAlarms || isLost ? (["retries"] as const) : persistences;
      return goingOn.map((persistence) => {
        const who = isAlarms ? "the alarm runs again" : `the client ${persistence}`;
        const name = `${call.name} (${call.nth}) ${cut}, ${who}`;
        return { name, operation, call, cut, persistence };
      });
    });
}

/** What is told later is told by alarms: the client has its answer. */
function isOfAlarm({ repairs }: Operation, { name }: Call): boolean {
  return repairs !== true && !/^(?:Worker|UploadSession):/.test(name);
}

/** An object that is asked the same several times is aborted itself at the first. */
function cutsOf({ isStore, nth }: Call): readonly Cut[] {
  return isStore || nth > 1 ? ["before", "after"] : cuts;
}

/** Numbers below one that are the same for the same seed (a linear congruential generator). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Before a call of a store, and behind it. */
const delayMsMax = 3;

async function runRow({ operation, call, cut, persistence }: Row, seed: number): Promise<void> {
  const world = await World.begin(sharedLayer);
  const work = await operation.prepare(world);
  const client = new Client(persistence);
  const random = randomNumbers(seed);
  delayStores(() => Math.floor(random() * delayMsMax));
  cutOff(call, cut);
  const isDone = await client.perform(work);
  const calls = takeCalls();
  const names = calls.map(({ name }) => name).join(", ");
  expect(letPass(), `the call is cut off, of ${names}`).toBe(true);
  delayStores(() => 0);
  if (!isDone && operation.repairs === true) await new Client("retries").perform(work);
  else expect(isDone || persistence === "gives up").toBe(true);
  await expectNothingMissing();
  await world.expectAsAnswered();
  await expectNothingLeft();
  await world.expectReadable();
  expectTokensUsedOnce(calls);
  expectNoMultiparts(call.name.endsWith("R2.createMultipartUpload") && cut === "after");
}

/** A describe for each operation, and in it a test for each row. */
export async function testRows(operations: readonly Operation[]): Promise<void> {
  await begin();
  const firstSeed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  for (const operation of operations) {
    // oxlint-disable-next-line no-await-in-loop
    const rows = rowsOf(operation, await callsOf(operation));
    describe(operation.name, () => {
      test.each(rows.map((row) => [row.name, row] as const))("%s", async (_, row) => {
        silence();
        try {
          await runRow(row, firstSeed);
        } catch (error) {
          letPass();
          if (error instanceof Error) error.message += ` (seed ${firstSeed})`;
          throw error;
        }
      });
    });
  }
}
