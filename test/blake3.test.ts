import { blake3 } from "@noble/hashes/blake3.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { describe, expect, test } from "vitest";
import {
  imageManifest,
  newRepository,
  ociManifest,
  putManifest,
  randomBytes,
  refusal,
  send,
  stream,
} from "./client.ts";

const MiB = 1024 * 1024;

function digestOf(bytes: Uint8Array | string): string {
  const data = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
  return `blake3:${bytesToHex(blake3(data))}`;
}

async function begin(repository: string, query: string): Promise<string> {
  const response = await send("POST", `/v2/${repository}/blobs/uploads/${query}`);
  expect(response.status).toBe(202);
  return response.headers.get("Location") ?? "";
}

type Push = (
  repository: string,
  bytes: Uint8Array<ArrayBuffer>,
  digest: string,
) => Promise<Response>;

/** The ways in which a blob comes. */
const ways: [string, Push][] = [
  [
    "whole by POST",
    (repository, body, digest) =>
      send("POST", `/v2/${repository}/blobs/uploads/?digest=${digest}`, { body }),
  ],
  [
    "whole by PUT, announced",
    async (repository, body, digest) => {
      const location = await begin(repository, "?digest-algorithm=blake3");
      return send("PUT", `${location}?digest=${digest}`, { body });
    },
  ],
  [
    "whole by PUT",
    async (repository, body, digest) =>
      send("PUT", `${await begin(repository, "")}?digest=${digest}`, { body }),
  ],
  [
    "as a stream",
    async (repository, bytes, digest) => {
      const location = await begin(repository, "?digest-algorithm=blake3");
      await send("PATCH", location, { body: stream(bytes) });
      return send("PUT", `${location}?digest=${digest}`);
    },
  ],
  [
    "in chunks",
    async (repository, bytes, digest) => {
      const location = await begin(repository, "?digest-algorithm=blake3");
      const half = Math.floor(bytes.length / 2);
      const first = { body: bytes.slice(0, half), headers: { "Content-Range": `0-${half - 1}` } };
      expect((await send("PATCH", location, first)).status).toBe(202);
      const headers = { "Content-Range": `${half}-${bytes.length - 1}` };
      return send("PUT", `${location}?digest=${digest}`, { body: bytes.slice(half), headers });
    },
  ],
];

describe.each(ways)("a blob with a blake3 digest, %s", (_way, push) => {
  test.each([[100], [9 * MiB]])("of %i bytes is there after its push", async (size) => {
    const repository = newRepository();
    const bytes = randomBytes(size);
    const digest = digestOf(bytes);
    const response = await push(repository, bytes, digest);
    expect(response.status).toBe(201);
    expect(response.headers.get("Docker-Content-Digest")).toBe(digest);
    const read = await send("GET", `/v2/${repository}/blobs/${digest}`);
    expect(digestOf(await read.bytes())).toBe(digest);
  });

  test("is refused under a digest that is not its own", async () => {
    const wrong = digestOf("others");
    const response = await push(newRepository(), randomBytes(100), wrong);
    expect(await refusal(response)).toEqual([400, "DIGEST_INVALID"]);
  });
});

test("a manifest is pushed, read and referenced by its blake3 digest", async () => {
  const repository = newRepository();
  const config = randomBytes(20);
  const layer = randomBytes(30);
  for (const bytes of [config, layer]) {
    const path = `/v2/${repository}/blobs/uploads/?digest=${digestOf(bytes)}`;
    // oxlint-disable-next-line no-await-in-loop
    expect((await send("POST", path, { body: bytes })).status).toBe(201);
  }
  const manifest = imageManifest({ digest: digestOf(config), size: 20 }, [
    { digest: digestOf(layer), size: 30 },
  ]);
  const digest = digestOf(manifest);
  expect((await putManifest(repository, digest, manifest)).status).toBe(201);
  const read = await send("GET", `/v2/${repository}/manifests/${digest}`);
  expect([await read.text(), read.headers.get("Docker-Content-Digest")]).toEqual([
    manifest,
    digest,
  ]);
  const signature = JSON.stringify({
    ...(JSON.parse(manifest) as object),
    subject: { mediaType: ociManifest, digest, size: manifest.length },
  });
  const put = await putManifest(repository, digestOf(signature), signature);
  expect([put.status, put.headers.get("OCI-Subject")]).toEqual([201, digest]);
  const referrers = await send("GET", `/v2/${repository}/referrers/${digest}`);
  expect(await referrers.text()).toContain(digestOf(signature));
});

test("a blob is mounted by its blake3 digest", async () => {
  const [source, target] = [newRepository(), newRepository()];
  const bytes = randomBytes(10);
  const digest = digestOf(bytes);
  await send("POST", `/v2/${source}/blobs/uploads/?digest=${digest}`, { body: bytes });
  const path = `/v2/${target}/blobs/uploads/?mount=${digest}&from=${source}`;
  expect((await send("POST", path)).status).toBe(201);
  expect((await send("HEAD", `/v2/${target}/blobs/${digest}`)).status).toBe(200);
});

test.each([["md5"], ["sha1"], ["sha384"], ["SHA256"], ["blake2"], [""]])(
  "an upload with digest-algorithm=%s is refused",
  async (algorithm) => {
    const path = `/v2/${newRepository()}/blobs/uploads/?digest-algorithm=${algorithm}`;
    expect(await refusal(await send("POST", path))).toEqual([400, "DIGEST_INVALID"]);
  },
);
