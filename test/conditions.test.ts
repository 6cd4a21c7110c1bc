import { describe, expect, test } from "vitest";
import {
  digestOf,
  indexOf,
  newRepository,
  ociIndex,
  pushBlob,
  pushManifest,
  refusal,
  send,
} from "./client.ts";

const other = `sha256:${"0".repeat(64)}`;
const headers = (name: string, value: string) => ({ headers: { [name]: value } });

/** A repository with a manifest and a blob, and the paths under which they are read. */
async function filled() {
  const repository = newRepository();
  const manifest = await pushManifest(repository, "v1", indexOf());
  const blob = await pushBlob(repository, crypto.randomUUID());
  return {
    repository,
    readable: [
      [`/v2/${repository}/manifests/v1`, manifest],
      [`/v2/${repository}/manifests/${manifest}`, manifest],
      [`/v2/${repository}/blobs/${blob}`, blob],
    ] as const,
  };
}

describe.each([["GET"], ["HEAD"]])("%s of a manifest or blob", (method) => {
  test("has its digest as ETag", async () => {
    const { readable } = await filled();
    for (const [path, digest] of readable) {
      // oxlint-disable-next-line no-await-in-loop
      const response = await send(method, path);
      expect([response.status, response.headers.get("ETag")]).toEqual([200, `"${digest}"`]);
    }
  });

  test.each([
    ["If-None-Match", '"<digest>"', 304],
    ["If-None-Match", 'W/"<digest>"', 304],
    ["If-None-Match", `"${other}", "<digest>"`, 304],
    ["If-None-Match", `${`"${other}", `.repeat(100)}"<digest>"`, 304],
    ["If-Match", `${`"${other}", `.repeat(100)}"<digest>"`, 200],
    ["If-None-Match", `"${other}","<digest>"`, 304],
    ["If-None-Match", "<digest>", 304],
    ["If-None-Match", "*", 304],
    ["If-None-Match", `"${other}"`, 200],
    ["If-None-Match", '"<digest', 200],
    ["If-None-Match", '""', 200],
    ["If-None-Match", "latest", 200],
    ["If-Match", '"<digest>"', 200],
    ["If-Match", `"${other}", "<digest>"`, 200],
    ["If-Match", "*", 200],
    ["If-Match", 'W/"<digest>"', 412],
    ["If-Match", `"${other}"`, 412],
    ["If-Modified-Since", "Sat, 21 Nov 2099 00:00:00 GMT", 200],
    ["If-Unmodified-Since", "Sat, 21 Nov 1999 00:00:00 GMT", 200],
  ])("with %s: %s answers %i", async (name, value, status) => {
    const { readable } = await filled();
    for (const [path, digest] of readable) {
      // oxlint-disable-next-line no-await-in-loop
      const response = await send(method, path, headers(name, value.replace("<digest>", digest)));
      expect([path, response.status]).toEqual([path, status]);
      expect(response.headers.get("ETag")).toBe(`"${digest}"`);
      expect(response.headers.get("Docker-Content-Digest")).toBe(digest);
      // oxlint-disable-next-line no-await-in-loop
      const body = await response.text();
      if (status === 304 || method === "HEAD") expect(body).toBe("");
      else if (status === 412) expect(body).toContain('"code":"PRECONDITION_FAILED"');
      else expect(digestOf(body)).toBe(digest);
    }
  });

  test("If-Match goes before If-None-Match", async () => {
    const { readable } = await filled();
    const [path, digest] = readable[0];
    const both = { headers: { "If-Match": `"${other}"`, "If-None-Match": `"${digest}"` } };
    expect((await send(method, path, both)).status).toBe(412);
  });

  test("what is not there is 404, whatever the condition", async () => {
    const { repository } = await filled();
    const path = `/v2/${repository}/manifests/none`;
    const statuses = ["If-Match", "If-None-Match"].map(async (name) => {
      return (await send(method, path, headers(name, "*"))).status;
    });
    expect(await Promise.all(statuses)).toEqual([404, 404]);
  });
});

/** A repository whose tag v1 names a manifest. */
async function tagged() {
  const repository = newRepository();
  const first = await pushManifest(repository, "v1", indexOf());
  return { repository, path: `/v2/${repository}/manifests/v1`, first };
}

async function digestNow(path: string): Promise<string | null> {
  return (await send("HEAD", path)).headers.get("Docker-Content-Digest");
}

describe("PUT of a manifest by a tag", () => {
  test.each([
    ["If-Match", '"<first>"', 201],
    ["If-Match", "*", 201],
    ["If-Match", `"${other}"`, 412],
    ["If-None-Match", "*", 412],
    ["If-None-Match", '"<first>"', 412],
    ["If-None-Match", `"${other}"`, 201],
  ])("that exists, with %s: %s, answers %i", async (name, value, status) => {
    const { repository, path, first } = await tagged();
    const manifest = indexOf();
    const response = await send("PUT", path, {
      body: manifest,
      headers: { "Content-Type": ociIndex, [name]: value.replace("<first>", first) },
    });
    expect(response.status).toBe(status);
    if (status === 412) {
      expect(response.headers.get("ETag")).toBe(`"${first}"`);
      const text = await response.text();
      expect(text).toContain('"code":"PRECONDITION_FAILED"');
      expect(text).toContain(`${name}: tag v1 is ${first}`);
    }
    const now = status === 201 ? digestOf(manifest) : first;
    expect(await digestNow(path)).toBe(now);
    const byDigest = await send("HEAD", `/v2/${repository}/manifests/${digestOf(manifest)}`);
    expect(byDigest.status).toBe(status === 201 ? 200 : 404);
  });

  test.each([
    ["If-Match", "*", 412],
    ["If-Match", `"${other}"`, 412],
    ["If-None-Match", "*", 201],
    ["If-None-Match", `"${other}"`, 201],
  ])("that is new, with %s: %s, answers %i", async (name, value, status) => {
    const repository = newRepository();
    const path = `/v2/${repository}/manifests/v1`;
    const init = {
      body: indexOf(),
      headers: { "Content-Type": ociIndex, [name]: value },
    };
    const response = await send("PUT", path, init);
    expect(response.status).toBe(status);
    if (status === 412) expect(await response.text()).toContain("tag v1 does not exist");
    expect((await send("HEAD", path)).status).toBe(status === 201 ? 200 : 404);
  });

  test("ten at once from the same one: one moves the tag", async () => {
    const { path, first } = await tagged();
    const manifests = Array.from({ length: 10 }, () => indexOf());
    const statuses = await Promise.all(
      manifests.map(async (body) => {
        const init = { body, headers: { "Content-Type": ociIndex, "If-Match": `"${first}"` } };
        return (await send("PUT", path, init)).status;
      }),
    );
    expect(statuses.toSorted((a, b) => a - b)).toEqual([
      201,
      ...Array.from({ length: 9 }, () => 412),
    ]);
    expect(await digestNow(path)).toBe(digestOf(manifests[statuses.indexOf(201)] ?? ""));
  });
});

test.each([
  ["If-None-Match", "*", "new", 201],
  ["If-None-Match", "*", "there", 412],
  ["If-Match", "*", "there", 201],
  ["If-Match", "*", "new", 412],
])("PUT by digest with %s: %s of one that is %s is %i", async (name, value, state, status) => {
  const repository = newRepository();
  const body = indexOf();
  if (state === "there") await pushManifest(repository, "v1", body);
  const path = `/v2/${repository}/manifests/${digestOf(body)}?tag=v2`;
  const response = await send("PUT", path, {
    body,
    headers: { "Content-Type": ociIndex, [name]: value },
  });
  expect(response.status).toBe(status);
  const tag = await send("HEAD", `/v2/${repository}/manifests/v2`);
  expect(tag.status).toBe(status === 201 ? 200 : 404);
});

describe("DELETE", () => {
  test.each([
    ["If-Match", '"<first>"', 202],
    ["If-Match", `"${other}"`, 412],
    ["If-None-Match", '"<first>"', 412],
  ])("of a tag with %s: %s answers %i", async (name, value, status) => {
    const { path, first } = await tagged();
    const response = await send("DELETE", path, headers(name, value.replace("<first>", first)));
    expect(response.status).toBe(status);
    expect((await send("HEAD", path)).status).toBe(status === 202 ? 404 : 200);
  });

  test.each([
    ["If-Match", '"<digest>"', 202],
    ["If-Match", "*", 202],
    ["If-Match", `"${other}"`, 412],
    ["If-None-Match", "*", 412],
  ])("of a blob with %s: %s answers %i", async (name, value, status) => {
    const repository = newRepository();
    const digest = await pushBlob(repository, crypto.randomUUID());
    const path = `/v2/${repository}/blobs/${digest}`;
    const response = await send("DELETE", path, headers(name, value.replace("<digest>", digest)));
    expect(response.status).toBe(status);
    expect((await send("HEAD", path)).status).toBe(status === 202 ? 404 : 200);
  });

  test("of a tag that is not there is 404, whatever the condition", async () => {
    const { repository } = await tagged();
    const path = `/v2/${repository}/manifests/none`;
    const response = await send("DELETE", path, headers("If-Match", `"${other}"`));
    expect(await refusal(response)).toEqual([404, "MANIFEST_UNKNOWN"]);
  });
});
