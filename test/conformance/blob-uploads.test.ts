import { describe, expect, test } from "vitest";
import { digestOf, newRepository, randomBytes, send } from "../client.ts";
import { blobContent, gone, here, presence, read } from "./answers.ts";
import { type BlobPush, chunkedWays, type UploadWay, wholeWays } from "./uploads.ts";

/** By which algorithm a blob is pushed, and what the POST of its session says of it (end-4c). */
const algorithms: [string, string][] = [
  ["sha256", ""],
  ["sha256", "?digest-algorithm=sha256"],
  ["sha512", ""],
  ["sha512", "?digest-algorithm=sha512"],
];

const contents: [string, () => Uint8Array<ArrayBuffer>][] = [
  ["of 512 bytes", () => randomBytes(512)],
  ["of no bytes", () => new Uint8Array()],
  ["that is {}", () => Uint8Array.of(0x7b, 0x7d)],
];

type Row = [string, string, () => Uint8Array<ArrayBuffer>, UploadWay];

const rows: Row[] = [
  ...Object.entries(wholeWays).flatMap(([way, push]) =>
    contents.map(([content, make]): Row => [content, way, make, push]),
  ),
  ...Object.entries(chunkedWays).map(([way, push]): Row => [
    "of three chunks",
    way,
    () => randomBytes(3 * 1024 - 5),
    push,
  ]),
];

/** What a push has to have answered, and what is to be read after it. */
async function expectPushed(answer: Response, { repository, digest, bytes }: BlobPush) {
  expect([answer.status, answer.headers.get("Docker-Content-Digest")]).toEqual([201, digest]);
  const location = answer.headers.get("Location") ?? "";
  expect(await read("GET", location)).toEqual(blobContent("GET", digest, bytes));
  const path = `/v2/${repository}/blobs/${digest}`;
  for (const method of ["HEAD", "GET"]) {
    // oxlint-disable-next-line no-await-in-loop
    expect(await read(method, path)).toEqual(blobContent(method, digest, bytes));
  }
}

describe.each(algorithms)("a blob by %s, session begun with %j,", (algorithm, query) => {
  function pushOf(bytes: Uint8Array<ArrayBuffer>): BlobPush {
    const digest = digestOf(bytes, algorithm);
    return { repository: newRepository(), bytes, digest, query, chunkBytes: 1024 };
  }

  test.each(rows)(
    "%s, %s: 201 with a Location that is read, end-2 HEAD and GET 200",
    async (_content, _way, make, push) => {
      const blob = pushOf(make());
      await expectPushed(await push(blob), blob);
    },
  );

  test.each(rows)(
    "%s, %s: end-10 DELETE 202, then HEAD and GET 404",
    async (_content, _way, make, push) => {
      const blob = pushOf(make());
      const path = `/v2/${blob.repository}/blobs/${blob.digest}`;
      expect((await push(blob)).status).toBe(201);
      expect(await presence(path)).toEqual(here);
      expect((await send("DELETE", path)).status).toBe(202);
      expect(await presence(path)).toEqual(gone);
      expect((await send("DELETE", path)).status).toBe(404);
    },
  );
});

describe.each(["sha256", "sha512"])("a blob by %s", (algorithm) => {
  const outOfOrder = Object.entries(chunkedWays).filter(([way]) => way.includes("out of order"));

  test.each(outOfOrder)(
    "of three chunks of OCI-Chunk-Min-Length, %s: 201 with a Location that is read",
    async (_way, push) => {
      const post = await send("POST", `/v2/${newRepository()}/blobs/uploads/`);
      const chunkBytes = Number(post.headers.get("OCI-Chunk-Min-Length"));
      expect(chunkBytes).toBeGreaterThan(0);
      const bytes = randomBytes(3 * chunkBytes - 5);
      const digest = digestOf(bytes, algorithm);
      const query = `?digest-algorithm=${algorithm}`;
      const answer = await push({ repository: newRepository(), bytes, digest, query, chunkBytes });
      expect(answer.status).toBe(201);
      const location = answer.headers.get("Location") ?? "";
      expect(await read("GET", location)).toEqual(blobContent("GET", digest, bytes));
    },
  );
});
