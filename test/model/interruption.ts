/**
 * A seam at the bindings, between the Worker, the objects and their stores: the so-manieth call fails,
 * with its work done or not, or calls are held up, so that others come before them.
 */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { vi } from "vitest";
import type { Cut } from "./command.ts";

/** What is to fail next, and how many calls are left until then. */
let armed: { readonly cut: Cut; left: number } | undefined;
let failed = 0;
/** For how long the next calls are held up, in milliseconds, over and over. */
let delays: readonly number[] = [];
let passedCount = 0;

/** Fails a call that is about to be made, or was made. */
class Interruption extends Error {
  constructor(call: string) {
    super(`${call} is cut off by a test`);
  }
}

async function abort(stub: DurableObjectStub): Promise<void> {
  try {
    await runInDurableObject(stub, (_, state) => state.abort("aborted by a test"));
  } catch {
    // The abort breaks the call that makes it, too.
  }
}

/** Whether calls pass as they are. */
function isOpen(): boolean {
  return armed === undefined && delays.length === 0;
}

type Call = (...input: unknown[]) => unknown;

/** The call, late or failing where that is its turn; `object` is who may be aborted. */
async function passed(name: string, call: () => unknown, object?: DurableObjectStub) {
  const delayMs = delays[passedCount++ % delays.length];
  if (delayMs !== undefined && delayMs > 0) await scheduler.wait(delayMs);
  const mine = armed;
  if (mine === undefined || mine.left-- > 0) return call();
  armed = undefined;
  failed += 1;
  if (mine.cut.done) await call();
  if (mine.cut.abort && object !== undefined) await abort(object);
  throw new Interruption(name);
}

/** An object of whose methods each call may fail. */
function interruptible(name: string, stub: DurableObjectStub): DurableObjectStub {
  return new Proxy(stub, {
    get(_, property) {
      const call: unknown = Reflect.get(stub, property);
      if (typeof call !== "function" || typeof property !== "string") return call;
      // Called as it is: `apply` and `bind` of it would be calls of the object, too.
      return (...input: unknown[]) =>
        passed(`${name}.${property}`, () => (call as Call)(...input), stub);
    },
  });
}

const bindings = ["REPOSITORY", "BLOB_INDEX", "UPLOAD_SESSION", "CATALOG", "MAINTENANCE"] as const;
type Binding = (typeof bindings)[number];
const buckets = ["put", "head", "delete", "list"] as const;
const replicas = ["put", "delete"] as const;

function unseamed(binding: Binding): (name: string) => DurableObjectStub {
  const namespace = env[binding] as DurableObjectNamespace;
  return namespace.getByName.bind(namespace);
}

/** Objects as they are, whose calls pass no seam: for the test itself. */
export const objects: Readonly<Record<Binding, (name: string) => DurableObjectStub>> = {
  REPOSITORY: unseamed("REPOSITORY"),
  BLOB_INDEX: unseamed("BLOB_INDEX"),
  UPLOAD_SESSION: unseamed("UPLOAD_SESSION"),
  CATALOG: unseamed("CATALOG"),
  MAINTENANCE: unseamed("MAINTENANCE"),
};

/** Has every later call pass the seam. */
export function installSeam(): void {
  for (const binding of bindings) {
    const namespace = env[binding] as DurableObjectNamespace;
    vi.spyOn(namespace, "getByName").mockImplementation((name) => {
      const stub = objects[binding](name);
      return isOpen() ? stub : interruptible(binding, stub);
    });
  }
  for (const method of buckets) spyOnStore("BLOBS", env.BLOBS, method);
  for (const method of replicas) {
    spyOnStore("MANIFESTS", env.MANIFESTS, method);
    spyOnStore("TAGS", env.TAGS, method);
  }
}

function spyOnStore<T extends object>(name: string, store: T, method: keyof T & string): void {
  const call = (store[method] as Call).bind(store);
  const passing: Call = (...input) => passed(`${name}.${method}`, () => call(...input));
  vi.spyOn(store, method as never).mockImplementation(passing as never);
}

/** Has a call fail while the work runs; answers whether one did. */
export async function cutOff<T>(
  cut: Cut,
  work: () => Promise<T>,
): Promise<{ result: T; wasCut: boolean }> {
  const before = failed;
  armed = { cut, left: cut.at };
  try {
    return { result: await work(), wasCut: failed > before };
  } finally {
    armed = undefined;
  }
}

/** Waits until so many calls were made of those that are held up, or the work has ended. */
export async function untilCalled(calls: number, work: Promise<unknown>): Promise<void> {
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  work.then(over, over);
  const isTime = () => isOver || passedCount >= calls;
  // Looked at from the test: a call that restarts the object that makes it would break off itself.
  // oxlint-disable-next-line no-await-in-loop
  while (!isTime()) await scheduler.wait(0);
}

/** Holds calls up while the work runs. */
export async function heldUp<T>(delaysMs: readonly number[], work: () => Promise<T>): Promise<T> {
  // Counted even if none is held up.
  delays = delaysMs.length > 0 ? delaysMs : [0];
  passedCount = 0;
  try {
    return await work();
  } finally {
    delays = [];
  }
}
