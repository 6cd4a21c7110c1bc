import type { BlobName } from "./alphabet.ts";
import { type State, change, repositoryOf, link } from "./state.ts";

/** One step, which happens at once: what is then, and the answer or what follows. */
export interface Outcome {
  readonly state: State;
  readonly answer?: string;
  readonly rest?: Thread;
}
/** The steps that are left of an operation; their name tells them from others of the operation. */
export interface Thread {
  readonly name: string;
  step(this: void, state: State): Outcome[];
}

/** When operations run, and beside what. */
export interface Circumstances {
  readonly nowMs: number;
  readonly isRaced: boolean;
  /** Whether a forced collection is among them. */
  readonly isForced: boolean;
}

/** An operation of one step, or the first of several. */
export function only(step: (state: State) => Outcome[]): Thread {
  return { name: "begin", step };
}

/** By force, what a push has not linked yet is taken away, too: it is told to try again. */
export function refusedByForce(state: State, isForced: boolean): Outcome[] {
  const refusals = ["504 UNAVAILABLE", "400 BLOB_UPLOAD_INVALID"];
  return isForced ? refusals.map((answer) => ({ state, answer })) : [];
}

export function linkedAt(state: State, number: number, blob: BlobName, nowMs: number): Outcome {
  return {
    state: change(state, (draft) => link(repositoryOf(draft, number), blob, nowMs)),
    answer: "201",
  };
}
