import type { RepositoryName } from "./reference.ts";

/** A pattern of repository names that parseRepositoryPattern has accepted. */
export type RepositoryPattern = string & { readonly __brand: "RepositoryPattern" };

const patternCharactersMax = 255;

const segment = "(?:\\*\\*|\\*|\\*?(?:[a-z0-9._-]\\*?)+)";

/**
 * What a pattern is made of: segments of a repository name, in which `*` stands for any characters
 * of one segment, and `**`, alone in its segment, for any number of segments.
 */
export const patternSyntax = new RegExp(`^${segment}(?:/${segment})*$`);

/** The pattern that the text is, or undefined. */
export function parseRepositoryPattern(text: string): RepositoryPattern | undefined {
  const isPattern = text.length <= patternCharactersMax && patternSyntax.test(text);
  return isPattern ? (text as RepositoryPattern) : undefined;
}

/** True if the pattern stands for the name. */
export function isMatch(pattern: RepositoryPattern, name: RepositoryName): boolean {
  const segments = name.split("/");
  // How many segments the pattern can stand for, up to where it is read: a pattern of many `**`
  // would take for ever if each were tried with each.
  let counts = [0];
  for (const part of pattern.split("/")) {
    const [least] = counts;
    if (least === undefined) return false;
    counts =
      part === "**"
        ? Array.from({ length: segments.length - least + 1 }, (_, more) => least + more)
        : counts.filter((at) => segmentMatches(part, segments[at])).map((at) => at + 1);
  }
  return counts.includes(segments.length);
}

function segmentMatches(pattern: string, name: string | undefined): boolean {
  return name !== undefined && isWildcardMatch(pattern, name);
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
