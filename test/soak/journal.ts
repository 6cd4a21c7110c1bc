/** What a key holds: the digest a tag names, "there" for a manifest or a blob, undefined for nothing. */
export type State = string | undefined;

/** What an operation does to one key, if it happens. */
export type Effect =
  | { readonly kind: "put"; readonly state: string }
  | { readonly kind: "remove" }
  /** What a tag suffers when a manifest is deleted: to be written down only if it may name it. */
  | { readonly kind: "remove if"; readonly state: string };

type Outcome = "open" | "done" | "unanswered";

interface Operation {
  readonly effect: Effect;
  /** Moments of the journal; no end before the answer is here, and none at all without one. */
  readonly began: number;
  ended: number;
  endedMs: number;
  outcome: Outcome;
  /** May come true long after the process that it was sent to was killed. */
  readonly lingers: boolean;
}

/** An operation that was written down and is under way. */
export interface Pending {
  /** It was answered, and happened. */
  done(): void;
  /** It was answered, and did not happen. */
  refused(): void;
  /** No answer came: it may have happened or not. */
  unanswered(): void;
}

/** No reader asks for what was possible before that. */
const rememberedMs = 180_000;

/**
 * What clients did to each tag, manifest and blob, and what these may hold by that. A state is
 * possible unless an operation that was answered, and that began after the state's own had ended,
 * undid it. So two operations that overlap may come in either order, and one that was never answered
 * may have happened or not.
 */
export class Journal {
  /** How often something was written down: the journal's clock. */
  now = 0;
  /** By what a key begins with, up to its last word, then by key. */
  readonly #operations = new Map<string, Map<string, Operation[]>>();

  /** Writes down what is about to be sent. */
  begin(key: string, effect: Effect, lingers = false): Pending {
    this.now += 1;
    const operation: Operation = {
      effect,
      began: this.now,
      ended: Number.POSITIVE_INFINITY,
      endedMs: Number.POSITIVE_INFINITY,
      outcome: "open",
      lingers,
    };
    this.#set(key, [...this.#of(key), operation]);
    const end = (outcome: Outcome): void => {
      this.now += 1;
      operation.outcome = outcome;
      if (outcome !== "done") return;
      operation.ended = this.now;
      operation.endedMs = Date.now();
      this.#forget(key);
    };
    return {
      done: () => end("done"),
      refused: () => {
        this.now += 1;
        this.#set(
          key,
          this.#of(key).filter((other) => other !== operation),
        );
      },
      unanswered: () => end("unanswered"),
    };
  }

  /** What the key may hold now, or may have held at some moment since `since`. */
  possible(key: string, since = this.now): Set<State> {
    const operations = this.#of(key);
    const states = new Set<State>();
    if (!operations.some((undoing) => undoes(undoing, undefined, 0, since))) states.add(undefined);
    for (const { effect, ended } of operations) {
      const state = effect.kind === "put" ? effect.state : undefined;
      if (!operations.some((undoing) => undoes(undoing, state, ended, since))) states.add(state);
    }
    return states;
  }

  /** Whether something may have removed it since then. */
  mayBeRemoved(key: string, since: number): boolean {
    return this.#of(key).some(({ effect, ended }) => effect.kind !== "put" && ended >= since);
  }

  /** Takes what was seen while nothing was under way for what is. */
  settle(key: string, state: State): void {
    const lingering = this.#of(key).filter(({ lingers, outcome }) => {
      return lingers && outcome === "unanswered";
    });
    const effect: Effect =
      state === undefined ? { kind: "remove" } : ({ kind: "put", state } as const);
    this.now += 1;
    const seen: Operation = {
      effect,
      began: this.now,
      ended: this.now,
      endedMs: Date.now(),
      outcome: "done",
      lingers: false,
    };
    this.#set(key, [...lingering, seen]);
  }

  /** The keys that were written down and that are the prefix and one more word. */
  keys(prefix: string): string[] {
    return [...(this.#operations.get(prefix)?.keys() ?? [])];
  }

  /** When the key was last written down, as a moment of the journal. */
  changed(key: string): number {
    return Math.max(0, ...this.#of(key).map(({ began }) => began));
  }

  #of(key: string): readonly Operation[] {
    return this.#operations.get(prefixOf(key))?.get(key) ?? [];
  }

  #set(key: string, operations: Operation[]): void {
    const prefix = prefixOf(key);
    const keys = this.#operations.get(prefix) ?? new Map<string, Operation[]>();
    this.#operations.set(prefix, keys);
    keys.set(key, operations);
  }

  /** Drops operations that were undone so long ago that nobody asks. */
  #forget(key: string): void {
    const operations = this.#of(key);
    const oldMs = Date.now() - rememberedMs;
    const kept = operations.filter(
      ({ ended }) =>
        !operations.some(
          (later) =>
            later.endedMs < oldMs && later.effect.kind !== "remove if" && later.began > ended,
        ),
    );
    if (kept.length < operations.length) this.#set(key, kept);
  }
}

/** Whether an operation surely ended a state that came about before `ended`, and that by `since`. */
function undoes(
  { effect, began, ended, outcome }: Operation,
  state: State,
  stateEnded: number,
  since: number,
): boolean {
  if (outcome !== "done" || began <= stateEnded || ended > since) return false;
  if (effect.kind === "put") return effect.state !== state;
  if (effect.kind === "remove") return state !== undefined;
  return effect.state === state;
}

function prefixOf(key: string): string {
  return key.slice(0, key.lastIndexOf(" ") + 1);
}

export function tagKey(repository: string, tag: string): string {
  return `tag ${repository} ${tag}`;
}

export function manifestKey(repository: string, digest: string): string {
  return `manifest ${repository} ${digest}`;
}

export function blobKey(repository: string, digest: string): string {
  return `blob ${repository} ${digest}`;
}
