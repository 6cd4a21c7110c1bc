/** How many requests an object has under way at once: more wait in the platform. */
export const atOnceMax = 6;

/** The results of all items, in their order; at most six are worked on at once. @throws what `work` throws */
export async function mapAtOnce<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let at = 0; at < items.length; at += atOnceMax) {
    // One batch after the other: who fails is not asked for all of them first.
    // oxlint-disable-next-line no-await-in-loop
    results.push(...(await Promise.all(items.slice(at, at + atOnceMax).map(work))));
  }
  return results;
}
