import { describe, expect, test } from "vitest";
import {
  digestOf,
  imageManifest,
  indexOf,
  newRepository,
  ociIndex,
  ociManifest,
  pushBlob,
  pushManifest,
  refusal,
  send,
} from "./client.ts";

interface Listed {
  readonly schemaVersion: number;
  readonly mediaType: string;
  readonly manifests: readonly { readonly digest: string }[];
}

async function referrers(repository: string, digest: string, query = "") {
  const response = await send("GET", `/v2/${repository}/referrers/${digest}${query}`);
  expect(response.status).toBe(200);
  expect(response.headers.get("Content-Type")).toBe(ociIndex);
  const { schemaVersion, mediaType, manifests } = await response.json<Listed>();
  expect([schemaVersion, mediaType]).toEqual([2, ociIndex]);
  return { manifests, filters: response.headers.get("OCI-Filters-Applied") };
}

const sbom = "application/vnd.example.sbom";
const signature = "application/vnd.example.signature";

function contentOf(text: string) {
  return { digest: digestOf(text), size: new TextEncoder().encode(text).length };
}

/** A subject with a referrer of each form, and what is to be listed of them. */
async function withReferrers(algorithm: string) {
  const repository = newRepository();
  const config = { digest: await pushBlob(repository, "{}"), size: 2 };
  const subjectBytes = indexOf();
  await pushManifest(repository, "latest", subjectBytes);
  const digest = digestOf(subjectBytes, algorithm);
  const subject = { mediaType: ociIndex, digest, size: subjectBytes.length };
  const annotations = { "org.example.key": "ключ" };
  const image = imageManifest(config, [], { subject, artifactType: sbom, annotations });
  const plain = imageManifest(config, [], { subject });
  const index = indexOf([], { subject, artifactType: signature, annotations });
  await pushManifest(repository, "", image, ociManifest);
  await pushManifest(repository, "", plain, ociManifest);
  await pushManifest(repository, "signed", index);
  const expected = {
    image: { mediaType: ociManifest, ...contentOf(image), artifactType: sbom, annotations },
    plain: {
      mediaType: ociManifest,
      ...contentOf(plain),
      artifactType: "application/vnd.oci.image.config.v1+json",
    },
    index: { mediaType: ociIndex, ...contentOf(index), artifactType: signature, annotations },
  };
  return { repository, digest, expected };
}

describe.each(["sha256", "sha512"])("the referrers of a %s digest", (algorithm) => {
  test("are what was pushed with it as subject, with type, size and annotations", async () => {
    const { repository, digest, expected } = await withReferrers(algorithm);
    const { manifests, filters } = await referrers(repository, digest);
    expect(filters).toBeNull();
    expect(manifests).toHaveLength(3);
    expect(manifests).toEqual(expect.arrayContaining(Object.values(expected)));
  });

  test.each([
    ["an artifactType", sbom, "image"],
    ["an index's artifactType", signature, "index"],
    ["a config's media type", "application/vnd.oci.image.config.v1+json", "plain"],
  ] as const)("are filtered by %s", async (_case, artifactType, form) => {
    const { repository, digest, expected } = await withReferrers(algorithm);
    const query = `?artifactType=${encodeURIComponent(artifactType)}`;
    const { manifests, filters } = await referrers(repository, digest, query);
    expect(filters).toBe("artifactType");
    expect(manifests).toEqual([expected[form]]);
  });

  test("of a type that none has are none", async () => {
    const { repository, digest } = await withReferrers(algorithm);
    const { manifests, filters } = await referrers(repository, digest, "?artifactType=text/plain");
    expect([manifests, filters]).toEqual([[], "artifactType"]);
  });

  test("are those of this repository alone", async () => {
    const { digest } = await withReferrers(algorithm);
    expect((await referrers(newRepository(), digest)).manifests).toEqual([]);
  });
});

describe("the referrers", () => {
  test.each([
    ["of a digest that nobody knows", `sha256:${"1".repeat(64)}`],
    ["of the zero digest", `sha256:${"0".repeat(64)}`],
    ["of the zero digest by sha512", `sha512:${"0".repeat(128)}`],
  ])("%s are an empty index, never 404", async (_case, digest) => {
    expect((await referrers(newRepository(), digest)).manifests).toEqual([]);
  });

  test.each([["latest"], ["sha256:xyz"], ["sha256"], [`md5:${"0".repeat(32)}`]])(
    "of %s, which is no digest, are 400",
    async (digest) => {
      const response = await send("GET", `/v2/${newRepository()}/referrers/${digest}`);
      expect(await refusal(response)).toEqual([400, "DIGEST_INVALID"]);
    },
  );

  test("of a subject that comes later, and goes, are the same", async () => {
    const repository = newRepository();
    const bytes = indexOf();
    const subject = { mediaType: ociIndex, digest: digestOf(bytes), size: bytes.length };
    const referrer = await pushManifest(repository, "", indexOf([], { subject }));
    const digests = async () =>
      (await referrers(repository, subject.digest)).manifests.map(({ digest }) => digest);
    expect(await digests()).toEqual([referrer]);
    await pushManifest(repository, "latest", bytes);
    expect(await digests()).toEqual([referrer]);
    await send("DELETE", `/v2/${repository}/manifests/${subject.digest}`);
    expect(await digests()).toEqual([referrer]);
  });

  test("are without one that was deleted, at once", async () => {
    const { repository, digest, expected } = await withReferrers("sha256");
    await send("DELETE", `/v2/${repository}/manifests/${expected.index.digest}`);
    const { manifests } = await referrers(repository, digest);
    expect(manifests).toHaveLength(2);
    expect(manifests).toEqual(expect.arrayContaining([expected.image, expected.plain]));
  });

  test.each([
    ["ASCII", "x".repeat(60_000)],
    ["characters of two bytes", "ж".repeat(30_000)],
    ["characters of four bytes", "\u{1f433}".repeat(15_000)],
  ])("of more than a page of 3.5 MB of %s lead on, and all are there once", async (_case, text) => {
    const repository = newRepository();
    const bytes = indexOf();
    const subject = { mediaType: ociIndex, digest: digestOf(bytes), size: bytes.length };
    const pushed = await Promise.all(
      Array.from({ length: 70 }, (_, at) =>
        pushManifest(repository, "", indexOf([], { subject, annotations: { at: `${at}`, text } })),
      ),
    );
    const all: string[] = [];
    let pages = 0;
    let next: string | undefined = `/v2/${repository}/referrers/${subject.digest}`;
    /* oxlint-disable no-await-in-loop */
    while (next !== undefined) {
      const response: Response = await send("GET", next);
      const page = await response.bytes();
      expect(page.length).toBeLessThanOrEqual(3_500_000);
      all.push(
        ...(JSON.parse(new TextDecoder().decode(page)) as Listed).manifests.map(
          ({ digest }) => digest,
        ),
      );
      pages += 1;
      next = /^<([^>]*)>; rel="next"$/.exec(response.headers.get("Link") ?? "")?.[1];
    }
    /* oxlint-enable no-await-in-loop */
    expect(pages).toBe(2);
    expect(all).toEqual(pushed.toSorted());
  });
});
