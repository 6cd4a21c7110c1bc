import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { pushImage, putManifest, randomBytes, send } from "./client.ts";

/** Waits until KV has a replica of the manifest, or no longer has one. */
async function replicated(repository: string, digest: string, isThere = true): Promise<void> {
  await expect
    .poll(async () => (await env.MANIFESTS.get(`${repository}@${digest}`)) !== null, {
      timeout: 20_000,
    })
    .toBe(isThere);
}

async function status(method: string, path: string): Promise<number> {
  const response = await send(method, path);
  await response.arrayBuffer();
  return response.status;
}

describe("a manifest whose replica was read", () => {
  let repository = "";
  let image = { manifest: "", digest: "", layers: [""] };
  let byDigest = "";
  let byTag = "";
  let layer = "";

  beforeEach(async () => {
    repository = `replicas/${crypto.randomUUID()}`;
    image = await pushImage(repository, "1", [randomBytes(100)]);
    byDigest = `/v2/${repository}/manifests/${image.digest}`;
    byTag = `/v2/${repository}/manifests/1`;
    layer = `/v2/${repository}/blobs/${image.layers[0]}`;
    await replicated(repository, image.digest);
    expect(await (await send("GET", byDigest)).text()).toBe(image.manifest);
    expect(await status("GET", layer)).toBe(200);
  });

  test("is gone by digest and by tag, for GET and HEAD, once its DELETE is answered", async () => {
    expect(await status("DELETE", byDigest)).toBe(202);
    for (const method of ["GET", "HEAD"]) {
      // oxlint-disable-next-line no-await-in-loop
      expect([await status(method, byDigest), await status(method, byTag)]).toEqual([404, 404]);
    }
    await replicated(repository, image.digest, false);
    expect(await status("GET", byDigest)).toBe(404);
  });

  test("is there again once its next PUT is answered", async () => {
    await status("DELETE", byDigest);
    expect((await putManifest(repository, "2", image.manifest)).status).toBe(201);
    expect(await (await send("GET", byDigest)).text()).toBe(image.manifest);
    expect(await status("GET", `/v2/${repository}/manifests/2`)).toBe(200);
    expect(await status("GET", byTag)).toBe(404);
  });

  test("takes its layer along where that is deleted after it", async () => {
    await status("DELETE", byDigest);
    expect(await status("DELETE", layer)).toBe(202);
    expect([await status("GET", layer), await status("HEAD", layer)]).toEqual([404, 404]);
  });

  test("has its tag name another manifest at once when the tag moves", async () => {
    const next = await pushImage(repository, "1", [randomBytes(100)]);
    const head = await send("HEAD", byTag);
    expect(head.headers.get("Docker-Content-Digest")).toBe(next.digest);
    expect(await status("GET", byDigest)).toBe(200);
  });
});

test("a manifest read before its push is there once its PUT is answered", async () => {
  const repository = `replicas/${crypto.randomUUID()}`;
  const { manifest, digest } = await pushImage("replicas/first", "1", []);
  const config = (JSON.parse(manifest) as { config: { digest: string } }).config.digest;
  expect(await status("GET", `/v2/${repository}/manifests/${digest}`)).toBe(404);
  expect(
    await status("POST", `/v2/${repository}/blobs/uploads/?mount=${config}&from=replicas/first`),
  ).toBe(201);
  expect((await putManifest(repository, "1", manifest)).status).toBe(201);
  expect(await status("GET", `/v2/${repository}/manifests/${digest}`)).toBe(200);
});

test("a tag's replica names its digest, media type and size", async () => {
  const repository = `replicas/${crypto.randomUUID()}`;
  const { manifest, digest } = await pushImage(repository, "1", []);
  await expect
    .poll(async () => (await env.TAGS.getWithMetadata(`${repository}:1`)).metadata, {
      timeout: 20_000,
    })
    .toEqual({
      digest,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      size: manifest.length,
    });
});
