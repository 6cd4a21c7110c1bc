/** From what is asked of a registry to what it uses of Cloudflare, by the budgets that tests hold it to. */
import {
  blob,
  blobHead,
  blobInParts,
  blobOfServedManifest,
  blobsConfirmed,
  manifestByDigest,
  manifestHeadByTag,
  manifestPut,
  manifestTold,
  manifestWithoutReplica,
  ping,
  repositoryCollected,
  wholeBlobHeld,
  wholeBlobNew,
} from "./budgets.ts";
import { Sum } from "./sum.ts";
import type { Workload } from "./workload.ts";

export const daysOfMonth = 30;
export const secondsOfDay = 86_400;
const partBytes = 8 * 1024 * 1024;
const GiB = 1024 ** 3;
const GB = 1e9;

/** What no test of ours can tell; none of it was measured on Cloudflare. */
export const assumed = {
  /** CPU of a request in the Worker; on one machine about 0.5 ms. */
  cpuMsPerRequest: 2,
  /** CPU of hashing a layer in the Worker, which is done for those that the registry holds. */
  cpuMsPerGiBHashed: 1300,
  /** How long an object is active for a call that reads, for one that writes, and for an alarm. */
  readMs: 2,
  writeMs: 20,
  alarmMs: 200,
  /** How fast a client sends a layer by PATCH: the upload's object is active as long. */
  clientBytesPerSecond: 25e6,
  /** Isolates that serve a data centre, and how often a day each is made anew. */
  isolatesPerDataCentre: 8,
  isolateStartsPerDay: 12,
} as const;

/** SQLite bytes, measured with this code on one machine, and KV's bytes of a manifest with its links. */
export const stored = {
  repositoryBytes: 90_000,
  linkBytes: 340,
  manifestBytes: 3000,
  referenceBytes: 550,
  indexRowBytes: 500,
  catalogRowBytes: 100,
  replicaBytes: 800,
  replicaBytesPerBlob: 400,
} as const;

/** A Durable Object is billed for 128 MB. */
const objectGB = 0.128;

/** What a month costs, in the units that Cloudflare bills. */
export interface Usage {
  readonly requests: number;
  readonly cpuMs: number;
  /** Calls and alarms. */
  readonly objectRequests: number;
  readonly objectGBs: number;
  readonly rowsRead: number;
  readonly rowsWritten: number;
  readonly sqliteGB: number;
  readonly r2ClassA: number;
  readonly r2ClassB: number;
  readonly r2GB: number;
  readonly kvReads: number;
  readonly kvWrites: number;
  readonly kvGB: number;
  readonly logEvents: number;
  readonly dataPoints: number;
  /** What is sent to clients. */
  readonly sentGB: number;
}

const readCalls: ReadonlySet<string> = new Set(["Repository.manifest", "Repository.blob"]);

/**
 * `count` pulls as containerd and docker make them: refused, a token, HEAD by what is named, GET of the
 * index and the manifest by digest, the config and the layers that are not there.
 */
export function addPulls(sum: Sum, count: number, load: Workload): void {
  const blobs = load.layers + 1;
  const fetched = 1 + load.layers * load.fetchedShare;
  const byDigest = 1 - load.byTagShare + load.indexShare + 1;
  sum.add(2 * count, ping);
  sum.add(count * load.byTagShare, manifestHeadByTag);
  sum.add(count * byDigest * load.replicaShare, manifestByDigest);
  sum.add(count * byDigest * (1 - load.replicaShare), manifestWithoutReplica(blobs));
  sum.add(count * fetched * load.linkShare, blobOfServedManifest);
  sum.add(count * fetched * (1 - load.linkShare), blob);
}

/**
 * `count` pushes of an image: for each blob a HEAD, and for those that are not there a POST and the
 * bytes; the manifest by one tag.
 */
export function addPushes(sum: Sum, count: number, load: Workload): void {
  const blobs = load.layers + 1;
  const fresh = load.layers * load.newLayerShare;
  // Half of the others are in the repository already, half in another one, and come all the same.
  const held = (load.layers - fresh) / 2;
  const whole = 1 + fresh * (1 - load.streamedShare);
  const streamed = fresh * load.streamedShare;
  const parts = Math.floor(load.imageBytes / load.layers / partBytes);
  sum.add(2 * count, ping);
  sum.add(count * blobs, blobHead);
  sum.add(count * (whole + streamed + held), ping);
  sum.add(count * whole, wholeBlobNew);
  sum.add(count * held, wholeBlobHeld);
  sum.add(count * streamed, blobInParts(1, parts));
  // The PUT that closes a stream is a request of its own.
  sum.requests += count * streamed;
  sum.add(count, manifestPut(blobs, 1));
  sum.addLater(count, manifestTold(blobs, 1));
  sum.addLater(count * (whole + held + streamed), blobsConfirmed(1));
  sum.addLater(count * streamed, {
    later: [],
    alarms: ["UploadSession"],
    rows: { read: 5, written: 5 },
  });
  sum.addLater(count, repositoryCollected);
}

/** The bytes that a repository's object has when it keeps so many images. */
export function repositoryBytes(images: number, load: Workload): number {
  const references = stored.referenceBytes * (load.layers + 1);
  const links = stored.linkBytes * (load.layers * load.newLayerShare + 1);
  return stored.repositoryBytes + images * (stored.manifestBytes + references + links);
}

/** How many images are kept, and how many blobs there are of them. */
export function keptOf(load: Workload): { images: number; blobs: number } {
  const images = load.pushesPerDay * load.keptDays;
  return { images, blobs: images * (load.layers * load.newLayerShare + 1) };
}

/** Seconds for which objects are active in a day. */
function activeSeconds(sum: Sum, load: Workload): number {
  let ms = assumed.alarmMs * sum.alarmCount;
  for (const [call, count] of sum.calls) {
    ms += count * (readCalls.has(call) ? assumed.readMs : assumed.writeMs);
  }
  const streamedBytes =
    load.pushesPerDay * load.imageBytes * load.newLayerShare * load.streamedShare;
  return ms / 1000 + streamedBytes / assumed.clientBytesPerSecond;
}

/** What a day of a workload asks for. */
export function dayOf(load: Workload): Sum {
  const sum = new Sum();
  addPulls(sum, load.pullsPerDay, load);
  addPushes(sum, load.pushesPerDay, load);
  return sum;
}

function month(perDay: number): number {
  return perDay * daysOfMonth;
}

/** What a month of a workload uses. */
export function usageOf(load: Workload): Usage {
  const day = dayOf(load);
  const { images, blobs } = keptOf(load);
  const isolates = load.dataCentres * assumed.isolatesPerDataCentre;
  // An isolate asks for the key that seals uploads once, and for a policy in R2 once a minute.
  const keyReads = isolates * assumed.isolateStartsPerDay;
  const policyReads = (isolates * secondsOfDay) / 60;
  const heldBytes = (load.pushesPerDay * load.imageBytes * (1 - load.newLayerShare)) / 2;
  const hashedMs = (assumed.cpuMsPerGiBHashed * heldBytes) / GiB;
  const sqliteBytes =
    load.repositories * stored.repositoryBytes +
    repositoryBytes(images, load) +
    blobs * stored.indexRowBytes +
    load.repositories * stored.catalogRowBytes;
  const replicaBytes = stored.replicaBytes + stored.replicaBytesPerBlob * (load.layers + 1);
  return {
    requests: month(day.requests),
    cpuMs: month(day.requests * assumed.cpuMsPerRequest + hashedMs),
    objectRequests: month(day.objectCalls + day.alarmCount + keyReads),
    objectGBs: month(activeSeconds(day, load) * objectGB),
    rowsRead: month(day.rowsRead),
    rowsWritten: month(day.rowsWritten),
    sqliteGB: sqliteBytes / GB,
    r2ClassA: month(day.classA),
    r2ClassB: month(day.classB + policyReads),
    r2GB: (images * load.imageBytes * load.newLayerShare) / GB,
    kvReads: month(day.kvReads),
    kvWrites: month(day.kvWrites),
    kvGB: (images * replicaBytes) / GB,
    // The invocation's own, and our line.
    logEvents: month(2 * day.requests * load.loggedShare),
    dataPoints: month(day.requests),
    sentGB: month((load.pullsPerDay * load.imageBytes * load.fetchedShare) / GB),
  };
}
