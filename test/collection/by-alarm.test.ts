/** What goes by itself, and what keeps it. */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { beforeAll, describe, expect, test } from "vitest";
import type { Digest } from "../../schemas/digest.ts";
import type { RepositoryName } from "../../schemas/reference.ts";
import { alice, rita } from "../access/credentials.ts";
import {
  digestOf,
  imageManifest,
  indexOf,
  newRepository,
  ociIndex,
  ociManifest,
  pushBlob,
  pushManifest,
  randomBytes,
  refusal,
  send,
} from "../client.ts";
import { sendTo } from "../configured.ts";
import { advance, hourMs, minuteMs } from "../durable-objects/clock.ts";
import {
  blobIndex,
  digestFor,
  newKey,
  newToken,
  repositoryObject,
} from "../durable-objects/names.ts";
import { storedObjects } from "../durable-objects/stored-objects.ts";
import { isLinked, pushOneLayer, remove, statusOf } from "./blobs.ts";
import { alarmOf, pass, settle, takeTime } from "./time.ts";

const graceMs = 24 * hourMs;
/** How long the bytes of a blob stay that nobody holds any more. */
const garbageMs = 3 * minuteMs;

beforeAll(takeTime);

const stubOf = (repository: string) => repositoryObject(repository as RepositoryName);

async function isStored(repository: string): Promise<boolean> {
  return (await storedObjects(repository)).length > 0;
}

test("a blob that no manifest uses stays for its grace; then its link goes, and its bytes", async () => {
  const repository = newRepository();
  const digest = await pushBlob(repository, randomBytes(100));
  await pass(graceMs - minuteMs);
  expect(await isLinked(repository, digest)).toBe(true);
  await pass(2 * minuteMs);
  expect(await isLinked(repository, digest)).toBe(false);
  expect(await statusOf("HEAD", `/v2/${repository}/blobs/${digest}`)).toBe(404);
  await settle();
  expect(await isStored(repository)).toBe(true);
  await pass(garbageMs);
  expect(await isStored(repository)).toBe(false);
  expect(await refusal(await send("GET", `/v2/${repository}/blobs/${digest}`))).toEqual([
    404,
    "BLOB_UNKNOWN",
  ]);
});

/** Who asks while there are users, each with what they may do. */
const users = {
  REGISTRY_AUTH_TYPE: "basic",
  USERNAME: "alice",
  PASSWORD: "alice's",
  READONLY_USERNAME: "rita",
  READONLY_PASSWORD: "rita's",
};
const creators = {
  ...users,
  REGISTRY_ACCESS_CONTROL_CONFIG: JSON.stringify({
    rules: [{ repository: "**", users: ["alice"], permissions: ["pull", "create"] }],
  }),
};

interface Pushed {
  readonly repository: string;
  readonly digest: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

interface Case {
  readonly name: string;
  readonly act: (blob: Pushed) => Promise<unknown>;
}

const headBy = (variables: Record<string, string>, headers: Record<string, string>) => {
  return async ({ repository, digest }: Pushed) => {
    const path = `/v2/${repository}/blobs/${digest}`;
    expect((await sendTo(variables, "HEAD", path, { headers })).status).toBe(200);
  };
};

async function mount(digest: string, query: string): Promise<void> {
  const path = `/v2/${newRepository()}/blobs/uploads/?mount=${digest}${query}`;
  expect(await statusOf("POST", path)).toBe(201);
}

async function streamAgain({ repository, digest, bytes }: Pushed): Promise<void> {
  const start = await send("POST", `/v2/${repository}/blobs/uploads/`);
  const location = start.headers.get("Location") ?? "";
  expect((await send("PATCH", location, { body: bytes })).status).toBe(202);
  expect((await send("PUT", `${location}?digest=${digest}`)).status).toBe(201);
}

describe("13 hours after its push, a lease is renewed by", () => {
  test.for<Case>([
    {
      name: "HEAD where everybody may push",
      act: ({ repository, digest }) => statusOf("HEAD", `/v2/${repository}/blobs/${digest}`),
    },
    { name: "HEAD of who may push", act: headBy(users, alice) },
    { name: "HEAD of who may push but move no tag", act: headBy(creators, alice) },
    {
      name: "a mount from here",
      act: ({ repository, digest }) => mount(digest, `&from=${repository}`),
    },
    { name: "a mount from anywhere", act: ({ digest }) => mount(digest, "") },
    { name: "a repeated whole push", act: ({ repository, bytes }) => pushBlob(repository, bytes) },
    { name: "a repeated push by PATCH", act: streamAgain },
  ])("$name", async ({ act }) => {
    const [repository, bytes] = [newRepository(), randomBytes(100)];
    const digest = await pushBlob(repository, bytes);
    await pass(13 * hourMs);
    await act({ repository, digest, bytes });
    await pass(graceMs - minuteMs);
    expect(await isLinked(repository, digest)).toBe(true);
    await pass(2 * minuteMs);
    expect(await isLinked(repository, digest)).toBe(false);
  });
});

describe("13 hours after its push, a lease is not renewed by", () => {
  test.for<Case>([
    { name: "HEAD of who may only pull", act: headBy(users, rita) },
    {
      name: "GET",
      act: ({ repository, digest }) => statusOf("GET", `/v2/${repository}/blobs/${digest}`),
    },
    {
      name: "a push of the same blob elsewhere",
      act: ({ bytes }) => pushBlob(newRepository(), bytes),
    },
    {
      name: "HEAD of the same blob elsewhere",
      act: async ({ bytes, digest }) => {
        const other = newRepository();
        await pushBlob(other, bytes);
        expect(await statusOf("HEAD", `/v2/${other}/blobs/${digest}`)).toBe(200);
      },
    },
    {
      name: "a refused push of other bytes by its digest",
      act: async ({ repository, digest }) => {
        const path = `/v2/${repository}/blobs/uploads/?digest=${digest}`;
        const response = await send("POST", path, { body: randomBytes(100) });
        expect(await refusal(response)).toEqual([400, "DIGEST_INVALID"]);
      },
    },
    {
      name: "a refused DELETE by a condition",
      act: async ({ repository, digest }) => {
        const headers = { "If-Match": '"another"' };
        const path = `/v2/${repository}/blobs/${digest}`;
        expect((await send("DELETE", path, { headers })).status).toBe(412);
      },
    },
  ])("$name", async ({ act }) => {
    const [repository, bytes] = [newRepository(), randomBytes(100)];
    const digest = await pushBlob(repository, bytes);
    await pass(13 * hourMs);
    await act({ repository, digest, bytes });
    await pass(11 * hourMs + minuteMs);
    expect(await isLinked(repository, digest)).toBe(false);
  });
});

describe("a blob is kept for any time by", () => {
  test.for<{ name: string; use: (repository: string, digest: string) => Promise<unknown> }>([
    {
      name: "a manifest as its layer, by tag",
      use: async (repository, digest) => {
        const config = await pushBlob(repository, "{}");
        const manifest = imageManifest({ digest: config, size: 2 }, [{ digest, size: 100 }]);
        await pushManifest(repository, "latest", manifest, ociManifest);
      },
    },
    {
      name: "a manifest as its config, by digest alone",
      use: (repository, digest) =>
        pushManifest(repository, "", imageManifest({ digest, size: 100 }, []), ociManifest),
    },
    {
      name: "an index of blobs",
      use: (repository, digest) =>
        pushManifest(repository, "cache", indexOf([{ mediaType: "x/y", digest, size: 100 }])),
    },
    {
      name: "a child of an index",
      use: async (repository, digest) => {
        const manifest = imageManifest({ digest, size: 100 }, []);
        const child = await pushManifest(repository, "", manifest, ociManifest);
        const size = manifest.length;
        await pushManifest(
          repository,
          "latest",
          indexOf([{ mediaType: ociManifest, digest: child, size }]),
        );
      },
    },
    {
      name: "a referrer",
      use: async (repository, digest) => {
        const subject = { mediaType: ociIndex, digest: digestOf("nothing"), size: 7 };
        const manifest = imageManifest({ digest, size: 100 }, [], { subject });
        await pushManifest(repository, "", manifest, ociManifest);
      },
    },
  ])("$name", async ({ use }) => {
    const repository = newRepository();
    const bytes = randomBytes(100);
    const digest = await pushBlob(repository, bytes);
    await use(repository, digest);
    for (let day = 0; day < 4; day += 1) {
      // oxlint-disable-next-line no-await-in-loop
      await pass(graceMs);
    }
    const got = await send("GET", `/v2/${repository}/blobs/${digest}`);
    expect(digestOf(await got.bytes())).toBe(digest);
  });
});

test("what a manifest used goes a grace after its DELETE, but for what others use", async () => {
  const repository = newRepository();
  const shared = randomBytes(1000);
  const [first, second] = [
    await pushOneLayer(repository, "first", shared),
    await pushOneLayer(repository, "second", shared),
  ];
  await pass(30 * 24 * hourMs);
  await remove(`/v2/${repository}/manifests/${first.digest}`);
  await pass(graceMs - minuteMs);
  expect(await isLinked(repository, first.config)).toBe(true);
  await pass(2 * minuteMs);
  expect(await isLinked(repository, first.config)).toBe(false);
  expect(await isLinked(repository, first.layer)).toBe(true);
  await remove(`/v2/${repository}/manifests/${second.digest}`);
  await pass(graceMs + minuteMs);
  expect(await isLinked(repository, second.layer)).toBe(false);
  await settle();
  await pass(garbageMs);
  expect(await isStored(repository)).toBe(false);
});

test("a DELETE of a tag lets no blob go", async () => {
  const repository = newRepository();
  const { layer } = await pushOneLayer(repository, "latest");
  await remove(`/v2/${repository}/manifests/latest`);
  await pass(graceMs + minuteMs);
  await pass(graceMs + minuteMs);
  expect(await isLinked(repository, layer)).toBe(true);
});

test("a manifest that comes back in time keeps its blobs", async () => {
  const repository = newRepository();
  const { digest, manifest, layer } = await pushOneLayer(repository, "latest");
  await remove(`/v2/${repository}/manifests/${digest}`);
  await pass(graceMs - minuteMs);
  await pushManifest(repository, "latest", manifest, ociManifest);
  await pass(graceMs);
  await pass(graceMs);
  expect(await isLinked(repository, layer)).toBe(true);
});

test("a blob in use is not deleted by itself: the answer names a manifest that uses it", async () => {
  const repository = newRepository();
  const { digest, layer } = await pushOneLayer(repository, "latest");
  const response = await send("DELETE", `/v2/${repository}/blobs/${layer}`);
  expect(response.status).toBe(405);
  const { errors } = await response.json<{ errors: { code: string; detail: unknown }[] }>();
  expect(errors[0]?.code).toBe("UNSUPPORTED");
  expect(JSON.stringify(errors)).toContain(digest);
});

describe("the alarm of a repository", () => {
  test("stands a grace behind a push that no manifest follows", async () => {
    const repository = newRepository();
    const beforeMs = Date.now();
    await pushBlob(repository, randomBytes(100));
    await settle();
    expect(await alarmOf(stubOf(repository))).toBe(beforeMs + graceMs);
  });

  test("is not set any more once all that is left is used", async () => {
    const repository = newRepository();
    await pushOneLayer(repository, "latest");
    await pushBlob(repository, randomBytes(100));
    await pass(2 * hourMs);
    await pass(graceMs);
    await settle();
    expect(await alarmOf(stubOf(repository))).toBeNull();
    for (const method of ["GET", "HEAD"]) {
      // oxlint-disable-next-line no-await-in-loop
      expect(await statusOf(method, `/v2/${repository}/manifests/latest`)).toBe(200);
    }
    expect(await alarmOf(stubOf(repository))).toBeNull();
  });

  test("is set again when something becomes unreferenced, a grace later", async () => {
    const repository = newRepository();
    const { digest } = await pushOneLayer(repository, "latest");
    await pass(2 * hourMs);
    await pass(graceMs);
    await settle();
    expect(await alarmOf(stubOf(repository))).toBeNull();
    await remove(`/v2/${repository}/manifests/${digest}`);
    const deletedMs = Date.now();
    await settle();
    expect(await alarmOf(stubOf(repository))).toBe(deletedMs + graceMs);
  });

  test("is put off, and not lost, by a lease that was renewed", async () => {
    const repository = newRepository();
    const digest = await pushBlob(repository, randomBytes(100));
    await pass(20 * hourMs);
    await statusOf("HEAD", `/v2/${repository}/blobs/${digest}`);
    const renewedMs = Date.now();
    await pass(5 * hourMs);
    expect(await alarmOf(stubOf(repository))).toBe(renewedMs + graceMs);
  });

  test("of one that was only asked for is never set, and nothing is stored", async () => {
    const repository = newRepository();
    const digest = digestOf("nothing");
    await statusOf("HEAD", `/v2/${repository}/blobs/${digest}`);
    await statusOf("DELETE", `/v2/${repository}/blobs/${digest}`);
    await statusOf("GET", `/v2/${repository}/manifests/latest`);
    await statusOf("DELETE", `/v2/${repository}/manifests/latest`);
    await statusOf("GET", `/v2/${repository}/tags/list`);
    const stored = await runInDurableObject(stubOf(repository), async (_, { storage }) => [
      await storage.getAlarm(),
      storage.sql.exec("SELECT name FROM sqlite_master WHERE type = 'table'").toArray().length,
    ]);
    expect(stored).toEqual([null, 0]);
  });
});

test("the alarm of an index is not set any more when nothing waits", async () => {
  const repository = newRepository();
  const digest = (await pushBlob(repository, randomBytes(100))) as Digest;
  await pass(2 * hourMs);
  expect(await alarmOf(blobIndex(digest))).toBeNull();
  await remove(`/v2/${repository}/blobs/${digest}`);
  await settle();
  await pass(garbageMs);
  expect(await isStored(repository)).toBe(false);
  expect(await alarmOf(blobIndex(digest))).toBeNull();
});

test("700 blobs that are let go at once go by two alarms, one behind the other", async () => {
  const repository = newRepository() as RepositoryName;
  for (let at = 0; at < 700; at += 1) {
    const digest = digestFor(`${repository} ${at}`);
    const blob = { digest, key: newKey(), size: 100, token: newToken() };
    // oxlint-disable-next-line no-await-in-loop
    expect((await stubOf(repository).linkBlob(repository, blob)).ok).toBe(true);
  }
  advance(graceMs + minuteMs);
  await runDurableObjectAlarm(stubOf(repository));
  await runDurableObjectAlarm(stubOf(repository));
  const left = await runInDurableObject(stubOf(repository), (_, { storage }) =>
    storage.sql.exec("SELECT digest FROM links").toArray(),
  );
  expect(left.length).toBe(0);
});

describe("a blob of two repositories", () => {
  test("stays in the one that still uses it, and its bytes with it", async () => {
    const [ours, theirs] = [newRepository(), newRepository()];
    const bytes = randomBytes(1000);
    const digest = await pushBlob(ours, bytes);
    await pushOneLayer(theirs, "latest", bytes);
    await pass(graceMs + minuteMs);
    await settle();
    await pass(garbageMs);
    expect(await isLinked(ours, digest)).toBe(false);
    const got = await send("GET", `/v2/${theirs}/blobs/${digest}`);
    expect(digestOf(await got.bytes())).toBe(digest);
  });

  test("goes with the last of them", async () => {
    const [ours, theirs] = [newRepository(), newRepository()];
    const bytes = randomBytes(1000);
    await pushBlob(ours, bytes);
    await pass(hourMs);
    const digest = await pushBlob(theirs, bytes);
    await pass(graceMs - hourMs + minuteMs);
    expect([await isLinked(ours, digest), await isLinked(theirs, digest)]).toEqual([false, true]);
    await pass(hourMs);
    expect(await isLinked(theirs, digest)).toBe(false);
    await settle();
    await pass(garbageMs);
    expect([await isStored(ours), await isStored(theirs)]).toEqual([false, false]);
  });

  test("that is mounted while its source lets go of it stays readable in the target", async () => {
    const [source, target] = [newRepository(), newRepository()];
    const bytes = randomBytes(1000);
    const digest = await pushBlob(source, bytes);
    await pass(graceMs - minuteMs);
    const path = `/v2/${target}/blobs/uploads/?mount=${digest}&from=${source}`;
    expect(await statusOf("POST", path)).toBe(201);
    await remove(`/v2/${source}/blobs/${digest}`);
    await settle();
    await pass(garbageMs);
    const got = await send("GET", `/v2/${target}/blobs/${digest}`);
    expect(digestOf(await got.bytes())).toBe(digest);
  });
});
