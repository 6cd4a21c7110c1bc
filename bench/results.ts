import type { Machine } from "./machine.ts";
import type { Peer } from "./peer.ts";
import type { Row } from "./scenario.ts";
import { ratio, summarize, type Summary } from "./statistics.ts";

/** A figure of each round, of one peer; nothing in rounds in which it has none. */
export type Rounds = readonly (number | undefined)[];

/** What was measured for one row, by the names of the peers. */
export interface RowResult extends Row {
  readonly rounds: Readonly<Record<string, Rounds>>;
  readonly summaries: Readonly<Record<string, Summary>>;
  /** How many times better ours is than the peer, as the median of the rounds. */
  readonly ratios: Readonly<Record<string, number>>;
}

/** A whole run. */
export interface Results {
  readonly date: string;
  readonly seconds: number;
  readonly machine: Machine;
  /** In the order of the table's columns; ours is the first. */
  readonly peers: readonly string[];
  readonly rounds: number;
  readonly rows: readonly RowResult[];
  readonly failures: readonly string[];
}

/** Figures as they come in. */
export class Measurements {
  readonly #figures = new Map<string, (number | undefined)[]>();

  add(row: Row, peer: string, round: number, figure: number | undefined): void {
    const key = `${row.name}\n${peer}`;
    const figures = this.#figures.get(key) ?? [];
    figures[round] = figure;
    this.#figures.set(key, figures);
  }

  rounds(row: Row, peer: string): Rounds {
    // A round that failed has left a hole.
    return Array.from(this.#figures.get(`${row.name}\n${peer}`) ?? []);
  }

  /** What all rounds come to for a row, and how ours compares with each other registry. */
  result(row: Row, peers: readonly Peer[]): RowResult {
    const rounds = Object.fromEntries(peers.map(({ name }) => [name, this.rounds(row, name)]));
    const own = peers.find(({ isOurs }) => isOurs === true);
    const summaries: Record<string, Summary> = {};
    const ratios: Record<string, number> = {};
    for (const { name, isOurs, isNothing } of peers) {
      const figures = rounds[name] ?? [];
      const summary = summarize(figures.filter((figure) => figure !== undefined));
      if (summary !== undefined) summaries[name] = summary;
      if (own === undefined || isOurs === true || isNothing === true) continue;
      const times = ratio(rounds[own.name] ?? [], figures, row.better);
      if (times !== undefined) ratios[name] = times;
    }
    return { ...row, rounds, summaries, ratios };
  }
}
