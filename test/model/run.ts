import { reset } from "cloudflare:test";
import { env } from "cloudflare:workers";
import * as fc from "fast-check";
import { expect, vi } from "vitest";
import { dayMs } from "../durable-objects/clock.ts";
import {
  expectClean,
  expectCounted,
  expectSound,
  type StoredRepository,
  type StoredState,
  storedRepository,
  storedState,
} from "../stored-state.ts";
import {
  type BlobName,
  type ManifestName,
  manifestNames,
  references,
  type TagName,
} from "./alphabet.ts";
import { alarmed, type Command, type Operation, shownCommand } from "./command.ts";
import { cutOff, heldUp, objects, untilCalled } from "./interruption.ts";
import { after, allowedAnswers, type Observed } from "./model.ts";
import { emptyState, shownState, type State, withoutGarbage } from "./state.ts";
import { Registry } from "./registry.ts";

/** What may be, as far as the answers told. */
interface Model {
  states: readonly State[];
}

/** A command that is given to the registry, and whose answer the model has to allow. */
class Step implements fc.AsyncCommand<Model, Registry> {
  readonly command: Command;
  readonly #afterSeconds: number;

  /** Given so many seconds after the one before it. */
  constructor(command: Command, afterSeconds: number) {
    this.command = command;
    this.#afterSeconds = afterSeconds;
  }

  check(): boolean {
    return true;
  }

  async run(model: Model, registry: Registry): Promise<void> {
    registry.wait(this.#afterSeconds);
    await perform(model, registry, this.command);
  }

  toString(): string {
    return shownCommand(this.command);
  }
}

/** Each command of a run as a step of fast-check's, which shrinks a failing run to few of them. */
export function steps(
  command: fc.Arbitrary<Command>,
  maxCommands: number,
): fc.Arbitrary<Iterable<fc.AsyncCommand<Model, Registry>>> {
  return fc.commands([command.map((value) => new Step(value, 0.01))], { maxCommands, size: "max" });
}

async function perform(model: Model, registry: Registry, command: Command): Promise<void> {
  switch (command.do) {
    case "wait":
      return registry.wait(command.seconds);
    case "image":
      return performImage(model, registry, command);
    case "rehearsal":
      // A dry run knows nothing of tokens that are still to be dropped: alarms see to them, the second
      // ones to those of what the first ones collected.
      await perform(model, registry, { do: "alarms", of: "repositories" });
      await perform(model, registry, { do: "alarms", of: "repositories" });
      return perform(model, registry, { do: "collect", force: command.force, how: "rehearsed" });
    case "restart":
      return registry.restart(command.object, command.how);
    case "cut": {
      const { operation, cut } = command;
      const { result, wasCut } = await cutOff(cut, () => registry.answer(operation));
      if ("slot" in operation) await registry.resume(operation.slot);
      const isCut = wasCut && mayBeCut(operation, result);
      narrow(model, [{ operation, answer: result, isCut }]);
      return narrowByRows(model, registry);
    }
    case "race":
      return performRace(model, registry, command);
    case "push":
    case "mount":
    case "head":
    case "get":
    case "put":
    case "read":
    case "untag":
    case "delete manifest":
    case "delete blob":
    case "tags":
    case "referrers":
    case "start":
    case "append":
    case "close":
    case "cancel":
    case "collect":
    case "alarms":
      return narrow(model, [
        { operation: command, answer: await registry.answer(command), isCut: false },
      ]);
  }
}

/** Whether it may be done or not where a call failed: its answer tells, or it has none that does. */
function mayBeCut(operation: Operation, answer: string): boolean {
  return operation.do === "alarms" || operation.do === "collect" || answer.startsWith("5");
}

/** Operations at once, of which a restart may cut some off. */
async function performRace(model: Model, registry: Registry, race: Race): Promise<void> {
  const observed = await observeRace(registry, race);
  await resumeCut(registry, observed);
  narrow(model, observed);
  await narrowByRows(model, registry);
  const left = observed.find(isLeft);
  if (left === undefined) return;
  // What it tells in the end is of both parts.
  await registry.perform(left.operation);
  narrow(model, [left]);
  await narrowByRows(model, registry);
}

type Race = Command & { do: "race" };
async function observeRace(
  registry: Registry,
  { operations, delaysMs, restart }: Race,
): Promise<Observed[]> {
  const begun: (() => Promise<Observed>)[] = [];
  for (const operation of operations) {
    // oxlint-disable-next-line no-await-in-loop
    const refused = await registry.prepare(operation);
    begun.push(async () => {
      if (refused !== undefined) return { operation, answer: refused, isCut: false };
      if (restart !== undefined) return observeBeside(registry, operation);
      return { operation, answer: await registry.perform(operation), isCut: false };
    });
  }
  return heldUp(delaysMs, async () => {
    const all = Promise.all(begun.map((work) => work()));
    if (restart !== undefined) {
      await untilCalled(restart.afterCalls, all);
      await registry.restart(restart.object, restart.how);
    }
    return all;
  });
}

/** An operation beside which an object is restarted. */
async function observeBeside(registry: Registry, operation: Operation): Promise<Observed> {
  const answer = await registry.performOnce(operation);
  return { operation, answer, isCut: mayBeCut(operation, answer) };
}

/** Whether it is a collection that was cut off, and goes on where it stood. */
function isLeft({ operation, answer }: Observed): boolean {
  return operation.do === "collect" && answer.startsWith("5");
}

/** Has slots know where their sessions stand that were cut off. */
async function resumeCut(registry: Registry, observed: readonly Observed[]): Promise<void> {
  for (const { operation, isCut } of observed) {
    // oxlint-disable-next-line no-await-in-loop
    if (isCut && "slot" in operation) await registry.resume(operation.slot);
  }
}

async function performImage(
  model: Model,
  registry: Registry,
  { repository, manifest, tag }: Command & { do: "image" },
): Promise<void> {
  const { blobs, children } = references[manifest];
  for (const item of [...blobs, ...children]) {
    const child = manifestNames.find((name) => name === item);
    const command: Command =
      child === undefined
        ? { do: "push", repository, blob: item as BlobName, how: "POST" }
        : { do: "image", repository, manifest: child, tag: undefined };
    // oxlint-disable-next-line no-await-in-loop
    await perform(model, registry, command);
  }
  await perform(model, registry, { do: "put", repository, manifest, tag });
}

/** Keeps the states in which the operations may have been answered so. */
function narrow(model: Model, observed: readonly Observed[]): void {
  const states = after(model.states, observed, Date.now());
  if (states.length === 0) {
    const told = observed.map(({ operation, answer, isCut }) => {
      const allowed = allowedAnswers(model.states, operation, Date.now());
      const alone = `alone it may be ${allowed.join(" or ")}`;
      return `${shownCommand(operation)} was answered ${answer}${isCut ? " (cut off)" : ""}; ${alone}`;
    });
    const before = model.states.map(shownState).join("\n");
    throw new Error(`the model has no such answer:\n${told.join("\n")}\nbefore it:\n${before}`);
  }
  model.states = states;
}

/** Looks into the rows of the run's repositories. */
async function narrowByRows(model: Model, registry: Registry): Promise<void> {
  const rows = registry.repositories.map((name) => storedRepository(objects.REPOSITORY(name)));
  narrowByStored(model, registry, await Promise.all(rows));
}

/** Keeps the states that have what the rows have: there has to be one. */
function narrowByStored(
  model: Model,
  registry: Registry,
  stored: readonly StoredRepository[],
): void {
  const found = shownRows(rowsOf(stored, registry));
  const states = model.states.filter((state) => shownRows(rowsIn(state)) === found);
  if (states.length === 0) {
    const allowed = model.states.map((state) => shownRows(rowsIn(state))).join("\n");
    throw new Error(`the rows are\n${found}\nand not one of\n${allowed}`);
  }
  model.states = states;
}

interface Rows {
  readonly links: Record<string, [leasedUntil: number, since: number | null]>;
  readonly manifests: readonly string[];
  readonly tags: Record<string, string>;
}

function rowsIn({ repositories }: State): Rows[] {
  return repositories.map(({ links, manifests, tags }) => ({
    links: Object.fromEntries(
      Object.entries(links).map(([name, { leasedUntil, since }]) => [name, [leasedUntil, since]]),
    ),
    manifests: Object.keys(manifests).toSorted(),
    tags,
  }));
}

function rowsOf(repositories: readonly StoredRepository[], registry: Registry): Rows[] {
  const name = (digest: string) => registry.nameOf(digest);
  return repositories.map(({ links, manifests, tags }) => ({
    links: Object.fromEntries(
      links.map(({ digest, leased_until: leasedUntil, unreferenced_since: since }) => [
        name(digest) as BlobName,
        [leasedUntil, since],
      ]),
    ),
    manifests: manifests.map(({ digest }) => name(digest)).toSorted(),
    tags: Object.fromEntries(tags.map(({ tag, digest }) => [tag as TagName, name(digest)])),
  }));
}

function byName([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : 1;
}

function shownRows(rows: readonly Rows[]): string {
  return rows
    .map(({ links, manifests, tags }) =>
      JSON.stringify([
        Object.entries(links).toSorted(byName),
        manifests,
        Object.entries(tags).toSorted(byName),
      ]),
    )
    .join(" ");
}

function scopeOf({ repositories, alphabet }: Registry) {
  return { repositories, indexes: alphabet.indexes };
}

/**
 * How a run ends before all its manifests are deleted: at once, by a forced collection, or by alarms
 * alone when time passes. Nothing that is unreachable may be left then.
 */
export type Ending = "at once" | "forced" | "quiet";
export const endings: fc.Arbitrary<Ending> = fc.constantFrom<Ending>(
  ...(["at once", "at once", "at once", "forced", "forced", "quiet"] as const),
);

/** Where the clock begins: far from the real one, so that no alarm runs by itself. */
const clockStartMs = Date.now() + 30 * dayMs;
/** Far behind it, times are written with a digit more. */
const clockEndMs = clockStartMs + 20 * 365 * dayMs;

/** To be called before the first run: sets the clock, and has the catalog know the indexes. */
export async function begin(): Promise<void> {
  setClock();
  const catalog = env.CATALOG.getByName("catalog");
  await Promise.all(new Registry().alphabet.indexes.map((name) => catalog.addIndex(name)));
}

/** Sets the clock of a registry in which nothing ever was. */
export function setClock(): void {
  // Lines of audit, tens of thousands of them, and warnings of what is cut off.
  for (const method of ["info", "warn"] as const) {
    vi.spyOn(console, method).mockImplementation(() => undefined);
  }
  vi.setSystemTime(clockStartMs);
}

/** After so many runs, objects of uploads that are over are taken away. */
const runsMax = 100;
let runs = 0;

async function beginAnew(): Promise<void> {
  await reset();
  runs = 0;
  await begin();
}

/** Gives the commands to a registry that holds nothing else, and then looks into all its stores. */
export async function runModel(
  commands: Iterable<fc.AsyncCommand<Model, Registry>>,
  ending: Ending,
): Promise<void> {
  const registry = new Registry();
  const model: Model = { states: [emptyState()] };
  runs += 1;
  try {
    await fc.asyncModelRun(() => ({ model, real: registry }), commands);
    const stored = await storedState(scopeOf(registry));
    narrowByStored(model, registry, stored.repositories);
    await expectSound(stored);
    if (ending !== "at once") await end(model, registry, ending);
    await deleteAll(model, registry);
    await collectAll(model, registry);
    await expectReachable(registry);
  } catch (error) {
    await beginAnew();
    throw error;
  }
  if (runs >= runsMax || Date.now() > clockEndMs) await beginAnew();
}

/** Gives commands that are named, as a counterexample has them, all in one moment. */
export async function runCommands(commands: readonly Command[], ending: Ending): Promise<void> {
  await runModel(
    commands.map((command) => new Step(command, 0)),
    ending,
  );
}

async function end(model: Model, registry: Registry, ending: "forced" | "quiet"): Promise<void> {
  if (ending === "forced") await collectAll(model, registry);
  else await letTimePass(model, registry);
  const { repositories } = await expectReachable(registry);
  narrowByStored(model, registry, repositories);
  await expectCounted(scopeOf(registry));
  if (ending === "forced") return;
  // What is empty for some time has ended: it has no row, not even its name.
  const empty = repositories.filter(
    ({ links, manifests }) => links.length + manifests.length === 0,
  );
  expect(empty.filter(({ name }) => name !== "")).toEqual([]);
}

/** Expects that the stores have all that is reachable and nothing else. */
async function expectReachable(registry: Registry): Promise<StoredState> {
  const stored = await storedState(scopeOf(registry));
  await expectSound(stored);
  expectClean(stored);
  return stored;
}

/** A forced collection of repositories that the catalog knows, and what is told because of it. */
async function collectAll(model: Model, registry: Registry): Promise<void> {
  await perform(model, registry, { do: "alarms", of: "repositories" });
  await perform(model, registry, { do: "collect", force: true, how: "done" });
  await perform(model, registry, { do: "alarms", of: "repositories" });
}

async function deleteAll(model: Model, registry: Registry): Promise<void> {
  const manifests = model.states.map(({ repositories }) =>
    repositories.map((repository) => Object.keys(repository.manifests) as ManifestName[]),
  );
  for (const [repository, names] of manifests[0]?.entries() ?? []) {
    for (const manifest of names) {
      // oxlint-disable-next-line no-await-in-loop
      await perform(model, registry, { do: "delete manifest", repository, manifest });
    }
  }
}

/** Ten days in which nobody asks for anything: alarms run when they are due. */
async function letTimePass(model: Model, registry: Registry): Promise<void> {
  for (const seconds of [7201, 3601, 9 * 86_400, 181]) {
    registry.wait(seconds);
    for (const of of alarmed) {
      registry.wait(2);
      // oxlint-disable-next-line no-await-in-loop
      await registry.runAlarms(of);
    }
  }
  model.states = withoutGarbage(model.states);
}
