/**
 * A registry that lets go of untagged manifests after an hour, of referrers with their subject, and of
 * blobs a minute after nothing uses them: by its variables, through HTTP and alarms.
 */
import { beforeAll, describe, expect, test } from "vitest";
import type { RepositoryName } from "../../../schemas/reference.ts";
import {
  imageManifest,
  indexOf,
  newRepository,
  ociManifest,
  pushBlob,
  pushManifest,
  randomBytes,
} from "../../client.ts";
import { advance, hourMs, minuteMs, secondMs } from "../../durable-objects/clock.ts";
import { repositoryObject } from "../../durable-objects/names.ts";
import { storedObjects } from "../../durable-objects/stored-objects.ts";
import { isLinked, pushOneLayer, remove, statusOf } from "../blobs.ts";
import { collect, ofRepository, sums } from "../collecting.ts";
import { alarmOf, pass, settle, takeTime } from "../time.ts";

beforeAll(takeTime);

const graceMs = minuteMs;
const untaggedMs = hourMs;

function isThere(repository: string, reference: string): Promise<boolean> {
  return repositoryObject(repository as RepositoryName)
    .manifest(
      reference.includes(":")
        ? { kind: "digest", digest: reference as never }
        : { kind: "tag", tag: reference as never },
      false,
    )
    .then(({ ok }) => ok);
}

/** A manifest over one config that refers to a subject, pushed by digest. */
async function pushReferrer(repository: string, subject: string): Promise<string> {
  const config = await pushBlob(repository, randomBytes(10));
  const descriptor = { mediaType: ociManifest, digest: subject, size: 7 };
  const manifest = imageManifest({ digest: config, size: 10 }, [], { subject: descriptor });
  return pushManifest(repository, "", manifest, ociManifest);
}

test("a blob goes a minute after its push, and HEAD puts that off", async () => {
  const repository = newRepository();
  const digests = [
    await pushBlob(repository, randomBytes(10)),
    await pushBlob(repository, randomBytes(10)),
  ] as const;
  await pass(40 * secondMs);
  expect(await statusOf("HEAD", `/v2/${repository}/blobs/${digests[0]}`)).toBe(200);
  await pass(20 * secondMs);
  expect([await isLinked(repository, digests[0]), await isLinked(repository, digests[1])]).toEqual([
    true,
    false,
  ]);
  await pass(40 * secondMs);
  expect(await isLinked(repository, digests[0])).toBe(false);
});

describe("an untagged image", () => {
  test("goes an hour after its push, its blobs a minute later, and then the repository", async () => {
    const repository = newRepository();
    const { digest, layer } = await pushOneLayer(repository, "latest");
    await remove(`/v2/${repository}/manifests/latest`);
    await pass(untaggedMs - secondMs);
    expect(await isThere(repository, digest)).toBe(true);
    await pass(secondMs);
    expect(await isThere(repository, digest)).toBe(false);
    expect(await isLinked(repository, layer)).toBe(true);
    await pass(graceMs);
    expect(await isLinked(repository, layer)).toBe(false);
    await settle();
    await pass(4 * minuteMs);
    expect((await storedObjects(repository)).length).toBe(0);
    expect(await alarmOf(repositoryObject(repository as RepositoryName))).toBeNull();
  });

  test("goes an hour after its tag moved, not after its push", async () => {
    const repository = newRepository();
    const first = await pushOneLayer(repository, "latest");
    await pass(10 * hourMs);
    const second = await pushOneLayer(repository, "latest");
    await pass(untaggedMs - secondMs);
    expect(await isThere(repository, first.digest)).toBe(true);
    await pass(secondMs);
    expect(await isThere(repository, first.digest)).toBe(false);
    await pass(10 * hourMs);
    expect(await isThere(repository, second.digest)).toBe(true);
    expect(await isLinked(repository, second.layer)).toBe(true);
  });

  test("stays as a child of a tagged index, and an hour when that is deleted", async () => {
    const repository = newRepository();
    const { digest, manifest, layer } = await pushOneLayer(repository, "tmp");
    const index = indexOf([{ mediaType: ociManifest, digest, size: manifest.length }]);
    const indexDigest = await pushManifest(repository, "latest", index);
    await remove(`/v2/${repository}/manifests/tmp`);
    await pass(10 * hourMs);
    expect(await isThere(repository, digest)).toBe(true);
    await remove(`/v2/${repository}/manifests/${indexDigest}`);
    await pass(untaggedMs - secondMs);
    expect(await isThere(repository, digest)).toBe(true);
    await pass(secondMs);
    expect(await isThere(repository, digest)).toBe(false);
    await pass(graceMs);
    expect(await isLinked(repository, layer)).toBe(false);
  });

  test("stays as the referrer of a tagged image", async () => {
    const repository = newRepository();
    const subject = await pushOneLayer(repository, "latest");
    const referrer = await pushReferrer(repository, subject.digest);
    await pass(10 * hourMs);
    expect(await isThere(repository, referrer)).toBe(true);
  });

  test("is 404 by digest for readers too, and its replica goes", async () => {
    const repository = newRepository();
    const { digest } = await pushOneLayer(repository, "latest");
    await remove(`/v2/${repository}/manifests/latest`);
    await pass(untaggedMs);
    await settle();
    expect(await statusOf("GET", `/v2/${repository}/manifests/${digest}`)).toBe(404);
  });
});

describe("a referrer", () => {
  test("goes a minute after its subject was deleted", async () => {
    const repository = newRepository();
    const subject = await pushOneLayer(repository, "latest");
    const referrer = await pushReferrer(repository, subject.digest);
    await remove(`/v2/${repository}/manifests/${subject.digest}`);
    await pass(graceMs - secondMs);
    expect(await isThere(repository, referrer)).toBe(true);
    await pass(secondMs);
    expect(await isThere(repository, referrer)).toBe(false);
  });

  test("stays if its subject is pushed again in time", async () => {
    const repository = newRepository();
    const subject = await pushOneLayer(repository, "latest");
    const referrer = await pushReferrer(repository, subject.digest);
    await remove(`/v2/${repository}/manifests/${subject.digest}`);
    await pass(graceMs - secondMs);
    await pushManifest(repository, "latest", subject.manifest, ociManifest);
    await pass(10 * hourMs);
    expect(await isThere(repository, referrer)).toBe(true);
  });
});

describe("a collection that is asked for", () => {
  test("takes untagged manifests, then their blobs, and says why", async () => {
    await settle();
    await collect("?force=true");
    const repository = newRepository();
    const { digest, layer, config } = await pushOneLayer(repository, "latest");
    await remove(`/v2/${repository}/manifests/latest`);
    const since = new Date(Date.now()).toISOString();
    await settle();
    advance(untaggedMs);
    const told = await collect("?dry-run=true");
    const body = await collect();
    expect(sums(told)).toEqual(sums(body));
    expect(sums(body)).toEqual({ deletedLayers: 0, reclaimedBytes: 0, deletedManifests: 1 });
    expect(ofRepository(body, repository)).toEqual({
      name: repository,
      layers: [],
      manifests: [{ digest, reason: `untagged since ${since}` }],
    });
    advance(graceMs);
    const next = await collect();
    expect(sums(next)).toEqual({ deletedLayers: 2, reclaimedBytes: 1100, deletedManifests: 0 });
    const digests = ofRepository(next, repository)?.layers.map((found) => found.digest) ?? [];
    expect(digests.toSorted()).toEqual([layer, config].toSorted());
  });

  test("by force takes a whole chain of referrers with their blobs, as its dry run tells", async () => {
    await settle();
    await collect("?force=true");
    const repository = newRepository();
    const subject = await pushOneLayer(repository, "latest");
    const first = await pushReferrer(repository, subject.digest);
    const second = await pushReferrer(repository, first);
    await remove(`/v2/${repository}/manifests/${subject.digest}`);
    await settle();
    const told = await collect("?dry-run=true&force=true");
    const body = await collect("?force=true");
    expect(sums(body)).toEqual({ deletedLayers: 4, reclaimedBytes: 1120, deletedManifests: 2 });
    const found = ofRepository(body, repository)?.manifests ?? [];
    expect(found.map(({ digest }) => digest).toSorted()).toEqual([first, second].toSorted());
    expect(found.find(({ digest }) => digest === first)?.reason).toBe(
      `its subject ${subject.digest} was deleted`,
    );
    expect(sums(told)).toEqual(sums(body));
  });

  test("by force leaves young untagged manifests, and what they use", async () => {
    const repository = newRepository();
    const { digest, layer } = await pushOneLayer(repository, "latest");
    await remove(`/v2/${repository}/manifests/latest`);
    await settle();
    await collect("?force=true");
    expect(await isThere(repository, digest)).toBe(true);
    expect(await isLinked(repository, layer)).toBe(true);
  });
});

describe("the alarm of a repository", () => {
  test("is not set any more when all that is left is tagged", async () => {
    const repository = newRepository();
    await pushOneLayer(repository, "latest");
    for (let round = 0; round < 4; round += 1) {
      // oxlint-disable-next-line no-await-in-loop
      await pass(2 * hourMs);
    }
    expect(await alarmOf(repositoryObject(repository as RepositoryName))).toBeNull();
  });

  test("stands where an untagged manifest is due", async () => {
    const repository = newRepository();
    await pushOneLayer(repository, "latest");
    for (let round = 0; round < 4; round += 1) {
      // oxlint-disable-next-line no-await-in-loop
      await pass(2 * hourMs);
    }
    await remove(`/v2/${repository}/manifests/latest`);
    const removedMs = Date.now();
    await settle();
    await pass(2 * minuteMs);
    expect(await alarmOf(repositoryObject(repository as RepositoryName))).toBe(
      removedMs + untaggedMs,
    );
  });
});
