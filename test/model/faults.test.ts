/** That the model finds faults: each is made in the registry, and has to be found in a few runs. */
/* oxlint-disable typescript/unbound-method -- each is called with the object that it is a method of */
import * as fc from "fast-check";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import { BlobCollector } from "../../durable-objects/blob-collector.ts";
import { BlobStore } from "../../durable-objects/blob-store.ts";
import { LinkStore } from "../../durable-objects/link-store.ts";
import { ManifestStore } from "../../durable-objects/manifest-store.ts";
import { Outbox } from "../../durable-objects/outbox.ts";
import { RepositoryRecords } from "../../durable-objects/repository-records.ts";
import {
  besideForce,
  type Command,
  interrupted,
  ofOneBlob,
  ofOneLease,
  sequential,
} from "./command.ts";
import { installSeam } from "./interruption.ts";
import { timeoutMs } from "./property.ts";
import { begin, endings, runModel, steps } from "./run.ts";

beforeAll(async () => {
  await begin();
});

afterEach(() => {
  vi.restoreAllMocks();
});

const runsMax = 150;

function nothing(): undefined {
  return undefined;
}

const faults: readonly { name: string; in: fc.Arbitrary<Command>; make: () => unknown }[] = [
  {
    name: "a manifest does not keep its blobs",
    in: sequential,
    make: () => vi.spyOn(LinkStore.prototype, "markReferenced").mockImplementation(nothing),
  },
  {
    name: "a deleted manifest keeps its blobs",
    in: sequential,
    make: () => vi.spyOn(LinkStore.prototype, "markUnreferenced").mockImplementation(nothing),
  },
  {
    name: "a HEAD or mount renews no lease",
    in: ofOneLease,
    make: () => vi.spyOn(LinkStore.prototype, "renew").mockImplementation(nothing),
  },
  {
    name: "a blob in use can be deleted",
    in: sequential,
    make: () => vi.spyOn(ManifestStore.prototype, "user").mockImplementation(nothing),
  },
  {
    name: "a deleted manifest leaves its tags",
    in: sequential,
    make: () => vi.spyOn(ManifestStore.prototype, "remove").mockImplementation(() => []),
  },
  {
    name: "a blob goes with the first of its holders",
    in: sequential,
    make: () => {
      const { release } = BlobStore.prototype;
      vi.spyOn(BlobStore.prototype, "release").mockImplementation(function (
        this: BlobStore,
        ...at
      ) {
        release.apply(this, at);
        return true;
      });
    },
  },
  {
    name: "a blob that is held anew stays garbage",
    in: ofOneBlob,
    make: () => {
      const { hold, discard } = BlobStore.prototype;
      vi.spyOn(BlobStore.prototype, "hold").mockImplementation(function (
        this: BlobStore,
        holder,
        stored,
      ) {
        const wasGarbage = this.isDiscarded(stored.key);
        hold.call(this, holder, stored);
        if (wasGarbage) discard.call(this, { ...stored, digest: holder.digest }, Date.now());
      });
    },
  },
  {
    name: "an unlinked blob stays held",
    in: sequential,
    make: () => vi.spyOn(RepositoryRecords.prototype, "drop").mockImplementation(nothing),
  },
  {
    name: "a replica is not written",
    in: sequential,
    make: () => {
      const { add } = Outbox.prototype;
      vi.spyOn(Outbox.prototype, "add").mockImplementation(function (
        this: Outbox<string>,
        kind,
        ...what
      ) {
        if (kind !== "tag") add.call(this, kind, ...what);
      });
    },
  },
  {
    name: "holders whose link never came are not asked after",
    in: interrupted,
    make: () =>
      vi
        .spyOn(BlobCollector.prototype, "askHolders")
        .mockImplementation(() => Promise.resolve(false)),
  },
  {
    name: "a link comes though its holder was dropped",
    in: besideForce,
    make: () => vi.spyOn(LinkStore.prototype, "refuse").mockImplementation(() => undefined),
  },
];

test.each(faults)(
  "$name",
  async ({ in: commands, make }) => {
    installSeam();
    make();
    const found = await fc.check(fc.asyncProperty(steps(commands, 25), endings, runModel), {
      numRuns: runsMax,
      endOnFailure: true,
      seed: 1,
    });
    expect(found.failed).toBe(true);
  },
  timeoutMs,
);
