import type { Peer } from "./peer.ts";
import type { Visit } from "./visit.ts";

/** A line of the table. */
export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly better: "higher" | "lower";
  /** What the row is about, where it is one of a series: how many tags there were. */
  readonly growth?: { readonly of: string; readonly at: number };
}

/** A figure for each row, in their order; nothing where a peer has none. */
type RowFigures = readonly (number | undefined)[];

/** What is done to get the figures of one row, or of a few that come together. */
export interface Step {
  readonly rows: readonly Row[];
  /** Peers that can't answer are left out. */
  readonly takes?: (peer: Peer) => boolean;
  readonly run: (visit: Visit) => Promise<RowFigures>;
}

/** Steps that follow one another on a registry that was started for them. */
export interface Suite {
  readonly name: string;
  readonly steps: readonly Step[];
  /** Fills the storage once for each peer; without it, every visit begins with nothing stored. */
  readonly prepare?: (visit: Visit) => Promise<void>;
  /** In the first round alone: for what takes long, or is a median of many requests anyway. */
  readonly isOnce?: boolean;
  /** Whether, before the first step, the suite pushes and pulls a few images. */
  readonly warmsUp?: boolean;
}
