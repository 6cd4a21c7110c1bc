/**
 * Where calls of stores and objects pass in a test: it is told which calls there are, aborts who makes
 * one of them or who answers it, holds one up, and has R2 and KV answer late.
 */

/**
 * Where a call is cut off:
 * - before: who was about to make it is aborted; what it stored until then is kept
 * - after: it is made, and who waits for the answer is aborted
 * - unreached: the object that is asked is aborted before it works
 * - unanswered: the object that is asked is aborted when it has worked
 */
export const cuts = ["before", "after", "unreached", "unanswered"] as const;
export type Cut = (typeof cuts)[number];

/** Where a call is held up, its maker and all others living on: before it is made, or behind it. */
export const pauses = ["before", "after"] as const;
export type Pause = (typeof pauses)[number];

/** A call by who makes it, who is asked and what, as in `Worker: BlobIndex.claim`. */
export interface Call {
  readonly name: string;
  /** Which of the calls of this name it is; the first is 1. */
  readonly nth: number;
  /** True if a store is asked, which is not aborted. */
  readonly isStore: boolean;
  readonly input: readonly unknown[];
}

/** The bindings of objects and their classes. */
export const classNames = {
  UPLOAD_SESSION: "UploadSession",
  REPOSITORY: "Repository",
  BLOB_INDEX: "BlobIndex",
  CATALOG: "Catalog",
  MAINTENANCE: "Maintenance",
} as const;
export type ObjectBinding = keyof typeof classNames;
export const objectBindings = Object.keys(classNames) as ObjectBinding[];

type Point = Pick<Call, "name" | "nth">;

let made: Call[] = [];
let armed: { readonly at: Point; readonly cut?: Cut; readonly pause?: Pause } | undefined;
/** The object that is to be aborted as soon as it is asked. */
let doomed: { readonly object: string; readonly method: string; readonly cut: Cut } | undefined;
let wasMet = false;
let isHeld = false;
let delayMs: () => number = () => 0;
const multiparts = new Set<string>();
const objectNames = new Map<ObjectBinding, Set<string>>();

/** The calls that were made since this was asked last. */
export function takeCalls(): Call[] {
  const taken = made;
  made = [];
  return taken;
}

/** Has one of the calls that are made from now on be cut off. */
export function cutOff(at: Point, cut: Cut): void {
  [made, wasMet] = [[], false];
  armed = { at, cut };
}

/** Has one of the calls that are made from now on wait until all are let pass. */
export function holdUp(at: Point, pause: Pause): void {
  [made, wasMet] = [[], false];
  armed = { at, pause };
}

/** True as long as a call is held up. */
export function isHeldUp(): boolean {
  return isHeld;
}

/** Lets all calls pass from now on; answers whether one was cut off or held up. */
export function letPass(): boolean {
  [armed, doomed, isHeld] = [undefined, undefined, false];
  return wasMet;
}

/** Has R2 and KV take so many milliseconds before and behind each operation. */
export function delayStores(milliseconds: () => number): void {
  delayMs = milliseconds;
}

/**
 * The ids of multipart uploads that were begun and neither completed nor aborted, since this was asked
 * last: R2 does not tell of them.
 */
export function takeOpenMultiparts(): string[] {
  const open = [...multiparts];
  multiparts.clear();
  return open;
}

/** The names of all objects that were asked for since they were forgotten. */
export function namesOf(binding: ObjectBinding): string[] {
  return [...(objectNames.get(binding) ?? [])];
}

/** To be called when all stores were emptied. */
export function forgetObjects(): void {
  objectNames.clear();
  takeOpenMultiparts();
}

/** A call goes on in the time of who made it, which nobody else can wake: it looks for itself. */
async function held(): Promise<void> {
  [wasMet, isHeld] = [true, true];
  // oxlint-disable-next-line no-await-in-loop, no-unmodified-loop-condition
  while (isHeld) await scheduler.wait(1);
}

async function late(): Promise<void> {
  const ms = delayMs();
  if (ms > 0) await scheduler.wait(ms);
}

/** One that makes calls: an object as long as it is in memory, or the Worker for one request. */
export class Actor {
  readonly #name: string;
  readonly #abort: () => Promise<void>;
  #isDead = false;

  constructor(name: string, abort: () => Promise<void>) {
    this.#name = name;
    this.#abort = abort;
  }

  /** Who waits for this goes on no more. */
  async die(): Promise<never> {
    if (!this.#isDead) {
      [wasMet, this.#isDead] = [true, true];
      await this.#abort();
    }
    return new Promise(() => undefined);
  }

  /** Asks a store, or the `object` of a class, unless it is cut off. */
  async ask(
    owner: string,
    method: string,
    input: readonly unknown[],
    work: () => unknown,
    object?: string,
  ): Promise<unknown> {
    if (this.#isDead) return this.die();
    const isStore = object === undefined;
    const { cut, pause } = this.#met(`${this.#name}: ${owner}.${method}`, isStore, input);
    if (cut === "before") return this.die();
    if (pause === "before") await held();
    if (isStore) await late();
    else if (cut === "unreached" || cut === "unanswered") doomed = { object, method, cut };
    try {
      return await work();
    } finally {
      if (isStore) await late();
      if (pause === "after") await held();
      if (cut === "after" || this.#isDead) await this.die();
    }
  }

  #met(name: string, isStore: boolean, input: readonly unknown[]): { cut?: Cut; pause?: Pause } {
    const nth = made.filter((call) => call.name === name).length + 1;
    made.push({ name, nth, isStore, input });
    if (armed === undefined || armed.at.name !== name || armed.at.nth !== nth) return {};
    const { at: _, ...what } = armed;
    armed = undefined;
    return what;
  }
}

/** Keeps which multipart uploads are open. */
export function noteMultipart(method: string, upload: unknown): void {
  if (method === "createMultipartUpload") multiparts.add((upload as R2MultipartUpload).uploadId);
  else if (method === "complete" || method === "abort") {
    multiparts.delete((upload as R2MultipartUpload).uploadId);
  }
}

/** Keeps that there is such an object. */
export function noteObject(binding: ObjectBinding, name: string): void {
  const names = objectNames.get(binding) ?? new Set();
  objectNames.set(binding, names.add(name));
}

/** How an object is to be aborted that was just asked for something; undefined if it is not. */
export function takeDoomed(object: string, method: string): Cut | undefined {
  if (doomed?.object !== object || doomed.method !== method) return undefined;
  const { cut } = doomed;
  doomed = undefined;
  return cut;
}
