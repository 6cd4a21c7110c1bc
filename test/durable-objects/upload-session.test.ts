import { abortAllDurableObjects } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import { digestOf, errorCode, randomBytes, send } from "../client.ts";
import { newRepository } from "./names.ts";
import { restart, restarts } from "./restart.ts";
import { storedSizes } from "./stored-objects.ts";
import {
  chunk,
  close,
  expectReadable,
  mebibyte,
  received,
  sendAll,
  type Sending,
  start,
  streamed,
  uploadSession,
} from "./upload.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

/** `last`: bytes that come with the PUT. `read`: reads of R2 at commit when the object was lost. */
const sendings: readonly (Sending & { name: string; last: number; read: number })[] = [
  {
    name: "a stream of more than a part",
    sizes: [9 * mebibyte + 11],
    last: 0,
    chunked: false,
    algorithm: "sha256",
    read: 1,
  },
  {
    name: "a stream of more than a part, by sha512",
    sizes: [8 * mebibyte + 1],
    last: 0,
    chunked: false,
    algorithm: "sha512",
    read: 1,
  },
  {
    name: "a stream of exactly one part",
    sizes: [8 * mebibyte],
    last: 0,
    chunked: false,
    algorithm: "sha256",
    read: 1,
  },
  {
    name: "three streams that meet within parts",
    sizes: [3 * mebibyte, 7 * mebibyte + 1, 7 * mebibyte],
    last: 0,
    chunked: false,
    algorithm: "sha256",
    read: 1,
  },
  {
    name: "a stream of less than a row",
    sizes: [100],
    last: 0,
    chunked: false,
    algorithm: "sha256",
    read: 0,
  },
  {
    name: "a stream of several rows, by sha512",
    sizes: [3 * mebibyte + 5],
    last: 0,
    chunked: false,
    algorithm: "sha512",
    read: 0,
  },
  {
    name: "chunks of one part",
    sizes: [8 * mebibyte, 8 * mebibyte],
    last: 0,
    chunked: true,
    algorithm: "sha256",
    read: 1,
  },
  {
    name: "chunks of one part, by sha512",
    sizes: [8 * mebibyte],
    last: 1,
    chunked: true,
    algorithm: "sha512",
    read: 1,
  },
  {
    name: "chunks of all sizes",
    sizes: [1, 5 * mebibyte, 3 * mebibyte + 7, 63],
    last: mebibyte + 1,
    chunked: true,
    algorithm: "sha256",
    read: 1,
  },
  {
    name: "chunks that never fill a part",
    sizes: [100, 2 * mebibyte, 1],
    last: 17,
    chunked: true,
    algorithm: "sha256",
    read: 0,
  },
];

for (const how of ["left alone", ...restarts] as const) {
  describe(`a session whose object is ${how} between its requests`, () => {
    test.for(sendings)("takes $name", async ({ last, read, ...sending }) => {
      const repository = newRepository();
      const bytes = randomBytes(sending.sizes.reduce((sum, size) => sum + size, last));
      const location = await start(repository, sending.algorithm);
      const get = vi.spyOn(env.BLOBS, "get");

      const digest = await sendAll(location, bytes, sending, async () => {
        if (how !== "left alone") await restart(() => uploadSession(location), how);
      });

      expect(get).toHaveBeenCalledTimes(how === "left alone" ? 0 : read);
      await expectReadable(repository, digest, bytes);
      expect(await storedSizes(repository)).toEqual([bytes.length]);
    });
  });
}

test("every object aborted between any two requests changes nothing", async () => {
  const repository = newRepository();
  const bytes = randomBytes(9 * mebibyte);
  const location = await start(repository);
  await abortAllDurableObjects();
  const sending: Sending = { sizes: [bytes.length], chunked: false, algorithm: "sha256" };
  const digest = await sendAll(location, bytes, sending, abortAllDurableObjects);
  await abortAllDurableObjects();
  await expectReadable(repository, digest, bytes);
});

test.for(restarts)("a closed session whose object was %s answers as before", async (how) => {
  const repository = newRepository();
  const bytes = randomBytes(1000);
  const location = await start(repository);
  await streamed(location, bytes);
  const digest = digestOf(bytes);
  expect((await close(location, digest)).status).toBe(201);
  await restart(() => uploadSession(location), how);
  expect((await close(location, digest)).status).toBe(201);
  expect((await close(location, digestOf("other"))).status).toBe(404);
  expect((await streamed(location, bytes)).status).toBe(404);
  expect((await send("GET", location)).status).toBe(404);
  expect((await send("DELETE", location)).status).toBe(404);
  expect(await storedSizes(repository)).toEqual([bytes.length]);
});

test("the Location of the POST serves for the whole session", async () => {
  const repository = newRepository();
  const bytes = randomBytes(9 * mebibyte);
  const location = await start(repository);
  expect((await streamed(location, bytes.slice(0, mebibyte))).status).toBe(202);
  expect((await streamed(location, bytes.slice(mebibyte))).status).toBe(202);
  expect(await received(location)).toBe(`0-${bytes.length - 1}`);
  expect((await close(location, digestOf(bytes))).status).toBe(201);
  await expectReadable(repository, digestOf(bytes), bytes);
});

test("a PUT without Content-Range to the Location of the POST appends the last chunk", async () => {
  const repository = newRepository();
  const bytes = randomBytes(5000);
  const digest = digestOf(bytes);
  const location = await start(repository);
  await streamed(location, bytes.slice(0, 3000));
  const put = await send("PUT", `${location}?digest=${digest}`, { body: bytes.slice(3000) });
  expect(put.status).toBe(201);
  await expectReadable(repository, digest, bytes);
});

test("a PUT without Content-Range to the Location of a PATCH appends the last chunk", async () => {
  const repository = newRepository();
  const bytes = randomBytes(5000);
  const digest = digestOf(bytes);
  const patch = await streamed(await start(repository), bytes.slice(0, 3000));
  const location = patch.headers.get("Location") ?? "";
  const put = await send("PUT", `${location}?digest=${digest}`, { body: bytes.slice(3000) });
  expect(put.status).toBe(201);
  await expectReadable(repository, digest, bytes);
});

describe("a digest that is wrong leaves the session as it was, and the right one is taken", () => {
  test.for([
    { name: "of a tail", size: 1000, chunked: false, algorithm: "sha256" },
    { name: "of parts and a tail", size: 9 * mebibyte, chunked: false, algorithm: "sha256" },
    { name: "of parts alone", size: 8 * mebibyte, chunked: true, algorithm: "sha256" },
    { name: "by another algorithm, of a tail", size: 1000, chunked: false, algorithm: "sha512" },
    {
      name: "by another algorithm, of parts and a tail",
      size: 8 * mebibyte + 1,
      chunked: true,
      algorithm: "sha512",
    },
  ] as const)("$name", async ({ size, chunked, algorithm }) => {
    const repository = newRepository();
    const bytes = randomBytes(size);
    const location = await start(repository);
    const patch = await (chunked ? chunk("PATCH", location, bytes, 0) : streamed(location, bytes));
    expect(patch.status).toBe(202);
    const wrong = await close(location, digestOf("something else", algorithm));
    expect(wrong.status).toBe(400);
    expect(await errorCode(wrong)).toBe("DIGEST_INVALID");
    expect(await received(location)).toBe(`0-${size - 1}`);
    expect((await close(location, digestOf(bytes, algorithm))).status).toBe(201);
    await expectReadable(repository, digestOf(bytes, algorithm), bytes);
    expect(await storedSizes(repository)).toEqual([size]);
  });
});

test("a last chunk whose digest is wrong does not count", async () => {
  const repository = newRepository();
  const bytes = randomBytes(9 * mebibyte);
  const at = 8 * mebibyte + 3;
  const location = await start(repository);
  await chunk("PATCH", location, bytes.slice(0, at), 0);
  const wrong = `${location}?digest=${digestOf("something else")}`;
  expect((await chunk("PUT", wrong, bytes.slice(at), at)).status).toBe(400);
  expect(await received(location)).toBe(`0-${at - 1}`);
  const right = `${location}?digest=${digestOf(bytes)}`;
  expect((await chunk("PUT", right, bytes.slice(at), at)).status).toBe(201);
  await expectReadable(repository, digestOf(bytes), bytes);
});
