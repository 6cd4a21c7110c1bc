/** A blob whose object R2 has lost: it is not there any more, until a push or R2 brings it back. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { Digest } from "../../schemas/digest.ts";
import type { RepositoryName } from "../../schemas/reference.ts";
import type { BlobKey } from "../../schemas/storage-keys.ts";
import {
  digestOf,
  imageManifest,
  ociManifest,
  pushBlob,
  pushManifest,
  putManifest,
  randomBytes,
  refusal,
  send,
} from "../client.ts";
import { advance, hourMs } from "./clock.ts";
import { claimed, holders, link, tell } from "./linked-blob.ts";
import { blobIndex, newKey, newRepository, newToken, repositoryObject } from "./names.ts";

beforeAll(() => advance(hourMs));
beforeEach(() => {
  vi.spyOn(console, "info").mockImplementation(() => undefined);
});
afterEach(() => {
  vi.restoreAllMocks();
});

interface Lost {
  readonly repository: RepositoryName;
  readonly digest: Digest;
  readonly key: BlobKey;
  readonly bytes: Uint8Array;
}

async function linked(repository = newRepository(), bytes = randomBytes(100)): Promise<Lost> {
  const blob = await claimed(repository, bytes);
  expect((await link(repository, blob)).ok).toBe(true);
  return { repository, digest: blob.digest, key: blob.key, bytes };
}

/** A blob that is linked, and whose object somebody deleted behind the registry's back. */
async function lost(): Promise<Lost> {
  const blob = await linked();
  await env.BLOBS.delete(blob.key);
  return blob;
}

function heal({ repository, digest, key }: Lost) {
  return repositoryObject(repository).healBlob(repository, digest, key);
}

async function isLinked({ repository, digest }: Lost): Promise<boolean> {
  return (await repositoryObject(repository).blob(digest, "check")).ok;
}

async function readDigest({ repository, digest }: Lost): Promise<string> {
  const got = await send("GET", `/v2/${repository}/blobs/${digest}`);
  return got.ok ? digestOf(await got.bytes()) : String(got.status);
}

test("what R2 has lost is not there to a push nor a mount, and who holds it still does", async () => {
  const blob = await lost();
  const { repository, digest } = blob;
  const before = await holders(digest);
  expect(await heal(blob)).toMatchObject({ ok: false, code: "BLOB_UNKNOWN" });
  expect(await isLinked(blob)).toBe(false);
  expect((await send("HEAD", `/v2/${repository}/blobs/${digest}`)).status).toBe(404);
  const query = `mount=${digest}&from=${repository}`;
  const mount = await send("POST", `/v2/${newRepository()}/blobs/uploads/?${query}`);
  expect(mount.status).toBe(202);
  expect(await blobIndex(digest).take({ digest, token: newToken(), repository })).toBeUndefined();
  await tell(repository);
  expect(await holders(digest)).toEqual(before);
});

test("what was away comes back with the next read", async () => {
  const blob = await lost();
  expect((await heal(blob)).ok).toBe(false);
  expect(await readDigest(blob)).toBe("404");
  await env.BLOBS.put(blob.key, blob.bytes);
  expect(await isLinked(blob)).toBe(false);
  expect(await readDigest(blob)).toBe(blob.digest);
  expect(await isLinked(blob)).toBe(true);
});

test("a manifest is refused whose blob is lost", async () => {
  const blob = await lost();
  expect((await heal(blob)).ok).toBe(false);
  const manifest = imageManifest({ digest: blob.digest, size: 100 }, []);
  const put = await putManifest(blob.repository, "latest", manifest);
  expect(await refusal(put)).toEqual([400, "MANIFEST_BLOB_UNKNOWN"]);
});

test("where the bytes came back before they are pushed again, theirs are used", async () => {
  const blob = await lost();
  expect((await heal(blob)).ok).toBe(false);
  await env.BLOBS.put(blob.key, blob.bytes);
  await pushBlob(blob.repository, blob.bytes);
  expect(await repositoryObject(blob.repository).blob(blob.digest, "check")).toMatchObject({
    value: { key: blob.key },
  });
  expect(await readDigest(blob)).toBe(blob.digest);
});

test("what a manifest uses goes too, and is there again when it is pushed again", async () => {
  const blob = await linked();
  const manifest = imageManifest({ digest: blob.digest, size: 100 }, []);
  const digest = await pushManifest(blob.repository, "latest", manifest, ociManifest);
  await env.BLOBS.delete(blob.key);
  expect((await heal(blob)).ok).toBe(false);
  const path = `/v2/${blob.repository}`;
  expect((await send("HEAD", `${path}/blobs/${blob.digest}`)).status).toBe(404);
  expect((await send("HEAD", `${path}/manifests/${digest}`)).status).toBe(200);
  await pushBlob(blob.repository, blob.bytes);
  expect(await readDigest(blob)).toBe(blob.digest);
  const since = await runInDurableObject(repositoryObject(blob.repository), (_, { storage }) =>
    storage.sql
      .exec<{ since: number | null }>(
        "SELECT unreferenced_since AS since FROM links WHERE digest = ?",
        blob.digest,
      )
      .one(),
  );
  expect(since).toEqual({ since: null });
});

describe("nothing is lost where R2", () => {
  test("has the object after all", async () => {
    const blob = await linked();
    expect(await heal(blob)).toEqual({
      ok: true,
      value: { digest: blob.digest, key: blob.key, size: 100 },
    });
    expect(await readDigest(blob)).toBe(blob.digest);
  });

  test("does not answer", async () => {
    const blob = await linked();
    vi.spyOn(env.BLOBS, "head").mockRejectedValueOnce(new Error("R2 fails"));
    expect(await heal(blob)).toMatchObject({ ok: false, code: "OVERLOADED" });
    expect(await isLinked(blob)).toBe(true);
    expect(await readDigest(blob)).toBe(blob.digest);
  });
});

test("an object of another size counts as lost, and goes when the blob is pushed again", async () => {
  const blob = await linked();
  await env.BLOBS.put(blob.key, randomBytes(99));
  expect(await heal(blob)).toMatchObject({ ok: false, code: "BLOB_UNKNOWN" });
  expect(await isLinked(blob)).toBe(false);
  await pushBlob(blob.repository, blob.bytes);
  await blobIndex(blob.digest).collect({ force: false });
  expect(await env.BLOBS.head(blob.key)).toBeNull();
  expect(await readDigest(blob)).toBe(blob.digest);
});

/** As a push does that found the blob held: by the same object. */
async function claimedAs({ digest, key, bytes }: Lost, repository: RepositoryName): Promise<Lost> {
  const token = newToken();
  await blobIndex(digest).take({ digest, token, repository });
  expect((await link(repository, { digest, key, size: 100, token })).ok).toBe(true);
  return { repository, digest, key, bytes };
}

async function shared() {
  const ours = await lost();
  const theirs = newRepository();
  const blob = await claimedAs(ours, theirs);
  return { ours, theirs: blob };
}

describe("where two repositories share what is lost, and one of them is asked for it,", () => {
  test("the other is healed by the next push to the one", async () => {
    const { ours, theirs } = await shared();
    expect((await heal(ours)).ok).toBe(false);
    await pushBlob(ours.repository, ours.bytes);
    expect(await readDigest(ours)).toBe(ours.digest);
    expect(await readDigest(theirs)).toBe(theirs.digest);
    await tell(ours.repository);
    await tell(theirs.repository);
    expect(await holders(ours.digest)).toHaveLength(2);
  });

  test("the other knows of it too", async () => {
    const { ours, theirs } = await shared();
    expect((await heal(ours)).ok).toBe(false);
    await vi.waitFor(async () => expect(await isLinked(theirs)).toBe(false));
  });

  test("the other is healed by its own push", async () => {
    const { ours, theirs } = await shared();
    expect((await heal(ours)).ok).toBe(false);
    expect((await heal(theirs)).ok).toBe(false);
    await pushBlob(theirs.repository, theirs.bytes);
    expect(await readDigest(theirs)).toBe(theirs.digest);
    expect(await readDigest(ours)).toBe(ours.digest);
  });

  test("what is pushed again goes only when neither has it", async () => {
    const { ours, theirs } = await shared();
    expect((await heal(ours)).ok).toBe(false);
    await pushBlob(ours.repository, ours.bytes);
    expect(await readDigest(theirs)).toBe(theirs.digest);
    await repositoryObject(ours.repository).deleteBlob(ours.repository, ours.digest);
    await tell(ours.repository);
    advance(hourMs);
    await blobIndex(ours.digest).collect({ force: false });
    expect(await readDigest(theirs)).toBe(theirs.digest);
  });
});

test("a link that moved on meanwhile is answered, and R2 is not asked", async () => {
  const blob = await linked();
  const head = vi.spyOn(env.BLOBS, "head");
  const former = { ...blob, key: newKey() };
  expect(await heal(former)).toMatchObject({ ok: true, value: { key: blob.key } });
  expect(head).not.toHaveBeenCalled();
});

/** Has something happen in the middle of the question whether the object is there. */
function meanwhile(work: () => Promise<unknown>): void {
  const head = env.BLOBS.head.bind(env.BLOBS);
  vi.spyOn(env.BLOBS, "head").mockImplementationOnce(async (key) => {
    const answer = await head(key);
    await work();
    return answer;
  });
}

describe("while R2 is looked into,", () => {
  test("a push of the blob wins", async () => {
    const blob = await lost();
    const again = await claimed(newRepository(), randomBytes(10));
    expect(again.key).not.toBe(blob.key);
    meanwhile(async () => {
      const newcomer = newKey();
      await env.BLOBS.put(newcomer, blob.bytes);
      const token = newToken();
      const { digest, repository } = blob;
      await blobIndex(digest).claim({ digest, token, repository }, { key: newcomer, size: 100 });
    });
    expect(await heal(blob)).toMatchObject({ ok: true });
    expect(await readDigest(blob)).toBe(blob.digest);
  });

  test("a DELETE of the blob wins, and nobody holds it", async () => {
    const blob = await linked();
    meanwhile(() => repositoryObject(blob.repository).deleteBlob(blob.repository, blob.digest));
    expect(await heal(blob)).toMatchObject({ ok: false, code: "BLOB_UNKNOWN" });
    await tell(blob.repository);
    expect(await holders(blob.digest)).toEqual([]);
  });
});

test("of a blob that is not here there is nothing to heal", async () => {
  const [blob, other] = [await linked(), newRepository()];
  const head = vi.spyOn(env.BLOBS, "head");
  expect(await heal({ ...blob, repository: other })).toMatchObject({ code: "BLOB_UNKNOWN" });
  expect(head).not.toHaveBeenCalled();
});
