import { expect, vi } from "vitest";
import type { HttpClient } from "./http-client.ts";
import type { Inspection } from "./inspection.ts";

/** Totals are told by those who own what they count, a little later. */
const told = { timeout: 30_000, interval: 500 };

/** Has `/_stats` and the catalog say what an inspection saw, of a registry that was just collected. */
export async function expectStats(http: HttpClient, seen: Inspection): Promise<void> {
  const totalSize = [...seen.reachable.values()].reduce((sum, size) => sum + size, 0);
  await vi.waitFor(async () => {
    const stats = await http.send("GET", "/_stats");
    expect(JSON.parse(stats.body.toString())).toMatchObject({
      repositories: seen.repositories.length,
      images: seen.images,
      layers: { layers: seen.reachable.size, totalSize },
    });
    const catalog = await http.send("GET", "/v2/_catalog");
    expect(JSON.parse(catalog.body.toString())).toEqual({ repositories: seen.repositories });
  }, told);
}
