import { describe, expect, test } from "vitest";
import {
  digestOf,
  imageManifest,
  indexOf,
  newRepository,
  ociIndex,
  ociManifest,
  pushBlob,
  pushImage,
  pushManifest,
  putManifest,
  randomBytes,
  send,
} from "./client.ts";

const absent = { digest: `sha256:${"a".repeat(64)}`, size: 10 };
const absentSha512 = { digest: `sha512:${"a".repeat(128)}`, size: 10 };

async function blobIn(repository: string, algorithm = "sha256") {
  return { digest: await pushBlob(repository, randomBytes(10), algorithm), size: 10 };
}

describe("an image", () => {
  test("is refused, then taken once its layer has come", async () => {
    const repository = newRepository();
    const bytes = randomBytes(10);
    const layer = { digest: digestOf(bytes), size: 10 };
    const manifest = imageManifest(await blobIn(repository), [layer]);
    expect((await putManifest(repository, "latest", manifest)).status).toBe(400);
    await pushBlob(repository, bytes);
    expect((await putManifest(repository, "latest", manifest)).status).toBe(201);
  });

  test.each([
    [
      "twice the same layer",
      async (_repository: string, layer: typeof absent) => imageManifest(layer, [layer, layer]),
    ],
    [
      "blobs by sha512",
      async (r: string) => imageManifest(await blobIn(r, "sha512"), [await blobIn(r, "sha512")]),
    ],
    [
      "a layer that is fetched from elsewhere",
      async (r: string) => {
        const foreign = { ...absent, urls: ["https://example.com/layer"] };
        return imageManifest(await blobIn(r), [await blobIn(r), foreign]);
      },
    ],
    [
      "a thousand layers",
      async (_repository: string, layer: typeof absent) =>
        imageManifest(
          layer,
          Array.from({ length: 1000 }, () => layer),
        ),
    ],
  ])("with %s is 201", async (_case, make) => {
    const repository = newRepository();
    const manifest = await make(repository, await blobIn(repository));
    expect((await putManifest(repository, "latest", manifest)).status).toBe(201);
  });
});

function child(digest: string, size: number, mediaType = ociManifest) {
  return { mediaType, digest, size };
}

describe("an index", () => {
  test("of images that are here is 201, and one that lists it too", async () => {
    const repository = newRepository();
    const first = await pushImage(repository, "", []);
    const second = await pushImage(repository, "", [randomBytes(10)]);
    const index = indexOf([
      child(first.digest, first.manifest.length),
      child(second.digest, second.manifest.length),
    ]);
    const digest = await pushManifest(repository, "latest", index);
    const nested = indexOf([child(digest, index.length, ociIndex)]);
    await pushManifest(repository, "nested", nested);
    const got = await send("GET", `/v2/${repository}/manifests/${digest}`);
    expect(await got.text()).toBe(index);
  });

  test("of blobs, as BuildKit's cache pushes it, is 201", async () => {
    const repository = newRepository();
    const layers = [await blobIn(repository), await blobIn(repository)];
    const config = await blobIn(repository);
    const index = indexOf([
      ...layers.map(({ digest, size }) =>
        child(digest, size, "application/vnd.oci.image.layer.v1.tar+gzip"),
      ),
      child(config.digest, config.size, "application/vnd.buildkit.cacheconfig.v0"),
    ]);
    await pushManifest(repository, "cache", index);
    const got = await send("GET", `/v2/${repository}/manifests/cache`);
    expect(await got.text()).toBe(index);
  });
});

describe("a subject", () => {
  test.each([
    ["that is not here", absent.digest],
    ["by sha512 that is not here", absentSha512.digest],
  ])("%s is no fault: 201 with OCI-Subject", async (_case, digest) => {
    const repository = newRepository();
    const subject = { mediaType: ociManifest, digest, size: 10 };
    const manifest = imageManifest(await blobIn(repository), [], { subject });
    const put = await putManifest(repository, digestOf(manifest), manifest);
    expect(put.status).toBe(201);
    expect(put.headers.get("OCI-Subject")).toBe(digest);
  });

  test("that is here: 201 with OCI-Subject, of an image and of an index", async () => {
    const repository = newRepository();
    const { digest, manifest } = await pushImage(repository, "latest", []);
    const subject = { mediaType: ociManifest, digest, size: manifest.length };
    const image = imageManifest(await blobIn(repository), [], { subject });
    const index = indexOf([], { subject });
    const puts = [
      await putManifest(repository, "image", image),
      await putManifest(repository, "index", index, ociIndex),
    ];
    expect(puts.map((put) => put.headers.get("OCI-Subject"))).toEqual([digest, digest]);
    expect(puts.map((put) => put.status)).toEqual([201, 201]);
  });
});
