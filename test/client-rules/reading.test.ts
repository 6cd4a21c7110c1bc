import { describe, expect, test } from "vitest";
import {
  digestOf,
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

const bytes = randomBytes(100_000);
const digest = digestOf(bytes);

/** The path of the blob, pushed into a repository that no other test has. */
async function pushed(): Promise<string> {
  const repository = newRepository();
  await pushBlob(repository, bytes);
  return `/v2/${repository}/blobs/${digest}`;
}

describe("docker, containerd, oras, soci: a blob tells its length, digest and that it has ranges", () => {
  test.each([["HEAD"], ["GET"]])("by %s, and is not redirected", async (method) => {
    const response = await send(method, await pushed(), { redirect: "manual" });
    expect(response.status).toBe(200);
    expect(response.headers.get("Content-Length")).toBe(String(bytes.length));
    expect(response.headers.get("Docker-Content-Digest")).toBe(digest);
    expect(response.headers.get("Content-Type")).toBe("application/octet-stream");
    expect(response.headers.get("Accept-Ranges")).toBe("bytes");
    const body = await response.bytes();
    expect(digestOf(body)).toBe(digestOf(method === "HEAD" ? "" : bytes));
  });
});

describe("containerd, docker: bytes come as they are, whatever encodings are asked for", () => {
  test.each([["zstd;q=1.0, gzip;q=0.8, deflate;q=0.5"], ["gzip"], ["br"], ["identity;q=0, *"]])(
    "%s",
    async (encodings) => {
      const headers = { "Accept-Encoding": encodings };
      const response = await send("GET", await pushed(), { headers });
      expect(response.headers.get("Content-Encoding")).toBeNull();
      expect(response.headers.get("Cache-Control")).toContain("no-transform");
      expect(response.headers.get("Content-Length")).toBe(String(bytes.length));
      expect(digestOf(await response.bytes())).toBe(digest);
    },
  );
});

/** The Accept headers of clients. */
const accepts: [string, string][] = [
  ["docker", `${ociManifest}, application/vnd.docker.distribution.manifest.v2+json, ${ociIndex}`],
  ["containerd", "application/vnd.docker.distribution.manifest.v2+json, */*"],
  ["podman", "application/vnd.docker.distribution.manifest.v1+prettyjws"],
  ["oras", ociManifest],
  ["old clients", "application/json"],
  ["browsers", "text/html, image/webp;q=0.8"],
  ["nobody", "nothing"],
];

describe("docker, containerd, oras, crane: HEAD of a manifest tells length, type and digest", () => {
  test.each(["tag", "digest"])("by %s", async (kind) => {
    const repository = newRepository();
    const image = await pushImage(repository, "latest", []);
    const reference = kind === "tag" ? "latest" : image.digest;
    const head = await send("HEAD", `/v2/${repository}/manifests/${reference}`);
    expect(head.status).toBe(200);
    expect(head.headers.get("Content-Length")).toBe(String(image.manifest.length));
    expect(head.headers.get("Content-Type")).toBe(ociManifest);
    expect(head.headers.get("Docker-Content-Digest")).toBe(image.digest);
    expect(await head.text()).toBe("");
  });
});

describe("a manifest is what was pushed, byte for byte, with its type, whatever is accepted", () => {
  test.each(accepts)("%s", async (_client, Accept) => {
    const repository = newRepository();
    const manifest = `\n ${indexOf().replaceAll(",", " , ")}\r\n`;
    await pushManifest(repository, "latest", manifest);
    for (const reference of ["latest", digestOf(manifest)]) {
      /* oxlint-disable no-await-in-loop */
      const path = `/v2/${repository}/manifests/${reference}`;
      const got = await send("GET", path, { headers: { Accept } });
      expect([got.status, got.headers.get("Content-Type")]).toEqual([200, ociIndex]);
      expect(await got.text()).toBe(manifest);
      /* oxlint-enable no-await-in-loop */
    }
  });

  test("helm, buildx: a type that is the client's own comes back", async () => {
    const repository = newRepository();
    const type = "application/vnd.docker.distribution.manifest.list.v2+json";
    const list = JSON.stringify({ schemaVersion: 2, mediaType: type, manifests: [] });
    expect((await putManifest(repository, "latest", list, type)).status).toBe(201);
    const got = await send("GET", `/v2/${repository}/manifests/latest`);
    expect([got.headers.get("Content-Type"), await got.text()]).toEqual([type, list]);
  });
});

test("crane, Go: a blob is streamed, so that no Authorization is forwarded to a storage", async () => {
  const headers = { Authorization: "Bearer token" };
  const response = await send("GET", await pushed(), { headers, redirect: "manual" });
  expect([response.status, response.headers.get("Location")]).toEqual([200, null]);
  expect(digestOf(await response.bytes())).toBe(digest);
});

describe("a range is 206 with exactly the bytes and the Content-Range that the client expects", () => {
  const size = bytes.length;

  test.each([
    ["docker, podman, containerd: going on after a break", "bytes=60000-", 60_000, size - 1],
    ["regctl: going on, one past the end", `bytes=60000-${size}`, 60_000, size - 1],
    ["containerd: the whole as a range", "bytes=0-", 0, size - 1],
    ["soci: a chunk", "bytes=1000-1999", 1000, 1999],
    ["stargz: the first two bytes", "bytes=0-1", 0, 1],
    ["stargz: the footer", "bytes=-51", size - 51, size - 1],
    ["curl: more than there is, from the end", "bytes=-999999", 0, size - 1],
    ["curl: the last byte", `bytes=${size - 1}-`, size - 1, size - 1],
  ])("%s", async (_case, Range, first, last) => {
    const response = await send("GET", await pushed(), { headers: { Range } });
    expect(response.status).toBe(206);
    expect(response.headers.get("Content-Range")).toBe(`bytes ${first}-${last}/${size}`);
    expect(response.headers.get("Content-Length")).toBe(String(last - first + 1));
    expect(digestOf(await response.bytes())).toBe(digestOf(bytes.slice(first, last + 1)));
  });

  test.each([[`bytes=${size}-`], [`bytes=${size}-${size + 5}`], ["bytes=500-0"]])(
    "regctl: %s is 416 with the size",
    async (Range) => {
      const response = await send("GET", await pushed(), { headers: { Range } });
      expect(response.headers.get("Content-Range")).toBe(`bytes */${size}`);
      expect(await refusal(response)).toEqual([416, "RANGE_INVALID"]);
    },
  );
});

interface Part {
  readonly range: string;
  readonly digest: string;
}

/** The parts of a multipart/byteranges body (RFC 9110 section 14.6), as Go's mime/multipart reads it. */
function partsOf(contentType: string, body: Uint8Array): Part[] {
  const [, boundary = ""] =
    /^multipart\/byteranges; boundary="?([^";]+)"?$/.exec(contentType) ?? [];
  const text = new TextDecoder("latin1").decode(body);
  const pieces = `\r\n${text}`.split(`\r\n--${boundary}`);
  expect(pieces.at(-1)?.trim()).toBe("--");
  let at = -2;
  const parts: Part[] = [];
  for (const [number, piece] of pieces.entries()) {
    const begin = at + (number === 0 ? 0 : boundary.length + 4);
    at = begin + piece.length;
    const head = piece.indexOf("\r\n\r\n");
    const [, range] = /\r\nContent-Range: bytes ([^\r]+)/i.exec(piece) ?? [];
    if (range === undefined) continue;
    const content = body.slice(begin + head + 4, begin + piece.length);
    parts.push({ range, digest: digestOf(content) });
  }
  return parts;
}

describe("podman, stargz: several ranges are never answered as one", () => {
  test.each([
    [
      "two",
      [
        [0, 9],
        [100, 199],
      ],
    ],
    [
      "three, the last to the end",
      [
        [0, 0],
        [50, 60],
        [99_000, 99_999],
      ],
    ],
  ])("%s", async (_case, ranges) => {
    const Range = `bytes=${ranges.map((range) => range.join("-")).join(",")}`;
    const response = await send("GET", await pushed(), { headers: { Range } });
    const body = await response.bytes();
    expect(response.headers.get("Content-Range")).toBeNull();
    const type = response.headers.get("Content-Type") ?? "";
    const parts =
      response.status === 200 ? [{ range: "all", digest: digestOf(body) }] : partsOf(type, body);
    const expected =
      response.status === 200
        ? [{ range: "all", digest }]
        : ranges.map(([first = 0, last = 0]) => ({
            range: `${first}-${last}/${bytes.length}`,
            digest: digestOf(bytes.slice(first, last + 1)),
          }));
    expect([200, 206]).toContain(response.status);
    expect(parts).toEqual(expected);
  });
});

test("containerd's parallel fetch: a blob is served after ranges that were opened and dropped", async () => {
  const path = await pushed();
  for (let count = 0; count < 20; count += 1) {
    // oxlint-disable-next-line no-await-in-loop
    const response = await send("GET", path, { headers: { Range: `bytes=${count}-` } });
    expect(response.status).toBe(206);
    // oxlint-disable-next-line no-await-in-loop
    await response.body?.cancel();
  }
  const whole = await send("GET", path);
  expect(digestOf(await whole.bytes())).toBe(digest);
});
