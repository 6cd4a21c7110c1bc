/**
 * A thousand nodes pull one image of ten layers within ten seconds. test/budgets simulates it, each
 * row as it stands here; the page of cost and load shows the rows.
 */

export const nodes = 1000;
export const layers = 10;
/** A config and the layers. */
export const blobsOfImage = layers + 1;
/** docker and containerd fetch three layers at once. */
export const blobsAtOnce = 3;
/** Soft limit of an object. */
export const callsPerSecondMax = 1000;
export const seconds = 10;

/**
 * How long stores take to answer in the simulation, in milliseconds. Assumed; that a cache takes longer
 * to keep a link than a node to ask for the blob is the worse case.
 */
export const delaysMs = { cacheRead: 2, cacheWrite: 50, kv: 10, r2: 30, object: 20 };

export interface HotImageRow {
  readonly name: string;
  /** How many nodes begin together, and after how many milliseconds the next ones. */
  readonly together: number;
  readonly everyMs: number;
  /** By tag: HEAD by tag, then GET by the digest that it named. */
  readonly by: "tag" | "digest";
  readonly dataCentres: number;
  /** False where KV has nothing yet, as right behind the push. */
  readonly hasReplicas: boolean;
  /** Calls of the image's repository, at most. */
  readonly callsMax: number;
  /** And in its busiest second. */
  readonly callsInASecondMax: number;
}

/** One node after the other, by digest: calls of all objects, at most. */
export const callsInTurnMax = 12;

export const hotImageRows: readonly HotImageRow[] = [
  {
    name: "50 nodes every half second, by digest",
    together: 50,
    everyMs: 500,
    by: "digest",
    dataCentres: 1,
    hasReplicas: true,
    callsMax: 200,
    callsInASecondMax: 200,
  },
  {
    name: "50 nodes every half second, by tag, right behind the push",
    together: 50,
    everyMs: 500,
    by: "tag",
    dataCentres: 1,
    hasReplicas: false,
    callsMax: 2200,
    callsInASecondMax: 400,
  },
  {
    name: "all at one instant, by digest",
    together: nodes,
    everyMs: 0,
    by: "digest",
    dataCentres: 1,
    hasReplicas: true,
    callsMax: 3000,
    callsInASecondMax: 3000,
  },
  {
    name: "all at one instant, by tag, right behind the push",
    together: nodes,
    everyMs: 0,
    by: "tag",
    dataCentres: 1,
    hasReplicas: false,
    callsMax: 2200,
    callsInASecondMax: 2100,
  },
  {
    name: "all at one instant in 100 data centres, by tag, right behind the push",
    together: nodes,
    everyMs: 0,
    by: "tag",
    dataCentres: 100,
    hasReplicas: false,
    callsMax: 2500,
    callsInASecondMax: 2100,
  },
];
