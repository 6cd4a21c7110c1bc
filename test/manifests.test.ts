import { describe, expect, test } from "vitest";
import {
  digestOf,
  indexOf,
  newRepository,
  ociIndex,
  ociManifest,
  pushBlob,
  pushImage,
  pushManifest,
  putManifest,
  refusal,
  send,
  stream,
} from "./client.ts";

const dockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
const dockerList = "application/vnd.docker.distribution.manifest.list.v2+json";
const mebibyte = 1024 * 1024;

async function expectStored(repository: string, reference: string, bytes: string, type: string) {
  const digest = reference.includes(":") ? reference : digestOf(bytes);
  for (const method of ["HEAD", "GET"]) {
    /* oxlint-disable no-await-in-loop */
    const response = await send(method, `/v2/${repository}/manifests/${reference}`);
    expect(response.status).toBe(200);
    expect(response.headers.get("Content-Type")).toBe(type);
    expect(response.headers.get("Docker-Content-Digest")).toBe(digest);
    expect(response.headers.get("Content-Length")).toBe(String(bytes.length));
    expect(await response.text()).toBe(method === "HEAD" ? "" : bytes);
    /* oxlint-enable no-await-in-loop */
  }
}

describe("a manifest", () => {
  test.each([
    ["tag", "sha256", () => "v1.0"],
    ["digest", "sha256", (bytes: string) => digestOf(bytes)],
    ["digest", "sha512", (bytes: string) => digestOf(bytes, "sha512")],
  ])("pushed by %s (%s) is 201 and read by it", async (_kind, algorithm, referenceOf) => {
    const repository = newRepository();
    const bytes = indexOf();
    const reference = referenceOf(bytes);
    const digest = digestOf(bytes, algorithm);
    const put = await putManifest(repository, reference, bytes, ociIndex);
    expect(put.status).toBe(201);
    expect(put.headers.get("Location")).toBe(`/v2/${repository}/manifests/${digest}`);
    expect(put.headers.get("Docker-Content-Digest")).toBe(digest);
    expect(put.headers.get("OCI-Subject")).toBeNull();
    await expectStored(repository, reference, bytes, ociIndex);
    await expectStored(repository, digest, bytes, ociIndex);
  });

  test("pushed by tag is read by that tag, by another and by digest", async () => {
    const repository = newRepository();
    const { manifest, digest } = await pushImage(repository, "latest", []);
    expect((await putManifest(repository, "1", manifest)).status).toBe(201);
    expect((await putManifest(repository, "1", manifest)).status).toBe(201);
    for (const reference of ["latest", "1", digest]) {
      // oxlint-disable-next-line no-await-in-loop
      await expectStored(repository, reference, manifest, ociManifest);
    }
  });

  test.each([
    ["many spaces", (json: string) => `  ${json.replaceAll(",", " ,\n\t")}\r\n\n`],
    ["escapes", (json: string) => json.replace("annotations", "\\u0061nnotations")],
    ["letters of every length", (json: string) => json.replace('"id"', '"ключ 🗝 é"')],
    ["fields that nobody knows", (json: string) => json.replace("{", '{"x":[1.50,1e3,null],')],
  ])("with %s keeps its bytes", async (_case, change) => {
    const repository = newRepository();
    const bytes = new TextEncoder().encode(change(indexOf()));
    const digest = digestOf(bytes);
    expect((await putManifest(repository, digest, bytes, ociIndex)).status).toBe(201);
    const response = await send("GET", `/v2/${repository}/manifests/${digest}`);
    expect(await response.bytes()).toEqual(bytes);
  });

  test.each([
    [{ Accept: "application/json" }],
    [{ Accept: dockerManifest }],
    [{ Accept: "text/html;q=0" }],
  ])("is answered as it is to %j", async (headers) => {
    const repository = newRepository();
    await pushManifest(repository, "latest", indexOf());
    const response = await send("GET", `/v2/${repository}/manifests/latest`, { headers });
    expect([response.status, response.headers.get("Content-Type")]).toEqual([200, ociIndex]);
  });

  test("moves its tag when another is pushed by it, and stays by digest", async () => {
    const repository = newRepository();
    const [before, after] = [indexOf(), indexOf()];
    await pushManifest(repository, "latest", before);
    await pushManifest(repository, "latest", after);
    await expectStored(repository, "latest", after, ociIndex);
    await expectStored(repository, digestOf(before), before, ociIndex);
  });
});

function descriptorOf(bytes: string) {
  return { digest: digestOf(bytes), size: bytes.length };
}

function index(mediaType?: string) {
  return { schemaVersion: 2, mediaType, manifests: [] };
}

describe("the media type", () => {
  const config = { mediaType: "application/vnd.example.config", ...descriptorOf("{}") };
  const image = (mediaType?: string) => ({ schemaVersion: 2, mediaType, config, layers: [] });

  test.each([
    [ociManifest, image(ociManifest)],
    [ociIndex, index(ociIndex)],
    [dockerManifest, image(dockerManifest)],
    [dockerList, index(dockerList)],
    [ociManifest, image()],
    [ociIndex, index()],
    [dockerManifest, image()],
    [dockerList, index()],
    [ociManifest, { ...image(ociManifest), artifactType: "application/vnd.example.sbom" }],
    [ociManifest, { ...image(ociManifest), config: { ...config, data: "e30=" } }],
    [
      "application/vnd.oci.artifact.manifest.v1+json",
      {
        mediaType: "application/vnd.oci.artifact.manifest.v1+json",
        schemaVersion: 2,
        artifactType: "application/vnd.example.sbom",
        blobs: [config],
      },
    ],
    ["application/vnd.example.thing.v7+json", image("application/vnd.example.thing.v7+json")],
    ["application/vnd.example.things.v7+json", index()],
  ])("%s is kept with %j", async (mediaType, manifest) => {
    const repository = newRepository();
    await pushBlob(repository, "{}");
    const bytes = JSON.stringify(manifest);
    const put = await putManifest(repository, "latest", bytes, mediaType);
    expect(put.status).toBe(201);
    await expectStored(repository, "latest", bytes, mediaType);
    await expectStored(repository, digestOf(bytes), bytes, mediaType);
  });

  test.each([
    ["has parameters", `${ociIndex}; charset=utf-8`],
    ["is in upper case", ociIndex.toUpperCase()],
  ])("of the header may differ: it %s", async (_case, contentType) => {
    const repository = newRepository();
    const bytes = indexOf();
    expect((await putManifest(repository, "latest", bytes, contentType)).status).toBe(201);
    await expectStored(repository, "latest", bytes, ociIndex);
  });

  test("is that of the body when there is no header", async () => {
    const repository = newRepository();
    const bytes = indexOf();
    const body = new TextEncoder().encode(bytes);
    const put = await send("PUT", `/v2/${repository}/manifests/latest`, { body });
    expect(put.status).toBe(201);
    await expectStored(repository, "latest", bytes, ociIndex);
  });
});

describe("the size of a manifest", () => {
  test.each([
    ["exactly 4 MiB", 4 * mebibyte, 201],
    ["a byte more", 4 * mebibyte + 1, 413],
    ["9 MiB", 9 * mebibyte, 413],
  ])("%s, with a length and as a stream", async (_case, size, status) => {
    const repository = newRepository();
    const bytes = new TextEncoder().encode(indexOf().padEnd(size, " "));
    for (const body of [bytes, stream(bytes)]) {
      /* oxlint-disable no-await-in-loop */
      const headers = { "Content-Type": ociIndex };
      const put = await send("PUT", `/v2/${repository}/manifests/latest`, { body, headers });
      expect(put.status).toBe(status);
      const head = await send("HEAD", `/v2/${repository}/manifests/latest`);
      const expected = status === 201 ? String(size) : null;
      expect(head.headers.get("Docker-Content-Digest") === null).toBe(status !== 201);
      expect(status === 201 ? head.headers.get("Content-Length") : null).toBe(expected);
      /* oxlint-enable no-await-in-loop */
    }
  });
});

describe("a manifest that is not there", () => {
  const digest = `sha256:${"0".repeat(64)}`;

  test.each([
    ["GET", "latest"],
    ["HEAD", "latest"],
    ["DELETE", "latest"],
    ["GET", digest],
    ["HEAD", digest],
    ["DELETE", digest],
    ["GET", `sha512:${"0".repeat(128)}`],
    ["GET", `sha256-${"0".repeat(64)}`],
    ["GET", `sha256-${"0".repeat(64)}.sig`],
    ["GET", "LATEST"],
  ])("%s %s is 404, in a new repository and in one that has others", async (method, reference) => {
    const repository = newRepository();
    for (const pushed of [false, true]) {
      /* oxlint-disable no-await-in-loop */
      if (pushed) await pushManifest(repository, "other", indexOf());
      const response = await send(method, `/v2/${repository}/manifests/${reference}`);
      expect(response.status).toBe(404);
      const body = await response.text();
      expect(body.includes('"code":"MANIFEST_UNKNOWN"')).toBe(method !== "HEAD");
      /* oxlint-enable no-await-in-loop */
    }
  });

  test("GET by the digest of a layer is 404", async () => {
    const repository = newRepository();
    const { layers } = await pushImage(repository, "latest", [new Uint8Array(5000)]);
    const response = await send("GET", `/v2/${repository}/manifests/${layers[0]}`);
    expect(await refusal(response)).toEqual([404, "MANIFEST_UNKNOWN"]);
  });

  test("GET in another repository is 404", async () => {
    const { digest: pushed } = await pushImage(newRepository(), "latest", []);
    const response = await send("GET", `/v2/${newRepository()}/manifests/${pushed}`);
    expect(await refusal(response)).toEqual([404, "MANIFEST_UNKNOWN"]);
  });
});
