import { describe, expect, test } from "vitest";
import {
  digestOf,
  indexOf,
  newRepository,
  pushBlob,
  pushManifest,
  randomBytes,
  send,
} from "./client.ts";

const size = 100_000;

/** A blob of 100,000 bytes and its path. */
async function blob() {
  const repository = newRepository();
  const bytes = randomBytes(size);
  const digest = await pushBlob(repository, bytes);
  return { bytes, digest, path: `/v2/${repository}/blobs/${digest}` };
}

/** The parts of a multipart/byteranges body: the Content-Range of each, and its bytes. */
function partsOf(body: Uint8Array, contentType: string): [string, Uint8Array][] {
  const boundary = /^multipart\/byteranges; boundary=(\S+)$/.exec(contentType)?.[1];
  if (boundary === undefined) throw new Error(contentType);
  // Latin-1 has a character for each byte.
  const text = Array.from(body, (byte) => String.fromCharCode(byte)).join("");
  const [before, ...pieces] = text.split(`\r\n--${boundary}`);
  expect([before, pieces.pop()]).toEqual(["", "--\r\n"]);
  return pieces.map((piece) => {
    const headings = piece.slice(0, piece.indexOf("\r\n\r\n")).split("\r\n");
    expect(headings[0]).toBe("");
    expect(headings[1]).toBe("Content-Type: application/octet-stream");
    const range = /^Content-Range: (.+)$/.exec(headings[2] ?? "")?.[1] ?? "";
    const content = piece.slice(piece.indexOf("\r\n\r\n") + 4);
    return [range, Uint8Array.from(content, (character) => character.charCodeAt(0))];
  });
}

describe("several ranges of a blob", () => {
  test.each([
    [
      "bytes=0-9,20-29",
      [
        [0, 9],
        [20, 29],
      ],
    ],
    [
      "bytes=0-9, 20-29 ,99990-",
      [
        [0, 9],
        [20, 29],
        [99_990, 99_999],
      ],
    ],
    [
      "bytes=5-5,-10",
      [
        [5, 5],
        [99_990, 99_999],
      ],
    ],
    [
      "bytes=0-49999,60000-200000",
      [
        [0, 49_999],
        [60_000, 99_999],
      ],
    ],
    [
      "bytes=0-9,10-19",
      [
        [0, 9],
        [10, 19],
      ],
    ],
  ] as [string, [number, number][]][])("%s are sent as parts", async (header, ranges) => {
    const { bytes, digest, path } = await blob();
    const response = await send("GET", path, { headers: { Range: header } });
    expect(response.status).toBe(206);
    expect(response.headers.get("Docker-Content-Digest")).toBe(digest);
    expect(response.headers.get("Content-Range")).toBeNull();
    const body = await response.bytes();
    expect(response.headers.get("Content-Length")).toBe(String(body.length));
    const parts = partsOf(body, response.headers.get("Content-Type") ?? "");
    expect(parts.map(([range]) => range)).toEqual(
      ranges.map(([first, last]) => `bytes ${first}-${last}/${size}`),
    );
    expect(parts.map(([, part]) => digestOf(part))).toEqual(
      ranges.map(([first, last]) => digestOf(bytes.subarray(first, last + 1))),
    );
  });

  const tiny = Array.from({ length: 2000 }, (_, at) => `${at * 2}-${at * 2}`).join(",");

  test.each([
    ["that overlap", "bytes=0-9,5-14"],
    ["that are not in order", "bytes=20-29,0-9"],
    ["that repeat the whole", "bytes=0-,0-,0-"],
    ["that are the whole", "bytes=0-49999,50000-99999"],
    ["of which one is beyond the end", "bytes=0-9,100000-100009"],
    ["of which one is none", "bytes=0-9,x-y"],
    ["of which there are 2,000", `bytes=${tiny}`],
    ["in another unit", "lines=0-9,20-29"],
  ])("%s are answered whole", async (_case, header) => {
    const { digest, path } = await blob();
    const response = await send("GET", path, { headers: { Range: header } });
    expect(response.status).toBe(200);
    expect(response.headers.get("Content-Length")).toBe(String(size));
    expect(digestOf(await response.bytes())).toBe(digest);
  });

  test("that are all beyond the end are 416", async () => {
    const { path } = await blob();
    const headers = { Range: "bytes=100000-,200000-200009" };
    const response = await send("GET", path, { headers });
    expect([response.status, response.headers.get("Content-Range")]).toEqual([
      416,
      "bytes */100000",
    ]);
  });
});

describe("If-Range", () => {
  test.each([
    ["the blob's entity tag", '"<digest>"', 206],
    ["its digest", "<digest>", 206],
    ["another entity tag", `"sha256:${"0".repeat(64)}"`, 200],
    ["a weak entity tag", 'W/"<digest>"', 200],
    ["a date", "Sat, 21 Nov 2026 00:00:00 GMT", 200],
  ])("with %s answers %s as %i", async (_case, value, status) => {
    const { bytes, digest, path } = await blob();
    const headers = { Range: "bytes=10-19", "If-Range": value.replace("<digest>", digest) };
    const response = await send("GET", path, { headers });
    expect(response.status).toBe(status);
    const expected = status === 206 ? bytes.subarray(10, 20) : bytes;
    expect(digestOf(await response.bytes())).toBe(digestOf(expected));
  });
});

test("HEAD ignores a Range", async () => {
  const { path } = await blob();
  const response = await send("HEAD", path, { headers: { Range: "bytes=10-19,200000-" } });
  expect([response.status, response.headers.get("Content-Length")]).toEqual([200, String(size)]);
});

test("a manifest is answered whole: containerd asks for bytes=0- of it", async () => {
  const repository = newRepository();
  const manifest = indexOf();
  await pushManifest(repository, "v1", manifest);
  const path = `/v2/${repository}/manifests/v1`;
  const response = await send("GET", path, { headers: { Range: "bytes=0-" } });
  expect([response.status, await response.text()]).toEqual([200, manifest]);
});
