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
  refusal,
  send,
} from "../client.ts";
import { goTarget, nextPage } from "./client-headers.ts";

const mebibyte = 1024 * 1024;
const zeros = `sha256:${"0".repeat(64)}`;

function subjectOf(digest: string) {
  return { subject: { mediaType: ociManifest, digest, size: 10 } };
}

describe("docker, regctl, oras: PUT of a manifest is exactly 201 with Location and digest", () => {
  test.each(["tag", "digest"])("by %s", async (kind) => {
    const repository = newRepository();
    const manifest = indexOf();
    const digest = digestOf(manifest);
    const path = `/v2/${repository}/manifests/${kind === "tag" ? "latest" : digest}`;
    const headers = { "Content-Type": ociIndex };
    for (const round of ["first", "again"]) {
      /* oxlint-disable no-await-in-loop */
      const put = await send("PUT", path, { body: manifest, headers });
      expect([round, put.status]).toEqual([round, 201]);
      expect(put.headers.get("Docker-Content-Digest")).toBe(digest);
      const got = await send("GET", goTarget(path, put.headers.get("Location")));
      expect(await got.text()).toBe(manifest);
      /* oxlint-enable no-await-in-loop */
    }
  });
});

describe("regctl, oras: OCI-Subject is the digest of the subject", () => {
  test.each([
    ["cosign: of another repository", async () => zeros],
    [
      "oras: of this repository",
      async (repository: string) => (await pushImage(repository, "latest", [])).digest,
    ],
  ])("%s", async (_case, subjectIn) => {
    const repository = newRepository();
    const subject = await subjectIn(repository);
    const manifest = indexOf([], subjectOf(subject));
    const put = await putManifest(repository, digestOf(manifest), manifest, ociIndex);
    expect([put.status, put.headers.get("OCI-Subject")]).toEqual([201, subject]);
  });

  test("ggcr: and there is none without a subject", async () => {
    const put = await putManifest(newRepository(), "latest", indexOf(), ociIndex);
    expect([put.status, put.headers.get("OCI-Subject")]).toEqual([201, null]);
  });
});

describe("BuildKit: an index may list blobs", () => {
  test.each([
    ["OCI", ociIndex],
    ["Docker", "application/vnd.docker.distribution.manifest.list.v2+json"],
  ])("of %s", async (_case, mediaType) => {
    const repository = newRepository();
    const layer = randomBytes(100);
    const digest = await pushBlob(repository, layer);
    const child = { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest, size: 100 };
    const index = indexOf([child], { mediaType });
    expect((await putManifest(repository, "cache", index, mediaType)).status).toBe(201);
    const blob = await send("GET", `/v2/${repository}/blobs/${digest}`);
    expect(digestOf(await blob.bytes())).toBe(digest);
  });
});

test("cosign load: a manifest before its layers is told so, and taken once they are there", async () => {
  const repository = newRepository();
  const layer = randomBytes(100);
  const config = "{}";
  const manifest = imageManifest({ digest: digestOf(config), size: 2 }, [
    { digest: digestOf(layer), size: 100 },
  ]);
  const early = await putManifest(repository, "latest", manifest);
  // By MANIFEST_INVALID containers/image would push it again in another format.
  expect(await refusal(early)).toEqual([400, "MANIFEST_BLOB_UNKNOWN"]);
  await pushBlob(repository, layer);
  await pushBlob(repository, config);
  expect((await putManifest(repository, "latest", manifest)).status).toBe(201);
});

describe("regctl: a manifest may have 4 MiB, and more is 413 in JSON", () => {
  test.each([
    ["4 MiB", 4 * mebibyte, 201],
    ["a byte more", 4 * mebibyte + 1, 413],
  ])("%s", async (_case, size, status) => {
    const put = await putManifest(newRepository(), "latest", indexOf().padEnd(size, " "), ociIndex);
    expect(put.status).toBe(status);
    const text = await put.text();
    expect(text === "" ? 0 : JSON.parse(text)).toEqual(
      status === 201 ? 0 : { errors: [expect.objectContaining({ code: "MANIFEST_INVALID" })] },
    );
  });
});

describe("containerd, crane: a tag is there for all at once, and moves at once", () => {
  test.each([["HEAD"], ["GET"]])("by %s, though it was 404 before", async (method) => {
    const repository = newRepository();
    const path = `/v2/${repository}/manifests/latest`;
    expect((await send(method, path)).status).toBe(404);
    for (const manifest of [indexOf(), indexOf(), indexOf()]) {
      /* oxlint-disable no-await-in-loop */
      await pushManifest(repository, "latest", manifest);
      const read = await send(method, path);
      expect(read.headers.get("Docker-Content-Digest")).toBe(digestOf(manifest));
      /* oxlint-enable no-await-in-loop */
    }
  });
});

test("buildx: children are there when their index comes, at once behind them", async () => {
  const repository = newRepository();
  const images = await Promise.all([1, 2, 3].map(() => pushImage(repository, "", [])));
  const index = indexOf(
    images.map(({ digest, manifest }) => ({
      mediaType: ociManifest,
      digest,
      size: manifest.length,
    })),
  );
  expect((await putManifest(repository, "latest", index, ociIndex)).status).toBe(201);
});

describe("ggcr, oras, notation: referrers are 200 with exactly an index, never 404", () => {
  test.each([
    ["oras: of the zero digest", zeros],
    ["notation: of the zero digest by sha512", `sha512:${"0".repeat(128)}`],
    ["ggcr: of what nobody knows", digestOf("nobody knows")],
  ])("%s", async (_case, digest) => {
    const response = await send("GET", `/v2/${newRepository()}/referrers/${digest}`);
    expect(response.status).toBe(200);
    expect(response.headers.get("Content-Type")).toBe(ociIndex);
    expect(await response.json()).toEqual({
      schemaVersion: 2,
      mediaType: ociIndex,
      manifests: [],
    });
  });

  test("cosign, docker 29: filtered by artifact type, which OCI-Filters-Applied says", async () => {
    const repository = newRepository();
    const bundle = indexOf([], { ...subjectOf(zeros), artifactType: "application/vnd.dev.bundle" });
    const other = indexOf([], { ...subjectOf(zeros), artifactType: "application/vnd.other" });
    for (const manifest of [bundle, other]) {
      // oxlint-disable-next-line no-await-in-loop
      await pushManifest(repository, "", manifest);
    }
    const path = `/v2/${repository}/referrers/${zeros}`;
    const type = encodeURIComponent("application/vnd.dev.bundle");
    const response = await send("GET", `${path}?artifactType=${type}`);
    expect(response.headers.get("OCI-Filters-Applied")).toBe("artifactType");
    const { manifests } = await response.json<{ manifests: { digest: string }[] }>();
    expect(manifests.map(({ digest }) => digest)).toEqual([digestOf(bundle)]);
    const all = await send("GET", path);
    expect(all.headers.get("OCI-Filters-Applied")).toBeNull();
  });
});

describe("cosign, older clients: tags made of a digest are tags like others", () => {
  test.each([[""], [".sig"], [".att"], [".sbom"]])("sha256-<hex>%s", async (suffix) => {
    const repository = newRepository();
    const tag = `sha256-${"a".repeat(64)}${suffix}`;
    const path = `/v2/${repository}/manifests/${tag}`;
    expect(await refusal(await send("GET", path))).toEqual([404, "MANIFEST_UNKNOWN"]);
    const manifest = indexOf();
    await pushManifest(repository, tag, manifest);
    const got = await send("GET", path);
    expect([got.status, await got.text()]).toEqual([200, manifest]);
    const list = await send("GET", `/v2/${repository}/tags/list`);
    expect(await list.json()).toEqual({ name: repository, tags: [tag] });
    expect((await send("DELETE", path)).status).toBe(202);
    expect(await refusal(await send("GET", path))).toEqual([404, "MANIFEST_UNKNOWN"]);
  });
});

describe("the list of tags", () => {
  test("crane, skopeo, regctl: is sorted, and its Link leads on to the same host", async () => {
    const repository = newRepository();
    const tags = ["1.10", "1.9", "_", "a", "b", "latest"];
    const manifest = indexOf();
    for (const tag of tags.toReversed()) {
      // oxlint-disable-next-line no-await-in-loop
      await pushManifest(repository, tag, manifest);
    }
    const listed: string[] = [];
    let next: string | undefined = `/v2/${repository}/tags/list?n=4`;
    while (next !== undefined) {
      // oxlint-disable-next-line no-await-in-loop
      const page: Response = await send("GET", next);
      // oxlint-disable-next-line no-await-in-loop
      const body = await page.json<{ name: string; tags: string[] }>();
      expect([page.status, body.name]).toEqual([200, repository]);
      listed.push(...body.tags);
      next = nextPage(page.headers.get("Link"));
    }
    expect(listed).toEqual(tags);
  });

  test.each([
    ["oras: n=0 is empty, and leads nowhere", "?n=0"],
    ["oras: behind the last is empty, and leads nowhere", "?last=zzz"],
  ])("%s", async (_case, query) => {
    const repository = newRepository();
    await pushManifest(repository, "latest", indexOf());
    const page = await send("GET", `/v2/${repository}/tags/list${query}`);
    expect([page.status, page.headers.get("Link")]).toEqual([200, null]);
    // null would be no list to clients in other languages than Go.
    expect(await page.json()).toEqual({ name: repository, tags: [] });
  });

  test("helm: is [] where a tag was and is no more", async () => {
    const repository = newRepository();
    await pushManifest(repository, "latest", indexOf());
    await send("DELETE", `/v2/${repository}/manifests/latest`);
    const page = await send("GET", `/v2/${repository}/tags/list`);
    expect(await page.json()).toEqual({ name: repository, tags: [] });
  });
});

describe("skopeo, oras, regctl: DELETE is exactly 202, and 404 for what is not there", () => {
  test.each([
    [
      "skopeo, oras: a manifest by digest",
      "MANIFEST_UNKNOWN",
      async (repository: string) =>
        `manifests/${await pushManifest(repository, "latest", indexOf())}`,
    ],
    [
      "regctl, cosign clean: a tag",
      "MANIFEST_UNKNOWN",
      async (repository: string) => {
        await pushManifest(repository, "latest", indexOf());
        return "manifests/latest";
      },
    ],
    [
      "oras: a blob",
      "BLOB_UNKNOWN",
      async (repository: string) => `blobs/${await pushBlob(repository, randomBytes(10))}`,
    ],
  ])("%s", async (_case, code, pushIn) => {
    const repository = newRepository();
    const path = `/v2/${repository}/${await pushIn(repository)}`;
    expect((await send("DELETE", path)).status).toBe(202);
    expect((await send("GET", path)).status).toBe(404);
    expect(await refusal(await send("DELETE", path))).toEqual([404, code]);
  });
});

test("docker: a layer that no manifest uses any more is there for the next one", async () => {
  const repository = newRepository();
  const layer = randomBytes(100);
  const first = await pushImage(repository, "latest", [layer]);
  await send("DELETE", `/v2/${repository}/manifests/${first.digest}`);
  const head = await send("HEAD", `/v2/${repository}/blobs/${digestOf(layer)}`);
  expect(head.status).toBe(200);
  const config = { digest: await pushBlob(repository, "{}"), size: 2 };
  const next = imageManifest(config, [{ digest: digestOf(layer), size: 100 }]);
  expect((await putManifest(repository, "latest", next)).status).toBe(201);
});

/** The repositories of a page, and where its Link leads. */
async function catalogPage(path: string): Promise<[string[], string | undefined]> {
  const response = await send("GET", path);
  expect(response.status).toBe(200);
  const { repositories } = await response.json<{ repositories: string[] }>();
  return [repositories, nextPage(response.headers.get("Link"))];
}

test("crane: the catalog is a list in JSON, and leads on to the same host", async () => {
  const repository = newRepository();
  await pushManifest(repository, "latest", indexOf());
  await pushManifest(`${repository}/two`, "latest", indexOf());
  // A new repository gets into the catalog a moment after its push.
  await expect
    .poll(async () => (await catalogPage(`/v2/_catalog?last=${repository}&n=1`))[0], {
      timeout: 10_000,
    })
    .toEqual([`${repository}/two`]);
  const before = repository.slice(0, -1);
  await expect
    .poll(async () => (await catalogPage(`/v2/_catalog?n=1&last=${before}`))[0], {
      timeout: 10_000,
    })
    .toEqual([repository]);
  const [, next] = await catalogPage(`/v2/_catalog?n=1&last=${before}`);
  const [second] = await catalogPage(next ?? "");
  expect(second).toEqual([`${repository}/two`]);
});
