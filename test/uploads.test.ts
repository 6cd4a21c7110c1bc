import { describe, expect, test } from "vitest";
import {
  digestOf,
  newRepository,
  pushBlob,
  randomBytes,
  refusal,
  send,
  startUpload,
  stream,
} from "./client.ts";

interface Push {
  readonly repository: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly digest: string;
}

function range(first: number, end: number): { "Content-Range": string } {
  return { "Content-Range": `${first}-${end - 1}` };
}

/** Starts a session and appends; answers the Location of the append. */
async function appended(repository: string, body: BodyInit | null, headers = {}): Promise<string> {
  const location = await startUpload(repository);
  const patch = await send("PATCH", location, { body, headers });
  expect(patch.status).toBe(202);
  return patch.headers.get("Location") ?? "";
}

function close(location: string, digest: string, body?: BodyInit, headers = {}): Promise<Response> {
  return send("PUT", `${location}?digest=${digest}`, { body: body ?? null, headers });
}

/** Every way in which a client brings a blob; the answer is that of the closing request. */
const ways: Record<string, (push: Push) => Promise<Response>> = {
  "POST with the whole blob": ({ repository, bytes, digest }) =>
    send("POST", `/v2/${repository}/blobs/uploads/?digest=${digest}`, { body: bytes }),
  "POST with the whole blob as a stream": ({ repository, bytes, digest }) =>
    send("POST", `/v2/${repository}/blobs/uploads/?digest=${digest}`, { body: stream(bytes) }),
  "POST, PUT with the whole blob": async ({ repository, bytes, digest }) =>
    close(await startUpload(repository), digest, bytes),
  "POST, PUT with the whole blob as a stream": async ({ repository, bytes, digest }) =>
    close(await startUpload(repository), digest, stream(bytes)),
  "POST, PATCH with a length, PUT": async ({ repository, bytes, digest }) =>
    close(await appended(repository, bytes), digest),
  "POST, PATCH as a stream, PUT": async ({ repository, bytes, digest }) =>
    close(await appended(repository, stream(bytes)), digest),
  "POST, PATCH, PUT at the first Location": async ({ repository, bytes, digest }) => {
    const location = await startUpload(repository);
    await send("PATCH", location, { body: stream(bytes) });
    return close(location, digest);
  },
  "POST, PATCH, PUT, digest with an escaped colon": async ({ repository, bytes, digest }) =>
    close(await appended(repository, bytes), digest.replace(":", "%3A")),
  "POST, PATCH without a body, PUT with the whole blob": async ({ repository, bytes, digest }) =>
    close(await appended(repository, null), digest, bytes),
};

/** The ways that need at least two bytes. */
const waysOfHalves: typeof ways = {
  "PATCH with Content-Range, PUT": async ({ repository, bytes, digest }) =>
    close(await appended(repository, bytes, range(0, bytes.length)), digest),
  "PATCH, PUT with the last chunk and its Content-Range": async ({ repository, bytes, digest }) =>
    close(
      await appended(repository, bytes.slice(0, 1), range(0, 1)),
      digest,
      bytes.slice(1),
      range(1, bytes.length),
    ),
  "PATCH, PUT with the last chunk alone": async ({ repository, bytes, digest }) =>
    close(await appended(repository, bytes.slice(0, 1)), digest, bytes.slice(1)),
  "PATCH, PUT with the last chunk as a stream": async ({ repository, bytes, digest }) =>
    close(await appended(repository, stream(bytes.slice(0, 1))), digest, stream(bytes.slice(1))),
  "PATCH, PUT with the last chunk alone, at the first Location": async (push) => {
    const location = await startUpload(push.repository);
    await send("PATCH", location, { body: push.bytes.slice(0, 1) });
    return close(location, push.digest, push.bytes.slice(1));
  },
};

async function expectPushed(response: Response, { repository, bytes, digest }: Push) {
  expect(response.status).toBe(201);
  expect(response.headers.get("Docker-Content-Digest")).toBe(digest);
  expect(response.headers.get("Location")).toBe(`/v2/${repository}/blobs/${digest}`);
  const path = `/v2/${repository}/blobs/${digest}`;
  const head = await send("HEAD", path);
  expect(head.status).toBe(200);
  expect(head.headers.get("Content-Length")).toBe(String(bytes.length));
  const got = await (await send("GET", path)).bytes();
  expect([got.length, digestOf(got)]).toEqual([bytes.length, digestOf(bytes)]);
}

const sizes = [0, 1, 2, 65_537];

describe.each(["sha256", "sha512"])("a blob by %s", (algorithm) => {
  const rows = [
    ...Object.entries(ways).flatMap(([way, push]) =>
      sizes.map((size) => [size, way, push] as const),
    ),
    ...Object.entries(waysOfHalves).flatMap(([way, push]) =>
      sizes.filter((size) => size > 1).map((size) => [size, way, push] as const),
    ),
  ];

  test.each(rows)("of %i bytes by %s is 201 and readable", async (size, _way, push) => {
    const bytes = randomBytes(size);
    const blob = { repository: newRepository(), bytes, digest: digestOf(bytes, algorithm) };
    await expectPushed(await push(blob), blob);
  });

  test("a session that was begun for it takes more than a part of R2", async () => {
    const bytes = randomBytes(8 * 1024 * 1024 + 1);
    const blob = { repository: newRepository(), bytes, digest: digestOf(bytes, algorithm) };
    const query = `digest-algorithm=${algorithm}`;
    const post = await send("POST", `/v2/${blob.repository}/blobs/uploads/?${query}`);
    const location = post.headers.get("Location") ?? "";
    await send("PATCH", location, { body: stream(bytes) });
    await expectPushed(await close(location, blob.digest), blob);
  });
});

describe("the start of a session", () => {
  test.each([
    ["/v2/team/app/blobs/uploads/"],
    ["/v2/team/app/blobs/uploads"],
    ["/v2/team/app/blobs/uploads/?ns=docker.io"],
  ])("%s answers 202 with a Location that needs no query", async (path) => {
    const response = await send("POST", path);
    expect(response.status).toBe(202);
    expect(response.headers.get("Location")).toMatch(/^\/v2\/team\/app\/blobs\/uploads\/[\w-]+$/);
    expect(response.headers.get("Content-Length")).toBe("0");
    expect(response.headers.get("Docker-Upload-UUID")).not.toBeNull();
    expect(Number(response.headers.get("OCI-Chunk-Min-Length"))).toBeGreaterThan(0);
    expect([null, "0-0"]).toContain(response.headers.get("Range"));
  });
});

describe("the Range of a session", () => {
  test.each([
    [0, "0-0", "0--1"],
    [1, "0-0", "0-0"],
    [1000, "0-999", "0-999"],
  ])("of %i bytes is %s after PATCH and %s on GET", async (size, afterPatch, onGet) => {
    const location = await startUpload(newRepository());
    const patch = await send("PATCH", location, { body: randomBytes(size) });
    expect(patch.status).toBe(202);
    expect(patch.headers.get("Range")).toBe(afterPatch);
    expect(patch.headers.get("Content-Length")).toBe("0");
    const status = await send("GET", patch.headers.get("Location") ?? "");
    expect(status.status).toBe(204);
    expect(status.headers.get("Range")).toBe(onGet);
    expect(status.headers.get("Location")).toMatch(/^\/v2\//);
  });

  test("of a session that nothing reached is 0--1", async () => {
    const status = await send("GET", await startUpload(newRepository()));
    expect(status.status).toBe(204);
    expect(status.headers.get("Range")).toBe("0--1");
  });
});

test("other bytes than those of a blob that the registry holds are 400, and the blob stays", async () => {
  const bytes = randomBytes(1000);
  const digest = digestOf(bytes);
  const held = newRepository();
  await pushBlob(held, bytes);
  const repository = newRepository();
  const refused = await close(await startUpload(repository), digest, randomBytes(1000));
  expect(await refusal(refused)).toEqual([400, "DIGEST_INVALID"]);
  expect((await send("HEAD", `/v2/${repository}/blobs/${digest}`)).status).toBe(404);
  expect((await send("GET", `/v2/${held}/blobs/${digest}`)).status).toBe(200);
});

test("twenty sessions of one blob, all at once, end in 201", async () => {
  const repository = newRepository();
  const bytes = randomBytes(2000);
  const digest = digestOf(bytes);
  const pushes = Array.from({ length: 20 }, async (_, at) => {
    const body = at % 2 === 0 ? bytes : undefined;
    const location =
      body === undefined ? await appended(repository, bytes) : await startUpload(repository);
    return (await close(location, digest, body)).status;
  });
  expect(new Set(await Promise.all(pushes))).toEqual(new Set([201]));
});
