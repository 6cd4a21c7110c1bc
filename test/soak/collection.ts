import { setTimeout as sleep } from "node:timers/promises";
import { expectStatus } from "./blob-push.ts";
import { readBucket, type BucketContent } from "./bucket.ts";
import type { HttpClient } from "./http-client.ts";

/** How often it is asked whether a collection has ended, and for how long. */
const askedMs = 200;
const collectionMsMax = 60_000;

/** How much is named of what is wrong. */
const namedMax = 20;

/** Asks for a collection; answers how many layers it took, nothing if one is under way or goes on. */
export async function collect(http: HttpClient): Promise<number | undefined> {
  const answer = await http.send("POST", "/_gc");
  expectStatus(answer, "POST of a collection", 200, 202, 409);
  if (answer.status !== 200) return undefined;
  return (JSON.parse(answer.body.toString()) as { deletedLayers: number }).deletedLayers;
}

/** Has all be collected that nothing needs, whatever its age, and waits for it. */
export async function collectAll(http: HttpClient): Promise<void> {
  const endMs = Date.now() + collectionMsMax;
  /* oxlint-disable no-await-in-loop */
  for (;;) {
    const answer = await http.send("POST", "/_gc?force=true");
    const told = answer.body.toString();
    expectStatus(answer, "POST of a forced collection", 200, 202, 409);
    if (answer.status === 200) {
      const { failures } = JSON.parse(told) as { failures: number };
      if (failures !== 0) throw new Error(`a collection could not ask all: ${told}`);
      return;
    }
    if (Date.now() > endMs) throw new Error(`collections do not end: ${told}`);
    await sleep(askedMs);
  }
  /* oxlint-enable no-await-in-loop */
}

/**
 * What is wrong with a bucket that has to hold these digests, each once, and nothing else but
 * `begunMax` uploads that kills left without a part.
 */
export function judgeBucket(
  bucket: BucketContent,
  reachable: Iterable<string>,
  begunMax = 0,
): string[] {
  const needed = new Set(reachable);
  const there = new Set(bucket.digests);
  const missing = [...needed].filter((digest) => !there.has(digest));
  const unneeded = bucket.digests.filter((digest) => !needed.has(digest));
  const twice = bucket.digests.filter((digest, at) => bucket.digests.indexOf(digest) < at);
  const wrong = [
    ...missing.map((digest) => `${digest} is not in the bucket`),
    ...unneeded.map((digest) => `${digest} is in the bucket and nothing needs it`),
    ...twice.map((digest) => `${digest} is in the bucket twice`),
    ...bucket.stray.map((path) => `${path} belongs to no object`),
    ...bucket.begun.slice(begunMax).map((path) => `${path} is of an upload that nobody ended`),
  ];
  const more = wrong.length - namedMax;
  return more > 0 ? [...wrong.slice(0, namedMax), `and ${more} more`] : wrong;
}

/**
 * Collects until the bucket holds exactly what is reachable: uploads that were left open have to
 * expire first. Answers what is wrong in the end.
 */
export async function collectUntilClean(
  http: HttpClient,
  folder: string,
  reachable: Iterable<string>,
  { waitMs, begunMax = 0 }: { readonly waitMs: number; readonly begunMax?: number },
): Promise<string[]> {
  const needed = [...reachable];
  const endMs = Date.now() + waitMs;
  for (;;) {
    /* oxlint-disable no-await-in-loop */
    await collectAll(http);
    // What goes while it is read makes this reading wrong, not the bucket.
    const wrong = await readBucket(folder).then(
      (bucket) => judgeBucket(bucket, needed, begunMax),
      (error: unknown) => [String(error)],
    );
    if (wrong.length === 0 || Date.now() > endMs) return wrong;
    await sleep(1000);
    /* oxlint-enable no-await-in-loop */
  }
}
