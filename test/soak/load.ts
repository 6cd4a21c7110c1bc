import { Random } from "../fuzz/random.ts";
import { type Blob, layerOf, layerSize, type Manifest } from "./content.ts";
import { blobKey, Journal, manifestKey, type State, tagKey } from "./journal.ts";

/** How many layers are pushed by everybody to everywhere. */
const sharedLayers = 12;
/** A shared layer is replaced by a new one once in so many uses. */
const sharedUses = 150;
/** The largest layer that is sent when the bytes of the last seconds were too many. */
const smallBytes = 32 * 1024;
/** How many blobs of a repository are remembered, to be deleted by name. */
const recentBlobs = 60;
/** More examples say nothing new. */
const violationsMax = 20;

export interface LoadTerms {
  readonly seed: number;
  /** REGISTRY_GC_GRACE of the registry, in milliseconds, until it is started with another one. */
  readonly graceMs: number;
  /** How many bytes a second may be new to the registry. */
  readonly newBytesPerSecond: number;
}

/** What the clients of a load share: what they did, what they push, what was wrong. */
export class Load {
  readonly terms: LoadTerms;
  /** REGISTRY_GC_GRACE of the registry that runs, in milliseconds. */
  graceMs: number;
  readonly journal = new Journal();
  /** Every manifest that was ever sent, by digest. */
  readonly manifests = new Map<string, Manifest>();
  readonly repositories = ["soak/a", "soak/b", "soak/c/d", "soak/e"] as const;
  /** What the registry did that it must not do. */
  readonly violations: string[] = [];
  readonly counts = {
    pushes: 0,
    pulls: 0,
    deletes: 0,
    collections: 0,
    collectedLayers: 0,
    refused: 0,
    busy: 0,
  };
  /** Upload sessions that were cut off between two chunks. */
  readonly interrupted: InterruptedUpload[] = [];
  /** Every layer that was ever made, by digest. */
  readonly #layers = new Map<string, Blob>();
  readonly #deleted: Blob[] = [];
  readonly #live = new Map<string, Set<string>>();
  readonly #recent = new Map<string, string[]>();
  readonly #random: Random;
  readonly #shared: { layer: Blob; uses: number }[] = [];
  #made = 0;
  #spentBytes = 0;
  readonly #beganMs = Date.now();

  constructor(terms: LoadTerms) {
    this.terms = terms;
    this.graceMs = terms.graceMs;
    this.#random = new Random(terms.seed, 0);
  }

  violation(what: string): void {
    if (this.violations.length < violationsMax) this.violations.push(what);
  }

  /** A number that nothing else in this load has. */
  newNumber(): number {
    this.#made += 1;
    return this.#made;
  }

  /** A layer that nobody pushed before. */
  newLayer(): Blob {
    const size = this.#affordable(layerSize(this.#random));
    const layer = layerOf(`${this.terms.seed} ${this.newNumber()}`, size);
    this.#layers.set(layer.digest, layer);
    return layer;
  }

  /** Remembers that a blob was deleted by name. */
  deleted(digest: string): void {
    const layer = this.#layers.get(digest);
    if (layer !== undefined) this.#deleted.push(layer);
  }

  /** The layer that was deleted last: its bytes may wait to be deleted when it is pushed again. */
  deletedLayer(): Blob | undefined {
    return this.#deleted.pop();
  }

  /** A layer that others push too. */
  sharedLayer(random: Random): Blob {
    const at = random.below(sharedLayers);
    const shared = this.#shared[at];
    if (shared === undefined || shared.uses === sharedUses) {
      const layer = this.newLayer();
      this.#shared[at] = { layer, uses: 0 };
      return layer;
    }
    shared.uses += 1;
    return shared.layer;
  }

  /** The size, or a small one while too many bytes are new: what is deleted stays for minutes. */
  #affordable(size: number): number {
    const seconds = (Date.now() - this.#beganMs) / 1000;
    // The first seconds may have a large one.
    const allowed = (seconds + 10) * this.terms.newBytesPerSecond;
    const bytes = this.#spentBytes + size > allowed ? Math.min(size, smallBytes) : size;
    this.#spentBytes += bytes;
    return bytes;
  }

  tag(repository: string, tag: string, since?: number): Set<State> {
    return this.journal.possible(tagKey(repository, tag), since);
  }

  manifest(repository: string, digest: string, since?: number): Set<State> {
    return this.journal.possible(manifestKey(repository, digest), since);
  }

  blob(repository: string, digest: string, since?: number): Set<State> {
    return this.journal.possible(blobKey(repository, digest), since);
  }

  /** Remembers a manifest that is about to be sent. */
  sending(repository: string, manifest: Manifest): void {
    const { digest, blobs } = manifest;
    this.manifests.set(digest, manifest);
    const live = this.#live.get(repository) ?? new Set();
    this.#live.set(repository, live.add(digest));
    const recent = [...(this.#recent.get(repository) ?? []), ...blobs.map((blob) => blob.digest)];
    this.#recent.set(repository, recent.slice(-recentBlobs));
  }

  /** The manifests that may be in a repository. */
  manifestsIn(repository: string): Manifest[] {
    const live = this.#live.get(repository) ?? new Set();
    const found: Manifest[] = [];
    for (const digest of live) {
      const manifest = this.manifests.get(digest);
      if (manifest !== undefined && this.manifest(repository, digest).has("there")) {
        found.push(manifest);
      } else {
        live.delete(digest);
      }
    }
    return found;
  }

  /** The digests of blobs that manifests of a repository used last. */
  blobsIn(repository: string): readonly string[] {
    return this.#recent.get(repository) ?? [];
  }
}

/** An upload whose client lost the registry before the end. */
export interface InterruptedUpload {
  readonly repository: string;
  readonly location: string;
  readonly blob: Blob;
}
