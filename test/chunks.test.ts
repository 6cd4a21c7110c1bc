import { describe, expect, test } from "vitest";
import {
  digestOf,
  newRepository,
  randomBytes,
  refusal,
  send,
  startUpload,
  stream,
} from "./client.ts";

const mebibyte = 1024 * 1024;
/** What R2 stores at once of a session. */
const partBytes = 8 * mebibyte;

function range(first: number, length: number): Record<string, string> {
  return { "Content-Range": `${first}-${first + length - 1}` };
}

/** The Range that a session has when it is asked. */
async function rangeOf(location: string): Promise<string | null> {
  return (await send("GET", location)).headers.get("Range");
}

async function expectReadable(repository: string, bytes: Uint8Array): Promise<void> {
  const response = await send("GET", `/v2/${repository}/blobs/${digestOf(bytes)}`);
  const got = await response.bytes();
  expect([got.length, digestOf(got)]).toEqual([bytes.length, digestOf(bytes)]);
}

const forms: [string, (chunk: Uint8Array<ArrayBuffer>, at: number) => RequestInit][] = [
  ["with Content-Range", (body, at) => ({ body, headers: range(at, body.length) })],
  [
    "as streams with Content-Range",
    (chunk, at) => ({ body: stream(chunk), headers: range(at, chunk.length) }),
  ],
  ["with a length alone", (body) => ({ body })],
  ["as streams", (chunk) => ({ body: stream(chunk, 10_007) })],
];

describe.each(forms)("chunks %s", (_form, request) => {
  test.each([
    ["of one byte", [1, 1, 1, 1, 1]],
    ["of growing sizes", [1, 10, 100, 1000, 10_000, 100_000]],
    ["of shrinking sizes", [100_000, 10_000, 1000, 100, 10, 1]],
    ["of a part less a byte, and two bytes", [partBytes - 1, 2]],
    ["of a part, and a byte", [partBytes, 1]],
    ["of two parts", [partBytes, partBytes]],
    ["of 5 MiB, 9 MiB and a byte", [5 * mebibyte, 9 * mebibyte, 1]],
    ["of a byte, and two parts", [1, 2 * partBytes]],
    ["of 3 MiB and seven bytes", Array.from({ length: 6 }, () => 3 * mebibyte + 7)],
  ])("%s make the blob, closed without and with the last", async (_case, sizes) => {
    const bytes = randomBytes(sizes.reduce((sum, size) => sum + size, 0));
    for (const closing of [0, 1]) {
      const repository = newRepository();
      let location = await startUpload(repository);
      let at = 0;
      /* oxlint-disable no-await-in-loop */
      for (const size of sizes.slice(0, sizes.length - closing)) {
        const patch = await send("PATCH", location, request(bytes.slice(at, at + size), at));
        at += size;
        expect([patch.status, patch.headers.get("Range")]).toEqual([202, `0-${at - 1}`]);
        location = patch.headers.get("Location") ?? "";
      }
      const last = closing === 0 ? {} : request(bytes.slice(at), at);
      const put = await send("PUT", `${location}?digest=${digestOf(bytes)}`, last);
      expect(put.status).toBe(201);
      await expectReadable(repository, bytes);
      /* oxlint-enable no-await-in-loop */
    }
  });
});

describe("a chunk at a wrong offset", () => {
  const bytes = randomBytes(1000);

  test.each([
    ["PATCH", "behind a gap", 501, 10],
    ["PATCH", "over the last byte", 499, 10],
    ["PATCH", "again", 0, 500],
    ["PATCH", "far away", 2_000_000_000_000, 10],
    ["PUT", "behind a gap", 501, 10],
    ["PUT", "again", 0, 500],
  ])(
    "%s %s is 416 with Location and Range, and the right one goes on",
    async (method, _, at, length) => {
      const repository = newRepository();
      const location = await startUpload(repository);
      await send("PATCH", location, { body: bytes.slice(0, 500), headers: range(0, 500) });
      const query = method === "PUT" ? `?digest=${digestOf(bytes)}` : "";
      const refused = await send(method, location + query, {
        body: randomBytes(length),
        headers: range(at, length),
      });
      expect(refused.headers.get("Range")).toBe("0-499");
      const next = refused.headers.get("Location") ?? "";
      expect(next).toMatch(/^\/v2\/.*\/blobs\/uploads\/[\w-]+$/);
      expect(await refusal(refused)).toEqual([416, "RANGE_INVALID"]);
      expect(await rangeOf(next)).toBe("0-499");
      const put = await send("PUT", `${next}?digest=${digestOf(bytes)}`, {
        body: bytes.slice(500),
        headers: range(500, 500),
      });
      expect(put.status).toBe(201);
      await expectReadable(repository, bytes);
    },
  );

  test.each([["PATCH"], ["PUT"]])("%s as the first is 416 with Range 0--1", async (method) => {
    const location = await startUpload(newRepository());
    const query = method === "PUT" ? `?digest=${digestOf(bytes)}` : "";
    const init = { body: bytes, headers: range(1, 1000) };
    const refused = await send(method, location + query, init);
    expect(refused.status).toBe(416);
    expect(refused.headers.get("Range")).toBe("0--1");
    expect(refused.headers.get("Location")).toBe(location);
  });
});

describe("two PATCHes at once", () => {
  const bytes = randomBytes(500_000);

  test.each([
    ["of the same chunk", { "Content-Range": "0-499999" }],
    ["of streams", {}],
  ])("%s: one is 202, the other 416 with Location", async (_case, headers) => {
    const repository = newRepository();
    const location = await startUpload(repository);
    // Neither body ends before both have begun.
    const both = Promise.withResolvers<void>();
    let atEnd = 0;
    const held = () => {
      const pieces = stream(bytes).getReader();
      return new ReadableStream<Uint8Array>({
        async pull(controller) {
          const { done, value } = await pieces.read();
          if (!done) return controller.enqueue(value);
          atEnd += 1;
          if (atEnd === 2) setTimeout(both.resolve, 200);
          await both.promise;
          controller.close();
        },
      });
    };
    const patches = await Promise.all(
      [0, 1].map(() => send("PATCH", location, { body: held(), headers })),
    );
    const statuses = patches.map((patch) => patch.status);
    expect(statuses.toSorted((one, other) => one - other)).toEqual([202, 416]);
    for (const patch of patches) expect(patch.headers.get("Location")).toMatch(/^\/v2\//);
    expect((await send("PUT", `${location}?digest=${digestOf(bytes)}`)).status).toBe(201);
    await expectReadable(repository, bytes);
  });
});

describe("a last chunk with a wrong digest", () => {
  test.each([
    ["of a few bytes", 10, 10],
    ["that ends a part", mebibyte, partBytes - mebibyte],
    ["that is longer than a part", mebibyte, partBytes + 10],
    ["behind a part", partBytes + 10, 10],
  ])("%s is 400, and sent again with the right one 201", async (_case, before, last) => {
    const repository = newRepository();
    const bytes = randomBytes(before + last);
    const location = await startUpload(repository);
    const first = { body: bytes.slice(0, before), headers: range(0, before) };
    expect((await send("PATCH", location, first)).status).toBe(202);
    const chunk = { body: bytes.slice(before), headers: range(before, last) };
    const refused = await send("PUT", `${location}?digest=${digestOf("")}`, chunk);
    expect(await refusal(refused)).toEqual([400, "DIGEST_INVALID"]);
    expect(await rangeOf(location)).toBe(`0-${before - 1}`);
    const put = await send("PUT", `${location}?digest=${digestOf(bytes)}`, chunk);
    expect(put.status).toBe(201);
    await expectReadable(repository, bytes);
  });
});
