import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../fuzz/random.ts";
import { BlobPusher, Busy, expectStatus, WrongAnswer } from "./blob-push.ts";
import { type Blob, digestOf, imageOf, indexOf, type Manifest, textBlob } from "./content.ts";
import { type Answer, type HttpClient, Unanswered } from "./http-client.ts";
import { blobKey, manifestKey, tagKey } from "./journal.ts";
import type { Load } from "./load.ts";

/** A client deletes more than it pushes above that, in each repository. */
const ownManifestsMax = 6;
const ownTags = 4;
/** How often a client sends an image whose blobs were collected before its manifest came. */
const attemptsMax = 20;

/** One of the clients of a load: pushes, pulls and deletes at random, and writes down what it does. */
export class LoadClient {
  readonly #load: Load;
  readonly #http: HttpClient;
  readonly #random: Random;
  readonly #blobs: BlobPusher;
  readonly #name: string;

  /** `name` tells its tags and manifests from those of others. */
  constructor(load: Load, http: HttpClient, random: Random, name: string) {
    this.#load = load;
    this.#http = http;
    this.#random = random;
    this.#blobs = new BlobPusher(load, http, random);
    this.#name = name;
  }

  /** Does one thing after the other until it is told to stop or the registry is gone. */
  async run(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      try {
        // oxlint-disable-next-line no-await-in-loop
        await this.step();
      } catch (error) {
        if (error instanceof Unanswered) {
          // A client that gave up goes on; one whose registry is gone is told to stop.
          // oxlint-disable-next-line no-await-in-loop
          await sleep(20);
        } else if (error instanceof Busy) {
          this.#load.counts.busy += 1;
          // oxlint-disable-next-line no-await-in-loop
          await sleep(200);
        } else if (error instanceof WrongAnswer) {
          this.#load.violation(error.message);
        } else {
          throw error;
        }
      }
    }
  }

  async step(): Promise<void> {
    const random = this.#random;
    const repository = random.pick(this.#load.repositories);
    const own = this.#ownManifests(repository);
    const turn = random.below(100);
    if (turn < 3) {
      const interrupted = this.#load.interrupted.shift();
      if (interrupted !== undefined) return this.#blobs.resume(interrupted);
    }
    if (turn < 38 && own.length < ownManifestsMax) return this.#pushImage(repository, own);
    if (turn < 44 && own.length > 0) return this.#pushIndex(repository, own);
    if (turn < 54) return this.#tagAgain(repository, own);
    if (turn < 65) return this.pull(repository, this.#tagOfAnybody(repository));
    if (turn < 70) return this.#pullReferrers(repository);
    if (turn < 78) return this.#deleteTag(repository, this.#ownTag());
    if (turn < 85) return this.#deleteBlob(repository);
    const manifest = random.pick(own);
    if (manifest !== undefined) return this.deleteManifest(repository, manifest.digest);
  }

  /** Those that are there for sure: only this client pushes and deletes them. */
  #ownManifests(repository: string): Manifest[] {
    return this.#load
      .manifestsIn(repository)
      .filter(({ owner }) => owner === this.#name)
      .filter(({ digest }) => !this.#load.manifest(repository, digest).has(undefined));
  }

  #ownTag(): string {
    return `${this.#name}-${this.#random.below(ownTags)}`;
  }

  /** One of its own tags, or one that all clients move. */
  #tagToMove(): string {
    return this.#random.oneIn(5) ? "latest" : this.#ownTag();
  }

  #tagOfAnybody(repository: string): string {
    const prefix = tagKey(repository, "");
    const key = this.#random.pick(this.#load.journal.keys(prefix));
    return key === undefined ? "latest" : key.slice(prefix.length);
  }

  #layer(): Blob {
    if (this.#random.oneIn(3)) return this.#load.newLayer();
    const deleted = this.#random.oneIn(2) ? this.#load.deletedLayer() : undefined;
    return deleted ?? this.#load.sharedLayer(this.#random);
  }

  async #pushImage(repository: string, own: readonly Manifest[]): Promise<void> {
    const random = this.#random;
    const id = `${this.#load.terms.seed} ${this.#load.newNumber()}`;
    const config = textBlob(JSON.stringify({ architecture: "amd64", os: "linux", id }));
    const layers = Array.from({ length: 1 + random.below(3) }, () => this.#layer());
    const unique = [...new Map(layers.map((layer) => [layer.digest, layer])).values()];
    const subject = random.oneIn(4) ? random.pick(own) : undefined;
    const image = imageOf(this.#name, config, unique, subject);
    await this.push(repository, image, [config, ...unique], this.#tagToMove());
  }

  /**
   * Pushes blobs, then the manifest. A manifest whose blobs were collected or deleted meanwhile is
   * refused, and all is sent again, as clients do that are started again.
   */
  async push(
    repository: string,
    manifest: Manifest,
    blobs: readonly Blob[],
    tag: string,
  ): Promise<void> {
    const { counts, journal } = this.#load;
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const beganMs = Date.now();
      const began = journal.now;
      /* oxlint-disable no-await-in-loop */
      await this.#ensureAll(repository, blobs);
      const answer = await this.#putManifest(repository, manifest, tag);
      /* oxlint-enable no-await-in-loop */
      if (answer.status === 201) return;
      counts.refused += 1;
      const tookMs = Date.now() - beganMs;
      const isDeleted = blobs.some(({ digest }) =>
        journal.mayBeRemoved(blobKey(repository, digest), began),
      );
      // A HEAD renews a lease of which less than half is left.
      if (isDeleted || tookMs >= this.#load.graceMs / 2) continue;
      throw new WrongAnswer(
        `LOST: a push of ${tookMs} ms to ${repository} is refused: ${answer.body.toString()}`,
      );
    }
  }

  /** Pushes blobs at once, and waits for all of them even if one fails. */
  async #ensureAll(repository: string, blobs: readonly Blob[]): Promise<void> {
    const pushed = await Promise.allSettled(
      blobs.map((blob) => this.#blobs.ensure(repository, blob)),
    );
    const failed = pushed.find((push) => push.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  /** Has a tag name a manifest that is there; an index is taken only while its children are. */
  async #tagAgain(repository: string, own: readonly Manifest[]): Promise<void> {
    const there = new Set(own.map(({ digest }) => digest));
    const whole = own.filter(({ children }) => children.every((child) => there.has(child)));
    const manifest = this.#random.pick(whole);
    if (manifest === undefined) return;
    const answer = await this.#putManifest(repository, manifest, this.#tagToMove());
    expectStatus(answer, "PUT of a manifest that is there", 201);
  }

  async #pushIndex(repository: string, own: readonly Manifest[]): Promise<void> {
    const first = this.#random.pick(own);
    const second = this.#random.pick(own);
    const children = first === second || second === undefined ? [first] : [first, second];
    const index = indexOf(
      this.#name,
      children.filter((child) => child !== undefined),
      String(this.#load.newNumber()),
    );
    const answer = await this.#putManifest(repository, index, this.#tagToMove());
    expectStatus(answer, "PUT of an index whose children are there", 201);
  }

  /** Answers 201, or the refusal of a manifest whose blobs are not there. */
  async #putManifest(repository: string, manifest: Manifest, tag: string): Promise<Answer> {
    const { journal, counts } = this.#load;
    const { digest, mediaType, bytes } = manifest;
    this.#load.sending(repository, manifest);
    const isTagged = !this.#random.oneIn(6);
    const pending = [
      journal.begin(manifestKey(repository, digest), { kind: "put", state: "there" }),
    ];
    if (isTagged) {
      pending.push(journal.begin(tagKey(repository, tag), { kind: "put", state: digest }));
    }
    const reference = isTagged ? tag : digest;
    let end: "done" | "refused" | "unanswered" = "unanswered";
    try {
      const path = `/v2/${repository}/manifests/${reference}`;
      const answer = await this.#http.send("PUT", path, { "Content-Type": mediaType }, { bytes });
      if (answer.status === 201) {
        counts.pushes += 1;
        end = "done";
        return answer;
      }
      const isMissing = answer.status === 400 && answer.body.includes("MANIFEST_BLOB_UNKNOWN");
      if (!isMissing) expectStatus(answer, "PUT of a manifest", 201);
      end = "refused";
      return answer;
    } finally {
      for (const one of pending) one[end]();
    }
  }

  /** Reads an image by a tag, with all that it needs, and hashes it. */
  async pull(repository: string, tag: string): Promise<void> {
    const since = this.#load.journal.now;
    const path = `/v2/${repository}/manifests/${tag}`;
    const answer = await this.#http.send("GET", path, accepted);
    expectStatus(answer, "GET of a manifest", 200, 404);
    const state = answer.status === 404 ? undefined : digestOf(answer.body);
    if (!this.#load.tag(repository, tag, since).has(state)) {
      throw new WrongAnswer(`LOST: ${repository}:${tag} is ${state ?? "not there"}`);
    }
    const manifest = state === undefined ? undefined : this.#load.manifests.get(state);
    if (manifest !== undefined) await this.#pullBlobs(repository, manifest, since);
  }

  async #pullBlobs(repository: string, manifest: Manifest, since: number): Promise<void> {
    const { counts } = this.#load;
    for (const { digest } of manifest.blobs) {
      // oxlint-disable-next-line no-await-in-loop
      const blob = await this.#http.send("GET", `/v2/${repository}/blobs/${digest}`);
      expectStatus(blob, "GET of a blob", 200, 404);
      const isRight = blob.status === 200 && digestOf(blob.body) === digest;
      const isWrong = blob.status === 200 && !isRight;
      const isNeeded = !this.#load.manifest(repository, manifest.digest, since).has(undefined);
      if (isWrong || (isNeeded && !isRight)) {
        const got = `${blob.status} with ${blob.body.length} bytes`;
        throw new WrongAnswer(`LOST: ${repository}@${digest} is answered ${got}`);
      }
    }
    counts.pulls += 1;
  }

  /** Reads what refers to a manifest: all that surely does has to be listed. */
  async #pullReferrers(repository: string): Promise<void> {
    const { journal } = this.#load;
    const referrers = this.#load.manifestsIn(repository).filter((manifest) => manifest.subject);
    const { digest: referrer, subject } = this.#random.pick(referrers) ?? {};
    if (referrer === undefined || subject === undefined) return;
    const since = journal.now;
    const answer = await this.#http.send("GET", `/v2/${repository}/referrers/${subject}`);
    expectStatus(answer, "GET of referrers", 200);
    const isListed = answer.body.includes(referrer);
    if (!this.#load.manifest(repository, referrer, since).has(isListed ? "there" : undefined)) {
      const what = isListed ? "is listed though deleted" : "is not listed";
      throw new WrongAnswer(`LOST: referrer ${repository}@${referrer} ${what}`);
    }
  }

  async #deleteTag(repository: string, tag: string): Promise<void> {
    const isThere = !this.#load.tag(repository, tag).has(undefined);
    const pending = this.#load.journal.begin(tagKey(repository, tag), { kind: "remove" });
    await this.#delete(`/v2/${repository}/manifests/${tag}`, [pending], isThere);
  }

  async deleteManifest(repository: string, digest: string): Promise<void> {
    const { journal } = this.#load;
    const tags = journal
      .keys(tagKey(repository, ""))
      .filter((key) => journal.possible(key).has(digest));
    const pending = [
      journal.begin(manifestKey(repository, digest), { kind: "remove" }),
      ...tags.map((key) => journal.begin(key, { kind: "remove if", state: digest })),
    ];
    await this.#delete(`/v2/${repository}/manifests/${digest}`, pending, true);
  }

  /** A blob of a manifest, that is in use, or one that was, or nobody uses. */
  async #deleteBlob(repository: string): Promise<void> {
    const { journal } = this.#load;
    const blobs = this.#load.blobsIn(repository);
    const needed = new Set(
      this.#load.manifestsIn(repository).flatMap((one) => one.blobs.map((blob) => blob.digest)),
    );
    const unneeded = blobs.filter((digest) => !needed.has(digest));
    const isUnneeded = unneeded.length > 0 && !this.#random.oneIn(3);
    const digest = this.#random.pick(isUnneeded ? unneeded : blobs);
    if (digest === undefined) return;
    const since = journal.now;
    const pending = journal.begin(blobKey(repository, digest), { kind: "remove" });
    const user = await this.#delete(`/v2/${repository}/blobs/${digest}`, [pending], false, 405);
    if (user === undefined) return this.#load.deleted(digest);
    const mayUse = this.#load.manifest(repository, user, since).has("there");
    const uses = this.#load.manifests.get(user)?.blobs.some((blob) => blob.digest === digest);
    if (!mayUse || uses !== true) {
      throw new WrongAnswer(`LEFT OVER: ${repository}@${digest} is said to be used by ${user}`);
    }
  }

  /** Deletes; answers the manifest that a refusal names. */
  async #delete(
    path: string,
    pending: readonly ReturnType<Load["journal"]["begin"]>[],
    isThere: boolean,
    ...refusals: readonly number[]
  ): Promise<string | undefined> {
    let end: "done" | "refused" | "unanswered" = "unanswered";
    try {
      const answer = await this.#http.send("DELETE", path);
      const allowed = isThere ? [202] : [202, 404, ...refusals];
      expectStatus(answer, `DELETE of ${isThere ? "what is there" : "something"}`, ...allowed);
      end = answer.status === 405 ? "refused" : "done";
      this.#load.counts.deletes += answer.status === 202 ? 1 : 0;
      if (answer.status !== 405) return undefined;
      return /manifest (sha256:[0-9a-f]{64})/.exec(answer.body.toString())?.[1] ?? "nothing";
    } finally {
      for (const one of pending) one[end]();
    }
  }
}

const accepted = {
  Accept: "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json",
};
