/**
 * Cloudflare's list prices in US dollars, and what the Workers Paid plan includes of each, a month; read
 * in November 2026 from developers.cloudflare.com:
 *
 *   workers/platform/pricing, kv/platform/pricing, durable-objects/platform/pricing, r2/pricing,
 *   analytics/analytics-engine/pricing, workers/observability/logs/workers-logs
 *
 * A zone's plan, support and taxes are not in them. Workers Logs has other prices from December 2026.
 */
import type { Usage } from "./usage.ts";

/** The plan itself. */
export const planDollars = 5;

export interface Price {
  readonly name: string;
  /** What of it is included. */
  readonly included: number;
  /** So much costs `dollars`. */
  readonly per: number;
  readonly dollars: number;
  /** R2 bills whole units alone. */
  readonly isWhole?: true;
}

const million = 1e6;

export const prices: Readonly<Record<Exclude<keyof Usage, "sentGB">, Price>> = {
  requests: { name: "Workers: requests", included: 10 * million, per: million, dollars: 0.3 },
  cpuMs: { name: "Workers: CPU, ms", included: 30 * million, per: million, dollars: 0.02 },
  objectRequests: {
    name: "Durable Objects: requests",
    included: million,
    per: million,
    dollars: 0.15,
  },
  objectGBs: {
    name: "Durable Objects: duration, GB-s",
    included: 400_000,
    per: million,
    dollars: 12.5,
  },
  rowsRead: { name: "SQLite: rows read", included: 25_000 * million, per: million, dollars: 0.001 },
  rowsWritten: { name: "SQLite: rows written", included: 50 * million, per: million, dollars: 1 },
  sqliteGB: { name: "SQLite: storage, GB", included: 5, per: 1, dollars: 0.2 },
  r2ClassA: { name: "R2: class A", included: million, per: million, dollars: 4.5, isWhole: true },
  r2ClassB: {
    name: "R2: class B",
    included: 10 * million,
    per: million,
    dollars: 0.36,
    isWhole: true,
  },
  r2GB: { name: "R2: storage, GB", included: 10, per: 1, dollars: 0.015, isWhole: true },
  kvReads: { name: "KV: reads", included: 10 * million, per: million, dollars: 0.5 },
  kvWrites: { name: "KV: writes", included: million, per: million, dollars: 5 },
  kvGB: { name: "KV: storage, GB", included: 1, per: 1, dollars: 0.5 },
  logEvents: { name: "Workers Logs: events", included: 20 * million, per: million, dollars: 0.6 },
  dataPoints: {
    name: "Analytics Engine: points",
    included: 10 * million,
    per: million,
    dollars: 0.25,
  },
};

/** What so much of something costs, in dollars a month. */
export function costOf({ included, per, dollars, isWhole }: Price, used: number): number {
  const units = Math.max(0, used - included) / per;
  return dollars * (isWhole ? Math.ceil(units) : units);
}

/** Dollars a month of each line, and in all with the plan. */
export function billOf(usage: Usage): {
  lines: { price: Price; used: number; dollars: number }[];
  dollars: number;
} {
  const lines = Object.entries(prices).map(([key, price]) => {
    const used = usage[key as keyof typeof prices];
    return { price, used, dollars: costOf(price, used) };
  });
  return { lines, dollars: lines.reduce((sum, line) => sum + line.dollars, planDollars) };
}
