import { refuse, type Refusal } from "../schemas/outcome.ts";
import { entityTag, failedCondition, type Precondition } from "../schemas/precondition.ts";
import type { Reference, Tag } from "../schemas/reference.ts";
import type { ManifestPush, ManifestStore } from "./manifest-store.ts";

/** Under which terms a manifest is stored. */
export interface PushTerms {
  /** What the path names, and what has to hold of it. */
  readonly reference?: Reference;
  readonly precondition?: Precondition | undefined;
  /** False for who may push, but never move a tag that exists. */
  readonly mayMoveTags?: boolean;
}

/** Why a manifest may not be stored under these terms; undefined if it may. */
export function refuseTerms(
  manifests: ManifestStore,
  push: ManifestPush,
  tags: readonly Tag[],
  { reference, precondition, mayMoveTags = true }: PushTerms,
): Refusal | undefined {
  const failed = reference && precondition && unmet(manifests, reference, precondition);
  if (failed !== undefined || mayMoveTags) return failed;
  const stored = manifests.find(push.digest);
  if (stored !== undefined && stored.mediaType !== push.mediaType) {
    return refuse("DENIED", `${push.digest} is there as ${stored.mediaType}`);
  }
  const moved = tags.find((tag) => (manifests.tagged(tag) ?? push.digest) !== push.digest);
  if (moved === undefined) return undefined;
  return refuse("DENIED", `tag ${moved} exists, and may be made but not moved`);
}

/** The refusal of a change whose precondition does not hold. */
export function unmet(
  manifests: ManifestStore,
  reference: Reference,
  precondition: Precondition,
): Refusal | undefined {
  const current = manifests.digestOf(reference);
  const failed = failedCondition(precondition, current);
  if (failed === undefined) return undefined;
  const state = current === undefined ? "does not exist" : `is ${current}`;
  const headers = current === undefined ? {} : { ETag: entityTag(current) };
  return refuse("PRECONDITION_FAILED", `${failed}: ${nameOf(reference)} ${state}`, headers);
}

/** A reference as errors name it. */
export function nameOf(reference: Reference): string {
  return reference.kind === "tag" ? `tag ${reference.tag}` : reference.digest;
}
