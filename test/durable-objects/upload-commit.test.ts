import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import { blobIndexName } from "../../schemas/storage-keys.ts";
import { digestOf, pushBlob, randomBytes, send } from "../client.ts";
import { advance, secondMs } from "./clock.ts";
import { commitSteps, type IndexStub, type RepositoryStub, silence } from "./commit-steps.ts";
import { digestFor, newRepository } from "./names.ts";
import { restart } from "./restart.ts";
import { storedSizes } from "./stored-objects.ts";
import {
  chunk,
  close,
  expectReadable,
  mebibyte,
  received,
  start,
  streamed,
  uploadSession,
} from "./upload.ts";

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const size = 8 * mebibyte + 1000;
/** A session whose object was aborted at a step of its commit. */
async function cutOff(cut: () => () => Promise<void>) {
  const repository = newRepository();
  const bytes = randomBytes(size);
  const digest = digestFor(bytes);
  const location = await start(repository);
  await streamed(location, bytes);
  const reached = cut();
  const answer = close(location, digest);
  await reached();
  await restart(() => uploadSession(location), "aborted");
  expect((await answer).ok).toBe(false);
  vi.restoreAllMocks();
  return { repository, bytes, digest, location };
}

describe("a commit whose object is aborted", () => {
  test.for(commitSteps)("$name is gone on with by its alarm", async ({ cut }) => {
    const { repository, bytes, digest, location } = await cutOff(cut);
    advance(31 * secondMs);
    expect(await runDurableObjectAlarm(uploadSession(location))).toBe(true);
    await expectReadable(repository, digest, bytes);
    expect(await received(location)).toBe("404");
    expect((await close(location, digest)).status).toBe(201);
    expect(await storedSizes(repository)).toEqual([size]);
  });

  test.for(commitSteps)("$name is gone on with by the same PUT", async ({ cut }) => {
    const { repository, bytes, digest, location } = await cutOff(cut);
    expect((await close(location, digest)).status).toBe(201);
    await expectReadable(repository, digest, bytes);
    expect(await storedSizes(repository)).toEqual([size]);
  });

  test.for(commitSteps)("$name, and again in its alarm, is gone on with", async ({ cut }) => {
    const { repository, bytes, digest, location } = await cutOff(cut);
    advance(31 * secondMs);
    const reached = cut();
    const alarm = runDurableObjectAlarm(uploadSession(location)).catch(() => undefined);
    await reached();
    await restart(() => uploadSession(location), "aborted");
    await alarm;
    vi.restoreAllMocks();
    advance(31 * secondMs);
    // The platform calls again an alarm that did not come to its end.
    await runInDurableObject(uploadSession(location), (session) => session.alarm());
    await expectReadable(repository, digest, bytes);
  });
});

test("a push that the alarm ends is in the audit, as nobody else tells of it", async () => {
  const step = commitSteps.find(({ name }) => name === "before the claim");
  if (step === undefined) throw new Error("no such step");
  const { repository, digest, location } = await cutOff(step.cut);
  advance(31 * secondMs);
  const info = vi.spyOn(console, "info").mockImplementation(() => undefined);
  await runDurableObjectAlarm(uploadSession(location));
  const lines = info.mock.calls.map(([line]): unknown => JSON.parse(String(line)));
  const pushed = { event: "audit", action: "push blob", repository, digest, outcome: "done" };
  expect(lines).toContainEqual(expect.objectContaining(pushed));
});

test("a PUT that meets the alarm's own commit is answered with its outcome", async () => {
  const step = commitSteps.find(({ name }) => name === "before the claim");
  if (step === undefined) throw new Error("no such step");
  const { repository, bytes, digest, location } = await cutOff(step.cut);
  advance(31 * secondMs);
  const gate = { open: false };
  const getByName = env.BLOB_INDEX.getByName.bind(env.BLOB_INDEX);
  const claim = vi.fn(async (...input: Parameters<IndexStub["claim"]>) => {
    while (!gate.open) {
      // oxlint-disable-next-line no-await-in-loop
      await scheduler.wait(20);
    }
    return getByName(blobIndexName(env, digest)).claim(...input);
  });
  vi.spyOn(env.BLOB_INDEX, "getByName").mockReturnValue({ claim } as unknown as IndexStub);
  const alarm = runDurableObjectAlarm(uploadSession(location));
  await vi.waitFor(() => expect(claim).toHaveBeenCalledTimes(1), { timeout: 10_000 });
  const answers = [close(location, digest), close(location, digest)];
  await scheduler.wait(200);
  gate.open = true;
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([201, 201]);
  expect(await alarm).toBe(true);
  expect(claim).toHaveBeenCalledTimes(1);
  vi.restoreAllMocks();
  await expectReadable(repository, digest, bytes);
  expect(await storedSizes(repository)).toEqual([size]);
});

test("a commit that is cut off while it reads the bytes again is gone on with by the same PUT", async () => {
  const repository = newRepository();
  const bytes = randomBytes(size);
  const digest = digestOf(bytes);
  const location = await start(repository);
  await streamed(location, bytes);
  await restart(() => uploadSession(location), "evicted");
  const { call, called } = silence();
  vi.spyOn(env.BLOBS, "get").mockImplementationOnce(call);
  const answer = close(location, digest);
  await called();
  await restart(() => uploadSession(location), "aborted");
  expect((await answer).ok).toBe(false);
  expect((await close(location, digestOf("something else"))).status).toBe(400);
  expect((await close(location, digest)).status).toBe(201);
  await expectReadable(repository, digest, bytes);
  expect(await storedSizes(repository)).toEqual([size]);
});

describe("a commit that the index or the repository refuses is answered 504, and done later", () => {
  const refusal = {
    ok: false,
    code: "OVERLOADED",
    what: "a test says so",
    headers: { "Retry-After": "1" },
  } as const;

  test.for([
    { name: "claim, of a tail", size: 1000, refuse: "claim" },
    { name: "link, of a tail", size: 1000, refuse: "linkBlob" },
    { name: "claim, of parts", size, refuse: "claim" },
    { name: "link, of parts", size, refuse: "linkBlob" },
  ] as const)("$name", async ({ size: bytesSent, refuse }) => {
    const repository = newRepository();
    const bytes = randomBytes(bytesSent);
    const location = await start(repository);
    await chunk("PATCH", location, bytes, 0);
    const refused = vi.fn(() => Promise.resolve(refusal));
    // By its name: alarms of other objects ask for theirs meanwhile.
    const index = blobIndexName(env, digestFor(bytes));
    const isFirst = () => refused.mock.calls.length === 0;
    if (refuse === "claim") {
      const getByName = env.BLOB_INDEX.getByName.bind(env.BLOB_INDEX);
      const stub = { claim: refused } as unknown as IndexStub;
      vi.spyOn(env.BLOB_INDEX, "getByName").mockImplementation((name) =>
        name === index && isFirst() ? stub : getByName(name),
      );
    } else {
      const getByName = env.REPOSITORY.getByName.bind(env.REPOSITORY);
      const stub = { linkBlob: refused } as unknown as RepositoryStub;
      vi.spyOn(env.REPOSITORY, "getByName").mockImplementation((name) =>
        name === repository && isFirst() ? stub : getByName(name),
      );
    }
    const answer = await close(location, digestOf(bytes));
    expect(refused).toHaveBeenCalledTimes(1);
    expect(answer.status).toBe(504);
    expect(answer.headers.get("Retry-After")).toBe("1");
    expect(await received(location)).toBe(`0-${bytesSent - 1}`);
    expect((await close(location, digestOf(bytes))).status).toBe(201);
    await expectReadable(repository, digestOf(bytes), bytes);
  });
});

test("a session that is cancelled between claim and link leaves its bytes to who was given them", async () => {
  const [repository, other] = [newRepository(), newRepository()];
  const bytes = randomBytes(size);
  const digest = digestOf(bytes);
  const location = await start(repository);
  await streamed(location, bytes);
  vi.spyOn(env.REPOSITORY, "getByName").mockImplementationOnce(() => {
    throw new Error("the repository is not reached");
  });
  expect((await close(location, digest)).status).toBe(504);
  // The index knows the bytes by now, and gives them to whoever pushes the same.
  expect(await pushBlob(other, bytes)).toBe(digest);
  expect([204, 404]).toContain((await send("DELETE", location)).status);
  await expectReadable(other, digest, bytes);
});

test("an unverified session cannot be made readable by its alarm", async () => {
  const repository = newRepository();
  const bytes = randomBytes(size);
  const location = await start(repository);
  await streamed(location, bytes);
  await restart(() => uploadSession(location), "evicted");
  expect((await close(location, digestOf("something else"))).status).toBe(400);
  advance(31 * secondMs);
  await runDurableObjectAlarm(uploadSession(location));
  for (const digest of [digestOf("something else"), digestOf(bytes)]) {
    // oxlint-disable-next-line no-await-in-loop
    expect((await send("HEAD", `/v2/${repository}/blobs/${digest}`)).status).toBe(404);
  }
  expect((await close(location, digestOf(bytes))).status).toBe(201);
});
