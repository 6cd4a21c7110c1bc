import { describe, expect, test } from "vitest";
import {
  digestOf,
  indexOf,
  newRepository,
  ociManifest,
  pushBlob,
  pushImage,
  pushManifest,
  randomBytes,
  refusal,
  send,
} from "./client.ts";

function manifestPath(repository: string, reference: string): string {
  return `/v2/${repository}/manifests/${reference}`;
}

async function statuses(methods: readonly string[], path: string): Promise<number[]> {
  const answers = methods.map(async (method) => (await send(method, path)).status);
  return Promise.all(answers);
}

async function tagsOf(repository: string): Promise<string[]> {
  const response = await send("GET", `/v2/${repository}/tags/list`);
  return (await response.json<{ tags: string[] }>()).tags;
}

/** Reads what will be deleted, so that whatever remembers reads has it. */
async function read(...paths: string[]): Promise<void> {
  for (const path of paths) {
    // oxlint-disable-next-line no-await-in-loop
    for (const status of await statuses(["GET", "HEAD", "GET"], path)) expect(status).toBe(200);
  }
}

async function remove(path: string): Promise<void> {
  const response = await send("DELETE", path);
  expect([response.status, await response.text()]).toEqual([202, ""]);
  expect(response.headers.get("Docker-Distribution-API-Version")).toBe("registry/2.0");
}

const gone = [404, 404];

describe("a deleted tag", () => {
  test("is gone at once; its manifest and the other tags stay", async () => {
    const repository = newRepository();
    const manifest = indexOf();
    const digest = await pushManifest(repository, "one", manifest);
    await pushManifest(repository, "two", manifest);
    await read(manifestPath(repository, "one"), manifestPath(repository, digest));
    await remove(manifestPath(repository, "one"));
    expect(await statuses(["GET", "HEAD"], manifestPath(repository, "one"))).toEqual(gone);
    expect(await tagsOf(repository)).toEqual(["two"]);
    expect(await statuses(["GET", "HEAD"], manifestPath(repository, "two"))).toEqual([200, 200]);
    expect(await statuses(["GET", "HEAD"], manifestPath(repository, digest))).toEqual([200, 200]);
    expect(await refusal(await send("DELETE", manifestPath(repository, "one")))).toEqual([
      404,
      "MANIFEST_UNKNOWN",
    ]);
  });

  test("that was the last leaves an empty list and a manifest", async () => {
    const repository = newRepository();
    const digest = await pushManifest(repository, "latest", indexOf());
    await remove(manifestPath(repository, "latest"));
    expect(await tagsOf(repository)).toEqual([]);
    expect(await statuses(["HEAD"], manifestPath(repository, digest))).toEqual([200]);
  });

  test("that is pushed again is there at once", async () => {
    const repository = newRepository();
    const manifest = indexOf();
    await pushManifest(repository, "latest", manifest);
    await remove(manifestPath(repository, "latest"));
    await pushManifest(repository, "latest", manifest);
    expect(await statuses(["GET", "HEAD"], manifestPath(repository, "latest"))).toEqual([200, 200]);
  });
});

describe("a deleted manifest", () => {
  test.each(["sha256", "sha512"])(
    "by %s takes its tags along, and no others",
    async (algorithm) => {
      const repository = newRepository();
      const manifest = indexOf();
      const digest = digestOf(manifest, algorithm);
      const headers = { "Content-Type": "application/vnd.oci.image.index.v1+json" };
      await send("PUT", manifestPath(repository, digest), { body: manifest, headers });
      await pushManifest(repository, "other", indexOf());
      // A tag always names the sha256 digest.
      const tags = algorithm === "sha256" ? ["one", "two"] : [];
      await Promise.all(tags.map((tag) => pushManifest(repository, tag, manifest)));
      await read(...[digest, ...tags].map((reference) => manifestPath(repository, reference)));
      await remove(manifestPath(repository, digest));
      for (const reference of [digest, ...tags]) {
        // oxlint-disable-next-line no-await-in-loop
        expect(await statuses(["GET", "HEAD"], manifestPath(repository, reference))).toEqual(gone);
      }
      expect(await tagsOf(repository)).toEqual(["other"]);
      expect(await refusal(await send("DELETE", manifestPath(repository, digest)))).toEqual([
        404,
        "MANIFEST_UNKNOWN",
      ]);
    },
  );

  test("leaves the same manifest in another repository", async () => {
    const [ours, theirs] = [newRepository(), newRepository()];
    const manifest = indexOf();
    const digest = await pushManifest(ours, "latest", manifest);
    await pushManifest(theirs, "latest", manifest);
    await remove(manifestPath(ours, digest));
    expect(await statuses(["GET", "HEAD"], manifestPath(theirs, digest))).toEqual([200, 200]);
  });

  test("that is pushed again is there at once, by tag and by digest", async () => {
    const repository = newRepository();
    const { manifest, digest } = await pushImage(repository, "latest", [randomBytes(10)]);
    await read(manifestPath(repository, digest));
    await remove(manifestPath(repository, digest));
    await pushManifest(repository, "again", manifest, ociManifest);
    for (const reference of ["again", digest]) {
      // oxlint-disable-next-line no-await-in-loop
      const got = await send("GET", manifestPath(repository, reference));
      // oxlint-disable-next-line no-await-in-loop
      expect(await got.text()).toBe(manifest);
    }
    expect(await tagsOf(repository)).toEqual(["again"]);
  });

  test("may be a child of an index, which stays as it is", async () => {
    const repository = newRepository();
    const { digest, manifest } = await pushImage(repository, "", []);
    const index = indexOf([{ mediaType: ociManifest, digest, size: manifest.length }]);
    await pushManifest(repository, "latest", index);
    await remove(manifestPath(repository, digest));
    expect(await statuses(["GET", "HEAD"], manifestPath(repository, digest))).toEqual(gone);
    const got = await send("GET", manifestPath(repository, "latest"));
    expect(await got.text()).toBe(index);
  });

  test("leaves its blobs, which may be used again", async () => {
    const repository = newRepository();
    const { digest, layers } = await pushImage(repository, "latest", [randomBytes(1000)]);
    await remove(manifestPath(repository, digest));
    const path = `/v2/${repository}/blobs/${layers[0]}`;
    expect(await statuses(["GET", "HEAD"], path)).toEqual([200, 200]);
  });
});

describe("a deleted blob", () => {
  test.each(["sha256", "sha512"])(
    "by %s is gone at once, here and not elsewhere",
    async (algorithm) => {
      const [ours, theirs] = [newRepository(), newRepository()];
      const bytes = randomBytes(100);
      const digest = await pushBlob(ours, bytes, algorithm);
      await pushBlob(theirs, bytes, algorithm);
      const path = `/v2/${ours}/blobs/${digest}`;
      await read(path, `/v2/${theirs}/blobs/${digest}`);
      await remove(path);
      expect(await statuses(["HEAD", "GET"], path)).toEqual(gone);
      expect(await refusal(await send("DELETE", path))).toEqual([404, "BLOB_UNKNOWN"]);
      expect(await statuses(["HEAD", "GET"], `/v2/${theirs}/blobs/${digest}`)).toEqual([200, 200]);
    },
  );

  test("that is pushed again is there at once", async () => {
    const repository = newRepository();
    const bytes = randomBytes(100);
    const path = `/v2/${repository}/blobs/${await pushBlob(repository, bytes)}`;
    for (const round of [1, 2, 3]) {
      /* oxlint-disable no-await-in-loop */
      await read(path);
      await remove(path);
      expect([round, ...(await statuses(["HEAD", "GET"], path))]).toEqual([round, ...gone]);
      await pushBlob(repository, bytes);
      /* oxlint-enable no-await-in-loop */
    }
    const got = await send("GET", path);
    expect(digestOf(await got.bytes())).toBe(digestOf(bytes));
  });

  test("is refused while a manifest uses it, which is named; and taken once that is gone", async () => {
    const repository = newRepository();
    const { digest, layers } = await pushImage(repository, "latest", [randomBytes(100)]);
    const path = `/v2/${repository}/blobs/${layers[0]}`;
    const refused = await send("DELETE", path);
    expect(refused.status).toBe(405);
    const text = await refused.text();
    expect(text).toContain('"code":"UNSUPPORTED"');
    expect(text).toContain(digest);
    expect(await statuses(["HEAD", "GET"], path)).toEqual([200, 200]);
    await remove(manifestPath(repository, "latest"));
    expect((await send("DELETE", path)).status).toBe(405);
    await remove(manifestPath(repository, digest));
    await remove(path);
    expect(await statuses(["HEAD", "GET"], path)).toEqual(gone);
  });

  test("is refused while an index of blobs lists it", async () => {
    const repository = newRepository();
    const digest = await pushBlob(repository, randomBytes(100));
    await pushManifest(repository, "cache", indexOf([{ mediaType: "x/y", digest, size: 100 }]));
    const refused = await send("DELETE", `/v2/${repository}/blobs/${digest}`);
    expect(await refusal(refused)).toEqual([405, "UNSUPPORTED"]);
  });

  test("is refused until the last of two manifests is gone", async () => {
    const repository = newRepository();
    const layer = randomBytes(100);
    const images = [
      await pushImage(repository, "a", [layer]),
      await pushImage(repository, "b", [layer]),
    ];
    const path = `/v2/${repository}/blobs/${digestOf(layer)}`;
    for (const { digest } of images) {
      // oxlint-disable-next-line no-await-in-loop
      expect((await send("DELETE", path)).status).toBe(405);
      // oxlint-disable-next-line no-await-in-loop
      await remove(manifestPath(repository, digest));
    }
    await remove(path);
  });

  test("by the digest of a manifest is 404, and the manifest stays", async () => {
    const repository = newRepository();
    const { digest } = await pushImage(repository, "latest", []);
    const refused = await send("DELETE", `/v2/${repository}/blobs/${digest}`);
    expect(await refusal(refused)).toEqual([404, "BLOB_UNKNOWN"]);
    expect(await statuses(["HEAD"], manifestPath(repository, digest))).toEqual([200]);
  });
});
