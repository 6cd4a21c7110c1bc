import type { Digest } from "./digest.ts";

/** Entity tags of a condition: those of a list, or any. */
type EntityTags = "any" | readonly string[];

/**
 * What a request's If-Match and If-None-Match ask for (RFC 9110 section 13.1). An entity tag here
 * is a digest, so a condition is also a comparison of tags: `If-Match: "<digest>"` on PUT moves a
 * tag only from that manifest, `If-None-Match: *` only makes it.
 */
export interface Precondition {
  readonly match: EntityTags | undefined;
  readonly noneMatch: EntityTags | undefined;
}

/** The header that a precondition fails by. */
export type FailedCondition = "If-Match" | "If-None-Match";

const entityTagPattern = /(W\/)?"([^"]*)"|[^\s,"]+/g;

/** The precondition in a request's headers; undefined if there is none. */
export function parsePrecondition(
  ifMatch: string | undefined,
  ifNoneMatch: string | undefined,
): Precondition | undefined {
  if (ifMatch === undefined && ifNoneMatch === undefined) return undefined;
  return {
    match: ifMatch === undefined ? undefined : parseEntityTags(ifMatch, false),
    noneMatch: ifNoneMatch === undefined ? undefined : parseEntityTags(ifNoneMatch, true),
  };
}

/**
 * The condition that fails for a resource which now is `current`, undefined if it is not there, in
 * the order of RFC 9110 section 13.2.2.
 */
export function failedCondition(
  { match, noneMatch }: Precondition,
  current: Digest | undefined,
): FailedCondition | undefined {
  if (match !== undefined && !isAmong(match, current)) return "If-Match";
  if (noneMatch !== undefined && isAmong(noneMatch, current)) return "If-None-Match";
  return undefined;
}

/** The entity tag of what a digest names. It is a strong one: the bytes are always the same. */
export function entityTag(digest: Digest): string {
  return `"${digest}"`;
}

/** A digest without quotes is taken too, as the reference registry does. */
function parseEntityTags(header: string, weak: boolean): EntityTags {
  if (header.trim() === "*") return "any";
  return [...header.matchAll(entityTagPattern)]
    .filter(([, weakness]) => weak || weakness === undefined)
    .map(([bare, , quoted]) => quoted ?? bare);
}

function isAmong(tags: EntityTags, current: Digest | undefined): boolean {
  if (current === undefined) return false;
  return tags === "any" || tags.includes(current);
}
