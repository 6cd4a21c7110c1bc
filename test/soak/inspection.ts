import { digestOf, type Manifest } from "./content.ts";
import type { HttpClient } from "./http-client.ts";
import { blobKey, manifestKey, type State, tagKey } from "./journal.ts";
import type { Load } from "./load.ts";

/** How much is looked at. */
export interface InspectionTerms {
  /** What was changed since this moment of the journal; what is there is always looked at. */
  readonly since: number;
  /** Blobs that no manifest needs are there until they are deleted, or gone, or either. */
  readonly unneeded: "kept" | "collected" | "either";
}

/** What is in the registry, as its clients see it, and what is wrong with that. */
export class Inspection {
  /** What was answered and is not there, or is not what it was. */
  readonly lost: string[] = [];
  /** What was deleted and is there. */
  readonly leftOver: string[] = [];
  /** The digests of the blobs that some manifest needs, and their sizes. */
  readonly reachable = new Map<string, number>();
  /** How many images there are in all repositories: manifests that are not indexes. */
  images = 0;
  /** Those that have a manifest. */
  readonly repositories: string[] = [];
  readonly #load: Load;
  readonly #http: HttpClient;
  readonly #terms: InspectionTerms;

  private constructor(load: Load, http: HttpClient, terms: InspectionTerms) {
    this.#load = load;
    this.#http = http;
    this.#terms = terms;
  }

  /** Reads all, to be done while no client changes anything; the journal then knows what is. */
  static async of(load: Load, http: HttpClient, terms: InspectionTerms): Promise<Inspection> {
    const inspection = new Inspection(load, http, terms);
    for (const repository of load.repositories) {
      // oxlint-disable-next-line no-await-in-loop
      await inspection.#repository(repository);
    }
    return inspection;
  }

  async #repository(repository: string): Promise<void> {
    const there = await this.#manifests(repository);
    await this.#tags(repository, there);
    await this.#referrers(repository, there);
    const needed = new Map(
      there.flatMap(({ blobs }) => blobs).map(({ digest, size }) => [digest, size]),
    );
    for (const [digest, size] of needed) this.reachable.set(digest, size);
    this.images += there.filter(({ blobs }) => blobs.length > 0).length;
    if (there.length > 0) this.repositories.push(repository);
    await this.#blobs(repository, new Set(needed.keys()));
  }

  /** Reads manifests by their digests; answers those that are there. */
  async #manifests(repository: string): Promise<Manifest[]> {
    const there: Manifest[] = [];
    await this.#each(manifestKey(repository, ""), async (key, digest) => {
      const answer = await this.#http.send("GET", `/v2/${repository}/manifests/${digest}`);
      const state = this.#stateOf(`${repository}@${digest}`, answer, digest);
      this.#judge(key, state);
      const manifest = this.#load.manifests.get(digest);
      if (state !== undefined && manifest !== undefined) there.push(manifest);
    });
    return there;
  }

  /** Reads what tags name; that has to be there, and the list of tags has to be the same. */
  async #tags(repository: string, manifests: readonly Manifest[]): Promise<void> {
    const there = new Set(manifests.map(({ digest }) => digest));
    const tags: string[] = [];
    await this.#each(tagKey(repository, ""), async (key, tag) => {
      const answer = await this.#http.send("GET", `/v2/${repository}/manifests/${tag}`);
      const state = answer.status === 404 ? undefined : digestOf(answer.body);
      this.#judge(key, state);
      if (state === undefined) return;
      tags.push(tag);
      if (!there.has(state))
        this.lost.push(`${repository}:${tag} names ${state}, which is not there`);
    });
    const answer = await this.#http.send("GET", `/v2/${repository}/tags/list?n=1000`);
    const listed =
      answer.status === 404 ? [] : (JSON.parse(answer.body.toString()) as { tags: string[] }).tags;
    const missing = tags.filter((tag) => !listed.includes(tag));
    const surplus = listed.filter((tag) => !tags.includes(tag));
    for (const tag of missing) this.lost.push(`${repository}:${tag} is not in the list of tags`);
    for (const tag of surplus) this.leftOver.push(`${repository}:${tag} is in the list of tags`);
  }

  async #referrers(repository: string, there: readonly Manifest[]): Promise<void> {
    const subjects = new Set([...there.map(({ digest }) => digest), ...subjectsOf(there)]);
    await inTurns([...subjects], async (subject) => {
      const answer = await this.#http.send("GET", `/v2/${repository}/referrers/${subject}`);
      const { manifests } = JSON.parse(answer.body.toString()) as {
        manifests: { digest: string }[];
      };
      const listed = manifests.map(({ digest }) => digest);
      const right = there.filter((one) => one.subject === subject).map(({ digest }) => digest);
      for (const digest of right.filter((one) => !listed.includes(one))) {
        this.lost.push(`${repository}@${digest} is not in the list of referrers`);
      }
      for (const digest of listed.filter((one) => !right.includes(one))) {
        this.leftOver.push(`${repository}@${digest} is in the list of referrers`);
      }
    });
  }

  /** Reads and hashes the blobs that manifests need, and those that were pushed besides. */
  async #blobs(repository: string, needed: ReadonlySet<string>): Promise<void> {
    const read = async (digest: string): Promise<State> => {
      const answer = await this.#http.send("GET", `/v2/${repository}/blobs/${digest}`);
      return this.#stateOf(`${repository} blob ${digest}`, answer, digest);
    };
    await inTurns([...needed], async (digest) => {
      const state = await read(digest);
      if (state === undefined) this.lost.push(`${repository} blob ${digest}: a manifest needs it`);
      if (this.#terms.unneeded === "either") return;
      this.#judge(blobKey(repository, digest), state);
    });
    if (this.#terms.unneeded === "either") return;
    await this.#each(blobKey(repository, ""), async (key, digest) => {
      if (needed.has(digest)) return;
      const state = await read(digest);
      const possible = this.#load.journal.possible(key);
      if (this.#terms.unneeded === "collected") {
        // An upload whose end was cut off may be finished behind the collection.
        if (possible.size === 1 && state !== undefined) {
          this.leftOver.push(`${repository} blob ${digest}: nothing needs it`);
        }
        this.#load.journal.settle(key, state);
      } else {
        this.#judge(key, state);
      }
    });
  }

  /** Calls for each key that is to be looked at, with its last word. */
  async #each(prefix: string, look: (key: string, name: string) => Promise<void>): Promise<void> {
    const { journal } = this.#load;
    const keys = journal
      .keys(prefix)
      .filter(
        (key) =>
          journal.changed(key) >= this.#terms.since ||
          journal.possible(key).size > 1 ||
          !journal.possible(key).has(undefined),
      );
    await inTurns(keys, (key) => look(key, key.slice(prefix.length)));
  }

  /** "there" if the answer has the bytes of the digest. */
  #stateOf(
    name: string,
    { status, body }: { status: number; body: Buffer },
    digest: string,
  ): State {
    if (status === 404) return undefined;
    if (status !== 200) this.lost.push(`${name} is answered ${status}`);
    else if (digestOf(body) !== digest) this.lost.push(`${name} has ${body.length} other bytes`);
    return "there";
  }

  /** Holds what was seen against what may be. */
  #judge(key: string, state: State): void {
    const possible = this.#load.journal.possible(key);
    if (!possible.has(state)) {
      const isDeleted = possible.size === 1 && possible.has(undefined);
      const may = [...possible].map((one) => one ?? "nothing").join(" or ");
      const told = `${key} is ${state ?? "not there"}, not ${may}`;
      if (isDeleted) this.leftOver.push(told);
      else this.lost.push(told);
    }
    this.#load.journal.settle(key, state);
  }
}

function subjectsOf(manifests: readonly Manifest[]): string[] {
  return manifests.map(({ subject }) => subject).filter((subject) => subject !== undefined);
}

/** How many requests of an inspection are under way. */
const turns = 8;

async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  const worker = async (): Promise<void> => {
    // oxlint-disable-next-line no-await-in-loop
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: turns }, worker));
}
