/** POST of a collection: what it takes, what it tells, and how it goes on. */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { BlobCollector } from "../../durable-objects/blob-collector.ts";
import { CollectionRun } from "../../durable-objects/collection-run.ts";
import { RepositoryCollection } from "../../durable-objects/repository-collection.ts";
import { type BlobKey, blobIndexName } from "../../schemas/storage-keys.ts";
import { digestOf, newRepository, pushBlob, randomBytes, refusal, send } from "../client.ts";
import { advance, hourMs, minuteMs, secondMs } from "../durable-objects/clock.ts";
import { digestFor, newKey } from "../durable-objects/names.ts";
import { restart } from "../durable-objects/restart.ts";
import { storedObjects } from "../durable-objects/stored-objects.ts";
import { isLinked, pushOneLayer, remove, statusOf } from "./blobs.ts";
import { answered, collect, type CollectionBody, ofRepository, sums } from "./collecting.ts";
import { catalogObject, maintenanceObject, settle, takeTime } from "./time.ts";

const graceMs = 24 * hourMs;

beforeAll(takeTime);

afterEach(() => {
  vi.restoreAllMocks();
  vi.spyOn(console, "info").mockImplementation(() => undefined);
});

const nothing = { deletedLayers: 0, reclaimedBytes: 0, deletedManifests: 0 };

async function status(): Promise<CollectionBody> {
  const response = await send("GET", "/_gc");
  expect(response.status).toBe(200);
  return response.json();
}

/** Has the alarm of the maintenance run until the collection has ended. */
async function finish(): Promise<CollectionBody> {
  for (let round = 0; round < 10; round += 1) {
    /* oxlint-disable no-await-in-loop */
    advance(10 * secondMs);
    await runInDurableObject(maintenanceObject(), (maintenance) => maintenance.alarm());
    const body = await status();
    /* oxlint-enable no-await-in-loop */
    if (body.status === "done") return body;
  }
  throw new Error("the collection does not end");
}

test("before the first collection, GET says that there was none", async () => {
  expect(await status()).toEqual({ status: "never" });
});

describe("a plain collection", () => {
  beforeEach(async () => {
    await settle();
    await collect("?force=true");
  });

  test("takes blobs past grace and lease, and tells where, what and why", async () => {
    const [old, used, young] = [newRepository(), newRepository(), newRepository()];
    const sinceMs = Date.now();
    const oldBlob = await pushBlob(old, randomBytes(500));
    const image = await pushOneLayer(used, "latest");
    advance(graceMs);
    const youngBlob = await pushBlob(young, randomBytes(100));
    await settle();
    // The alarm of the repository has taken it, unless it is late.
    const bytes = randomBytes(700);
    const late = await pushBlob(old, bytes);
    const lateMs = Date.now();
    await settle();
    advance(graceMs - hourMs);
    expect(await statusOf("HEAD", `/v2/${young}/blobs/${youngBlob}`)).toBe(200);
    advance(hourMs);
    const body = await collect();
    expect(sums(body)).toEqual({ deletedLayers: 1, reclaimedBytes: 700, deletedManifests: 0 });
    expect(body).toMatchObject({ force: false, dryRun: false });
    expect(body.repositories).toEqual([
      {
        name: old,
        layers: [
          {
            digest: late,
            size: 700,
            reason: `unreferenced since ${new Date(lateMs).toISOString()}`,
          },
        ],
        manifests: [],
      },
    ]);
    expect(lateMs).toBeGreaterThan(sinceMs);
    expect(await isLinked(old, oldBlob)).toBe(false);
    expect(await isLinked(old, late)).toBe(false);
    expect(await isLinked(young, youngBlob)).toBe(true);
    expect(await isLinked(used, image.layer)).toBe(true);
    expect(Date.parse(body.startedAt)).toBeLessThanOrEqual(Date.parse(body.finishedAt ?? ""));
    // It is told again, by GET, until the next one.
    expect(await status()).toEqual(body);
    expect(sums(await collect())).toEqual(nothing);
    expect((await status()).repositories).toEqual([]);
  });

  test("takes nothing that is young", async () => {
    const repository = newRepository();
    const digest = await pushBlob(repository, randomBytes(100));
    const { digest: manifest, layer } = await pushOneLayer(repository, "latest");
    await remove(`/v2/${repository}/manifests/${manifest}`);
    await settle();
    advance(graceMs - minuteMs);
    const body = await collect();
    expect(sums(body)).toEqual(nothing);
    expect(await isLinked(repository, digest)).toBe(true);
    expect(await isLinked(repository, layer)).toBe(true);
  });

  test("takes a blob from a repository that lets go of it, and no bytes while others have it", async () => {
    const [ours, theirs] = [newRepository(), newRepository()];
    const bytes = randomBytes(100);
    const digest = await pushBlob(ours, bytes);
    await settle();
    advance(graceMs);
    await pushBlob(theirs, bytes);
    const body = await collect();
    expect(sums(body)).toEqual(nothing);
    expect(ofRepository(body, ours)?.layers).toMatchObject([{ digest, size: 100 }]);
    expect(await isLinked(ours, digest)).toBe(false);
    expect(digestOf(await (await send("GET", `/v2/${theirs}/blobs/${digest}`)).bytes())).toBe(
      digest,
    );
  });

  test("takes a blob that two repositories let go of, once", async () => {
    const [ours, theirs] = [newRepository(), newRepository()];
    const bytes = randomBytes(100);
    await pushBlob(ours, bytes);
    await pushBlob(theirs, bytes);
    await settle();
    advance(graceMs);
    const body = await collect();
    expect(sums(body)).toEqual({ deletedLayers: 1, reclaimedBytes: 100, deletedManifests: 0 });
    expect(body.repositories.map(({ name }) => name)).toEqual([ours, theirs].toSorted());
  });

  test("leaves the bytes in R2 for readers who have a link, for three minutes", async () => {
    const repository = newRepository();
    const digest = await pushBlob(repository, randomBytes(100));
    expect(await statusOf("GET", `/v2/${repository}/blobs/${digest}`)).toBe(200);
    await settle();
    advance(graceMs);
    await collect();
    expect((await storedObjects(repository)).length).toBe(1);
    advance(3 * minuteMs);
    // A second one deletes the garbage of the first, and does not count it again.
    expect(sums(await collect())).toEqual(nothing);
    expect((await storedObjects(repository)).length).toBe(0);
  });
});

describe("a forced collection", () => {
  test("ignores grace and leases, and takes the bytes from R2 at once", async () => {
    await settle();
    await collect("?force=true");
    const [repository, other] = [newRepository(), newRepository()];
    const bytes = randomBytes(300);
    const digest = await pushBlob(repository, bytes);
    const gone = await pushBlob(repository, randomBytes(200));
    await remove(`/v2/${repository}/blobs/${gone}`);
    await pushBlob(other, bytes);
    const kept = await pushOneLayer(repository, "latest");
    await settle();
    const body = await collect("?force=true");
    // What was deleted by name waited for its bytes to be taken: it counts too.
    expect(sums(body)).toEqual({ deletedLayers: 2, reclaimedBytes: 500, deletedManifests: 0 });
    expect(body.force).toBe(true);
    expect(ofRepository(body, repository)?.layers).toMatchObject([{ digest, size: 300 }]);
    expect(ofRepository(body, other)?.layers).toMatchObject([{ digest, size: 300 }]);
    expect((await storedObjects(repository)).length).toBe(2);
    expect(await statusOf("GET", `/v2/${repository}/blobs/${digest}`)).toBe(404);
    for (const blob of [kept.config, kept.layer]) {
      // oxlint-disable-next-line no-await-in-loop
      const got = await send("GET", `/v2/${repository}/blobs/${blob}`);
      // oxlint-disable-next-line no-await-in-loop
      expect(digestOf(await got.bytes())).toBe(blob);
    }
  });

  test("counts what was pushed just before it, which the catalog does not know yet", async () => {
    await settle();
    await collect("?force=true");
    const repository = newRepository();
    await pushBlob(repository, randomBytes(100));
    const answering = send("POST", "/_gc?force=true");
    // It waits for the second in which repositories tell the catalog of themselves.
    await vi.waitFor(async () => expect((await status()).status).toBe("running"));
    await settle();
    const body = await (await answered(answering)).json<CollectionBody>();
    expect(sums(body)).toEqual({ deletedLayers: 1, reclaimedBytes: 100, deletedManifests: 0 });
  });

  test("takes an object that nobody claimed, whether its index has had blobs or not", async () => {
    await pushOneLayer(newRepository(), "latest");
    await settle();
    const known = await catalogObject().indexes();
    const keys: BlobKey[] = [];
    for (const isKnown of [true, false]) {
      /* oxlint-disable no-await-in-loop */
      let bytes = randomBytes(100);
      while (known.includes(blobIndexName(env, digestFor(bytes))) !== isKnown)
        bytes = randomBytes(100);
      const key = newKey();
      keys.push(key);
      await env.BLOBS.put(key, bytes, { customMetadata: { digest: digestFor(bytes) } });
      /* oxlint-enable no-await-in-loop */
    }
    await collect("?force=true");
    const left = await Promise.all(keys.map(async (key) => (await env.BLOBS.head(key)) !== null));
    expect(left).toEqual([false, false]);
  });

  test("has a blob that it took be pushed again at once", async () => {
    const repository = newRepository();
    const bytes = randomBytes(100);
    await pushBlob(repository, bytes);
    await settle();
    await collect("?force=true");
    const digest = await pushBlob(repository, bytes);
    expect(digestOf(await (await send("GET", `/v2/${repository}/blobs/${digest}`)).bytes())).toBe(
      digest,
    );
  });
});

describe("a parameter that is not understood", () => {
  test.for([
    "force=1",
    "force=",
    "force=TRUE",
    "force=yes",
    "dry-run=1",
    "dry-run=",
    "dry-run=True",
    "dry-run=true%20",
    "force=true&dry-run=no",
  ])("%s is 400, and nothing begins", async (query) => {
    const before = await status();
    expect(await refusal(await send("POST", `/_gc?${query}`))).toEqual([400, "PARAMETER_INVALID"]);
    expect(await status()).toEqual(before);
  });

  test("false is understood as what is not asked for", async () => {
    const body = await collect("?force=false&dry-run=false");
    expect(body).toMatchObject({ force: false, dryRun: false });
  });
});

test.for(["PUT", "PATCH", "DELETE"])("%s of a collection is 405", async (method) => {
  const response = await send(method, "/_gc");
  expect(response.headers.get("Allow")).toBe("GET, HEAD, POST, OPTIONS");
  expect(await refusal(response)).toEqual([405, "UNSUPPORTED"]);
});

describe("while a collection runs", () => {
  test.for(["", "?force=true", "?dry-run=true"])(
    "POST%s is 409, and changes nothing",
    async (query) => {
      const begun = await env.MAINTENANCE.getByName("maintenance").beginCollection({
        force: false,
        dryRun: true,
      });
      expect(begun.ok).toBe(true);
      const before = await status();
      expect(before.status).toBe("running");
      const response = await send("POST", `/_gc${query}`);
      expect(response.headers.get("Retry-After")).toMatch(/^\d+$/);
      expect(await refusal(response)).toEqual([409, "COLLECTION_RUNNING"]);
      expect(await status()).toEqual(before);
      expect(await finish()).toMatchObject({ dryRun: true, force: false });
      await collect();
    },
  );
});

describe("a collection that takes longer than 25 s", () => {
  test("is answered 202 with where to look, and goes on", async () => {
    const repository = newRepository();
    await pushBlob(repository, randomBytes(100));
    await settle();
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const list = env.BLOBS.list.bind(env.BLOBS);
    const listed = vi.spyOn(env.BLOBS, "list").mockImplementation(async (options) => {
      await held;
      return list(options);
    });
    const answering = send("POST", "/_gc?force=true");
    await vi.waitFor(async () => expect((await status()).status).toBe("running"));
    advance(2 * secondMs);
    const running = runDurableObjectAlarm(maintenanceObject());
    await vi.waitFor(() => expect(listed).toHaveBeenCalledTimes(1));
    advance(26 * secondMs);
    const response = await answering;
    expect(response.status).toBe(202);
    expect(response.headers.get("Location")).toBe("/_gc");
    expect(response.headers.get("Retry-After")).toMatch(/^\d+$/);
    const body = await response.json<CollectionBody>();
    expect(body).toMatchObject({ status: "running", finishedAt: null });
    expect(await status()).toEqual(body);
    release();
    await running;
    const done = await finish();
    expect(ofRepository(done, repository)?.layers).toHaveLength(1);
    expect((await storedObjects(repository)).length).toBe(0);
  });

  test("is tried again when R2 fails", async () => {
    const repository = newRepository();
    await pushBlob(repository, randomBytes(100));
    await settle();
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    const list = vi
      .spyOn(env.BLOBS, "list")
      .mockRejectedValueOnce(new Error("R2 fails"))
      .mockRejectedValueOnce(new Error("R2 fails"));
    const body = await collect("?force=true");
    expect(list.mock.calls.length).toBeGreaterThan(2);
    expect(ofRepository(body, repository)?.layers).toHaveLength(1);
    expect((await storedObjects(repository)).length).toBe(0);
  });
});

describe("what can't be asked counts as a failure, and the next collection takes it", () => {
  test("a repository", async () => {
    await settle();
    await collect("?force=true");
    const repository = newRepository();
    const digest = await pushBlob(repository, randomBytes(100));
    await settle();
    const failing = vi.spyOn(RepositoryCollection.prototype, "collect").mockImplementation(() => {
      throw new Error("no answer");
    });
    const first = await answered(send("POST", "/_gc?force=true"));
    const asked = failing.mock.calls.length;
    expect(asked).toBeGreaterThan(0);
    expect(await first.json()).toMatchObject({ status: "done", failures: asked, ...nothing });
    expect(await isLinked(repository, digest)).toBe(true);
    failing.mockRestore();
    const second = await collect("?force=true");
    expect(second).toMatchObject({ failures: 0, deletedLayers: 1, reclaimedBytes: 100 });
    expect((await storedObjects(repository)).length).toBe(0);
  });

  test("an index", async () => {
    await settle();
    await collect("?force=true");
    const repository = newRepository();
    await pushBlob(repository, randomBytes(100));
    await settle();
    const deleteGarbage = vi.spyOn(BlobCollector.prototype, "deleteGarbage");
    deleteGarbage.mockRejectedValueOnce(new Error("R2 fails"));
    const first = await answered(send("POST", "/_gc?force=true"));
    expect(await first.json()).toMatchObject({ status: "done", failures: 1 });
    await collect("?force=true");
    expect((await storedObjects(repository)).length).toBe(0);
  });
});

describe("a collection that is cut off goes on", () => {
  const cuts = ["before", "after"].flatMap((when) =>
    (["repositories", "objects", "indexes"] as const).map((phase) => ({ when, phase })),
  );

  test.for(cuts)("$when a step of $phase", async ({ when, phase }) => {
    await settle();
    await collect("?force=true");
    const [repository, used] = [newRepository(), newRepository()];
    const digest = await pushBlob(repository, randomBytes(100));
    const image = await pushOneLayer(used, "latest");
    await settle();
    let isReached = false;
    // oxlint-disable-next-line typescript/unbound-method
    const { step } = CollectionRun.prototype;
    const steps = vi.spyOn(CollectionRun.prototype, "step").mockImplementation(async function (
      this: CollectionRun,
      state,
    ) {
      if (state.phase !== phase) return step.call(this, state);
      if (when === "after") await step.call(this, state);
      isReached = true;
      return new Promise(() => undefined);
    });
    const begun = await env.MAINTENANCE.getByName("maintenance").beginCollection({
      force: true,
      dryRun: false,
    });
    expect(begun.ok).toBe(true);
    advance(2 * secondMs);
    const alarm = runDurableObjectAlarm(maintenanceObject()).catch(() => undefined);
    await vi.waitFor(() => expect(isReached).toBe(true));
    await restart(maintenanceObject, "aborted");
    await alarm;
    steps.mockRestore();
    expect((await status()).status).toBe("running");
    const body = await finish();
    expect(body.failures).toBe(0);
    expect(ofRepository(body, repository)?.layers).toMatchObject([{ digest, size: 100 }]);
    expect((await storedObjects(repository)).length).toBe(0);
    expect(await isLinked(used, image.layer)).toBe(true);
    expect((await storedObjects(used)).length).toBe(2);
    // What a step did that was not noted is not counted; nothing is counted twice.
    const counted = when === "after" && phase === "indexes" ? body.deletedLayers : 1;
    expect(body.deletedLayers).toBe(counted);
    expect(body.deletedLayers).toBeLessThanOrEqual(1);
  });
});

test("120 repositories, of which each lets go of a blob", { timeout: 120_000 }, async () => {
  await settle();
  await collect("?force=true");
  const repositories = Array.from({ length: 120 }, newRepository).toSorted();
  for (const repository of repositories) {
    const path = `/v2/${repository}/blobs/uploads/?digest=${digestOf(repository)}`;
    // oxlint-disable-next-line no-await-in-loop
    expect((await send("POST", path, { body: repository })).status).toBe(201);
  }
  await settle();
  const dry = await collect("?force=true&dry-run=true");
  const body = await collect("?force=true");
  expect(sums(body)).toEqual({
    deletedLayers: 120,
    reclaimedBytes: 120 * (repositories[0]?.length ?? 0),
    deletedManifests: 0,
  });
  expect(sums(dry)).toEqual(sums(body));
  expect(body.repositories.map(({ name }) => name)).toEqual(repositories);
  expect(dry.repositories).toEqual(body.repositories);
});
