import { beforeAll, describe, expect, test } from "vitest";
import { newRepository, putManifest, refusal, send } from "../client.ts";
import { blobContent, gone, presence, read } from "./answers.ts";
import { sparseKinds, rowsOf } from "./data-kinds.ts";
import { ImageData } from "./image-data.ts";
import { pushBlobs, putByDigest } from "./pushed-data.ts";

describe.each(["sha256", "sha512"])(
  "an image whose bytes do not have its %s digest",
  (algorithm) => {
    const data = new ImageData(algorithm);
    const { digest } = data.image();
    const [manifest] = data.manifests;
    const repository = newRepository();
    beforeAll(() => pushBlobs(repository, data));

    test.each([
      ["with spaces behind it", (text: string) => `${text}  `],
      ["with spaces in it", (text: string) => text.replaceAll(",", ", ")],
      ["with another annotation", (text: string) => text.replace("{", '{"annotations":{"a":"b"},')],
    ])("end-7a PUT %s: 400, and end-3 HEAD and GET 404", async (_case, change) => {
      const sent = change(new TextDecoder().decode(manifest?.bytes));
      const answer = await putManifest(repository, digest, sent);
      expect(await refusal(answer)).toEqual([400, "DIGEST_INVALID"]);
      expect(await presence(`/v2/${repository}/manifests/${digest}`)).toEqual(gone);
    });

    test("end-7b PUT with a tag: 400, and the tag names nothing", async () => {
      const sent = `${new TextDecoder().decode(manifest?.bytes)} `;
      const answer = await putManifest(repository, `${digest}?tag=bad`, sent);
      expect(await refusal(answer)).toEqual([400, "DIGEST_INVALID"]);
      expect(await presence(`/v2/${repository}/manifests/bad`)).toEqual(gone);
    });

    test("end-2 HEAD and GET of its blobs: 200", async () => {
      for (const [blob, bytes] of data.blobs) {
        const path = `/v2/${repository}/blobs/${blob}`;
        // oxlint-disable-next-line no-await-in-loop
        expect(await read("HEAD", path)).toEqual(blobContent("HEAD", blob, bytes));
        // oxlint-disable-next-line no-await-in-loop
        expect(await read("GET", path)).toEqual(blobContent("GET", blob, bytes));
      }
    });

    test("end-8a GET of tags: 200, none; end-9 DELETE: 404", async () => {
      const tags = await send("GET", `/v2/${repository}/tags/list`);
      expect(await tags.json()).toEqual({ name: repository, tags: [] });
      const removed = await send("DELETE", `/v2/${repository}/manifests/${digest}`);
      expect(await refusal(removed)).toEqual([404, "MANIFEST_UNKNOWN"]);
    });
  },
);

describe("a manifest by what is no digest", () => {
  test.each([
    ["GET", "DIGEST_INVALID"],
    ["HEAD", undefined],
    ["PUT", "DIGEST_INVALID"],
    ["DELETE", "DIGEST_INVALID"],
  ])("%s: 400", async (method, code) => {
    const data = new ImageData();
    data.image();
    const repository = newRepository();
    await pushBlobs(repository, data);
    const answer = await send(method, `/v2/${repository}/manifests/sha256:baddigeststring`, {
      body: method === "PUT" ? (data.manifests[0]?.bytes ?? null) : null,
    });
    expect(answer.status).toBe(400);
    expect((await answer.text()).includes(`"code":"${code}"`)).toBe(code !== undefined);
  });
});

describe("a manifest of more than 4 MiB", () => {
  test.each([
    ["end-7a PUT by digest", []],
    ["end-7b PUT by digest with a tag", ["large"]],
  ])("%s: 413, and 404 after", async (_case, tags) => {
    const data = new ImageData();
    data.index([], { annotations: { large: "x".repeat(4 * 1024 * 1024) } });
    const repository = newRepository();
    for (const manifest of data.manifests) {
      /* oxlint-disable no-await-in-loop */
      expect((await putByDigest(repository, manifest, tags)).status).toBe(413);
      expect(await presence(`/v2/${repository}/manifests/${manifest.digest}`)).toEqual(gone);
      /* oxlint-enable no-await-in-loop */
    }
  });
});

describe("the tags of a push by digest", () => {
  test.each([
    ["10", 10, 201],
    ["100", 100, 201],
    ["more than 100", 101, 414],
  ])("end-7b PUT with %s: all or none", async (_case, count, status) => {
    const data = new ImageData();
    data.index([], { annotations: { id: crypto.randomUUID() } });
    const tags = Array.from({ length: count }, (_, at) => `t${String(at).padStart(3, "0")}`);
    const repository = newRepository();
    for (const manifest of data.manifests) {
      // oxlint-disable-next-line no-await-in-loop
      const answer = await putByDigest(repository, manifest, tags);
      expect(answer.status).toBe(status);
      expect(answer.headers.get("OCI-Tag")).toBe(status === 201 ? tags.join(", ") : null);
    }
    const listed = await send("GET", `/v2/${repository}/tags/list`);
    expect(await listed.json()).toMatchObject(status === 201 ? { tags } : { errors: [{}] });
  });
});

describe.each(rowsOf(sparseKinds))("%s", (_name, { make }) => {
  test("end-7a and end-7b PUT: 400, 404 after, and 201 once nothing is missing", async () => {
    const data = make();
    const repository = newRepository();
    await pushBlobs(repository, data);
    const whole = data.manifests.slice(0, -1);
    const [sparse] = data.manifests.slice(-1) as [(typeof data.manifests)[0]];
    /* oxlint-disable no-await-in-loop */
    for (const manifest of whole) {
      expect((await putByDigest(repository, manifest)).status).toBe(201);
    }
    for (const tags of [[], ["sparse"]]) {
      const refused = await putByDigest(repository, sparse, tags);
      expect(await refusal(refused)).toEqual([400, "MANIFEST_BLOB_UNKNOWN"]);
    }
    for (const reference of ["sparse", sparse.digest]) {
      expect(await presence(`/v2/${repository}/manifests/${reference}`)).toEqual(gone);
    }
    await pushBlobs(repository, { blobs: data.withheldBlobs, algorithm: data.algorithm });
    for (const manifest of [...data.withheldManifests, sparse]) {
      expect((await putByDigest(repository, manifest, ["sparse"])).status).toBe(201);
    }
    /* oxlint-enable no-await-in-loop */
  });
});
