/** Graphs of manifests in a repository's records, by names of their own. */
import { runInDurableObject } from "cloudflare:test";
import { RepositoryCollection } from "../../durable-objects/repository-collection.ts";
import { RepositoryRecords } from "../../durable-objects/repository-records.ts";
import type { CollectionRules } from "../../schemas/configuration.ts";
import type { Digest } from "../../schemas/digest.ts";
import { parseManifest } from "../../schemas/manifest.ts";
import type { RepositoryName, Tag } from "../../schemas/reference.ts";
import { imageManifest, indexOf, ociIndex, ociManifest } from "../client.ts";
import { hourMs } from "./clock.ts";
import { digestFor, newRepository, repositoryObject } from "./names.ts";

/** What a manifest is: its name, the names of its children, and that of its subject. */
export interface Node {
  readonly children?: readonly string[];
  readonly subject?: string;
}

/** A repository's records as a test changes them: manifests by names of its own. */
export class Drawing {
  readonly #records: RepositoryRecords;
  readonly #collection: RepositoryCollection;
  readonly #name: RepositoryName;
  readonly #digests = new Map<string, Digest>();

  constructor(storage: DurableObjectStorage, name: RepositoryName, rules: CollectionRules) {
    this.#name = name;
    this.#records = new RepositoryRecords(storage, rules);
    this.#collection = new RepositoryCollection(storage.sql, this.#records, rules);
  }

  /** Pushes a manifest; its children have to be drawn before it, its subject not. */
  push(name: string, { children, subject }: Node = {}): void {
    const more = {
      annotations: { name, repository: this.#name },
      ...(subject === undefined
        ? {}
        : { subject: { mediaType: ociManifest, digest: this.#digest(subject), size: 7 } }),
    };
    const mediaType = children === undefined ? ociManifest : ociIndex;
    const descriptors = (children ?? []).map((child) => {
      return { mediaType: ociManifest, digest: this.#digest(child), size: 7 };
    });
    const config = { digest: digestFor("{}"), size: 2 };
    const text =
      children === undefined ? imageManifest(config, [], more) : indexOf(descriptors, more);
    const bytes = new TextEncoder().encode(text);
    const manifest = parseManifest(bytes, mediaType);
    const push = { digest: this.#digest(name), mediaType, size: bytes.length, bytes, manifest };
    this.#records.change(this.#name, () => this.#records.manifests.put(push, Date.now()));
  }

  tag(tag: string, name: string): void {
    this.#records.change(this.#name, () =>
      this.#records.manifests.tag(tag as Tag, this.#digest(name), Date.now()),
    );
  }

  untag(tag: string): void {
    this.#records.change(this.#name, () => {
      this.#records.manifests.untag(tag as Tag, Date.now());
    });
  }

  remove(name: string): void {
    this.#records.change(this.#name, () => {
      this.#records.deleteManifest(this.#digest(name));
    });
  }

  has(name: string): boolean {
    return this.#records.exist && this.#records.manifests.find(this.#digest(name)) !== undefined;
  }

  /** What is there of what was drawn. */
  left(): string[] {
    return [...this.#digests.keys()].filter((name) => this.has(name)).toSorted();
  }

  collect(): void {
    if (!this.#records.exist) return;
    const terms = { force: false, dryRun: false };
    while (!this.#collection.collect(terms).isEnd);
  }

  /** The names that a dry run says would go. */
  wouldGo(force = false): string[] {
    const { manifests } = this.#collection.collect({ force, dryRun: true });
    const names = new Map(Array.from(this.#digests, ([name, digest]) => [digest, name]));
    return manifests.map(({ digest }) => names.get(digest) ?? "").toSorted();
  }

  /** As long as it returns more, a collection as `POST /_gc?force=true` has it done. */
  collectByForce(): string[] {
    const before = this.left();
    let isEnd = false;
    while (!isEnd) ({ isEnd } = this.#collection.collect({ force: true, dryRun: false }));
    const after = this.left();
    return before.filter((name) => !after.includes(name));
  }

  #digest(name: string): Digest {
    const digest = this.#digests.get(name) ?? digestFor(`${this.#name} ${name}`);
    this.#digests.set(name, digest);
    return digest;
  }
}

/** Works on the manifests of a new repository, under these rules: a grace of an hour, and nothing goes. */
export function draw<T>(
  rules: Partial<CollectionRules>,
  work: (drawing: Drawing) => T,
): Promise<T> {
  const name = newRepository();
  const all = { graceMs: hourMs, untaggedMs: undefined, deletesReferrers: false, ...rules };
  return runInDurableObject(repositoryObject(name), (_, { storage }) =>
    work(new Drawing(storage, name, all)),
  );
}
