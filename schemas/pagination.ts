import { RegistryError } from "./errors.ts";

/** How many names, and after which one. */
export interface Page {
  readonly limit: number;
  readonly last: string;
}

/** Bounds of a page in names: REGISTRY_PAGINATION_DEFAULT_LIMIT and _MAX_LIMIT. */
export interface PageLimits {
  readonly defaultLimit: number;
  readonly maxLimit: number;
}

/**
 * The page that `n` and `last` ask for (end-8b). More than the maximum is clamped: the answer's
 * Link leads on. @throws RegistryError PAGINATION_NUMBER_INVALID for an `n` that is no whole number.
 */
export function parsePage(
  n: string | undefined,
  last: string | undefined,
  limits: PageLimits,
): Page {
  if (n === undefined || n === "") return { limit: limits.defaultLimit, last: last ?? "" };
  if (!/^\d+$/.test(n)) {
    throw new RegistryError("PAGINATION_NUMBER_INVALID", `n is "${n.slice(0, 64)}"`);
  }
  return { limit: Math.min(Number(n), limits.maxLimit), last: last ?? "" };
}

/** The Link header that leads to the next page: relative, as ggcr and oras refuse another origin. */
export function nextLink(path: string, query: Readonly<Record<string, string>>): string {
  return `<${path}?${new URLSearchParams(query).toString()}>; rel="next"`;
}
