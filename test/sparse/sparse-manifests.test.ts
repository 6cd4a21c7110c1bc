import { beforeAll, describe, expect, test } from "vitest";
import { newRepository, pushBlob, putManifest, refusal, send } from "../client.ts";
import { contentOf, gone, here, presence, read } from "../conformance/answers.ts";
import { rowsOf, sparseKinds } from "../conformance/data-kinds.ts";
import { type Descriptor, ImageData } from "../conformance/image-data.ts";
import { pushBlobs, pushData, putByDigest, putManifests } from "../conformance/pushed-data.ts";

/** The kinds of which a blob is missing, and those of which a child is. */
const withoutBlobs = sparseKinds.filter(({ make }) => make().withheldBlobs.size > 0);
const withoutChildren = sparseKinds.filter(({ make }) => make().withheldManifests.length > 0);

describe.each(rowsOf(sparseKinds))("%s", (_name, kind) => {
  const data = kind.make();
  const repository = newRepository();
  const path = (reference: string) => `/v2/${repository}/manifests/${reference}`;
  beforeAll(async () => {
    await pushData(data, kind.tagging, repository);
  });

  test("end-7a PUT by digest: 201 with OCI-Subject where it has one", async () => {
    for (const manifest of data.manifests) {
      // oxlint-disable-next-line no-await-in-loop
      const answer = await putByDigest(repository, manifest);
      expect(answer.status).toBe(201);
      expect(answer.headers.get("Docker-Content-Digest")).toBe(manifest.digest);
      expect(answer.headers.get("OCI-Subject")).toBe(manifest.subject ?? null);
    }
  });

  test("end-7b PUT by digest with a tag: 201 with OCI-Tag, and the tag is read", async () => {
    const other = newRepository();
    for (const [tag, manifest] of data.tags) {
      /* oxlint-disable no-await-in-loop */
      const answer = await putByDigest(other, manifest, [tag]);
      expect([answer.status, answer.headers.get("OCI-Tag")]).toEqual([201, tag]);
      const found = await read("GET", `/v2/${other}/manifests/${tag}`);
      expect(found).toEqual(contentOf("GET", manifest));
      /* oxlint-enable no-await-in-loop */
    }
  });

  test.each([["HEAD"], ["GET"]])(
    "end-3 %s by digest and tag: 200 with the bytes",
    async (method) => {
      const references = [
        ...data.manifests.map((manifest) => [manifest.digest, manifest] as const),
        ...data.tags,
      ];
      const found = references.map(([reference]) => read(method, path(reference)));
      expect(await Promise.all(found)).toEqual(
        references.map(([, manifest]) => contentOf(method, manifest)),
      );
    },
  );

  test("end-2 and end-3 HEAD and GET of what is missing: 404", async () => {
    const missing = [
      ...[...data.withheldBlobs.keys()].map((digest) => `/v2/${repository}/blobs/${digest}`),
      ...data.withheldManifests.map(({ digest }) => path(digest)),
    ];
    expect(await Promise.all(missing.map(presence))).toEqual(missing.map(() => gone));
    expect(missing.length).toBeGreaterThan(0);
  });

  test("end-8a GET of tags: the tags", async () => {
    const response = await send("GET", `/v2/${repository}/tags/list`);
    expect(await response.json()).toEqual({ name: repository, tags: [...data.tags.keys()] });
  });
});

describe.each(rowsOf(sparseKinds))("%s", (_name, kind) => {
  test("end-9 DELETE of each tag and manifest: 202, then 404; then end-10 of its blobs", async () => {
    const { repository, data } = await pushData(kind.make(), kind.tagging);
    const paths = [
      ...[...data.tags.keys()].map((tag) => `manifests/${tag}`),
      ...data.manifests.map(({ digest }) => `manifests/${digest}`).toReversed(),
      ...[...data.blobs.keys()].map((digest) => `blobs/${digest}`),
    ].map((path) => `/v2/${repository}/${path}`);
    for (const path of paths) {
      /* oxlint-disable no-await-in-loop */
      expect(await presence(path)).toEqual(here);
      expect((await send("DELETE", path)).status).toBe(202);
      expect(await presence(path)).toEqual(gone);
      /* oxlint-enable no-await-in-loop */
    }
  });
});

describe.each(rowsOf(withoutBlobs))("%s", (_name, kind) => {
  test("end-6 PUT of what is missing: 201 and read; it is used, so that end-10 is 405", async () => {
    const { repository, data } = await pushData(kind.make(), kind.tagging);
    for (const [digest, bytes] of data.withheldBlobs) {
      const path = `/v2/${repository}/blobs/${digest}`;
      /* oxlint-disable no-await-in-loop */
      await pushBlob(repository, bytes, data.algorithm);
      expect(await presence(path)).toEqual(here);
      expect(await refusal(await send("DELETE", path))).toEqual([405, "UNSUPPORTED"]);
      expect(await presence(path)).toEqual(here);
      /* oxlint-enable no-await-in-loop */
    }
  });
});

describe.each(rowsOf(withoutChildren))("%s", (_name, kind) => {
  test("end-7a PUT of what is missing: 201 and read", async () => {
    const { repository, data } = await pushData(kind.make(), kind.tagging);
    for (const manifest of data.withheldManifests) {
      const path = `/v2/${repository}/manifests/${manifest.digest}`;
      /* oxlint-disable no-await-in-loop */
      expect((await putByDigest(repository, manifest)).status).toBe(201);
      expect(await read("GET", path)).toEqual(contentOf("GET", manifest));
      /* oxlint-enable no-await-in-loop */
    }
  });
});

describe("the referrers of a subject", () => {
  test.each([
    ["that is there", true],
    ["that is missing", false],
  ])("%s: end-12a GET lists sparse ones with their type", async (_case, isThere) => {
    const data = new ImageData();
    const subject = data.image();
    if (!isThere) data.withhold(subject);
    const layer = data.withhold(data.blob("application/vnd.example.sbom"));
    const artifactType = "application/vnd.example.sbom";
    data.manifest(data.empty(), [layer], { subject, artifactType });
    data.index([data.withhold(data.image())], { subject, artifactType });
    const { repository } = await pushData(data);
    const response = await send("GET", `/v2/${repository}/referrers/${subject.digest}`);
    const { manifests } = await response.json<{ manifests: Descriptor[] }>();
    expect(manifests).toHaveLength(2);
    expect(new Map(manifests.map((referrer) => [referrer.digest, referrer]))).toEqual(
      new Map(data.referrers.get(subject.digest)?.map((referrer) => [referrer.digest, referrer])),
    );
  });
});

describe("what is not sparse but invalid", () => {
  const digest = `sha256:${"0".repeat(64)}`;
  const config = { mediaType: "application/vnd.oci.image.config.v1+json", digest, size: 2 };
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const image = { schemaVersion: 2, mediaType, config, layers: [config] };

  test.each([
    ["no JSON", "{", "MANIFEST_INVALID"],
    ["an image without config", { ...image, config: undefined }, "MANIFEST_INVALID"],
    ["an image without layers", { ...image, layers: undefined }, "MANIFEST_INVALID"],
    [
      "a layer without a digest",
      { ...image, layers: [{ ...config, digest: "" }] },
      "MANIFEST_INVALID",
    ],
    [
      "a layer by what is no digest",
      { ...image, layers: [{ ...config, digest: "sha256:baddigeststring" }] },
      "MANIFEST_INVALID",
    ],
    [
      "a layer of a negative size",
      { ...image, layers: [{ ...config, size: -1 }] },
      "MANIFEST_INVALID",
    ],
    ["a subject that is none", { ...image, subject: { digest: "x" } }, "MANIFEST_INVALID"],
    ["an image with children", { ...image, manifests: [config] }, "MANIFEST_INVALID"],
    ["schema version 1", { ...image, schemaVersion: 1 }, "MANIFEST_INVALID"],
  ])("%s: 400, and 404 after", async (_case, manifest, code) => {
    const repository = newRepository();
    const bytes = typeof manifest === "string" ? manifest : JSON.stringify(manifest);
    expect(await refusal(await putManifest(repository, "latest", bytes))).toEqual([400, code]);
    expect(await presence(`/v2/${repository}/manifests/latest`)).toEqual(gone);
  });

  test("bytes that do not have the digest: 400", async () => {
    const answer = await putManifest(newRepository(), digest, JSON.stringify(image));
    expect(await refusal(answer)).toEqual([400, "DIGEST_INVALID"]);
  });

  test("a sparse manifest of more than 4 MiB: 413", async () => {
    const large = { ...image, annotations: { large: "x".repeat(4 * 1024 * 1024) } };
    const answer = await putManifest(newRepository(), "latest", JSON.stringify(large));
    expect(answer.status).toBe(413);
  });

  test("a blob whose bytes do not have its digest: 400", async () => {
    const path = `/v2/${newRepository()}/blobs/uploads/?digest=${digest}`;
    const answer = await send("POST", path, { body: new Uint8Array(10) });
    expect(await refusal(answer)).toEqual([400, "DIGEST_INVALID"]);
  });
});

describe("what is whole", () => {
  test("is taken as by any registry, and its blobs are used", async () => {
    const data = new ImageData();
    data.tag("whole", data.image());
    const repository = newRepository();
    await pushBlobs(repository, data);
    const answers = await putManifests(repository, data, "reference");
    expect(answers.map((answer) => answer.status)).toEqual([201, 201]);
    for (const digest of data.blobs.keys()) {
      const path = `/v2/${repository}/blobs/${digest}`;
      // oxlint-disable-next-line no-await-in-loop
      expect(await refusal(await send("DELETE", path))).toEqual([405, "UNSUPPORTED"]);
    }
  });
});
