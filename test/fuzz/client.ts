import type { Answer } from "./answer.ts";
import { digestOf } from "./digest.ts";
import type { Random } from "./random.ts";
import { inChunks, type Request, request, withLength } from "./request.ts";
import type { Witness } from "./witness.ts";

/** A request that a client makes, and what it remembers of the answer. */
export interface Step {
  readonly request: Request;
  readonly learn?: (answer: Answer) => void;
}

interface Session {
  readonly repository: string;
  location: string;
  bytes: Buffer;
}

interface Content {
  readonly repository: string;
  readonly digest: string;
  readonly size: number;
}

/** Few, so that clients meet in them; some have names that are parts of others, or words of routes. */
const repositories = [
  "fuzz/r1",
  "fuzz/r1/nested",
  "fuzz/manifests",
  "fuzz/blobs/uploads",
  "a",
  "fuzz/witnes",
] as const;
const tags = ["latest", "v1", "v1.0_x-y", "_", "sha256-0", "list", `t${"0".repeat(127)}`] as const;
const mediaTypes = {
  manifest: "application/vnd.oci.image.manifest.v1+json",
  index: "application/vnd.oci.image.index.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar+gzip",
} as const;
/** What a client remembers of each kind: the oldest is forgotten first. */
const rememberedMax = 12;
const mebibyte = 1024 * 1024;

function remember<T>(items: T[], item: T): void {
  items.push(item);
  if (items.length > rememberedMax) items.shift();
}

/**
 * A client that pushes, pulls and deletes in an order that makes sense now and then: it uses the
 * sessions, blobs and manifests that it was given and pushed. It reads the witness, and pushes
 * nothing to it that could be taken.
 */
export class Client {
  readonly #random: Random;
  readonly #witness: Witness;
  readonly #sessions: Session[] = [];
  readonly #blobs: Content[] = [];
  readonly #manifests: Content[] = [];

  constructor(random: Random, witness: Witness) {
    this.#random = random;
    this.#witness = witness;
  }

  /** The next request, which is right. */
  step(): Step {
    const kinds = [
      () => this.#start(),
      () => this.#start(),
      () => this.#append(),
      () => this.#append(),
      () => this.#append(),
      () => this.#close(),
      () => this.#close(),
      () => this.#askSession(),
      () => this.#pushWhole(),
      () => this.#pushWhole(),
      () => this.#mount(),
      () => this.#putManifest(),
      () => this.#putManifest(),
      () => this.#putManifest(),
      () => this.#getManifest(),
      () => this.#getManifest(),
      () => this.#getBlob(),
      () => this.#getBlob(),
      () => this.#getBlob(),
      () => this.#list(),
      () => this.#list(),
      () => this.#delete(),
      () => this.#readWitness(),
      () => this.#attemptOnWitness(),
    ] as const;
    return this.#random.pick<() => Step>(kinds)();
  }

  #repository(): string {
    return this.#random.pick(repositories);
  }

  #tag(): string {
    return this.#random.pick(tags);
  }

  /** Bytes that others may push as well, or that nobody else has. */
  #bytes(): Buffer {
    if (this.#random.oneIn(3)) {
      return Buffer.from(`shared ${this.#random.below(8)}`.repeat(this.#random.below(3) * 50));
    }
    if (this.#random.oneIn(200)) return this.#random.bytes(mebibyte);
    return this.#random.bytes(this.#random.below(this.#random.pick([10, 1000, 65_536])));
  }

  #framed(body: Buffer) {
    return this.#random.oneIn(3) ? inChunks(this.#random, body) : withLength(body);
  }

  #start(): Step {
    const repository = this.#repository();
    const query = this.#random.oneIn(6) ? "?digest-algorithm=sha512" : "";
    return {
      request: {
        ...request("POST", `/v2/${repository}/blobs/uploads/`, query),
        framing: withLength(Buffer.alloc(0)),
      },
      learn: ({ headers }) => {
        const location = headers.get("location");
        if (location === undefined) return;
        remember(this.#sessions, { repository, location, bytes: Buffer.alloc(0) });
      },
    };
  }

  #append(): Step {
    const session = this.#random.pick(this.#sessions);
    if (session === undefined) return this.#start();
    const body = this.#bytes();
    const { length } = session.bytes;
    const range = `${length}-${length + body.length - 1}`;
    const isChunk = body.length > 0 && this.#random.oneIn(2);
    const headers: [string, string][] = [["Content-Type", "application/octet-stream"]];
    if (isChunk) headers.push(["Content-Range", range]);
    return {
      request: {
        ...request("PATCH", session.location, "", headers),
        framing: this.#framed(body),
      },
      learn: ({ status, headers: told }) => {
        if (status !== 202) return;
        session.bytes = Buffer.concat([session.bytes, body]);
        if (this.#random.oneIn(2)) session.location = told.get("location") ?? session.location;
      },
    };
  }

  #close(): Step {
    const session = this.#random.pick(this.#sessions);
    if (session === undefined) return this.#start();
    const last = this.#random.oneIn(2) ? this.#bytes() : Buffer.alloc(0);
    const bytes = Buffer.concat([session.bytes, last]);
    const digest = digestOf(bytes, this.#random.oneIn(5) ? "sha512" : "sha256");
    return {
      request: {
        ...request("PUT", session.location, `?digest=${digest}`),
        framing: this.#framed(last),
      },
      learn: ({ status }) => {
        if (status !== 201) return;
        this.#sessions.splice(this.#sessions.indexOf(session), this.#random.below(2));
        const { repository } = session;
        remember(this.#blobs, { repository, digest, size: bytes.length });
      },
    };
  }

  #askSession(): Step {
    const session = this.#random.pick(this.#sessions);
    if (session === undefined) return this.#start();
    const method = this.#random.pick(["GET", "HEAD", "GET", "DELETE"]);
    return { request: request(method, session.location) };
  }

  #pushWhole(): Step {
    const repository = this.#repository();
    const bytes = this.#bytes();
    const digest = digestOf(bytes, this.#random.oneIn(8) ? "sha512" : "sha256");
    return {
      request: {
        ...request("POST", `/v2/${repository}/blobs/uploads/`, `?digest=${digest}`),
        framing: this.#framed(bytes),
      },
      learn: ({ status }) => {
        if (status === 201) remember(this.#blobs, { repository, digest, size: bytes.length });
      },
    };
  }

  #mount(): Step {
    const source = this.#random.oneIn(3) ? this.#witness.blob : this.#random.pick(this.#blobs);
    if (source === undefined) return this.#pushWhole();
    const repository = this.#repository();
    const from = this.#random.oneIn(3) ? "" : `&from=${encodeURIComponent(source.repository)}`;
    return {
      request: {
        ...request("POST", `/v2/${repository}/blobs/uploads/`, `?mount=${source.digest}${from}`),
        framing: withLength(Buffer.alloc(0)),
      },
      learn: ({ status }) => {
        if (status === 201) remember(this.#blobs, { ...source, repository });
      },
    };
  }

  #manifest(repository: string): { bytes: Buffer; mediaType: string } {
    const there = (items: readonly Content[]) =>
      items.filter((item) => item.repository === repository && !this.#random.oneIn(4));
    const blobs = there(this.#blobs).map(({ digest, size }) => {
      return { mediaType: mediaTypes.layer, digest, size };
    });
    const children = there(this.#manifests).map(({ digest, size }) => {
      return { mediaType: mediaTypes.manifest, digest, size };
    });
    const subject = this.#random.oneIn(3)
      ? (this.#random.pick(children) ?? this.#witness.manifest)
      : undefined;
    const [config, ...layers] = blobs;
    const isIndex = config === undefined || this.#random.oneIn(3);
    const mediaType = isIndex ? mediaTypes.index : mediaTypes.manifest;
    const json = {
      schemaVersion: 2,
      mediaType,
      ...(isIndex ? { manifests: children } : { config, layers }),
      ...(subject === undefined ? {} : { subject: { mediaType: mediaTypes.index, ...subject } }),
      artifactType: this.#random.pick(["application/a", undefined, undefined]),
      annotations: { number: String(this.#random.below(20)) },
    };
    return { bytes: Buffer.from(JSON.stringify(json)), mediaType };
  }

  #putManifest(): Step {
    const repository = this.#repository();
    const { bytes, mediaType } = this.#manifest(repository);
    const digest = digestOf(bytes);
    const byTag = this.#random.oneIn(2);
    const reference = byTag ? this.#tag() : digest;
    const query = byTag || this.#random.oneIn(2) ? "" : `?tag=${this.#tag()}&tag=${this.#tag()}`;
    const headers: [string, string][] = [["Content-Type", mediaType]];
    if (this.#random.oneIn(6)) headers.push(this.#condition());
    return {
      request: {
        ...request("PUT", `/v2/${repository}/manifests/${reference}`, query, headers),
        framing: this.#framed(bytes),
      },
      learn: ({ status }) => {
        if (status === 201) remember(this.#manifests, { repository, digest, size: bytes.length });
      },
    };
  }

  #condition(): [string, string] {
    const known = this.#random.pick([...this.#manifests, ...this.#blobs]);
    const name = this.#random.pick(["If-Match", "If-None-Match", "If-Range"]);
    return [name, this.#random.oneIn(3) ? "*" : `"${known?.digest ?? "none"}"`];
  }

  /** Headers with which content of about this size is read. */
  #reading(size: number): [string, string][] {
    const headers: [string, string][] = [];
    if (this.#random.oneIn(2)) headers.push(["Accept", Object.values(mediaTypes).join(", ")]);
    if (this.#random.oneIn(4)) headers.push(this.#condition());
    if (this.#random.oneIn(2)) {
      const [first, last] = [this.#random.below(size + 1), this.#random.below(2 * size)];
      const several = `0-${first},${first + 1}-${last}`;
      const range = this.#random.pick([`${first}-${last}`, `${first}-`, `-${last}`, several]);
      headers.push(["Range", `bytes=${range}`]);
    }
    return headers;
  }

  #getManifest(): Step {
    const known = this.#random.pick(this.#manifests);
    const repository = known?.repository ?? this.#repository();
    const reference = this.#random.oneIn(3) ? this.#tag() : (known?.digest ?? this.#tag());
    const method = this.#random.pick(["GET", "HEAD"]);
    const path = `/v2/${repository}/manifests/${reference}`;
    return { request: request(method, path, "", this.#reading(known?.size ?? 100)) };
  }

  #getBlob(): Step {
    const known = this.#random.pick(this.#blobs);
    if (known === undefined) return this.#pushWhole();
    const method = this.#random.pick(["GET", "GET", "HEAD"]);
    const path = `/v2/${known.repository}/blobs/${known.digest}`;
    return { request: request(method, path, "", this.#reading(known.size)) };
  }

  #list(): Step {
    const known = this.#random.pick([...this.#manifests, ...this.#blobs]);
    const repository = this.#repository();
    const path = this.#random.pick([
      "/v2/",
      "/v2/_catalog",
      `/v2/${repository}/tags/list`,
      `/v2/${repository}/referrers/${known?.digest ?? digestOf(Buffer.alloc(0))}`,
    ]);
    const query = this.#random.pick([
      "",
      `?n=${this.#random.below(4)}`,
      `?n=2&last=${this.#tag()}`,
      "?artifactType=application%2Fa",
    ]);
    return { request: request(this.#random.pick(["GET", "GET", "HEAD"]), path, query) };
  }

  #delete(): Step {
    const kind = this.#random.pick(["blobs", "manifests", "manifests"]);
    const known = this.#random.pick(kind === "blobs" ? this.#blobs : this.#manifests);
    if (known === undefined) return this.#putManifest();
    const reference = kind === "manifests" && this.#random.oneIn(2) ? this.#tag() : known.digest;
    const headers = this.#random.oneIn(8) ? [this.#condition()] : [];
    const path = `/v2/${known.repository}/${kind}/${reference}`;
    return { request: request("DELETE", path, "", headers) };
  }

  #readWitness(): Step {
    const path = this.#random.pick(this.#witness.paths) ?? "/v2/";
    return { request: request(this.#random.pick(["GET", "HEAD"]), path, "", this.#reading(8000)) };
  }

  /** What changes nothing in the witness, if the registry is right: it is the witness that tells. */
  #attemptOnWitness(): Step {
    const { repository } = this.#witness;
    const base = `/v2/${repository}`;
    const nobody = `sha256:${"0".repeat(64)}`;
    const foreign = this.#random.pick(this.#sessions)?.location.split("/").at(-1) ?? "none";
    const body = Buffer.from('{"schemaVersion":2,"manifests":[');
    const [method, path, query] = this.#random.pick<[string, string, string]>([
      ["PUT", `${base}/manifests/v1`, ""],
      ["PUT", `${base}/manifests/${nobody}`, "?tag=v1"],
      ["DELETE", `${base}/manifests/${nobody}`, ""],
      ["DELETE", `${base}/blobs/${nobody}`, ""],
      ["DELETE", `${base}/manifests/none`, ""],
      ["DELETE", `${base}/tags/list`, ""],
      ["PATCH", `${base}/blobs/uploads/${foreign}`, ""],
      ["PUT", `${base}/blobs/uploads/${foreign}`, `?digest=${digestOf(body)}`],
      ["DELETE", `${base}/blobs/uploads/${foreign}`, ""],
      ["POST", `${base}/blobs/uploads/`, `?digest=${nobody}`],
    ]);
    return { request: { ...request(method, path, query), framing: withLength(body) } };
  }
}
