/** Where Cloudflare keeps what a Durable Object stores, and runs it, if it may not be anywhere. */
export const jurisdictions = ["eu", "us", "fedramp", "fedramp-high"] as const;

export type Jurisdiction = (typeof jurisdictions)[number];

/** The variable that names it. */
export const jurisdictionVariable = "REGISTRY_JURISDICTION";

/** The jurisdiction of this name; undefined if there is none. */
export function parseJurisdiction(text: unknown): Jurisdiction | undefined {
  return jurisdictions.find((name) => name === text);
}
