import { DurableObject } from "cloudflare:workers";
import { parseConfiguration } from "../schemas/configuration.ts";
import type { Digest } from "../schemas/digest.ts";
import { done, type Outcome, refuse } from "../schemas/outcome.ts";
import type { Page } from "../schemas/pagination.ts";
import type { Precondition } from "../schemas/precondition.ts";
import type { Reference, RepositoryName, Tag } from "../schemas/reference.ts";
import { log } from "../telemetry/log.ts";
import { type BlobKey, blobIndexName, type HolderToken } from "../schemas/storage-keys.ts";
import { boundedEnv } from "../stores/bounded-env.ts";
import type { HeldToken } from "./blob-store.ts";
import { type ClaimedBlob, isYoung, type Link } from "./link-store.ts";
import type { ManifestPush, Referrer, StoredManifest } from "./manifest-store.ts";
import { OutboxSender } from "./outbox-sender.ts";
import { nameOf, type PushTerms, refuseTerms, unmet } from "./push-terms.ts";
import { refuseReferences } from "./reference-check.ts";
import {
  type CollectedRepository,
  type CollectionTerms,
  nothingCollected,
  RepositoryCollection,
} from "./repository-collection.ts";
import { RepositoryRecords } from "./repository-records.ts";

/** A manifest that is read, with its bytes and the links of its blobs where they were asked for. */
export interface FoundManifest extends StoredManifest {
  readonly bytes: Uint8Array | undefined;
  readonly links: readonly Link[];
}

/** Why a blob is asked for. `push`: whether to upload it; `mount`: to link it elsewhere. */
export type BlobUse = "read" | "check" | "push" | "mount";

/** A link to read by; one that is lost is to be healed first. */
export interface ReadableLink extends Link {
  readonly isLost: boolean;
}

const retryMs = 5000;
/** More than what a step of a collection drops needs; what is left is sent by the alarm. */
const flushesMax = 4;
/** How old a replica is that is written again where KV has it no more. */
const replicaRestoredMs = 60 * 60 * 1000;
/** SQLite of a Durable Object holds 10 GB. */
const databaseBytesMax = 8_000_000_000;

/**
 * One per repository name: its manifests, tags, referrers and blob links. It is the truth about
 * them and the only writer of their replicas in KV. Each change is one transaction without an await.
 */
export class Repository extends DurableObject<Env> {
  readonly #records: RepositoryRecords;
  readonly #collection: RepositoryCollection;
  readonly #validateReferences: boolean;
  /** False where every read asks the object: nothing is written that nobody reads. */
  readonly #replicates: boolean;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, boundedEnv(env));
    const { configuration } = parseConfiguration({ ...env });
    const { collection, reads, validateReferences } = configuration;
    this.#records = new RepositoryRecords(ctx.storage, collection);
    this.#collection = new RepositoryCollection(ctx.storage.sql, this.#records, collection);
    this.#validateReferences = validateReferences;
    this.#replicates = reads !== "strong";
  }

  /**
   * Makes a claimed blob readable here. Repeating it with its token changes nothing; a token that is
   * older than 50 minutes is refused with OVERLOADED: the blob is to be claimed again.
   */
  linkBlob(name: RepositoryName, blob: ClaimedBlob): Outcome<undefined> {
    return this.#records.change<Outcome<undefined>>(name, () => {
      const referenced = this.#records.manifests.user(blob.digest) !== undefined;
      const linked = this.#records.links.link(blob, referenced, Date.now());
      if (!linked.ok) return linked;
      if (linked.value !== undefined) this.#records.drop(blob.digest, linked.value);
      // With manifests, these tell the catalog when they come.
      if (this.#records.manifests.isEmpty()) this.#records.announce();
      return done(undefined);
    });
  }

  /** Where a blob is. Who pushes or mounts it keeps it for another grace; to all but readers, one that is lost is not there. */
  blob(digest: Digest, use: BlobUse): Outcome<ReadableLink> {
    const link = this.#records.exist ? this.#records.links.find(digest) : undefined;
    if (link === undefined || (link.isLost && use !== "read"))
      return refuse("BLOB_UNKNOWN", digest);
    if (use === "push" || use === "mount") this.#records.links.renew(digest, Date.now());
    if (use === "push") this.#records.statistics.countHit();
    return done({ digest, key: link.key, size: link.size, isLost: link.isLost });
  }

  /**
   * Where a blob is, for a reader who found nothing in R2 under the key of its link. If it is nowhere,
   * HEAD answers 404 from now on, so that the next push stores it again; who reads it looks again, so
   * that nothing is lost by a store that was away for a moment.
   */
  async healBlob(name: RepositoryName, digest: Digest, key: BlobKey): Promise<Outcome<Link>> {
    const link = this.#records.exist ? this.#records.links.find(digest) : undefined;
    if (link === undefined) return refuse("BLOB_UNKNOWN", digest);
    const { size, token } = link;
    if (link.key !== key) return done({ digest, key: link.key, size });
    const index = this.env.BLOB_INDEX.getByName(blobIndexName(this.env, digest));
    const located = await index.locate({ digest, token, repository: name });
    if (!located.ok) return located;
    return this.#records.change<Outcome<Link>>(name, () => {
      const current = this.#records.links.find(digest);
      if (current === undefined) return refuse("BLOB_UNKNOWN", digest);
      if (current.token !== token) return done({ digest, key: current.key, size });
      if (located.value !== undefined) {
        this.#records.links.relocate(digest, located.value.key);
        return done({ digest, key: located.value.key, size });
      }
      if (!current.isLost) log("error", "blob lost", { repository: name, digest, key });
      this.#records.links.markLost(digest);
      return refuse("BLOB_UNKNOWN", `the bytes of ${digest} are lost: push the blob again`);
    });
  }

  /** Unlinks a blob. One that a manifest uses stays: the answer names the manifest. */
  deleteBlob(name: RepositoryName, digest: Digest): Outcome<undefined> {
    if (!this.#records.exist) return refuse("BLOB_UNKNOWN", digest);
    return this.#records.change<Outcome<undefined>>(name, () => {
      const user = this.#records.manifests.user(digest);
      if (user !== undefined && this.#records.links.find(digest) !== undefined) {
        return refuse("UNSUPPORTED", `manifest ${user} uses the blob: delete the manifest first`);
      }
      return this.#records.unlink(digest) ? done(undefined) : refuse("BLOB_UNKNOWN", digest);
    });
  }

  /** Stores a manifest, has the tags name it, and has what it references be referenced. */
  putManifest(
    name: RepositoryName,
    push: ManifestPush,
    tags: readonly Tag[],
    terms: PushTerms = {},
  ): Outcome<undefined> {
    if (this.ctx.storage.sql.databaseSize > databaseBytesMax) {
      return refuse("UNSUPPORTED", "the repository is full (8 GB of manifests): delete some");
    }
    return this.#records.change<Outcome<undefined>>(name, () => {
      const refused = this.#validateReferences
        ? refuseReferences(this.ctx.storage.sql, name, push.manifest)
        : undefined;
      const refusal = refused ?? refuseTerms(this.#records.manifests, push, tags, terms);
      if (refusal !== undefined) return refusal;
      const nowMs = Date.now();
      this.#records.manifests.put(push, nowMs);
      this.#records.links.markReferenced(push.digest);
      if (this.#replicates) this.#records.tell("manifest", push.digest);
      for (const tag of tags) {
        const isMoved = this.#records.manifests.tag(tag, push.digest, nowMs);
        if (isMoved && this.#replicates) this.#records.tell("tag", tag);
      }
      this.#records.statistics.pushedAt(nowMs);
      this.#records.announce();
      return done(undefined);
    });
  }

  /**
   * The manifest that a tag or digest names; its bytes and links if `withBytes`. `replicaMissing`: KV
   * was asked and has none, so that a KV that lost its values has them again where they are read.
   */
  manifest(
    reference: Reference,
    withBytes: boolean,
    replicaMissing = false,
  ): Outcome<FoundManifest> {
    const { exist, manifests } = this.#records;
    const digest = exist ? manifests.digestOf(reference) : undefined;
    const stored = digest === undefined ? undefined : manifests.find(digest);
    if (stored === undefined) return refuse("MANIFEST_UNKNOWN", nameOf(reference));
    if (replicaMissing) this.#restoreReplica(stored.digest);
    return done({
      ...stored,
      bytes: withBytes ? manifests.bytes(stored.digest) : undefined,
      links: withBytes ? manifests.links(stored.digest) : [],
    });
  }

  /** Deletes a tag, or a manifest with its tags (end-9). */
  deleteManifest(
    name: RepositoryName,
    reference: Reference,
    precondition?: Precondition,
  ): Outcome<undefined> {
    if (!this.#records.exist || this.#records.manifests.digestOf(reference) === undefined) {
      return refuse("MANIFEST_UNKNOWN", nameOf(reference));
    }
    const failed = precondition && unmet(this.#records.manifests, reference, precondition);
    if (failed !== undefined) return failed;
    return this.#records.change<Outcome<undefined>>(name, () => {
      if (reference.kind === "tag") {
        this.#records.manifests.untag(reference.tag, Date.now());
        this.#records.tell("tag", reference.tag);
        this.#records.announce();
      } else {
        this.#records.deleteManifest(reference.digest);
      }
      return done(undefined);
    });
  }

  /** A page of tags (end-8); NAME_UNKNOWN for a repository that holds nothing. */
  tags(name: RepositoryName, page: Page): Outcome<{ tags: Tag[]; more: boolean }> {
    if (
      !this.#records.exist ||
      (this.#records.manifests.isEmpty() && this.#records.links.isEmpty())
    ) {
      return refuse("NAME_UNKNOWN", name);
    }
    return done(this.#records.manifests.tags(page));
  }

  /** A page of the manifests whose subject is the digest (end-12); none is an empty page. */
  referrers(
    subject: Digest,
    artifactType: string | undefined,
    last: string,
  ): { referrers: Referrer[]; more: boolean } {
    if (!this.#records.exist) return { referrers: [], more: false };
    return this.#records.manifests.referrers(subject, artifactType, last);
  }

  /** Which of these tokens keep a blob here now. */
  held(tokens: readonly HeldToken[]): HolderToken[] {
    return this.#records.exist ? this.#records.links.held(tokens) : [];
  }

  /** Which of these tokens keep a blob here. A link by one of the others is refused from now on. */
  holds(name: RepositoryName, tokens: readonly HeldToken[]): HolderToken[] {
    if (!this.#records.exist && !tokens.some(({ token }) => isYoung(token, Date.now()))) return [];
    return this.#records.change(name, () => {
      const held = this.#records.links.held(tokens);
      const others = tokens.map(({ token }) => token).filter((token) => !held.includes(token));
      this.#records.links.refuse(others, Date.now());
      return held;
    });
  }

  /**
   * Takes out what the rules let go, at most 500 manifests and 500 blobs, and has BlobIndex told of
   * it. A dry run changes nothing; `force` ignores grace and leases; `everything` takes all there is.
   */
  async collect(terms: CollectionTerms): Promise<CollectedRepository> {
    if (!this.#records.exist) return nothingCollected;
    const collected = this.#collection.collect(terms);
    if (terms.dryRun) return collected;
    const sender = new OutboxSender(this.env, this.#records);
    // Who empties the registry asks again at once: the catalog and KV are to know by then.
    const only = terms.everything ? undefined : "drop";
    for (let flushes = 0, isLeft = true; isLeft && flushes < flushesMax; flushes += 1) {
      // oxlint-disable-next-line no-await-in-loop
      isLeft = await this.#records.outbox.flush((dirty) => sender.send(dirty), only);
    }
    return { ...collected, freed: sender.freed };
  }

  override async alarm(): Promise<void> {
    await this.#records.tasks.run(Date.now(), retryMs, async (kind) => {
      if (kind === "collect") {
        this.#collection.collectDue();
        return;
      }
      const sender = new OutboxSender(this.env, this.#records);
      const isLeft = await this.#records.outbox.flush((dirty) => sender.send(dirty));
      if (isLeft) this.#records.tasks.schedule("replicas", Date.now() + retryMs);
      else await this.#records.endIfEmpty();
    });
  }

  /** KV says for a minute that it has nothing: a replica that was just written is not written again. */
  #restoreReplica(digest: Digest): void {
    if (this.#records.manifests.wasReplicated(digest, Date.now() - replicaRestoredMs)) return;
    if (this.#records.outbox.has("manifest", digest)) return;
    this.#records.transaction(() => this.#records.tell("manifest", digest));
  }
}
