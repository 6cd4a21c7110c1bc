import {
  type BlobName,
  type ItemName,
  type ManifestName,
  type TagName,
  references,
} from "./alphabet.ts";
import { graceSeconds, repositoryCount } from "./command.ts";

/** A blob that is readable in a repository. Times are milliseconds of the Unix epoch. */
interface Link {
  leasedUntil: number;
  /** When it lost its last reference, or was pushed without one; null while it is referenced. */
  since: number | null;
}

export interface Repository {
  links: Partial<Record<BlobName, Link>>;
  manifests: Partial<Record<ManifestName, true>>;
  tags: Partial<Record<TagName, ManifestName>>;
  /** Whether the catalog surely knows of it: a collection begins with those that it knows. */
  isKnown: boolean;
  /** What is gone, and may for a while be read by digest all the same, from a cache or KV. */
  ghosts: Partial<Record<ItemName, true>>;
}

export interface Upload {
  repository: number;
  blob: BlobName;
  startedMs: number;
  /** When bytes last came; undefined before the first. */
  touchedMs?: number;
  stage: "open" | "closed" | "cancelled" | "gone";
}

/** All that there is. */
export interface State {
  repositories: Repository[];
  uploads: Record<number, Upload>;
}

const graceMs = 1000 * graceSeconds;

/** A registry that holds nothing. */
export function emptyState(): State {
  const repositories = Array.from({ length: repositoryCount }, () => ({
    links: {},
    manifests: {},
    tags: {},
    isKnown: false,
    ghosts: {},
  }));
  return { repositories, uploads: {} };
}

/** The state with a change, which a copy of it is handed to. */
export function change(state: State, work: (draft: State) => void): State {
  const draft = structuredClone(state);
  work(draft);
  return draft;
}

export function repositoryOf({ repositories }: State, number: number): Repository {
  const repository = repositories[number];
  if (repository === undefined) throw new Error(`no repository ${number}`);
  return repository;
}

export function namesIn<Name extends string>(record: Partial<Record<Name, unknown>>): Name[] {
  return (Object.keys(record) as Name[]).toSorted();
}

/** What a manifest keeps: its blobs and children. */
export function targets(manifest: ManifestName): readonly ItemName[] {
  const { blobs, children } = references[manifest];
  return [...blobs, ...children];
}

/** Whether a manifest there names it. */
export function isReferenced({ manifests }: Repository, item: ItemName): boolean {
  return namesIn(manifests).some((manifest) => targets(manifest).includes(item));
}

/** Whether a manifest's blobs are linked, and its children linked or there as manifests. */
export function isComplete({ links, manifests }: Repository, manifest: ManifestName): boolean {
  const { blobs, children } = references[manifest];
  const isLinked = (item: ItemName) => links[item as BlobName] !== undefined;
  const isThere = (item: ItemName) =>
    isLinked(item) || manifests[item as ManifestName] !== undefined;
  return blobs.every(isLinked) && children.every(isThere);
}

/** Has a blob be there, or renews its lease. */
export function link(repository: Repository, blob: BlobName, nowMs: number): void {
  const since = repository.links[blob]?.since ?? (isReferenced(repository, blob) ? null : nowMs);
  repository.links[blob] = { leasedUntil: nowMs + graceMs, since };
  delete repository.ghosts[blob];
}

/** Half of a lease has to be over for it to be written anew. */
export function renew({ links }: Repository, blob: BlobName, nowMs: number): void {
  const there = links[blob];
  if (there !== undefined && there.leasedUntil < nowMs + graceMs / 2) {
    there.leasedUntil = nowMs + graceMs;
  }
}

/** Takes a manifest away with its tags: what it alone referenced is unreferenced from now on. */
export function unreference(repository: Repository, manifest: ManifestName, nowMs: number): void {
  delete repository.manifests[manifest];
  for (const target of targets(manifest)) {
    const there = repository.links[target as BlobName];
    if (there !== undefined && !isReferenced(repository, target)) there.since = nowMs;
  }
  for (const tag of namesIn(repository.tags)) {
    if (repository.tags[tag] === manifest) delete repository.tags[tag];
  }
}

/** What nothing references: what is past grace and lease, or by force all of it. */
export function collectable({ links }: Repository, force: boolean, nowMs: number): BlobName[] {
  return namesIn(links).filter((blob) => {
    const { since, leasedUntil } = links[blob] ?? { since: null, leasedUntil: 0 };
    if (since === null) return false;
    return force || (since + graceMs <= nowMs && leasedUntil <= nowMs);
  });
}

/** Unlinks blobs, of which a data centre's cache may know for a while. */
export function collected(state: State, number: number, blobs: readonly BlobName[]): State {
  return change(state, (draft) => {
    const repository = repositoryOf(draft, number);
    for (const blob of blobs) {
      delete repository.links[blob];
      repository.ghosts[blob] = true;
    }
  });
}

/** Each state once. */
export function unique(states: readonly State[]): State[] {
  const byText = new Map(states.map((state) => [shownState(state), state]));
  return [...byText.values()];
}

/** The state as text, the same for the same state. */
export function shownState(state: State): string {
  return JSON.stringify(state, (_, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

/** The states once all is collected that nothing references. */
export function withoutGarbage(states: readonly State[]): State[] {
  return unique(
    states.map((state) =>
      [...state.repositories.keys()].reduce((before, number) => {
        const blobs = collectable(repositoryOf(before, number), true, 0);
        return collected(before, number, blobs);
      }, state),
    ),
  );
}
