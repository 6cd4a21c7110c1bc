/** What several measurements of the same come to. */
export interface Summary {
  readonly median: number;
  readonly least: number;
  readonly most: number;
  readonly count: number;
}

/** The middle value, or the mean of the two in the middle. Throws without values. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  if (upper === undefined || lower === undefined) throw new RangeError("no values");
  return (lower + upper) / 2;
}

/** Median and spread, or nothing where nothing was measured. */
export function summarize(values: readonly number[]): Summary | undefined {
  if (values.length === 0) return undefined;
  return {
    median: median(values),
    least: Math.min(...values),
    most: Math.max(...values),
    count: values.length,
  };
}

/**
 * How many times better ours is: for each round that has both, how ours compares with the peer's, and
 * of these the median. Rounds are compared by themselves, as what disturbs one disturbs both in it.
 */
export function ratio(
  ours: readonly (number | undefined)[],
  peers: readonly (number | undefined)[],
  better: "higher" | "lower",
): number | undefined {
  const ratios = ours.flatMap((own, round) => {
    const other = peers[round];
    if (own === undefined || other === undefined || own <= 0 || other <= 0) return [];
    return [better === "higher" ? own / other : other / own];
  });
  return ratios.length === 0 ? undefined : median(ratios);
}
