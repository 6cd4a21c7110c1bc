import { beforeAll, describe, expect, test } from "vitest";
import { newRepository, putManifest } from "../client.ts";
import { contentOf, read } from "./answers.ts";
import { dataKinds, rowsOf } from "./data-kinds.ts";
import type { DataManifest } from "./image-data.ts";
import { pushBlobs, putByDigest, putManifests, tagsOf } from "./pushed-data.ts";

/** A push has to answer 201 with what the client may check, and a Location that is read. */
async function expectTaken(answer: Response, manifest: DataManifest): Promise<void> {
  const { digest, subject } = manifest;
  expect({
    status: answer.status,
    digest: answer.headers.get("Docker-Content-Digest"),
    subject: answer.headers.get("OCI-Subject"),
  }).toEqual({ status: 201, digest, subject: subject ?? null });
  const location = answer.headers.get("Location") ?? "";
  expect(await read("GET", location)).toEqual(contentOf("GET", manifest));
}

describe.each(rowsOf(dataKinds))("%s", (_name, { make, tagging }) => {
  const data = make();
  const repository = newRepository();
  beforeAll(() => pushBlobs(repository, data));

  test("end-7a PUT of each manifest by digest: 201, its Location is read", async () => {
    for (const manifest of data.manifests) {
      // oxlint-disable-next-line no-await-in-loop
      await expectTaken(await putByDigest(repository, manifest), manifest);
    }
  });

  test("end-7a PUT of each manifest again: 201, its Location is read", async () => {
    for (const round of [1, 2]) {
      // oxlint-disable-next-line no-await-in-loop
      const answers = await putManifests(repository, data, tagging);
      const statuses = new Set(answers.map((answer) => answer.status));
      expect([round, statuses]).toEqual([round, new Set([201])]);
    }
    await Promise.all(
      data.manifests.map(async (manifest) =>
        expectTaken(await putByDigest(repository, manifest), manifest),
      ),
    );
  });
});

const taggedKinds = dataKinds.filter(({ make }) => make().tags.size > 0);

describe.each(rowsOf(taggedKinds.filter(({ tagging }) => tagging === "reference")))(
  "%s",
  (_name, kind) => {
    const data = kind.make();
    const repository = newRepository();
    beforeAll(async () => {
      await pushBlobs(repository, data);
      await putManifests(repository, { manifests: data.manifests, tags: new Map() }, "reference");
    });

    test("end-7a PUT by each tag: 201, its Location is read", async () => {
      const tagged = [...data.tags].map(async ([tag, manifest]) => {
        const answer = await putManifest(repository, tag, manifest.bytes, manifest.mediaType);
        await expectTaken(answer, manifest);
      });
      await Promise.all(tagged);
      expect(tagged.length).toBeGreaterThan(0);
    });
  },
);

describe.each(rowsOf(taggedKinds))("%s", (_name, { make }) => {
  test("end-7b PUT by digest with its tags: 201 with OCI-Tag, and each is read", async () => {
    const data = make();
    const repository = newRepository();
    await pushBlobs(repository, data);
    for (const manifest of data.manifests) {
      const tags = tagsOf(data, manifest);
      /* oxlint-disable no-await-in-loop */
      const answer = await putByDigest(repository, manifest, tags);
      const accepted = answer.headers.get("OCI-Tag")?.split(",") ?? [];
      expect(accepted.map((tag) => tag.trim()).toSorted()).toEqual(tags.toSorted());
      await expectTaken(answer, manifest);
      for (const tag of tags) {
        const path = `/v2/${repository}/manifests/${tag}`;
        expect(await read("GET", path)).toEqual(contentOf("GET", manifest));
      }
      /* oxlint-enable no-await-in-loop */
    }
  });
});
