/**
 * What the registry asks of objects and stores for each operation, at most. test/budgets holds the
 * registry to this table, and the model of cost and load reckons with it: whoever changes a budget
 * changes both.
 */

/**
 * Rows of SQLite as the runtime counts them; an alarm that is set is one written. An object that was not
 * in memory reads up to four more when it is called, which are in these.
 */
interface Rows {
  readonly read: number;
  readonly written: number;
}

/** What an operation costs until its answer, in the order in which it is asked for. */
export interface Budget {
  /** Calls of objects, as in `Repository.manifest`. */
  readonly objects: readonly string[];
  /** Methods of R2's binding. */
  readonly r2: readonly string[];
  readonly kv: readonly string[];
  readonly rows: Rows;
}

/** What follows an operation by alarms, when the client has long had its answer. */
export interface Aftermath {
  /** Calls and writes, in the order of their names. */
  readonly later: readonly string[];
  /** The classes whose alarms ring. */
  readonly alarms: readonly string[];
  readonly rows: Rows;
}

const nothing: Budget = { objects: [], r2: [], kv: [], rows: { read: 0, written: 0 } };

function times<T>(count: number, item: T): T[] {
  return Array.from({ length: count }, () => item);
}

/** The ping, a refusal, and the token that follows it. */
export const ping: Budget = nothing;

/** HEAD or GET of a manifest by digest whose replica is there. */
export const manifestByDigest: Budget = { ...nothing, kv: ["KV.getWithMetadata"] };

/** HEAD of a manifest by tag. */
export const manifestHeadByTag: Budget = {
  ...nothing,
  objects: ["Repository.manifest"],
  rows: { read: 6, written: 0 },
};

/** GET of a manifest by tag, with the links of its blobs. */
export function manifestByTag(blobs: number): Budget {
  return {
    ...nothing,
    objects: ["Repository.manifest"],
    rows: { read: 9 + 2 * blobs, written: 0 },
  };
}

/** GET of a manifest by digest that KV says it does not have, as in the first minute of a push. */
export function manifestWithoutReplica(blobs: number): Budget {
  const { objects, rows } = manifestByTag(blobs);
  return { objects, r2: [], kv: manifestByDigest.kv, rows };
}

/** HEAD of a blob. */
export const blobHead: Budget = {
  ...nothing,
  objects: ["Repository.blob"],
  rows: { read: 6, written: 0 },
};

/** GET of a blob whose manifest was served in the same data centre within a minute. */
export const blobOfServedManifest: Budget = { ...nothing, r2: ["get"] };

/** GET of any other blob. */
export const blob: Budget = { ...blobHead, r2: ["get"] };

/** Push of a blob that arrives whole and that nobody holds; POST, which begins it, costs nothing. */
export const wholeBlobNew: Budget = {
  objects: ["BlobIndex.take", "BlobIndex.claim", "Repository.linkBlob"],
  r2: ["put"],
  kv: [],
  rows: { read: 27, written: 8 },
};

/** Push of a blob that arrives whole and that the registry has. */
export const wholeBlobHeld: Budget = {
  objects: ["BlobIndex.take", "Repository.linkBlob"],
  r2: [],
  kv: [],
  rows: { read: 22, written: 6 },
};

/** Mount of a blob from a repository that is named. */
export const mount: Budget = {
  objects: ["Repository.blob", "BlobIndex.take", "Repository.linkBlob"],
  r2: [],
  kv: [],
  rows: { read: 33, written: 8 },
};

/** Push of a new blob that becomes `parts` in R2, by `bodies` that PATCH sends, and an empty PUT. */
export function blobInParts(bodies: number, parts: number): Budget {
  const inParts = ["createMultipartUpload", ...times(parts, "uploadPart"), "complete"];
  return {
    objects: [
      ...times(bodies, "UploadSession.append"),
      "UploadSession.commit",
      "BlobIndex.claim",
      "Repository.linkBlob",
    ],
    r2: parts === 0 ? ["put"] : inParts,
    kv: [],
    // What is behind the last part waits in rows, at most 8 MiB for each body.
    rows: { read: 60 + 130 * bodies + 5 * parts, written: 40 + 130 * bodies + 3 * parts },
  };
}

/** PUT of a manifest over so many blobs, by so many tags. */
export function manifestPut(blobs: number, tags: number): Budget {
  return {
    ...nothing,
    objects: ["Repository.putManifest"],
    rows: { read: 14 + 7 * blobs + 4 * tags, written: 10 + 3 * blobs + 4 * tags },
  };
}

/** A second after it: KV and the catalog are told. */
export function manifestTold(blobs: number, tags: number): Aftermath {
  return {
    later: ["Catalog.set", "KV.put", ...times(tags, "KV.put")],
    alarms: ["Repository"],
    rows: { read: 40 + 2 * blobs + 5 * tags, written: 10 + tags },
  };
}

/**
 * An hour after blobs were pushed: their indexes ask whether their links came. Blobs of one index and
 * repository are asked about together, so this is the most.
 */
export function blobsConfirmed(blobs: number): Aftermath {
  return {
    later: times(blobs, "Repository.holds"),
    alarms: times(blobs, "BlobIndex"),
    rows: { read: 20 * blobs, written: 3 * blobs },
  };
}

/** A day after a push: the repository looks for what nobody references. */
export const repositoryCollected: Aftermath = {
  later: [],
  alarms: ["Repository"],
  rows: { read: 45, written: 15 },
};

/** What anything costs of objects with REGISTRY_READS=strong, or where there is no cache: a call each. */
export function strongPull(blobs: number): Budget {
  return {
    objects: [
      "Repository.manifest",
      "Repository.manifest",
      ...times<string>(blobs, "Repository.blob"),
    ],
    r2: times(blobs, "get"),
    kv: [],
    rows: { read: 15 + 8 * blobs, written: 0 },
  };
}
