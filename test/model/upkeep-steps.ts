import { type Alarms, type Collect, repositoryCount } from "./command.ts";
import { type State, change, repositoryOf, namesIn, collectable, collected } from "./state.ts";
import { type Outcome, type Thread, only } from "./step.ts";
import { gone, isOver, intervalMs } from "./upload-steps.ts";

/** What a collection tells of each repository. */
export function shownReport(layers: readonly (readonly string[])[]): string {
  return layers.map((names) => `[${names.toSorted().join(" ")}]`).join("");
}

/** Repository by repository, in any order, as each is one object. */
export function collectThread({ force, how }: Collect, nowMs: number, isRaced: boolean): Thread {
  const none: string[][] = Array.from({ length: repositoryCount }, () => []);
  const from = (left: readonly number[], layers: readonly (readonly string[])[]): Thread => ({
    name: `${left.join()} ${shownReport(layers)}`,
    step: (state) => {
      if (left.length === 0) return [{ state, answer: `200 ${shownReport(layers)}` }];
      return left.flatMap((number): Outcome[] => {
        const repository = repositoryOf(state, number);
        const blobs = collectable(repository, force, nowMs);
        const others = left.filter((other) => other !== number);
        const next = how === "dry run" ? state : collected(state, number, blobs);
        const taken = { state: next, rest: from(others, layers.with(number, blobs)) };
        // One that the catalog does not know yet is left out.
        return repository.isKnown ? [taken] : [taken, { state, rest: from(others, layers) }];
      });
    },
  });
  const all = from([...none.keys()], none);
  const refusal = "409 COLLECTION_RUNNING";
  return isRaced ? only((state) => [...all.step(state), { state, answer: refusal }]) : all;
}

/** An alarm may collect what is due, or find that it is not its turn; it ends uploads that are over. */
export function alarmsThread(of: Alarms["of"], nowMs: number, isRaced: boolean): Thread {
  if (of === "uploads") {
    return only((state) => {
      const over = Object.keys(state.uploads).filter((slot) =>
        isOver(state.uploads[Number(slot)], nowMs - intervalMs),
      );
      const next = change(state, (draft) => {
        for (const slot of over) draft.uploads[Number(slot)] = gone(draft, Number(slot));
      });
      return [{ state: next, answer: "done" }];
    });
  }
  if (of !== "repositories") return only((state) => [{ state, answer: "done" }]);
  const told = (state: State, number: number): State =>
    change(state, (draft) => {
      const repository = repositoryOf(draft, number);
      const { links, manifests } = repository;
      const isEmpty = namesIn(links).length + namesIn(manifests).length === 0;
      // What changes while the alarm runs is told by the next one.
      repository.isKnown = !isEmpty && !isRaced;
    });
  const from = (number: number): Thread => ({
    name: `${number}`,
    step: (state) => {
      if (number === repositoryCount) return [{ state, answer: "done" }];
      const rest = from(number + 1);
      const due = collectable(repositoryOf(state, number), false, nowMs);
      return [state, collected(state, number, due)].map((next) => {
        return { state: told(next, number), rest };
      });
    },
  });
  return from(0);
}
