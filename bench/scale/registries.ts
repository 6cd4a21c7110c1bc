/**
 * What registries cost that bill for what leaves them: list prices in US dollars, of the United States'
 * eastern or central regions, as of 2026. Where a vendor's page shows its prices by script alone, they
 * are those that several who copied them agree on. Discounts, NAT gateways, scanning and replication are
 * not in them, and who moves petabytes does not pay list price.
 */
import type { Usage } from "./usage.ts";

/** Prices of a GB up to so many GB a month; the last one has no end. */
type Tiers = readonly (readonly [upToGB: number, dollars: number])[];

export interface OtherRegistry {
  readonly name: string;
  readonly source: string;
  readonly dollarsPerMonth: number;
  readonly includedGB: number;
  readonly dollarsPerGBStored: number;
  /** To the internet; within a region of its own cloud all three send for nothing. */
  readonly egress: Tiers;
}

const TB = 1000;

export const otherRegistries: readonly OtherRegistry[] = [
  {
    name: "Amazon ECR, private",
    source: "aws.amazon.com/ecr/pricing, aws.amazon.com/ec2/pricing/on-demand (data transfer)",
    dollarsPerMonth: 0,
    includedGB: 0,
    dollarsPerGBStored: 0.1,
    egress: [
      [100, 0],
      [10 * TB + 100, 0.09],
      [50 * TB + 100, 0.085],
      [150 * TB + 100, 0.07],
      [Infinity, 0.05],
    ],
  },
  {
    name: "Google Artifact Registry",
    source:
      "cloud.google.com/artifact-registry/pricing, cloud.google.com/vpc/network-pricing (Premium Tier)",
    dollarsPerMonth: 0,
    includedGB: 0.5,
    dollarsPerGBStored: 0.1,
    egress: [
      [TB, 0.12],
      [10 * TB, 0.11],
      [Infinity, 0.08],
    ],
  },
  {
    name: "Azure Container Registry, Premium",
    source: "azure.microsoft.com/pricing/details/container-registry, …/bandwidth",
    dollarsPerMonth: 30 * 1.667,
    includedGB: 500,
    dollarsPerGBStored: 0.1,
    egress: [
      [100, 0],
      [10 * TB + 100, 0.087],
      [50 * TB + 100, 0.083],
      [150 * TB + 100, 0.07],
      [Infinity, 0.05],
    ],
  },
];

/** What it costs that so many GB leave, in dollars. */
export function egressDollars(tiers: Tiers, sentGB: number): number {
  let [dollars, from] = [0, 0];
  for (const [upTo, price] of tiers) {
    dollars += Math.max(0, Math.min(sentGB, upTo) - from) * price;
    from = upTo;
  }
  return dollars;
}

/** Dollars a month for the same images and pulls, of which `outsideShare` leave the cloud. */
export function otherBill(registry: OtherRegistry, usage: Usage, outsideShare: number): number {
  const storedGB = Math.max(0, usage.r2GB - registry.includedGB);
  return (
    registry.dollarsPerMonth +
    storedGB * registry.dollarsPerGBStored +
    egressDollars(registry.egress, usage.sentGB * outsideShare)
  );
}
