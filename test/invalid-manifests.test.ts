import { describe, expect, test } from "vitest";
import {
  imageManifest,
  indexOf,
  newRepository,
  ociIndex,
  pushBlob,
  putManifest,
  refusal,
  send,
} from "./client.ts";

describe("a manifest that is none", () => {
  const descriptor = { mediaType: "x", digest: `sha256:${"0".repeat(64)}`, size: 2 };
  const image = JSON.parse(imageManifest(descriptor, [])) as Record<string, unknown>;
  const text = (more: unknown) => JSON.stringify({ ...image, ...(more as object) });

  test.each([
    ["empty", ""],
    ["no JSON", "{"],
    ["null", "null"],
    ["an array", "[]"],
    ["a number", "2"],
    ["200,000 brackets", "[".repeat(200_000)],
    ["with a byte-order mark", `\ufeff${text({})}`],
    ["of schema 1", text({ schemaVersion: 1 })],
    ["of schema 2 in quotes", text({ schemaVersion: "2" })],
    ["without config", text({ config: undefined })],
    ["with a config that is null", text({ config: null })],
    ["without layers", text({ layers: undefined })],
    ["with layers that are no array", text({ layers: {} })],
    ["with a layer that is null", text({ layers: [null] })],
    ["with a digest xyz", text({ layers: [{ ...descriptor, digest: "sha256:xyz" }] })],
    ["with a path for a digest", text({ layers: [{ ...descriptor, digest: "../../etc/passwd" }] })],
    ["with a negative size", text({ layers: [{ ...descriptor, size: -1 }] })],
    ["with a size of text", text({ layers: [{ ...descriptor, size: "2" }] })],
    ["with an endless size", text({ config: descriptor }).replace('"size":2', '"size":1e400')],
    ["with manifests too", text({ manifests: [] })],
    ["of another media type than its header", text({ mediaType: ociIndex })],
    ["with a subject that is none", text({ subject: { digest: "x" } })],
    ["with annotations that are numbers", text({ annotations: { a: 1 } })],
  ])("%s is 400", async (_case, bytes) => {
    const repository = newRepository();
    const put = await putManifest(repository, "latest", bytes);
    expect(await refusal(put)).toEqual([400, "MANIFEST_INVALID"]);
    expect((await send("HEAD", `/v2/${repository}/manifests/latest`)).status).toBe(404);
  });

  test.each([
    ["that is a word", "json"],
    ["with a line's end in it", "application/x\r\nX-Header: y"],
    ["that is too long for a header of KV", `application/${"x".repeat(1000)}`],
    ["that is empty", ""],
  ])("with a media type %s is 400", async (_case, mediaType) => {
    const put = await send("PUT", `/v2/${newRepository()}/manifests/latest`, {
      body: JSON.stringify({ schemaVersion: 2, mediaType, manifests: [] }),
      headers: { "Content-Type": "" },
    });
    expect(await refusal(put)).toEqual([400, "MANIFEST_INVALID"]);
  });

  test("no UTF-8 is 400", async () => {
    const bytes = new TextEncoder().encode(indexOf()).map((byte) => (byte === 0x69 ? 0xff : byte));
    const put = await putManifest(newRepository(), "latest", bytes, ociIndex);
    expect(await refusal(put)).toEqual([400, "MANIFEST_INVALID"]);
  });

  test.each([
    ["of other bytes", `sha256:${"0".repeat(64)}`],
    ["of other bytes by sha512", `sha512:${"0".repeat(128)}`],
    ["that is none", "sha256:baddigeststring"],
    ["of md5", `md5:${"0".repeat(32)}`],
  ])("pushed by a digest %s is 400", async (_case, digest) => {
    const put = await putManifest(newRepository(), digest, indexOf(), ociIndex);
    expect(await refusal(put)).toEqual([400, "DIGEST_INVALID"]);
  });
});

/** A manifest over one blob that is there, which it may name again and again. */
async function putChanged(change: (blob: Record<string, unknown>) => Record<string, unknown>) {
  const repository = newRepository();
  const blob = { digest: await pushBlob(repository, "{}"), size: 2 };
  const manifest = JSON.parse(imageManifest(blob, [])) as Record<string, unknown>;
  const more = change({ mediaType: "application/x", ...blob });
  return putManifest(repository, "latest", JSON.stringify({ ...manifest, ...more }));
}

const mediaType = (characters: number) => "application/".padEnd(characters, "x");

const descriptors = (layers: number, blobs: number) => (blob: Record<string, unknown>) => ({
  layers: Array.from({ length: layers }, () => blob),
  blobs: Array.from({ length: blobs }, () => blob),
});

describe("what is bounded in a manifest", () => {
  describe.each<[string, (blob: Record<string, unknown>, text: string) => Record<string, unknown>]>(
    [
      ["an artifactType", (_blob, artifactType) => ({ artifactType })],
      ["a config's media type", (blob, text) => ({ config: { ...blob, mediaType: text } })],
      ["a layer's media type", (blob, text) => ({ layers: [{ ...blob, mediaType: text }] })],
      ["a blob's media type", (blob, text) => ({ blobs: [{ ...blob, mediaType: text }] })],
      ["a subject's media type", (blob, text) => ({ subject: { ...blob, mediaType: text } })],
    ],
  )("%s", (_case, change) => {
    test("of 255 characters is 201", async () => {
      expect((await putChanged((blob) => change(blob, mediaType(255)))).status).toBe(201);
    });

    test("of 256 characters is 400", async () => {
      const answer = await putChanged((blob) => change(blob, mediaType(256)));
      expect(await refusal(answer)).toEqual([400, "MANIFEST_INVALID"]);
    });
  });

  test("10,000 descriptors, the config among them, are 201", async () => {
    expect((await putChanged(descriptors(5000, 4999))).status).toBe(201);
  });

  test.each([
    ["layers and blobs", 5000, 5000],
    ["layers", 10_000, 0],
    ["blobs", 0, 10_000],
  ])("10,001 descriptors, of a config and %s, are 400", async (_case, layers, blobs) => {
    const answer = await putChanged(descriptors(layers, blobs));
    expect(await refusal(answer)).toEqual([400, "MANIFEST_INVALID"]);
  });
});
