import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { digestOf, errorCode, pushBlob, randomBytes, send, stream } from "../client.ts";
import {
  type BucketOperation,
  type Failure,
  failBucket,
  failures,
  givenUpMs,
  restoreStores,
  shortenLimits,
} from "../doubles/failing-stores.ts";
import { newRepository } from "../durable-objects/names.ts";
import { restart } from "../durable-objects/restart.ts";
import { storedSizes } from "../durable-objects/stored-objects.ts";
import { expectReadable, mebibyte, start, uploadSession } from "../durable-objects/upload.ts";

beforeEach(() => {
  shortenLimits();
  vi.spyOn(console, "warn").mockImplementation(() => undefined);
  vi.spyOn(console, "error").mockImplementation(() => undefined);
});

afterEach(restoreStores);

/** A request that can be sent several times, and what it is answered when nothing fails. */
interface Prepared {
  readonly repository: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly ask: () => Promise<Response>;
  readonly status: number;
  /** What has to hold when it was answered so. */
  readonly check?: () => Promise<void>;
}

/** A request, and the operation of R2 that it needs. */
interface Row {
  readonly name: string;
  readonly operation: BucketOperation;
  readonly prepare: () => Promise<Prepared>;
  /** Failures that the registry finds its way around at once. */
  readonly survives?: readonly Failure[];
}

/** Bytes that fill a part and go on. */
const streamBytes = 9 * mebibyte;

async function pushed(headers: Record<string, string>, status: number): Promise<Prepared> {
  const repository = newRepository();
  const bytes = randomBytes(1000);
  const path = `/v2/${repository}/blobs/${await pushBlob(repository, bytes)}`;
  return { repository, bytes, status, ask: () => send("GET", path, { headers }) };
}

/** A session that a stream was sent to, and the PUT that closes it. */
async function streamed(size: number, closingSize = 0): Promise<Prepared & { location: string }> {
  const repository = newRepository();
  const bytes = randomBytes(size);
  const digest = digestOf(bytes);
  const location = await start(repository);
  const body = stream(bytes.subarray(0, size - closingSize), mebibyte);
  const patch = await send("PATCH", location, { body });
  const next = patch.headers.get("Location") ?? "";
  const rest = bytes.slice(size - closingSize);
  const ask = () => send("PUT", `${next}?digest=${digest}`, closingSize > 0 ? { body: rest } : {});
  const check = () => expectReadable(repository, digest, bytes);
  return { repository, bytes, location: next, ask, status: 201, check };
}

/** A stream that is sent, and then closed. */
async function streaming(): Promise<Prepared> {
  const repository = newRepository();
  const bytes = randomBytes(streamBytes);
  const digest = digestOf(bytes);
  const location = await start(repository);
  return {
    repository,
    bytes,
    ask: () => send("PATCH", location, { body: stream(bytes, mebibyte) }),
    status: 202,
    check: async () => {
      expect((await send("PUT", `${location}?digest=${digest}`)).status).toBe(201);
      await expectReadable(repository, digest, bytes);
    },
  };
}

async function whole(byPost: boolean): Promise<Prepared> {
  const repository = newRepository();
  const bytes = randomBytes(1000);
  const digest = digestOf(bytes);
  const path = byPost ? `/v2/${repository}/blobs/uploads/` : await start(repository);
  return {
    repository,
    bytes,
    ask: () => send(byPost ? "POST" : "PUT", `${path}?digest=${digest}`, { body: bytes }),
    status: 201,
    check: async () => {
      await expectReadable(repository, digest, bytes);
      // What was stored all the same, under another key, is not kept.
      await vi.waitFor(async () => expect(await storedSizes(repository)).toEqual([bytes.length]), {
        timeout: 10_000,
        interval: 100,
      });
    },
  };
}

const rows: readonly Row[] = [
  { name: "GET of a blob", operation: "get", prepare: () => pushed({}, 200) },
  {
    name: "GET of a range of a blob",
    operation: "get",
    prepare: () => pushed({ Range: "bytes=10-19" }, 206),
  },
  {
    name: "GET of two ranges of a blob",
    operation: "get",
    prepare: () => pushed({ Range: "bytes=0-1,10-19" }, 206),
  },
  { name: "PUT of a whole blob", operation: "put", prepare: () => whole(false) },
  { name: "POST of a whole blob", operation: "put", prepare: () => whole(true) },
  { name: "PATCH of a stream", operation: "createMultipartUpload", prepare: streaming },
  { name: "PATCH of a stream", operation: "uploadPart", prepare: streaming },
  {
    name: "PUT that closes a session smaller than a part",
    operation: "put",
    prepare: () => streamed(1000),
  },
  {
    name: "PUT that closes a session of parts",
    operation: "uploadPart",
    prepare: () => streamed(streamBytes),
  },
  {
    name: "PUT that closes a session of parts with the last bytes",
    operation: "uploadPart",
    prepare: () => streamed(streamBytes, 1000),
  },
  {
    name: "PUT that closes a session of parts",
    operation: "complete",
    prepare: () => streamed(streamBytes),
    // The object is there with its size.
    survives: ["lost", "late"],
  },
  {
    name: "PUT that closes a session whose digest was lost",
    operation: "get",
    prepare: async () => {
      const prepared = await streamed(streamBytes);
      await restart(() => uploadSession(prepared.location), "evicted");
      return prepared;
    },
  },
  {
    name: "PUT that closes a session of bytes that are held already",
    operation: "head",
    prepare: async () => {
      const prepared = await streamed(1000);
      await pushBlob(newRepository(), prepared.bytes);
      return prepared;
    },
  },
  {
    name: "DELETE of a session",
    operation: "abort",
    prepare: async () => {
      const { repository, bytes, location } = await streamed(streamBytes);
      return {
        repository,
        bytes,
        ask: () => send("DELETE", location),
        status: 204,
        check: async () => expect((await send("GET", location)).status).toBe(404),
      };
    },
  },
];

const table = rows.flatMap((row) => failures.map((how) => ({ ...row, how })));

describe("while R2 fails", () => {
  test.each(table)(
    "$name, $operation: $how",
    async ({ operation, prepare, how, survives = [] }) => {
      const { ask, status, check } = await prepare();
      const asked = failBucket(operation, how);
      const answer = await ask();
      expect(asked()).toBeGreaterThan(0);
      if (how === "slow" || survives.includes(how)) {
        expect(answer.status).toBe(status);
        await answer.arrayBuffer();
        restoreStores();
      } else {
        expect(answer.status).toBe(504);
        expect(answer.headers.get("Retry-After")).toMatch(/^[1-9]\d*$/);
        expect(await errorCode(answer)).toBe("UNAVAILABLE");
        restoreStores();
        const again = await ask();
        expect(again.status).toBe(status);
        await again.arrayBuffer();
      }
      await check?.();
    },
  );
});

describe("a refused push leaves nothing that can be read", () => {
  test.each(failures.filter((how) => how !== "slow"))("%s", async (how) => {
    const { repository, bytes, ask } = await whole(false);
    failBucket("put", how);
    expect((await ask()).status).toBe(504);
    const path = `/v2/${repository}/blobs/${digestOf(bytes)}`;
    expect((await send("HEAD", path)).status).toBe(404);
    restoreStores();
    await new Promise((resolve) => {
      setTimeout(resolve, givenUpMs + 300);
    });
    expect((await send("HEAD", path)).status).toBe(404);
    await vi.waitFor(async () => expect(await storedSizes(repository)).toEqual([]));
  });
});

test("of several ranges a body that R2 does not go on with ends early", async () => {
  const { ask } = await pushed({ Range: "bytes=0-1,10-19" }, 206);
  const get = env.BLOBS.get.bind(env.BLOBS);
  let calls = 0;
  vi.spyOn(env.BLOBS, "get").mockImplementation((...args: Parameters<R2Bucket["get"]>) => {
    calls += 1;
    return calls === 1 ? get(...args) : Promise.reject(new Error("get: internal error (10001)"));
  });
  const answer = await ask();
  expect(answer.status).toBe(206);
  await expect(answer.arrayBuffer()).rejects.toThrow();
});
