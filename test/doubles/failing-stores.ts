/** R2 and KV that fail: in place of the bindings that the Worker and the objects use in tests. */
import { env } from "cloudflare:workers";
import { vi } from "vitest";
import { timeLimits } from "../../stores/time-limits.ts";

/**
 * How a store fails a single operation, or all of a kind:
 * - slow: it answers in time, but not at once
 * - throws: it does nothing and says so
 * - silent: it does nothing and never answers
 * - lost: it does what it was asked, and answers an error
 * - late: it does what it was asked, and answers when nobody waits any more
 * - afterwards: it does what it was asked once nobody waits any more
 */
export const failures = ["slow", "throws", "silent", "lost", "late", "afterwards"] as const;
export type Failure = (typeof failures)[number];

/** Operations of a bucket, those of its multipart uploads among them, and of a namespace. */
export type BucketOperation =
  | "head"
  | "get"
  | "put"
  | "delete"
  | "list"
  | "createMultipartUpload"
  | UploadOperation;
type UploadOperation = "uploadPart" | "complete" | "abort";
type NamespaceOperation = "getWithMetadata" | "put" | "delete";

const slowMs = 20;
/** As short as a test that waits for them needs them, but longer than the simulators take. */
const shortLimits: typeof timeLimits = {
  r2AnswerMs: 400,
  r2WriteMs: 600,
  r2CompleteMs: 600,
  kvReadMs: 300,
  kvWriteMs: 300,
  kvLateMs: 2000,
  cacheMs: 300,
  restMs: 600,
};
const presetLimits = { ...timeLimits };

/** Has the registry wait for its stores no longer than a test wants to. */
export function shortenLimits(): void {
  Object.assign(timeLimits, shortLimits);
}

/** Longer than the registry waits for any answer, where the limits are short. */
export const givenUpMs = 1500;

/** Puts stores and limits right again. */
export function restoreStores(): void {
  vi.restoreAllMocks();
  Object.assign(timeLimits, presetLimits);
}

type Method = (...args: never[]) => unknown;

function after(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** What an operation answers that fails so. R2's errors have the operation's name and a number. */
async function failed(name: string, how: Failure, work: () => unknown): Promise<unknown> {
  const error = new Error(`${name}: We encountered an internal error. Please try again. (10001)`);
  switch (how) {
    case "slow": {
      const answer = await work();
      await after(slowMs);
      return answer;
    }
    case "throws":
      throw error;
    case "silent":
      return new Promise(() => undefined);
    case "lost":
      await work();
      throw error;
    case "late": {
      const answer = await work();
      await after(givenUpMs);
      return answer;
    }
    case "afterwards":
      await after(givenUpMs);
      return work();
    default:
      throw new Error(`no such failure: ${String(how satisfies never)}`);
  }
}

/** Replaces a method; answers how often it was called. */
function replace(store: object, name: string, how: Failure, times: number): () => number {
  const original = (Reflect.get(store, name) as Method).bind(store);
  let calls = 0;
  vi.spyOn(store as Record<string, Method>, name).mockImplementation((...args) => {
    calls += 1;
    return calls > times ? original(...args) : failed(name, how, () => original(...args));
  });
  return () => calls;
}

function replaceOfUploads(name: UploadOperation, how: Failure, times: number): () => number {
  let calls = 0;
  const withFailure = (upload: R2MultipartUpload): R2MultipartUpload => {
    const own = {
      key: upload.key,
      uploadId: upload.uploadId,
      uploadPart: upload.uploadPart.bind(upload),
      complete: upload.complete.bind(upload),
      abort: upload.abort.bind(upload),
    };
    const original = own[name] as Method;
    const failing = (...args: never[]): unknown => {
      calls += 1;
      return calls > times ? original(...args) : failed(name, how, () => original(...args));
    };
    return { ...own, [name]: failing };
  };
  const { BLOBS } = env;
  const create = BLOBS.createMultipartUpload.bind(BLOBS);
  const resume = BLOBS.resumeMultipartUpload.bind(BLOBS);
  vi.spyOn(BLOBS, "createMultipartUpload").mockImplementation(async (...args) =>
    withFailure(await create(...args)),
  );
  vi.spyOn(BLOBS, "resumeMultipartUpload").mockImplementation((...args) =>
    withFailure(resume(...args)),
  );
  return () => calls;
}

/** Has R2 fail the next `times` operations of a kind; answers how many were asked for. */
export function failBucket(
  operation: BucketOperation,
  how: Failure,
  times = Number.POSITIVE_INFINITY,
): () => number {
  if (operation === "uploadPart" || operation === "complete" || operation === "abort") {
    return replaceOfUploads(operation, how, times);
  }
  return replace(env.BLOBS, operation, how, times);
}

/** Has a namespace of KV fail the next `times` operations of a kind; answers how many were asked for. */
export function failNamespace(
  name: "MANIFESTS" | "TAGS",
  operation: NamespaceOperation,
  how: Failure,
  times = Number.POSITIVE_INFINITY,
): () => number {
  return replace(env[name], operation, how, times);
}

/** Has every cache of the data centre fail. */
export function failCaches(how: Failure): () => number {
  return replace(caches, "open", how, Number.POSITIVE_INFINITY);
}
