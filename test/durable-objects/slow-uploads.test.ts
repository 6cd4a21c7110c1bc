/** Uploads that take longer than a token of a link, or a session that nobody touches, may get old. */
import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import { partBuffers } from "../../durable-objects/part-buffers.ts";
import { digestOf, pushBlob, randomBytes, send } from "../client.ts";
import { advance, minuteMs } from "./clock.ts";
import { tokens } from "./held-blob.ts";
import { digestFor, newRepository } from "./names.ts";
import { openBody } from "./open-body.ts";
import { storedSizes } from "./stored-objects.ts";
import { close, expectReadable, received, start, streamed, uploadSession } from "./upload.ts";

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const size = 300_000;

describe("a whole blob that takes 51 minutes is linked by a young token", () => {
  test("when R2 takes it", async () => {
    const repository = newRepository();
    const bytes = randomBytes(size);
    const digest = digestFor(bytes);
    const location = await start(repository);
    const put = env.BLOBS.put.bind(env.BLOBS);
    const slow = vi.spyOn(env.BLOBS, "put").mockImplementationOnce((...input) => {
      advance(51 * minuteMs);
      return put(...input);
    });
    const answer = await send("PUT", `${location}?digest=${digest}`, { body: bytes });
    expect(slow).toHaveBeenCalledTimes(1);
    expect(answer.status).toBe(201);
    await expectReadable(repository, digest, bytes);
    expect(await tokens(digest)).toHaveLength(1);
    expect(await storedSizes(repository)).toEqual([size]);
  });

  test("when the registry holds it already", async () => {
    const repository = newRepository();
    const bytes = randomBytes(size);
    const digest = digestFor(bytes);
    await pushBlob(newRepository(), bytes);
    const [first] = await tokens(digest);
    const location = await start(repository);
    const { body, headers, send: sendBytes, end } = openBody(bytes);
    const answer = send("PUT", `${location}?digest=${digest}`, { body, headers });
    await sendBytes(1000);
    await vi.waitFor(async () => expect(await tokens(digest)).toHaveLength(2));
    const taken = await tokens(digest);
    advance(51 * minuteMs);
    await end();
    expect((await answer).status).toBe(201);
    await expectReadable(repository, digest, bytes);
    const after = await tokens(digest);
    expect(after).toHaveLength(2);
    expect(after.filter((token) => taken.includes(token))).toEqual([first]);
    expect(await storedSizes(repository)).toEqual([]);
  });
});

/** A session at which a PATCH is at work that has sent some of its bytes. */
async function atWork() {
  const repository = newRepository();
  const location = await start(repository);
  const bytes = randomBytes(size);
  await streamed(location, bytes.slice(0, 1000));
  const open = openBody(bytes.slice(1000));
  const answer = send("PATCH", location, { body: open.body, headers: open.headers });
  await open.send(100_000);
  await vi.waitFor(() => expect(partBuffers.bufferedBytes).toBeGreaterThan(0));
  return { repository, location, bytes, open, answer };
}

describe("the alarm of a session at which a PATCH is at work for 70 minutes", () => {
  test("leaves it to a client that sent bytes in the last hour", async () => {
    const { repository, location, bytes, open, answer } = await atWork();
    advance(40 * minuteMs);
    await open.send(100_000);
    advance(30 * minuteMs);
    expect(await runDurableObjectAlarm(uploadSession(location))).toBe(true);
    await open.end();
    expect((await answer).status).toBe(202);
    expect(await received(location)).toBe(`0-${size - 1}`);
    // The alarm looks again, and finds it touched.
    advance(minuteMs);
    expect(await runDurableObjectAlarm(uploadSession(location))).toBe(true);
    expect((await close(location, digestOf(bytes))).status).toBe(201);
    await expectReadable(repository, digestOf(bytes), bytes);
  });

  test("ends it when its client was silent for all the time", async () => {
    const { repository, location, answer } = await atWork();
    advance(70 * minuteMs);
    expect(await runDurableObjectAlarm(uploadSession(location))).toBe(true);
    expect((await answer).ok).toBe(false);
    expect(await received(location)).toBe("404");
    expect(await storedSizes(repository)).toEqual([]);
    expect(partBuffers.bufferedBytes).toBe(0);
  });
});
