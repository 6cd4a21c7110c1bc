import { DurableObject } from "cloudflare:workers";
import { parseConfiguration } from "../schemas/configuration.ts";
import type { Digest } from "../schemas/digest.ts";
import { done, type Outcome, type Refusal, refuse } from "../schemas/outcome.ts";
import type { Page } from "../schemas/pagination.ts";
import { entityTag, failedCondition, type Precondition } from "../schemas/precondition.ts";
import type { Reference, RepositoryName, Tag } from "../schemas/reference.ts";
import { catalogName } from "../schemas/storage-keys.ts";
import { type ClaimedBlob, type Link, LinkStore } from "./link-store.ts";
import {
  type ManifestPush,
  ManifestStore,
  type Referrer,
  type StoredManifest,
} from "./manifest-store.ts";
import { Outbox } from "./outbox.ts";
import { OutboxSender, type OutboxKind } from "./outbox-sender.ts";
import { refuseReferences } from "./reference-check.ts";
import { Tables } from "./tables.ts";
import { Tasks } from "./tasks.ts";

/** A manifest that is read, with its bytes and the links of its blobs where they were asked for. */
export interface FoundManifest extends StoredManifest {
  readonly bytes: Uint8Array | undefined;
  readonly links: readonly Link[];
}

/** Under which terms a manifest is stored. */
export interface PushTerms {
  /** What the path names, and what has to hold of it. */
  readonly reference?: Reference;
  readonly precondition?: Precondition | undefined;
  /** False for who may push, but never move a tag that exists. */
  readonly mayMoveTags?: boolean;
}

/** KV takes one write per second and key. */
const replicaDelayMs = 1000;
const replicaRetryMs = 5000;
/** SQLite of a Durable Object holds 10 GB. */
const databaseBytesMax = 8_000_000_000;

const tables = [
  ...ManifestStore.tables,
  ...LinkStore.tables,
  Outbox.table,
  Tasks.table,
  "CREATE TABLE IF NOT EXISTS identity (name TEXT NOT NULL, catalog_version INTEGER NOT NULL)",
];

/**
 * One per repository name: its manifests, tags, referrers and blob links. It is the truth about
 * them and the only writer of their replicas in KV. Each change is one transaction without an await.
 */
export class Repository extends DurableObject<Env> {
  readonly #tables: Tables;
  readonly #manifests: ManifestStore;
  readonly #links: LinkStore;
  readonly #outbox: Outbox<OutboxKind>;
  readonly #tasks: Tasks<"replicas">;
  readonly #validateReferences: boolean;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const { sql } = ctx.storage;
    const { collectGraceMs, validateReferences } = parseConfiguration({ ...env }).configuration;
    this.#tables = new Tables(ctx.storage, tables);
    this.#manifests = new ManifestStore(sql);
    this.#links = new LinkStore(sql, collectGraceMs);
    this.#outbox = new Outbox(sql);
    this.#tasks = new Tasks(ctx.storage, this.#tables);
    this.#validateReferences = validateReferences;
  }

  /**
   * Makes a claimed blob readable here. Repeating it with its token changes nothing; a token that is
   * older than 50 minutes is refused with OVERLOADED: the blob is to be claimed again.
   */
  linkBlob(name: RepositoryName, blob: ClaimedBlob): Outcome<undefined> {
    return this.#change(name, () => {
      const referenced = this.#manifests.user(blob.digest) !== undefined;
      const linked = this.#links.link(blob, referenced, Date.now());
      if (!linked.ok) return linked;
      if (linked.value !== undefined) this.#tell("drop", `${blob.digest} ${linked.value}`);
      return done(undefined);
    });
  }

  /** Where a blob is. A caller that decides by it whether to upload has its lease renewed. */
  blob(digest: Digest, use: "read" | "push"): Outcome<Link> {
    const link = this.#tables.exist ? this.#links.find(digest) : undefined;
    if (link === undefined) return refuse("BLOB_UNKNOWN", digest);
    if (use === "push") this.#links.renew(digest, Date.now());
    return done({ digest, key: link.key, size: link.size });
  }

  /** Unlinks a blob. One that a manifest uses stays: the answer names the manifest. */
  deleteBlob(name: RepositoryName, digest: Digest): Outcome<undefined> {
    if (!this.#tables.exist) return refuse("BLOB_UNKNOWN", digest);
    return this.#change(name, () => {
      const user = this.#manifests.user(digest);
      if (user !== undefined && this.#links.find(digest) !== undefined) {
        return refuse("UNSUPPORTED", `manifest ${user} uses the blob: delete the manifest first`);
      }
      const token = this.#links.unlink(digest);
      if (token === undefined) return refuse("BLOB_UNKNOWN", digest);
      this.#tell("drop", `${digest} ${token}`);
      return done(undefined);
    });
  }

  /** Stores a manifest, has the tags name it, and has what it references be referenced. */
  putManifest(
    name: RepositoryName,
    push: ManifestPush,
    tags: readonly Tag[],
    { reference, precondition, mayMoveTags = true }: PushTerms = {},
  ): Outcome<undefined> {
    if (this.ctx.storage.sql.databaseSize > databaseBytesMax) {
      return refuse("UNSUPPORTED", "the repository is full (8 GB of manifests): delete some");
    }
    return this.#change(name, () => {
      const refused = this.#validateReferences
        ? refuseReferences(this.ctx.storage.sql, name, push.manifest)
        : undefined;
      if (refused !== undefined) return refused;
      const failed = reference && precondition && this.#unmet(reference, precondition);
      if (failed !== undefined) return failed;
      const stored = mayMoveTags ? undefined : this.#manifests.find(push.digest);
      if (stored !== undefined && stored.mediaType !== push.mediaType) {
        return refuse("DENIED", `${push.digest} is there as ${stored.mediaType}`);
      }
      const moved = mayMoveTags ? undefined : tags.find((tag) => this.#isElsewhere(tag, push));
      if (moved !== undefined) {
        return refuse("DENIED", `tag ${moved} exists, and may be made but not moved`);
      }
      const wasEmpty = this.#manifests.isEmpty();
      this.#manifests.put(push);
      this.#links.markReferenced(push.digest);
      this.#tell("manifest", push.digest);
      for (const tag of tags) {
        if (this.#manifests.tag(tag, push.digest)) this.#tell("tag", tag);
      }
      if (wasEmpty) this.#announce();
      return done(undefined);
    });
  }

  /** The manifest that a tag or digest names; its bytes and links if `withBytes`. */
  manifest(reference: Reference, withBytes: boolean): Outcome<FoundManifest> {
    const named = nameOf(reference);
    if (!this.#tables.exist) return refuse("MANIFEST_UNKNOWN", named);
    const digest =
      reference.kind === "tag" ? this.#manifests.tagged(reference.tag) : reference.digest;
    const stored = digest === undefined ? undefined : this.#manifests.find(digest);
    if (stored === undefined) return refuse("MANIFEST_UNKNOWN", named);
    return done({
      ...stored,
      bytes: withBytes ? this.#manifests.bytes(stored.digest) : undefined,
      links: withBytes ? this.#manifests.links(stored.digest) : [],
    });
  }

  /** Deletes a tag, or a manifest with its tags (end-9). */
  deleteManifest(
    name: RepositoryName,
    reference: Reference,
    precondition?: Precondition,
  ): Outcome<undefined> {
    if (this.#digestOf(reference) === undefined) {
      return refuse("MANIFEST_UNKNOWN", nameOf(reference));
    }
    const failed = precondition && this.#unmet(reference, precondition);
    if (failed !== undefined) return failed;
    return this.#change(name, () => {
      if (reference.kind === "tag") {
        this.#manifests.untag(reference.tag);
        this.#tell("tag", reference.tag);
        return done(undefined);
      }
      const { digest } = reference;
      this.#links.markUnreferenced(digest, Date.now());
      for (const tag of this.#manifests.remove(digest)) this.#tell("tag", tag);
      this.#tell("manifest", digest);
      if (this.#manifests.isEmpty()) this.#announce();
      return done(undefined);
    });
  }

  /** A page of tags (end-8); NAME_UNKNOWN for a repository that holds nothing. */
  tags(name: RepositoryName, page: Page): Outcome<{ tags: Tag[]; more: boolean }> {
    if (!this.#tables.exist || (this.#manifests.isEmpty() && this.#links.isEmpty())) {
      return refuse("NAME_UNKNOWN", name);
    }
    return done(this.#manifests.tags(page));
  }

  /** A page of the manifests whose subject is the digest (end-12); none is an empty page. */
  referrers(
    subject: Digest,
    artifactType: string | undefined,
    last: string,
  ): { referrers: Referrer[]; more: boolean } {
    if (!this.#tables.exist) return { referrers: [], more: false };
    return this.#manifests.referrers(subject, artifactType, last);
  }

  override async alarm(): Promise<void> {
    await this.#tasks.run(Date.now(), replicaRetryMs, async () => {
      const identity = this.#identity();
      const sender = new OutboxSender(this.env, identity, this.#manifests);
      const isLeft = await this.#outbox.flush((dirty) => sender.send(dirty));
      if (isLeft) this.#tasks.schedule("replicas", Date.now() + replicaRetryMs);
    });
  }

  /** What a reference names here, undefined if it is nothing. */
  #digestOf(reference: Reference): Digest | undefined {
    if (!this.#tables.exist) return undefined;
    if (reference.kind === "tag") return this.#manifests.tagged(reference.tag);
    return this.#manifests.find(reference.digest)?.digest;
  }

  #isElsewhere(tag: Tag, { digest }: ManifestPush): boolean {
    const current = this.#manifests.tagged(tag);
    return current !== undefined && current !== digest;
  }

  /** The refusal of a change whose precondition does not hold. */
  #unmet(reference: Reference, precondition: Precondition): Refusal | undefined {
    const current = this.#digestOf(reference);
    const failed = failedCondition(precondition, current);
    if (failed === undefined) return undefined;
    const state = current === undefined ? "does not exist" : `is ${current}`;
    const headers = current === undefined ? {} : { ETag: entityTag(current) };
    return refuse("PRECONDITION_FAILED", `${failed}: ${nameOf(reference)} ${state}`, headers);
  }

  /** One transaction; a refusal leaves nothing behind but tables. */
  #change<T>(name: RepositoryName, work: () => Outcome<T>): Outcome<T> {
    const isFirst = !this.#tables.exist;
    return this.#tables.write(() => {
      if (isFirst) this.ctx.storage.sql.exec("INSERT INTO identity VALUES (?, 0)", name);
      return work();
    });
  }

  #identity(): { name: RepositoryName; catalogVersion: number } {
    return this.ctx.storage.sql
      .exec<{ name: RepositoryName; catalogVersion: number }>(
        'SELECT name, catalog_version AS "catalogVersion" FROM identity',
      )
      .one();
  }

  /** Has the catalog told whether the repository has manifests. */
  #announce(): void {
    this.ctx.storage.sql.exec("UPDATE identity SET catalog_version = catalog_version + 1");
    this.#tell("catalog", catalogName);
  }

  /** Has somebody told of a change, soon. */
  #tell(kind: OutboxKind, key: string): void {
    this.#outbox.add(kind, key);
    this.#tasks.schedule("replicas", Date.now() + replicaDelayMs);
  }
}

/** A reference as errors name it. */
function nameOf(reference: Reference): string {
  return reference.kind === "tag" ? `tag ${reference.tag}` : reference.digest;
}
