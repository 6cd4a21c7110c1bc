import {
  type BlobName,
  type ItemName,
  type ManifestName,
  type TagName,
  manifestNames,
  references,
} from "./alphabet.ts";
import type { Operation } from "./command.ts";
import {
  type Repository,
  type State,
  change,
  repositoryOf,
  namesIn,
  targets,
  isReferenced,
  isComplete,
  renew,
  unreference,
} from "./state.ts";
import {
  type Outcome,
  type Thread,
  type Circumstances,
  only,
  refusedByForce,
  linkedAt,
} from "./step.ts";

type Simple = Exclude<
  Operation,
  { do: "push" | "mount" | "collect" | "alarms" | "start" | "append" | "close" | "cancel" }
>;

export function simpleOutcome(state: State, operation: Simple, nowMs: number): Outcome {
  const repository = repositoryOf(state, operation.repository);
  const { links, manifests, tags } = repository;
  const changed = (answer: string, work: (draft: Repository) => void): Outcome => ({
    state: change(state, (draft) => work(repositoryOf(draft, operation.repository))),
    answer,
  });
  const same = (answer: string): Outcome => ({ state, answer });
  switch (operation.do) {
    case "head":
      if (links[operation.blob] === undefined) return same("404");
      return changed("200", (draft) => renew(draft, operation.blob, nowMs));
    case "get":
      return same(links[operation.blob] ? `200 ${operation.blob}` : "404 BLOB_UNKNOWN");
    case "put": {
      const { manifest, tag } = operation;
      if (!isComplete(repository, manifest)) return same("400 MANIFEST_BLOB_UNKNOWN");
      return changed("201", (draft) => {
        draft.manifests[manifest] = true;
        delete draft.ghosts[manifest];
        if (tag !== undefined) draft.tags[tag] = manifest;
        for (const target of targets(manifest)) {
          const there = draft.links[target as BlobName];
          if (there !== undefined) there.since = null;
        }
      });
    }
    case "read": {
      const manifest = tags[operation.reference as TagName] ?? operation.reference;
      const isThere = manifests[manifest as ManifestName] !== undefined;
      return same(isThere ? `200 ${manifest}` : "404 MANIFEST_UNKNOWN");
    }
    case "untag":
      if (tags[operation.tag] === undefined) return same("404 MANIFEST_UNKNOWN");
      return changed("202", (draft) => delete draft.tags[operation.tag]);
    case "delete manifest":
      if (manifests[operation.manifest] === undefined) return same("404 MANIFEST_UNKNOWN");
      return changed("202", (draft) => unreference(draft, operation.manifest, nowMs));
    case "delete blob":
      if (links[operation.blob] === undefined) return same("404 BLOB_UNKNOWN");
      if (isReferenced(repository, operation.blob)) return same("405 UNSUPPORTED");
      return changed("202", (draft) => delete draft.links[operation.blob]);
    case "tags": {
      const isEmpty = namesIn(manifests).length + namesIn(links).length === 0;
      return same(isEmpty ? "404 NAME_UNKNOWN" : `200 ${namesIn(tags).join(" ")}`);
    }
    case "referrers":
      break;
  }
  const referrers = manifestNames.filter(
    (name) => manifests[name] && references[name].subject === operation.manifest,
  );
  return same(`200 ${referrers.join(" ")}`);
}

/** What is gone may be read by digest from a cache that has not forgotten it. */
export function withGhosts(state: State, operation: Simple, outcome: Outcome): Outcome[] {
  if (operation.do !== "get" && operation.do !== "read") return [outcome];
  const name = operation.do === "get" ? operation.blob : operation.reference;
  const isGhost = repositoryOf(state, operation.repository).ghosts[name as ItemName] === true;
  return isGhost ? [outcome, { state, answer: `200 ${name}` }] : [outcome];
}

/** Looks into a source, whose lease it renews; then links. Anything else is a session. */
export function mountThread(
  { repository, blob, from }: Operation & { do: "mount" },
  { nowMs, isRaced, isForced }: Circumstances,
): Thread {
  const isHeld = (state: State) => state.repositories.some(({ links }) => links[blob]);
  const step = (state: State): Outcome[] => [
    linkedAt(state, repository, blob, nowMs),
    ...(isHeld(state) ? [] : [{ state, answer: "202" }]),
    ...refusedByForce(state, isForced),
  ];
  const linking: Thread = { name: "link", step };
  return only((state) => {
    const sources = [...state.repositories.keys()]
      .filter((number) => from === undefined || number === from)
      .filter((number) => repositoryOf(state, number).links[blob] !== undefined);
    const found = sources.map((source): Outcome => {
      const looked = change(state, (draft) => renew(repositoryOf(draft, source), blob, nowMs));
      return { state: looked, rest: linking };
    });
    // Holders are listed first and asked then: what comes and goes in between may be missed.
    const mayMiss = found.length === 0 || (isRaced && from === undefined);
    return mayMiss ? [...found, { state, answer: "202" }] : found;
  });
}
