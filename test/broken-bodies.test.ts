import { describe, expect, test } from "vitest";
import {
  digestOf,
  newRepository,
  randomBytes,
  send,
  startUpload,
  stream,
  unfinishedStream,
} from "./client.ts";

const mebibyte = 1024 * 1024;
/** What R2 stores at once of a session. */
const partBytes = 8 * mebibyte;

/** The Range that a session has when it is asked. */
async function rangeOf(location: string): Promise<string | null> {
  return (await send("GET", location)).headers.get("Range");
}

async function expectReadable(repository: string, bytes: Uint8Array): Promise<void> {
  const response = await send("GET", `/v2/${repository}/blobs/${digestOf(bytes)}`);
  const got = await response.bytes();
  expect([got.length, digestOf(got)]).toEqual([bytes.length, digestOf(bytes)]);
}

describe("a body that breaks off", () => {
  test.each([
    ["at its beginning", 0, 0],
    ["within its first part", 0, 1000],
    ["behind its first part", 0, partBytes + 1000],
    ["behind a chunk", 1000, 1000],
    ["behind a chunk of a part", partBytes, 1000],
    ["behind a chunk, a part further", 3 * mebibyte, partBytes],
  ])("%s leaves the session as it was, and the rest goes on", async (_case, before, broken) => {
    const repository = newRepository();
    const bytes = randomBytes(before + broken + 1000);
    const location = await startUpload(repository);
    const first = stream(bytes.slice(0, before));
    expect((await send("PATCH", location, { body: first })).status).toBe(202);
    const client = new AbortController();
    const body = unfinishedStream(randomBytes(broken), () => client.abort());
    await expect(send("PATCH", location, { body, signal: client.signal })).rejects.toThrow();
    expect(await rangeOf(location)).toBe(`0-${before - 1}`);
    const rest = await send("PATCH", location, { body: stream(bytes.slice(before)) });
    expect([rest.status, rest.headers.get("Range")]).toEqual([202, `0-${bytes.length - 1}`]);
    expect((await send("PUT", `${location}?digest=${digestOf(bytes)}`)).status).toBe(201);
    await expectReadable(repository, bytes);
  });

  test.each([
    ["a PUT of a whole blob", "PUT"],
    ["a POST of a whole blob", "POST"],
  ])("in %s leaves no blob, and the same again is 201", async (_case, method) => {
    const repository = newRepository();
    const bytes = randomBytes(200_000);
    const start =
      method === "PUT" ? await startUpload(repository) : `/v2/${repository}/blobs/uploads/`;
    const path = `${start}?digest=${digestOf(bytes)}`;
    const client = new AbortController();
    const body = unfinishedStream(bytes, () => client.abort());
    await expect(send(method, path, { body, signal: client.signal })).rejects.toThrow();
    expect((await send("HEAD", `/v2/${repository}/blobs/${digestOf(bytes)}`)).status).toBe(404);
    expect((await send(method, path, { body: bytes })).status).toBe(201);
    await expectReadable(repository, bytes);
  });
});
