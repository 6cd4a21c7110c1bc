import { beforeAll, describe, expect, test } from "vitest";
import { digestOf, newRepository, ociIndex, ociManifest, refusal, send } from "../client.ts";
import { dataKinds, rowsOf } from "./data-kinds.ts";
import { type DataManifest, type Descriptor, ImageData } from "./image-data.ts";
import { pushBlobs, pushData, putByDigest, putManifests } from "./pushed-data.ts";

/** The referrers in an order of their own: the spec asks for none. */
function sorted(descriptors: readonly Descriptor[]): Descriptor[] {
  return descriptors.toSorted((one, other) => (one.digest < other.digest ? -1 : 1));
}

async function referrers(repository: string, subject: string, artifactType?: string) {
  const query =
    artifactType === undefined ? "" : `?artifactType=${encodeURIComponent(artifactType)}`;
  const response = await send("GET", `/v2/${repository}/referrers/${subject}${query}`);
  expect([response.status, response.headers.get("Content-Type")]).toEqual([200, ociIndex]);
  const { manifests, ...index } = await response.json<{ manifests: Descriptor[] }>();
  expect(index).toEqual({ schemaVersion: 2, mediaType: ociIndex });
  return { found: sorted(manifests), filters: response.headers.get("OCI-Filters-Applied") };
}

async function expectReferrers(repository: string, data: ImageData): Promise<void> {
  for (const [subject, expected] of data.referrers) {
    // oxlint-disable-next-line no-await-in-loop
    expect((await referrers(repository, subject)).found).toEqual(sorted(expected));
  }
}

const kinds = dataKinds.filter(({ make }) => make().referrers.size > 0);

describe.each(rowsOf(kinds))("%s", (_name, kind) => {
  const data = kind.make();
  const repository = newRepository();
  const listed = [...data.referrers.values()].flat();
  const types = new Set(listed.map(({ artifactType }) => artifactType ?? "application/none"));
  beforeAll(async () => {
    await pushData(data, kind.tagging, repository);
  });

  test("end-12a GET: 200 with each and its type, size, artifactType and annotations", async () => {
    await expectReferrers(repository, data);
  });

  test.each([...types, "application/vnd.example.unknown"])(
    "end-12b GET with artifactType %s: those of it alone, and OCI-Filters-Applied",
    async (artifactType) => {
      for (const [subject, expected] of data.referrers) {
        const matching = expected.filter((referrer) => referrer.artifactType === artifactType);
        // oxlint-disable-next-line no-await-in-loop
        expect(await referrers(repository, subject, artifactType)).toEqual({
          found: sorted(matching),
          filters: "artifactType",
        });
      }
    },
  );

  test("end-12a GET of what is nobody's subject: 200, none", async () => {
    const others = data.manifests.filter(({ digest }) => !data.referrers.has(digest));
    const found = others.map(async ({ digest }) => (await referrers(repository, digest)).found);
    expect(new Set((await Promise.all(found)).map((list) => list.length))).toEqual(new Set([0]));
  });

  test("end-12a GET in another repository: 200, none", async () => {
    const elsewhere = newRepository();
    for (const subject of data.referrers.keys()) {
      // oxlint-disable-next-line no-await-in-loop
      expect(await referrers(elsewhere, subject)).toEqual({ found: [], filters: null });
    }
  });
});

/** The manifests that are a subject. */
function subjectsOf({ manifests, referrers: bySubject }: ImageData): DataManifest[] {
  return manifests.filter(({ digest }) => bySubject.has(digest));
}

/** The kinds whose subject is there, which can come later, go and come again. */
const kindsWithSubject = kinds.filter(({ make }) => subjectsOf(make()).length > 0);

describe.each(rowsOf(kindsWithSubject))("%s", (_name, kind) => {
  test("end-12a GET, pushed before their subject: the same as after it", async () => {
    const data = kind.make();
    const repository = newRepository();
    await pushBlobs(repository, data);
    const subjects = subjectsOf(data);
    const manifests = data.manifests.filter((manifest) => !subjects.includes(manifest));
    const tags = new Map([...data.tags].filter(([, { digest }]) => !data.referrers.has(digest)));
    await putManifests(repository, { manifests, tags }, kind.tagging);
    await expectReferrers(repository, data);
    await Promise.all(subjects.map((subject) => putByDigest(repository, subject)));
    await expectReferrers(repository, data);
  });

  test("end-12a GET, subject deleted and pushed again: the same throughout", async () => {
    const { repository, data } = await pushData(kind.make(), kind.tagging);
    for (const subject of subjectsOf(data)) {
      const path = `/v2/${repository}/manifests/${subject.digest}`;
      /* oxlint-disable no-await-in-loop */
      expect((await send("DELETE", path)).status).toBe(202);
      await expectReferrers(repository, data);
      expect((await putByDigest(repository, subject)).status).toBe(201);
      await expectReferrers(repository, data);
      /* oxlint-enable no-await-in-loop */
    }
  });
});

describe.each(rowsOf(kinds))("%s", (_name, kind) => {
  test("end-12a GET, one after the other deleted and pushed again: without it, and with it", async () => {
    const { repository, data } = await pushData(kind.make(), kind.tagging);
    for (const [subject, expected] of data.referrers) {
      for (const gone of expected) {
        const manifest = data.manifests.find(({ digest }) => digest === gone.digest);
        const rest = expected.filter((referrer) => referrer !== gone);
        /* oxlint-disable no-await-in-loop */
        const removed = await send("DELETE", `/v2/${repository}/manifests/${gone.digest}`);
        expect(removed.status).toBe(202);
        expect((await referrers(repository, subject)).found).toEqual(sorted(rest));
        if (manifest !== undefined) await putByDigest(repository, manifest);
        expect((await referrers(repository, subject)).found).toEqual(sorted(expected));
        /* oxlint-enable no-await-in-loop */
      }
    }
  });
});

describe("a referrer", () => {
  test("that is pushed again under tags is listed once", async () => {
    const data = new ImageData();
    const artifact = data.artifact("application/vnd.example", { subject: data.image() });
    for (const tag of ["one", "two"]) data.tag(tag, artifact);
    const { repository } = await pushData(data);
    await expectReferrers(repository, data);
  });

  test("of one subject is not one of another", async () => {
    const data = new ImageData();
    for (const subject of [data.image(), data.image()]) {
      data.artifact("application/vnd.example", { subject });
    }
    const { repository } = await pushData(data);
    await expectReferrers(repository, data);
  });

  test("that lists another one of its subject is listed with it", async () => {
    const data = new ImageData();
    const subject = { mediaType: ociManifest, digest: digestOf("its index"), size: 9 };
    const artifact = data.artifact("application/vnd.example", { subject });
    data.index([artifact], { subject, artifactType: "application/vnd.example.list" });
    const { repository } = await pushData(data);
    await expectReferrers(repository, data);
  });
});

describe("the referrers of what is no digest", () => {
  test.each([["sha256:baddigeststring"], ["latest"], [`sha999:${"a".repeat(64)}`]])(
    "end-12a GET of %s: 400",
    async (digest) => {
      const response = await send("GET", `/v2/${newRepository()}/referrers/${digest}`);
      expect(await refusal(response)).toEqual([400, "DIGEST_INVALID"]);
    },
  );
});
