/** What the release before has written is read, gone on with, deleted and collected. */
import { beforeEach, expect, test } from "vitest";
import { readBucket } from "../soak/bucket.ts";
import {
  blobs,
  manifests,
  openBlob,
  openBytes,
  referrerDigest,
  repository,
  subjectDigest,
} from "./former-content.ts";
import { rejuvenate, unpack } from "./former-release.ts";
import { RestartedRegistry } from "./restarted-registry.ts";
import { digestOf } from "./running-registry.ts";

const fixture = "storage-2026-11.tar.gz";
/** The id of the session that is open in it. */
const sealed = "YLsWppTABKawlUIWOc3dkwGiAC9v5QA4vi1qZXuCdS5J6KGjsLwI";

const registry = new RestartedRegistry();
const path = `/v2/${repository}`;

beforeEach(() => unpack(fixture, registry.storagePath));

async function bytesOf(url: string): Promise<Buffer> {
  const response = await fetch(url);
  expect(response.status, url).toBe(200);
  return Buffer.from(await response.arrayBuffer());
}

async function expectPullable(url: string): Promise<void> {
  for (const { tags, text, mediaType } of manifests) {
    for (const reference of [...tags, digestOf(text)]) {
      // oxlint-disable-next-line no-await-in-loop
      const response = await fetch(`${url}${path}/manifests/${reference}`);
      expect(response.headers.get("Content-Type")).toBe(mediaType);
      // oxlint-disable-next-line no-await-in-loop
      expect(await response.text()).toBe(text);
    }
  }
  for (const blob of blobs) {
    // oxlint-disable-next-line no-await-in-loop
    const found = await bytesOf(`${url}${path}/blobs/${digestOf(blob)}`);
    expect(found.equals(blob)).toBe(true);
  }
}

const terms = { timeout: 60_000 };

test("all of it is pulled, and listed", terms, async () => {
  const url = await registry.start().url();
  await expectPullable(url);
  const tags = await (await fetch(`${url}${path}/tags/list`)).json();
  expect(tags).toEqual({ name: repository, tags: ["1.0", "latest"] });
  const referrers = await (await fetch(`${url}${path}/referrers/${subjectDigest}`)).json();
  expect(referrers).toMatchObject({ manifests: [{ digest: referrerDigest }] });
  const catalog = await (await fetch(`${url}/v2/_catalog`)).json();
  expect(catalog).toEqual({ repositories: [repository] });
  expect(await (await fetch(`${url}/_stats`)).json()).toMatchObject({
    repositories: 1,
    layers: { layers: blobs.length },
  });
});

test("an upload that was open goes on", terms, async () => {
  const session = await rejuvenate(registry.storagePath, sealed);
  const url = await registry.start().url();
  const status = await fetch(url + session);
  expect([status.status, status.headers.get("Range")]).toEqual([204, `0-${openBytes - 1}`]);
  const patch = await fetch(url + session, {
    method: "PATCH",
    body: new Uint8Array(openBlob.subarray(openBytes)),
    headers: { "Content-Range": `${openBytes}-${openBlob.length - 1}` },
  });
  expect(patch.status).toBe(202);
  const put = await fetch(`${url}${session}?digest=${digestOf(openBlob)}`, { method: "PUT" });
  expect(put.status).toBe(201);
  const found = await bytesOf(`${url}${path}/blobs/${digestOf(openBlob)}`);
  expect(found.equals(openBlob)).toBe(true);
  await expectPullable(url);
});

test("what is deleted is collected, and nothing else", terms, async () => {
  const url = await registry.start().url();
  const collect = async () => {
    const response = await fetch(`${url}/_gc?force=true`, { method: "POST" });
    expect(await response.json()).toMatchObject({ status: "done", failures: 0 });
  };
  await collect();
  await expectPullable(url);
  // From the index down, as what an index or a subject has may go in any order.
  for (const { text } of manifests.toReversed()) {
    const manifest = `${url}${path}/manifests/${digestOf(text)}`;
    // oxlint-disable-next-line no-await-in-loop
    expect((await fetch(manifest, { method: "DELETE" })).status).toBe(202);
  }
  await collect();
  expect((await readBucket(registry.storagePath)).digests).toEqual([]);
});
