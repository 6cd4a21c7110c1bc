import type { Operation } from "./command.ts";
import { type State, change, repositoryOf, unique, shownState } from "./state.ts";
import {
  type Outcome,
  type Thread,
  type Circumstances,
  only,
  refusedByForce,
  linkedAt,
} from "./step.ts";
import { uploadOutcomes } from "./upload-steps.ts";
import { collectThread, alarmsThread } from "./upkeep-steps.ts";
import { simpleOutcome, withGhosts, mountThread } from "./request-steps.ts";

/** An operation that was observed: what it answers, or that it was cut off. */
export interface Observed {
  readonly operation: Operation;
  readonly answer: string;
  readonly isCut: boolean;
}

/** The operation's steps, one after the other, at a time that stands still. */
function thread(operation: Operation, circumstances: Circumstances): Thread {
  const { nowMs, isRaced, isForced } = circumstances;
  switch (operation.do) {
    case "push":
      return only((state) => [
        linkedAt(state, operation.repository, operation.blob, nowMs),
        ...refusedByForce(state, isForced),
      ]);
    case "mount":
      return mountThread(operation, circumstances);
    case "collect":
      return collectThread(operation, nowMs, isRaced);
    case "alarms":
      return alarmsThread(operation.of, nowMs, isRaced);
    case "start":
    case "append":
    case "close":
    case "cancel":
      return only((state) => uploadOutcomes(state, operation, circumstances));
    case "head":
    case "get":
    case "put":
    case "read":
    case "untag":
    case "delete manifest":
    case "delete blob":
    case "tags":
    case "referrers":
      break;
  }
  return only((state) => withGhosts(state, operation, simpleOutcome(state, operation, nowMs)));
}

/** It ended after any of its steps, or did not begin; what follows of them may not be there yet. */
function cutOff(operation: Operation, steps: Thread): Thread {
  const left = (state: State) => change(state, (draft) => unsettle(draft, operation));
  const step = (state: State): Outcome[] => [
    { state: left(state), answer: "cut" },
    ...steps
      .step(state)
      .map(({ state: next, rest }): Outcome =>
        rest === undefined
          ? { state: left(next), answer: "cut" }
          : { state: next, rest: cutOff(operation, rest) },
      ),
  ];
  return { name: steps.name, step };
}

function unsettle(draft: State, operation: Operation): void {
  if (operation.do === "alarms") {
    // What the catalog was to be told is told once more, later.
    for (const repository of draft.repositories) repository.isKnown = false;
  } else if (operation.do === "delete blob") {
    repositoryOf(draft, operation.repository).ghosts[operation.blob] = true;
  } else if (operation.do === "delete manifest") {
    repositoryOf(draft, operation.repository).ghosts[operation.manifest] = true;
  }
}

interface Running {
  readonly steps: Thread;
  readonly answer: string;
}

/** A state on the way, and what still runs in it: undefined where an operation has ended. */
interface Place {
  readonly state: State;
  readonly running: readonly (Running | undefined)[];
}

/** The places to which one step of one operation leads; an end that is answered otherwise is none. */
function placesAfter({ state, running }: Place): Place[] {
  return running.flatMap((one, at) => {
    if (one === undefined) return [];
    return one.steps.step(state).flatMap(({ state: then, answer, rest }): Place[] => {
      if (rest === undefined && answer !== one.answer) return [];
      const left = rest && { steps: rest, answer: one.answer };
      return [{ state: then, running: running.with(at, left) }];
    });
  });
}

function distinct(places: readonly Place[]): Place[] {
  const named = places.map((place): [string, Place] => {
    const names = place.running.map((one) => one?.steps.name);
    return [JSON.stringify([shownState(place.state), names]), place];
  });
  return [...new Map(named).values()];
}

/** All states in which some order of the steps ends that gives the answers. */
function finals(states: readonly State[], running: readonly Running[]): State[] {
  let places = states.map((state): Place => ({ state, running }));
  const ended: State[] = [];
  while (places.length > 0) {
    places = distinct(places.flatMap(placesAfter));
    ended.push(...places.filter(hasEnded).map(({ state }) => state));
    places = places.filter((place) => !hasEnded(place));
  }
  return unique(ended);
}

function hasEnded({ running }: Place): boolean {
  return running.every((one) => one === undefined);
}

/** What may be after operations that ran at the same time; nothing if no order gives the answers. */
export function after(
  states: readonly State[],
  observed: readonly Observed[],
  nowMs: number,
): State[] {
  const isRaced = observed.length > 1;
  const isForced =
    isRaced && observed.some(({ operation }) => operation.do === "collect" && operation.force);
  const running = observed.map(({ operation, answer, isCut }) => {
    const steps = thread(operation, { nowMs, isRaced, isForced });
    return { steps: isCut ? cutOff(operation, steps) : steps, answer: isCut ? "cut" : answer };
  });
  return finals(states, running);
}

/** The answers that one operation may have, for the message of a failure. */
export function allowedAnswers(
  states: readonly State[],
  operation: Operation,
  nowMs: number,
): string[] {
  const alone = { nowMs, isRaced: false, isForced: false };
  const answers = (steps: Thread, state: State): string[] =>
    steps
      .step(state)
      .flatMap(({ state: then, answer, rest }) =>
        rest === undefined ? [answer ?? ""] : answers(rest, then),
      );
  return [...new Set(states.flatMap((state) => answers(thread(operation, alone), state)))];
}
