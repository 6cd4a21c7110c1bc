/** Blobs in chunks, where what they share would be lost. */
import { afterEach, expect, test } from "vitest";
import { ChunkBuffers } from "../../cli/chunk-buffers.ts";
import { sendChunks } from "../../cli/chunked-upload.ts";
import { RegistryClient } from "../../cli/registry-client.ts";
import { UploadSession } from "../../cli/upload-session.ts";
import { type StandInAnswer, StandInRegistry } from "./stand-in-registry.ts";

const location = "/v2/team/app/blobs/uploads/one";
const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function startRegistry(answer: (line: string) => StandInAnswer) {
  const stand = await StandInRegistry.start(({ line }) => answer(line));
  const client = new RegistryClient(stand.url);
  closing.push(
    () => stand.close(),
    () => client.close(),
  );
  return { stand, client };
}

async function* atOnce(length: number): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(length);
}

test("an upload that is refused gives back the chunk that waited behind the refused one", async () => {
  const { client } = await startRegistry((line) => {
    if (line.startsWith("PATCH")) return { status: 403 };
    return { status: 202, headers: { location } };
  });
  const buffers = new ChunkBuffers(4, 2);
  for (let refusals = 0; refusals < 3; refusals += 1) {
    const session = await UploadSession.begin(client, "team/app");
    await expect(sendChunks(session, atOnce(12), { buffers })).rejects.toThrow("403");
  }
  const chunks = buffers.chunksOf(atOnce(8), 4);
  const both = [await chunks.next(), await chunks.next()];
  expect(both.map(({ done }) => done)).toEqual([false, false]);
});

test("a registry that takes chunks and keeps nothing is given up on", async () => {
  const { client } = await startRegistry(() => ({
    status: 202,
    headers: { location, range: "0--1" },
  }));
  const session = await UploadSession.begin(client, "team/app");
  await expect(session.append(new Uint8Array(4))).rejects.toThrow("keeps nothing");
});

test("a PUT that broke off goes on after the bytes that are there", async () => {
  let puts = 0;
  const { stand, client } = await startRegistry((line) => {
    if (line.startsWith("POST")) return { status: 202, headers: { location } };
    if (line.startsWith("GET")) return { status: 204, headers: { location, range: "0-3" } };
    puts += 1;
    return { status: puts === 1 ? 500 : 201 };
  });
  const session = await UploadSession.begin(client, "team/app");
  await session.commit("sha256:x", new Uint8Array(10));
  const put = stand.asked.filter(({ line }) => line.startsWith("PUT"));
  expect(put.map(({ length, headers }) => [length, headers["content-range"]])).toEqual([
    [10, undefined],
    [6, "4-9"],
  ]);
});
