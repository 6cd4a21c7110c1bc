import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, expect, test, vi } from "vitest";
import { storageFullText } from "../stores/storage-full.ts";
import {
  digestOf,
  imageManifest,
  indexOf,
  ociIndex,
  pushBlob,
  pushImage,
  pushManifest,
  putManifest,
  randomBytes,
  send,
  startUpload,
} from "./client.ts";
import { sendTo } from "./configured.ts";
import { advance, minuteMs } from "./durable-objects/clock.ts";
import { newRepository } from "./durable-objects/names.ts";
import { restart } from "./durable-objects/restart.ts";
import { storedObjects, storedSizes } from "./durable-objects/stored-objects.ts";
import { close, mebibyte, received, streamed, uploadSession } from "./durable-objects/upload.ts";
import { rowsOfAnswers, seenBy, statusOf } from "./troubleshooting-rows.ts";

type Row = (typeof rowsOfAnswers)[number];

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Expects an answer to be what the row says, and answers its message. */
async function expectSeen(row: Row, response: Response): Promise<string> {
  const body = await response.json<{ errors: { message: string }[] }>();
  const message = body.errors[0]?.message ?? "";
  expect([response.status, message]).toEqual([statusOf(row), expect.stringMatching(seenBy(row))]);
  return message;
}

/** Brings each row about, and follows its advice to where it is over. */
const reproductions: Readonly<Record<Row, (row: Row) => Promise<void>>> = {
  async "`blob unknown to registry` (404)"(row) {
    const [repository, other] = [newRepository(), newRepository()];
    const bytes = randomBytes(100);
    const path = `/v2/${repository}/blobs/${await pushBlob(other, bytes)}`;
    await expectSeen(row, await send("GET", path));
    const mount = `/v2/${repository}/blobs/uploads/?mount=${digestOf(bytes)}&from=${other}`;
    expect((await send("POST", mount)).status).toBe(201);
    expect((await send("GET", path)).status).toBe(200);
  },

  async "`manifest references a manifest or blob unknown to registry` (400)"(row) {
    const repository = newRepository();
    const layer = randomBytes(100);
    const config = { digest: await pushBlob(repository, "{}"), size: 2 };
    const manifest = imageManifest(config, [{ digest: digestOf(layer), size: layer.length }]);
    const message = await expectSeen(row, await putManifest(repository, "v1", manifest));
    expect(message).toContain(digestOf(layer));
    await pushBlob(repository, layer);
    expect((await putManifest(repository, "v1", manifest)).status).toBe(201);
  },

  async "`registry not configured: REGISTRY_AUTH_TYPE is not set` (503)"(row) {
    const nothingSaid = { REGISTRY_AUTH_TYPE: undefined };
    const message = await expectSeen(row, await sendTo(nothingSaid, "GET", "/v2/"));
    expect(message).toContain("set USERNAME and PASSWORD");
    const said = { ...nothingSaid, USERNAME: "alice", PASSWORD: "alice's" };
    const basic = { ...said, REGISTRY_AUTH_TYPE: "basic" };
    expect((await sendTo(basic, "GET", "/v2/")).status).toBe(401);
  },

  async "`blob upload unknown to registry` (404)"(row) {
    const [closed, cancelled, idle] = [await newSession(), await newSession(), await newSession()];
    expect((await close(closed, digestOf("abc"))).status).toBe(201);
    expect((await send("DELETE", cancelled)).status).toBe(204);
    for (const location of [closed, cancelled]) {
      // oxlint-disable-next-line no-await-in-loop
      await expectSeen(row, await send("PATCH", location, { body: "def" }));
    }
    advance(66 * minuteMs);
    await runDurableObjectAlarm(uploadSession(idle));
    await expectSeen(row, await send("PATCH", idle, { body: "def" }));
  },

  async "`registry busy: the blob is still being verified` (504)"(row) {
    const bytes = randomBytes(9 * mebibyte);
    const digest = digestOf(bytes);
    const location = await startUpload(newRepository());
    await streamed(location, bytes);
    // The digest of a stream is lost with its object: the blob has to be read.
    await restart(() => uploadSession(location), "evicted");
    const { promise: read, resolve: endReading } = Promise.withResolvers<void>();
    const get = env.BLOBS.get.bind(env.BLOBS);
    const slowGet = vi.spyOn(env.BLOBS, "get").mockImplementation(async (key: string) => {
      await read;
      return get(key);
    });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const answer = close(location, digest);
    await vi.waitFor(() => expect(slowGet).toHaveBeenCalledTimes(1));
    await runInDurableObject(uploadSession(location), () => void vi.advanceTimersByTime(26_000));
    await expectSeen(row, await answer);
    vi.useRealTimers();
    await runInDurableObject(uploadSession(location), () => endReading());
    expect((await close(location, digest)).status).toBe(201);
  },

  async "`request body too large` (413)"(row) {
    const repository = newRepository();
    const bytes = randomBytes(70_000);
    const limited = { REGISTRY_MAX_BODY: "65536" };
    const path = `/v2/${repository}/blobs/uploads/?digest=${digestOf(bytes)}`;
    const headers = { "Content-Length": String(bytes.length) };
    const message = await expectSeen(
      row,
      await sendTo(limited, "POST", path, { body: bytes, headers }),
    );
    expect(message).toMatch(/longshore push.*longshore proxy/);
    const raised = { REGISTRY_MAX_BODY: "100000000" };
    expect((await sendTo(raised, "POST", path, { body: bytes, headers })).status).toBe(201);
  },

  async "`blob too large` (413)"(row) {
    const headers = { "Content-Length": String(160 * 1024 ** 3) };
    const body = new ReadableStream({ start: (controller) => controller.close() });
    const location = await startUpload(newRepository());
    await expectSeen(row, await send("PATCH", location, { body, headers }));
  },

  async "storage grows"() {
    const repository = newRepository();
    const image = await pushImage(repository, "v1", [randomBytes(1000)]);
    expect(await storedSizes(repository)).toHaveLength(2);
    const path = `/v2/${repository}/manifests/${image.digest}`;
    expect((await send("DELETE", path)).status).toBe(202);
    const plan = await send("POST", "/_gc?dry-run=true&force=true");
    const { repositories } = await plan.json<{
      repositories: { name: string; layers: object[] }[];
    }>();
    const ours = repositories.find(({ name }) => name === repository);
    expect(ours?.layers).toHaveLength(2);
    expect((await send("POST", "/_gc?force=true")).status).toBe(200);
    expect(await storedSizes(repository)).toEqual([]);
  },

  async "`storage is full` (507)"(row) {
    vi.spyOn(env.BLOBS, "put").mockRejectedValueOnce(new Error(storageFullText));
    const bytes = randomBytes(100);
    const path = `/v2/${newRepository()}/blobs/uploads/?digest=${digestOf(bytes)}`;
    await expectSeen(row, await send("POST", path, { body: bytes }));
  },

  async "`blob unknown to registry: the bytes of sha256:… are lost` (404)"(row) {
    const repository = newRepository();
    const bytes = randomBytes(100);
    const digest = await pushBlob(repository, bytes);
    const [stored] = await storedObjects(repository);
    await env.BLOBS.delete(stored?.key ?? "");
    const path = `/v2/${repository}/blobs/${digest}`;
    await expectSeen(row, await send("GET", path));
    await pushBlob(repository, bytes);
    expect((await send("GET", path)).status).toBe(200);
  },

  async "`a collection is running` (409)"(row) {
    const first = send("POST", "/_gc?force=true");
    await vi.waitFor(async () => {
      const { status } = await (await send("GET", "/_gc")).json<{ status: string }>();
      expect(status).toBe("running");
    });
    await expectSeen(row, await send("POST", "/_gc"));
    expect((await first).status).toBe(200);
  },

  async "`the operation is unsupported: manifest sha256:… uses the blob` (405)"(row) {
    const repository = newRepository();
    const { digest, layers } = await pushImage(repository, "v1", [randomBytes(100)]);
    const path = `/v2/${repository}/blobs/${layers[0]}`;
    const message = await expectSeen(row, await send("DELETE", path));
    expect(message).toContain(digest);
    expect((await send("DELETE", `/v2/${repository}/manifests/${digest}`)).status).toBe(202);
    expect((await send("DELETE", path)).status).toBe(202);
  },

  async "`precondition failed` (412)"(row) {
    const repository = newRepository();
    const path = `/v2/${repository}/manifests/v1`;
    const moveFrom = (digest: string) =>
      send("PUT", path, {
        body: indexOf(),
        headers: { "Content-Type": ociIndex, "If-Match": `"${digest}"` },
      });
    const seen = await pushManifest(repository, "v1", indexOf());
    const moved = await pushManifest(repository, "v1", indexOf());
    await expectSeen(row, await moveFrom(seen));
    const read = await send("GET", path);
    expect(read.headers.get("Docker-Content-Digest")).toBe(moved);
    expect((await moveFrom(moved)).status).toBe(201);
  },
};

/** An upload session with three bytes. */
async function newSession(): Promise<string> {
  const location = await startUpload(newRepository());
  expect((await send("PATCH", location, { body: "abc" })).status).toBe(202);
  return location;
}

test.each(rowsOfAnswers.map((row) => [row]))("%s", (row) => reproductions[row](row));

test("storage grows: abandoned uploads go by themselves after REGISTRY_UPLOAD_TIMEOUT", async () => {
  const begin = vi.spyOn(env.BLOBS, "createMultipartUpload");
  const location = await startUpload(newRepository());
  await streamed(location, randomBytes(9 * mebibyte));
  const multipart = await begin.mock.results[0]?.value;
  advance(66 * minuteMs);
  await runDurableObjectAlarm(uploadSession(location));
  expect(await received(location)).toBe("404");
  if (multipart === undefined) throw new Error("no part was stored");
  const again = env.BLOBS.resumeMultipartUpload(multipart.key, multipart.uploadId);
  await expect(again.uploadPart(2, new Uint8Array(10))).rejects.toThrow();
});
