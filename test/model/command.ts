import * as fc from "fast-check";
import {
  type BlobName,
  blobNames,
  type ManifestName,
  manifestNames,
  type TagName,
  tagNames,
} from "./alphabet.ts";

export const repositoryCount = 3;
const slotCount = 2;

/** How a blob is pushed: in one request, in two, as a stream, or in chunks. */
const pushes = ["POST", "PUT", "stream", "chunks"] as const;

/** What loses its memory: the object of a repository, an index, or of the upload that a slot has. */
export type RestartedObject =
  | `repository ${number}`
  | `index ${number}`
  | `upload ${number}`
  | "catalog"
  | "maintenance";

/** What a client asks for. */
export type Request =
  | { do: "push"; repository: number; blob: BlobName; how: (typeof pushes)[number] }
  | { do: "head"; repository: number; blob: BlobName }
  | { do: "get"; repository: number; blob: BlobName }
  | { do: "mount"; repository: number; blob: BlobName; from: number | undefined }
  | { do: "put"; repository: number; manifest: ManifestName; tag: TagName | undefined }
  | { do: "read"; repository: number; reference: ManifestName | TagName }
  | { do: "untag"; repository: number; tag: TagName }
  | { do: "delete manifest"; repository: number; manifest: ManifestName }
  | { do: "delete blob"; repository: number; blob: BlobName }
  | { do: "tags"; repository: number }
  | { do: "referrers"; repository: number; manifest: ManifestName };

/**
 * A step of the upload session that a slot has; where it has none, one begins before the step. A start
 * leaves the former one to expire.
 */
export interface Upload {
  do: "start" | "append" | "close" | "cancel";
  slot: number;
  repository: number;
  blob: BlobName;
}

/** What an administrator has done. What a rehearsed one does, a dry run told before it. */
export interface Collect {
  do: "collect";
  force: boolean;
  how: "done" | "rehearsed" | "dry run";
}

/** What the registry does by itself: the alarms of its objects, a minute later. */
export interface Alarms {
  do: "alarms";
  of: (typeof alarmed)[number];
}
export const alarmed = ["repositories", "indexes", "uploads", "catalog", "maintenance"] as const;

/** Where a request is cut off: at the so-manieth call of a store or object, with it done or not. */
export interface Cut {
  readonly at: number;
  readonly done: boolean;
  /** Whether the object that is called is aborted, too. */
  readonly abort: boolean;
}

/** What loses its memory, and how. */
interface Restart {
  readonly object: RestartedObject;
  readonly how: "evicted" | "aborted";
}

export type Operation = Request | Upload | Collect | Alarms;
export type Command =
  | Operation
  | { do: "wait"; seconds: number }
  /** A collection that does what a dry run told, once others know what was changed before. */
  | { do: "rehearsal"; force: boolean }
  /** All that a manifest references, in one request each, and then itself. */
  | { do: "image"; repository: number; manifest: ManifestName; tag: TagName | undefined }
  | ({ do: "restart" } & Restart)
  | { do: "cut"; operation: Operation; cut: Cut }
  /**
   * At once, with the calls between objects and stores held up by so many milliseconds each, and
   * perhaps with an object that is restarted once they have made so many of these calls.
   */
  | {
      do: "race";
      operations: readonly Operation[];
      delaysMs: readonly number[];
      restart?: Restart & { readonly afterCalls: number };
    };

/** Grace of the project `model` (REGISTRY_GC_GRACE), in seconds. */
export const graceSeconds = 7200;
/** Added up, these never are exactly a grace, half of one or a timeout: no limit is met exactly. */
const wait = fc.record({
  do: fc.constant("wait" as const),
  seconds: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(2, 61, 181, 3601, 7201) },
    { weight: 1, arbitrary: fc.constantFrom(86_401, 8 * 86_400 + 1) },
  ),
});

const repository = fc.nat({ max: repositoryCount - 1 });
const blob = fc.constantFrom(...blobNames);
const manifest = fc.constantFrom(...manifestNames);
const tag = fc.constantFrom(...tagNames);
const slot = fc.nat({ max: slotCount - 1 });

function named<Name extends Command["do"]>(name: Name): fc.Arbitrary<Name> {
  return fc.constant(name);
}

const request: fc.Arbitrary<Request> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: named("push"),
      repository,
      blob,
      how: fc.constantFrom(...pushes),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: named("head"), repository, blob }) },
  { weight: 2, arbitrary: fc.record({ do: named("get"), repository, blob }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: named("mount"),
      repository,
      blob,
      from: fc.option(repository, { nil: undefined }),
    }),
  },
  {
    weight: 12,
    arbitrary: fc.record({
      do: named("put"),
      repository,
      manifest,
      tag: fc.option(tag, { nil: undefined }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: named("read"), repository, reference: fc.oneof(manifest, tag) }),
  },
  { weight: 1, arbitrary: fc.record({ do: named("untag"), repository, tag }) },
  { weight: 4, arbitrary: fc.record({ do: named("delete manifest"), repository, manifest }) },
  { weight: 3, arbitrary: fc.record({ do: named("delete blob"), repository, blob }) },
  { weight: 1, arbitrary: fc.record({ do: named("tags"), repository }) },
  { weight: 1, arbitrary: fc.record({ do: named("referrers"), repository, manifest }) },
);

const upload: fc.Arbitrary<Upload> = fc.record({
  do: fc.constantFrom("start", "append", "append", "append", "close", "close", "cancel"),
  slot,
  repository,
  blob,
});

const collect: fc.Arbitrary<Collect> = fc.record({
  do: named("collect"),
  force: fc.boolean(),
  how: fc.constantFrom("done", "done", "dry run"),
});
const rehearsal = fc.record({ do: named("rehearsal"), force: fc.boolean() });
const alarms: fc.Arbitrary<Alarms> = fc.record({
  do: named("alarms"),
  of: fc.constantFrom("repositories", "repositories", ...alarmed),
});

const image = fc.record({
  do: named("image"),
  repository,
  manifest,
  tag: fc.option(tag, { nil: undefined }),
});
const restart = fc.record({
  do: named("restart"),
  object: fc.oneof(
    repository.map((number) => `repository ${number}` as const),
    fc.nat({ max: 1 }).map((number) => `index ${number}` as const),
    fc.constantFrom("catalog", "maintenance"),
  ),
  how: fc.constantFrom("evicted", "aborted"),
});
const cut = fc.record({
  do: named("cut"),
  operation: fc.oneof(
    { weight: 8, arbitrary: request },
    { weight: 2, arbitrary: upload },
    { weight: 2, arbitrary: collect },
    { weight: 3, arbitrary: alarms },
  ),
  cut: fc.record({ at: fc.nat({ max: 5 }), done: fc.boolean(), abort: fc.boolean() }),
});
/** The objects that an operation calls, or may call. */
function called(operation: Operation): RestartedObject[] {
  const repositories = Array.from(
    { length: repositoryCount },
    (_, at) => `repository ${at}` as const,
  );
  const indexes = ["index 0", "index 1"] as const;
  switch (operation.do) {
    case "collect":
      return ["maintenance", "catalog", ...repositories, ...indexes];
    case "alarms":
      return ["catalog", ...repositories, ...indexes];
    case "push":
    case "delete blob":
      return [`repository ${operation.repository}`, ...indexes];
    case "mount": {
      const { repository: at, from = at } = operation;
      return [`repository ${at}`, `repository ${from}`, ...indexes];
    }
    case "start":
    case "append":
    case "close":
    case "cancel":
      return [`upload ${operation.slot}`, `repository ${operation.repository}`, ...indexes];
    case "head":
    case "get":
    case "put":
    case "read":
    case "untag":
    case "delete manifest":
    case "tags":
    case "referrers":
      break;
  }
  return [`repository ${operation.repository}`];
}

type Race = Command & { do: "race" };
const race: fc.Arbitrary<Race> = fc
  .record({
    operations: fc.uniqueArray(
      fc.oneof(
        { weight: 8, arbitrary: request },
        { weight: 2, arbitrary: upload },
        { weight: 2, arbitrary: collect },
        { weight: 1, arbitrary: alarms },
      ),
      // A client sends the steps of one upload one after the other.
      { minLength: 2, maxLength: 3, selector: (one) => ("slot" in one ? one.slot : one) },
    ),
    delaysMs: fc.array(fc.constantFrom(0, 0, 1, 5), { maxLength: 8 }),
    restart: fc.option(
      fc.record({
        which: fc.nat({ max: 9 }),
        how: fc.constantFrom("aborted", "aborted", "evicted"),
        afterCalls: fc.nat({ max: 4 }),
      }),
      { nil: undefined, freq: 2 },
    ),
  })
  .map(({ operations, delaysMs, restart: drawn }): Race => {
    if (drawn === undefined) return { do: "race", operations, delaysMs };
    const { which, how, afterCalls } = drawn;
    const objects = operations.flatMap(called);
    const object = objects[which % objects.length] ?? "catalog";
    return { do: "race", operations, delaysMs, restart: { object, how, afterCalls } };
  });

const sequence = [
  { weight: 44, arbitrary: request },
  { weight: 8, arbitrary: upload },
  { weight: 6, arbitrary: collect },
  { weight: 8, arbitrary: alarms },
  { weight: 8, arbitrary: wait },
  { weight: 4, arbitrary: restart },
  { weight: 8, arbitrary: image },
];

/** Commands one after the other. */
export const sequential: fc.Arbitrary<Command> = fc.oneof(...sequence, {
  weight: 2,
  arbitrary: rehearsal,
});

/** The same, of which some are cut off in the middle; a dry run does not tell what that leaves behind. */
export const interrupted: fc.Arbitrary<Command> = fc.oneof(
  { weight: 5, arbitrary: fc.oneof(...sequence) },
  { weight: 2, arbitrary: cut },
);

/** The same, of which some run at the same time. */
export const concurrent: fc.Arbitrary<Command> = fc.oneof(
  { weight: 3, arbitrary: sequential },
  { weight: 2, arbitrary: race },
);

/** As a counterexample has it: JSON, so that it can be made a test of its own as it stands. */
export function shownCommand(command: Command): string {
  return JSON.stringify(command);
}

const pushed = { do: "push", repository: 0, blob: "b0", how: "POST" } as const;

/** One blob of one repository, that comes and goes. */
export const ofOneBlob: fc.Arbitrary<Command> = fc.oneof(
  fc.constantFrom<Command>(
    pushed,
    { do: "delete blob", repository: 0, blob: "b0" },
    { do: "alarms", of: "repositories" },
    { do: "alarms", of: "indexes" },
  ),
  wait,
);

/** One blob of one repository, whose lease is renewed by who may push it there or elsewhere. */
export const ofOneLease: fc.Arbitrary<Command> = fc.oneof(
  fc.constantFrom<Command>(
    pushed,
    { do: "head", repository: 0, blob: "b0" },
    { do: "mount", repository: 1, blob: "b0", from: 0 },
  ),
  wait,
);

/** Pushes of it beside forced collections. */
export const besideForce: fc.Arbitrary<Command> = fc.record({
  do: named("race"),
  operations: fc.constant([pushed, { do: "collect", force: true, how: "done" } as const]),
  delaysMs: fc.array(fc.constantFrom(0, 1, 5, 20), { minLength: 1, maxLength: 8 }),
});
