import { describe, expect, test } from "vitest";
import { refusal, send } from "../client.ts";
import { blobContent, contentOf, gone, here, presence, read } from "./answers.ts";
import { dataKinds, rowsOf } from "./data-kinds.ts";
import { type PushedData, pushData, putManifests, tagsOf } from "./pushed-data.ts";

function pathOf({ repository }: PushedData, reference: string): string {
  return `/v2/${repository}/manifests/${reference}`;
}

async function remove(path: string): Promise<void> {
  expect((await send("DELETE", path)).status).toBe(202);
}

async function tags({ repository }: PushedData): Promise<string[]> {
  const response = await send("GET", `/v2/${repository}/tags/list`);
  return (await response.json<{ tags: string[] }>()).tags;
}

/** Deletes all manifests, each before what it references. */
async function removeManifests(pushed: PushedData): Promise<void> {
  for (const { digest } of pushed.data.manifests.toReversed()) {
    // oxlint-disable-next-line no-await-in-loop
    await remove(pathOf(pushed, digest));
  }
}

const tagged = dataKinds.filter(({ make }) => make().tags.size > 0);
const withBlobs = dataKinds.filter(({ make }) => make().blobs.size > 0);

describe.each(rowsOf(tagged))("%s", (_name, kind) => {
  test("end-9 DELETE of each tag: 202, then 404; its manifest and the other tags stay", async () => {
    const pushed = await pushData(kind.make(), kind.tagging);
    const left = new Set(pushed.data.tags.keys());
    for (const [tag, { digest }] of pushed.data.tags) {
      /* oxlint-disable no-await-in-loop */
      expect(await presence(pathOf(pushed, tag))).toEqual(here);
      await remove(pathOf(pushed, tag));
      left.delete(tag);
      expect(await presence(pathOf(pushed, tag))).toEqual(gone);
      expect(await presence(pathOf(pushed, digest))).toEqual(here);
      expect(await tags(pushed)).toEqual([...left].toSorted());
      const again = await send("DELETE", pathOf(pushed, tag));
      expect(await refusal(again)).toEqual([404, "MANIFEST_UNKNOWN"]);
      /* oxlint-enable no-await-in-loop */
    }
  });

  test("end-9 DELETE of each manifest: its tags are 404 and not listed", async () => {
    const pushed = await pushData(kind.make(), kind.tagging);
    const left = new Set(pushed.data.tags.keys());
    for (const manifest of pushed.data.manifests.toReversed()) {
      /* oxlint-disable no-await-in-loop */
      await remove(pathOf(pushed, manifest.digest));
      for (const tag of tagsOf(pushed.data, manifest)) {
        expect(await presence(pathOf(pushed, tag))).toEqual(gone);
        left.delete(tag);
      }
      if (pushed.data.blobs.size > 0) expect(await tags(pushed)).toEqual([...left].toSorted());
      /* oxlint-enable no-await-in-loop */
    }
    expect(left.size).toBe(0);
  });
});

describe.each(rowsOf(dataKinds))("%s", (_name, kind) => {
  test("end-9 DELETE of each manifest: 202, then 404 at once; the others stay", async () => {
    const pushed = await pushData(kind.make(), kind.tagging);
    const left = pushed.data.manifests.map(({ digest }) => digest);
    /* oxlint-disable no-await-in-loop */
    for (let digest = left.pop(); digest !== undefined; digest = left.pop()) {
      expect(await presence(pathOf(pushed, digest))).toEqual(here);
      await remove(pathOf(pushed, digest));
      expect(await presence(pathOf(pushed, digest))).toEqual(gone);
      const again = await send("DELETE", pathOf(pushed, digest));
      expect(await refusal(again)).toEqual([404, "MANIFEST_UNKNOWN"]);
      const others = left.map((other) => presence(pathOf(pushed, other)));
      expect(await Promise.all(others)).toEqual(left.map(() => here));
    }
    /* oxlint-enable no-await-in-loop */
  });

  test("end-9 DELETE of all manifests, then end-7a PUT: all are read again", async () => {
    const pushed = await pushData(kind.make(), kind.tagging);
    const { repository, data } = pushed;
    await removeManifests(pushed);
    const answers = await putManifests(repository, data, kind.tagging);
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([201]));
    const references = [
      ...data.manifests.map((manifest) => [manifest.digest, manifest] as const),
      ...data.tags,
    ];
    const found = references.map(([reference]) => read("GET", pathOf(pushed, reference)));
    expect(await Promise.all(found)).toEqual(
      references.map(([, manifest]) => contentOf("GET", manifest)),
    );
  });
});

describe.each(rowsOf(withBlobs))("%s", (_name, kind) => {
  test("end-10 DELETE of each blob, its manifests gone: 202, then 404 at once", async () => {
    const pushed = await pushData(kind.make(), kind.tagging);
    const { repository, data } = pushed;
    await removeManifests(pushed);
    for (const [digest, bytes] of data.blobs) {
      const path = `/v2/${repository}/blobs/${digest}`;
      /* oxlint-disable no-await-in-loop */
      expect(await read("GET", path)).toEqual(blobContent("GET", digest, bytes));
      await remove(path);
      expect(await presence(path)).toEqual(gone);
      expect(await refusal(await send("DELETE", path))).toEqual([404, "BLOB_UNKNOWN"]);
      /* oxlint-enable no-await-in-loop */
    }
    const list = await send("GET", `/v2/${repository}/tags/list`);
    expect(await refusal(list)).toEqual([404, "NAME_UNKNOWN"]);
  });

  test("end-10 DELETE of each blob that a manifest uses: 405, and it stays", async () => {
    const { repository, data } = await pushData(kind.make(), kind.tagging);
    for (const digest of data.blobs.keys()) {
      const path = `/v2/${repository}/blobs/${digest}`;
      /* oxlint-disable no-await-in-loop */
      expect(await refusal(await send("DELETE", path))).toEqual([405, "UNSUPPORTED"]);
      expect(await presence(path)).toEqual(here);
      /* oxlint-enable no-await-in-loop */
    }
  });
});
