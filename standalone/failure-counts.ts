import { RecentMap } from "../workers/recent-map.ts";

/** As in wrangler.toml. */
const failuresMax = 10;
const periodMs = 60_000;
const countedMax = 10_000;

/** What a rate limit of Cloudflare is (RateLimit's shape), in the memory of one machine. */
export class FailureCounts {
  readonly #counts = new RecentMap<{ count: number; endMs: number }>(countedMax);

  async limit({ key }: { key: string }): Promise<{ success: boolean }> {
    const known = this.#counts.get(key);
    const isRunning = known !== undefined && known.endMs > Date.now();
    const counted = isRunning ? known : { count: 0, endMs: Date.now() + periodMs };
    counted.count += 1;
    // The one that is counted last stays longest, so that no flood of names resets another's count.
    this.#counts.set(key, counted);
    return { success: counted.count <= failuresMax };
  }
}
