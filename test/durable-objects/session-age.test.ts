/** Sessions that are over although somebody goes on to use them. */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import { digestOf, randomBytes, refusal, send } from "../client.ts";
import { advance, dayMs, minuteMs } from "./clock.ts";
import { newRepository } from "./names.ts";
import { storedSizes } from "./stored-objects.ts";
import { chunk, close, mebibyte, received, start, streamed, uploadSession } from "./upload.ts";

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

test(
  "a session that is touched every 30 minutes is over after six days, and leaves nothing",
  { timeout: 120_000 },
  async () => {
    const repository = newRepository();
    const location = await start(repository);
    const stub = uploadSession(location);
    const begin = vi.spyOn(env.BLOBS, "createMultipartUpload");
    let offset = 9 * mebibyte;
    await streamed(location, randomBytes(offset));
    const endMs = Date.now() + 6 * dayMs;
    /* oxlint-disable no-await-in-loop */
    while (Date.now() + 30 * minuteMs < endMs) {
      advance(30 * minuteMs);
      expect((await chunk("PATCH", location, randomBytes(1), offset)).status).toBe(202);
      offset += 1;
      await runDurableObjectAlarm(stub);
    }
    /* oxlint-enable no-await-in-loop */
    expect(await received(location)).toBe(`0-${offset - 1}`);
    advance(31 * minuteMs);
    expect(await received(location)).toBe("404");
    expect((await streamed(location, randomBytes(10))).status).toBe(404);
    expect((await close(location, digestOf(""))).status).toBe(404);
    advance(65 * minuteMs);
    await runDurableObjectAlarm(stub);
    const tables = await runInDurableObject(stub, (_, { storage }) =>
      storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'session'").toArray(),
    );
    expect(tables).toEqual([]);
    expect(await storedSizes(repository)).toEqual([]);
    expect(begin).toHaveBeenCalledTimes(1);
    const multipart = await begin.mock.results[0]?.value;
    if (multipart === undefined) throw new Error("no multipart upload was begun");
    const again = env.BLOBS.resumeMultipartUpload(multipart.key, multipart.uploadId);
    await expect(again.uploadPart(1, new Uint8Array(10))).rejects.toThrow();
  },
);

async function expectUnknown(repository: string, location: string): Promise<void> {
  const bytes = randomBytes(1000);
  const digest = digestOf(bytes);
  const put = await send("PUT", `${location}?digest=${digest}`, { body: bytes });
  expect(await refusal(put)).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
  expect((await send("HEAD", `/v2/${repository}/blobs/${digest}`)).status).toBe(404);
  expect(await storedSizes(repository)).toEqual([]);
}

describe("a whole blob is 404, and stored nowhere, when its session", () => {
  test("was begun more than an hour ago", async () => {
    const repository = newRepository();
    const location = await start(repository);
    advance(61 * minuteMs);
    await expectUnknown(repository, location);
  });

  test("was cancelled", async () => {
    const repository = newRepository();
    const location = await start(repository);
    expect((await send("DELETE", location)).status).toBe(204);
    await expectUnknown(repository, location);
  });
});
