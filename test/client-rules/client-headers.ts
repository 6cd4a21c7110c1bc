/** Headers of an answer as clients read them. */

const origin = "http://registry.test";

/**
 * The size that docker reads from the Range of a PATCH, by Go's Sscanf("%d-%d"), and writes into
 * the manifest. @throws Error for what docker calls a bad range format
 */
export function dockerSize(range: string | null): number {
  const [, first, last] = /^\s*([+-]?\d+)-([+-]?\d+)/.exec(range ?? "") ?? [];
  if (first === undefined || Number(last) < Number(first)) {
    throw new Error(`bad range format: ${range}`);
  }
  return Number(last) - Number(first) + 1;
}

/** The offset from which regctl goes on: what is behind the first "-", and one. */
export function regctlOffset(range: string | null): number {
  const [, last] = /^\d+-(-?\d+)$/.exec(range ?? "") ?? [];
  if (last === undefined) throw new Error(`no range: ${range}`);
  return Number(last) + 1;
}

/**
 * Where a Go client goes by a Location: resolved against the URL that it called, the path decoded
 * (containerd), the query read and written again in the order of its names (docker).
 */
export function goTarget(called: string, location: string | null): string {
  const url = new URL(location ?? "", new URL(called, origin));
  if (url.origin !== origin || url.hash !== "") throw new Error(`Location: ${location}`);
  url.searchParams.sort();
  return decodeURIComponent(url.pathname) + url.search;
}

/** The path by which docker, containerd and oras close a session: digest is added to the query. */
export function closing(target: string, digest: string): string {
  const url = new URL(target, origin);
  url.searchParams.set("digest", digest);
  url.searchParams.sort();
  return url.pathname + url.search;
}

/** Where a Link leads: containers/image takes path and query of it, ggcr and oras the whole. */
export function nextPage(link: string | null): string | undefined {
  const [, target] = /^<([^>]+)>; *rel="next"$/.exec(link ?? "") ?? [];
  if (target === undefined) return undefined;
  const url = new URL(target, origin);
  if (url.origin !== origin) throw new Error(`Link leads to another origin: ${link}`);
  return url.pathname + url.search;
}
