import type { RepositoryName } from "./reference.ts";

/** A pattern of repository names that parseRepositoryPattern has accepted. */
export type RepositoryPattern = string & { readonly __brand: "RepositoryPattern" };

const segmentPattern = /^(?:\*\*|(?!.*\*\*)[a-z0-9._*-]+)$/;
const patternCharactersMax = 255;

/**
 * The pattern that the text is, or undefined: segments of a repository name, in which `*` stands
 * for any characters of one segment, and `**`, alone in its segment, for any number of segments.
 */
export function parseRepositoryPattern(text: string): RepositoryPattern | undefined {
  const isPattern =
    text.length <= patternCharactersMax &&
    text.split("/").every((segment) => segmentPattern.test(segment));
  return isPattern ? (text as RepositoryPattern) : undefined;
}

/** True if the pattern stands for the name. */
export function isMatch(pattern: RepositoryPattern, name: RepositoryName): boolean {
  return segmentsMatch(pattern.split("/"), name.split("/"));
}

/** Compares from the left; `**` is tried with nothing first, then with one segment more. */
function segmentsMatch(patterns: readonly string[], segments: readonly string[]): boolean {
  const [pattern, ...morePatterns] = patterns;
  if (pattern === undefined) return segments.length === 0;
  if (pattern === "**") {
    if (morePatterns.length === 0) return true;
    return segments.some((_, at) => segmentsMatch(morePatterns, segments.slice(at)));
  }
  const [segment, ...moreSegments] = segments;
  if (segment === undefined || !isWildcardMatch(pattern, segment)) return false;
  return segmentsMatch(morePatterns, moreSegments);
}

/** True if the text is the pattern, in which each `*` stands for any characters, also none. */
export function isWildcardMatch(pattern: string, text: string): boolean {
  const [first = "", ...rest] = pattern.split("*");
  const last = rest.pop();
  if (last === undefined) return text === pattern;
  if (!text.startsWith(first) || text.length < first.length + last.length) return false;
  let at = first.length;
  for (const piece of rest) {
    const found = text.indexOf(piece, at);
    if (found === -1) return false;
    at = found + piece.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}
