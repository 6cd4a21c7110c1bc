import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  digestOf,
  newRepository,
  pushBlob,
  randomBytes,
  send,
  startUpload,
  stream,
  unfinishedStream,
} from "../client.ts";
import { KnownRepository, type Refused } from "./known-repository.ts";

const known = new KnownRepository();
beforeAll(() => known.push());

const { upload } = known;
const digest = digestOf(upload);
const hex = "0".repeat(64);

/** What was refused in between has left the bytes alone: the session takes the rest, and closes. */
afterAll(async () => {
  const headers = { "Content-Range": "500-999" };
  const body = upload.slice(500);
  const put = await send("PUT", `${known.session}?digest=${digest}`, { body, headers });
  expect(put.status).toBe(201);
  const blob = await send("GET", `/v2/${known.name}/blobs/${digest}`);
  expect(digestOf(await blob.bytes())).toBe(digest);
});

/** A chunk for the session, which has 500 bytes, by each request that brings one. */
const chunks: [string, string][] = [
  ["PATCH", ""],
  ["PUT", `?digest=${digest}`],
];

describe.each(chunks)("a chunk by %s%s whose Content-Range", (method, query) => {
  test.each([
    ["is a word", "junk", /Content-Range "junk"$/],
    ["is a unit alone", "bytes", /Content-Range "bytes"$/],
    ["is a dash", "-", /Content-Range "-"$/],
    ["is one number", "500", /Content-Range "500"$/],
    ["has no end", "500-", /Content-Range "500-"$/],
    ["has no beginning", "-509", /Content-Range "-509"$/],
    ["is the wrong way round", "509-500", /Content-Range "509-500"$/],
    ["is negative", "-5-10", /Content-Range "-5-10"$/],
    ["has a negative end", "500--509", /Content-Range "500--509"$/],
    ["has a plus", "+500-509", /Content-Range "\+500-509"$/],
    ["has a fraction", "500-509.5", /Content-Range "500-509\.5"$/],
    ["has an exponent", "5e2-509", /Content-Range "5e2-509"$/],
    ["is hexadecimal", "0x1f4-0x1fd", /Content-Range "0x1f4-0x1fd"$/],
    ["has spaces", "500 - 509", /Content-Range "500 - 509"$/],
    ["has another unit", "items 500-509/1000", /Content-Range "items 500-509\/1000"$/],
    ["has two ranges", "500-504,505-509", /Content-Range "500-504,505-509"$/],
    ["has a word for its size", "bytes 500-509/all", /Content-Range "bytes 500-509\/all"$/],
    ["has no size behind its slash", "bytes 500-509/", /Content-Range "bytes 500-509\/"$/],
    ["says that there is no range", "bytes */1000", /Content-Range "bytes \*\/1000"$/],
    ["is beyond 2^53", "9007199254740993-9007199254741002", /Content-Range "9007199254740993-/],
    ["is beyond 2^64", "18446744073709551616-18446744073709551625", /Content-Range "184467/],
    ["ends beyond 2^53", "500-9007199254740993", /Content-Range "500-9007199254740993"$/],
    ["is endless", `500-${"9".repeat(400)}`, /Content-Range "500-9{96}"$/],
    ["is 10,000 letters", "x".repeat(10_000), /Content-Range "x{100}"$/],
    ["leaves a gap", "501-510", /the session has 500 bytes$/],
    ["leaves a large gap", "2000000000000-2000000000009", /the session has 500 bytes$/],
    ["leaves a gap, in RFC 9110's form", "bytes 600-609/1000", /the session has 500 bytes$/],
    ["is over the last byte", "499-508", /the session has 500 bytes$/],
    ["is over the last bytes and ends there", "490-499", /the session has 500 bytes$/],
    ["begins again", "0-9", /the session has 500 bytes$/],
    ["begins again, in RFC 9110's form", "bytes 0-9/10", /the session has 500 bytes$/],
    ["begins again, with an unknown size", "bytes 0-9/*", /the session has 500 bytes$/],
  ])("%s: %s is 416, with where to go on", async (_case, range, message) => {
    const headers = { "Content-Range": range };
    for (const body of [randomBytes(10), stream(randomBytes(10))]) {
      /* oxlint-disable no-await-in-loop */
      const response = await send(method, known.session + query, { body, headers });
      expect(response.headers.get("Range")).toBe("0-499");
      expect(response.headers.get("Location")).toMatch(
        /^\/v2\/team\/[\w-]+\/blobs\/uploads\/[\w-]+$/,
      );
      await known.expectRefused(response, [416, "RANGE_INVALID", message]);
      /* oxlint-enable no-await-in-loop */
    }
  });

  test.each([
    ["has fewer bytes than come", "500-508", /Content-Length 10, Content-Range 9$/],
    ["has more bytes than come", "500-510", /Content-Length 10, Content-Range 11$/],
    ["has one byte", "500-500", /Content-Length 10, Content-Range 1$/],
    ["has 2^49 bytes", "500-562949953421811", /Content-Length 10, Content-Range 562949953421312$/],
    ["has fewer bytes, in RFC 9110's form", "bytes 500-504/1000", /Length 10, Content-Range 5$/],
  ])("%s: %s is 400 with both lengths", async (_case, range, message) => {
    const headers = { "Content-Range": range };
    const response = await send(method, known.session + query, { body: randomBytes(10), headers });
    expect(response.headers.get("Location")).toMatch(/^\/v2\/team\//);
    await known.expectRefused(response, [400, "SIZE_INVALID", message]);
  });

  test.each([
    ["fewer bytes than come", "500-508", /10 bytes, not 9$/],
    ["more bytes than come", "500-510", /10 bytes, not 11$/],
    ["far more bytes than come", "500-20000000", /10 bytes, not 19999501$/],
  ])("has, of a stream, %s: %s is 400", async (_case, range, message) => {
    const headers = { "Content-Range": range };
    const body = stream(randomBytes(10));
    const response = await send(method, known.session + query, { body, headers });
    await known.expectRefused(response, [400, "SIZE_INVALID", message]);
  });
});

describe("a first chunk", () => {
  test.each([
    ["PATCH", "1-10"],
    ["PATCH", "bytes 5-14/20"],
    ["PUT", "1-10"],
  ])("by %s with Content-Range %s is 416 with Range 0--1", async (method, range) => {
    const location = await startUpload(known.name);
    const query = method === "PUT" ? `?digest=${digest}` : "";
    const headers = { "Content-Range": range };
    const response = await send(method, location + query, { body: randomBytes(10), headers });
    expect(response.headers.get("Range")).toBe("0--1");
    expect(response.headers.get("Location")).toBe(location);
    const message = /the session has 0 bytes$/;
    await known.expectRefused(response, [416, "RANGE_INVALID", message]);
  });

  test.each([
    ["0-9"],
    ["bytes 0-9/10"],
    ["bytes 0-9/*"],
    ["bytes=0-9"],
    ["0-9/10"],
    ["00-09"],
    [" 0-9 "],
  ])("with Content-Range %j is understood", async (range) => {
    const headers = { "Content-Range": range };
    const location = await startUpload(known.name);
    const patch = await send("PATCH", location, { body: randomBytes(10), headers });
    expect([patch.status, patch.headers.get("Range")]).toEqual([202, "0-9"]);
    await known.expectUnchanged();
  });
});

test.each([
  ["5", /(6|10) bytes, not 5$/],
  ["20", /10 bytes, not 20$/],
  ["0", /\d+ bytes, not 0$/],
])("a PATCH of 10 bytes with Content-Length %s is 400", async (length, message) => {
  const headers = { "Content-Length": length };
  const response = await send("PATCH", known.session, { body: stream(randomBytes(10)), headers });
  await known.expectRefused(response, [400, "SIZE_INVALID", message]);
});

test("a PATCH of 2^53 bytes and more is 413 before one is read", async () => {
  const headers = { "Content-Length": "9007199254740993" };
  const response = await send("PATCH", known.session, { body: stream(randomBytes(10)), headers });
  const message = /blob too large: at most \d+ bytes$/;
  await known.expectRefused(response, [413, "SIZE_INVALID", message]);
});

test("a body that breaks off leaves the session as it was", async () => {
  const client = new AbortController();
  const body = unfinishedStream(randomBytes(1000), () => client.abort());
  const { signal } = client;
  await expect(send("PATCH", known.session, { body, signal })).rejects.toThrow();
  await known.expectUnchanged();
});

describe("a closing PUT", () => {
  test.each([
    ["without a digest", "", /the query has no digest=<algorithm>:<hex>$/],
    ["with another parameter", `?Digest=${digest}`, /the query has no digest=/],
    ["with an empty digest", "?digest=", /: ""$/],
    ["with no value", "?digest", /: ""$/],
    ["with a word", "?digest=foo", /: "foo"$/],
    ["with hex digits alone", `?digest=${hex}`, /: "0{64}"$/],
    ["with an algorithm alone", "?digest=sha256:", /: "sha256:"$/],
    ["with md5", `?digest=md5:${"0".repeat(32)}`, /: "md5:0{32}"$/],
    ["with sha1", `?digest=sha1:${"0".repeat(40)}`, /: "sha1:0{40}"$/],
    ["with sha384", `?digest=sha384:${"0".repeat(96)}`, /: "sha384:0{96}"$/],
    ["with an algorithm of the prototype", `?digest=__proto__:${hex}`, /: "__proto__:0{64}"$/],
    ["with another one of it", `?digest=toString:${hex}`, /: "toString:0{64}"$/],
    [
      "with its digest in upper case",
      `?digest=${digest.toUpperCase()}`,
      /: "SHA256:[0-9A-F]{64}"$/,
    ],
    ["with a digit less", `?digest=${digest.slice(0, -1)}`, /: "sha256:[0-9a-f]{63}"$/],
    ["with a digit more", `?digest=${digest}0`, /: "sha256:[0-9a-f]{65}"$/],
    ["with a NUL behind it", `?digest=${digest}%00`, /: "sha256:[0-9a-f]{64}\0"$/],
    ["with a line's end behind it", `?digest=${digest}%0A`, /: "sha256:[0-9a-f]{64}\n"$/],
    ["with a colon that is escaped twice", `?digest=sha256%253A${hex}`, /: "sha256%3A0{64}"$/],
    ["with a path", "?digest=sha256:../../etc/passwd", /: "sha256:\.\.\/\.\.\/etc\/passwd"$/],
    ["with no UTF-8", "?digest=%ff", /: "%ff"$/],
    ["with a percent sign", "?digest=%", /: "%"$/],
    ["with 10,000 characters", `?digest=sha256:${"0".repeat(10_000)}`, /: "sha256:0{293}"$/],
    ["with two digests", `?digest=${digest}&digest=sha256:${hex}`, /two digests, /],
    ["with two digests, the other way", `?digest=sha256:${hex}&digest=${digest}`, /two digests, /],
    ["with a digest and none", `?digest=${digest}&digest=`, /two digests, /],
    ["with another digest", `?digest=sha256:${hex}`, /the bytes .*sha256:/],
    ["with another digest by sha512", `?digest=sha512:${hex}${hex}`, /the bytes .*sha512:/],
    ["with the empty digest", `?digest=${digestOf("")}`, /the bytes .*sha256:/],
  ])("%s is 400", async (_case, query, message) => {
    const response = await send("PUT", known.session + query);
    await known.expectRefused(response, [400, "DIGEST_INVALID", message]);
  });

  test.each([
    ["with a last chunk and another digest", { "Content-Range": "500-999" }],
    ["with a last chunk without Content-Range, and another digest", {}],
  ])("%s is 400", async (_case, headers) => {
    for (const body of [upload.slice(500), stream(upload.slice(500))]) {
      const path = `${known.session}?digest=sha256:${hex}`;
      // oxlint-disable-next-line no-await-in-loop
      const response = await send("PUT", path, { body, headers });
      // oxlint-disable-next-line no-await-in-loop
      await known.expectRefused(response, [400, "DIGEST_INVALID", /the bytes .*sha256:/]);
    }
  });

  test.each([
    ["with two equal digests", (of: string) => `?digest=${of}&digest=${of}`],
    ["with parameters that nobody knows", (of: string) => `?a=1&digest=${of}&ns=docker.io`],
    ["with an escaped digest", (of: string) => `?digest=${encodeURIComponent(of)}`],
    ["with escaped digits", (of: string) => `?digest=${of.replace("sha256:", "sh%61256%3A")}`],
  ])("%s is 201", async (_case, query) => {
    const bytes = randomBytes(100);
    const location = await startUpload(known.name);
    await send("PATCH", location, { body: bytes });
    const put = await send("PUT", location + query(digestOf(bytes)));
    expect(put.status).toBe(201);
    expect(put.headers.get("Docker-Content-Digest")).toBe(digestOf(bytes));
    await known.expectUnchanged();
  });

  test("with wrong digests first and the right one then is 201, and again 201", async () => {
    const bytes = randomBytes(100);
    const location = await startUpload(known.name);
    await send("PATCH", location, { body: bytes });
    for (const wrong of ["", "?digest=foo", `?digest=sha256:${hex}`, `?digest=${digestOf("")}`]) {
      // oxlint-disable-next-line no-await-in-loop
      expect((await send("PUT", location + wrong)).status).toBe(400);
    }
    for (const attempt of ["right", "again"]) {
      // oxlint-disable-next-line no-await-in-loop
      const put = await send("PUT", `${location}?digest=${digestOf(bytes)}`);
      expect([attempt, put.status]).toEqual([attempt, 201]);
    }
    const head = await send("HEAD", `/v2/${known.name}/blobs/${digestOf(bytes)}`);
    expect(head.headers.get("Content-Length")).toBe("100");
  });
});

describe("a whole blob", () => {
  const bytes = randomBytes(1000);
  const right = digestOf(bytes);
  const held = digestOf("held");
  beforeAll(async () => {
    await pushBlob(newRepository(), "held");
  });

  /** Both requests that bring one. */
  const starts: [string, () => Promise<string>][] = [
    ["POST", async () => `/v2/${known.name}/blobs/uploads/`],
    ["PUT", () => startUpload(known.name)],
  ];

  describe.each(starts)("by %s", (method, start) => {
    test.each([
      ["another digest", `?digest=sha256:${hex}`, new RegExp(`the bytes .*sha256:${hex}`)],
      ["another digest by sha512", `?digest=sha512:${hex}${hex}`, /the bytes .*sha512:0{128}/],
      [
        "the digest of a blob that another repository has",
        `?digest=${held}`,
        /the bytes .*sha256:/,
      ],
      ["a word", "?digest=foo", /: "foo"$/],
      ["an empty digest", "?digest=", /: ""$/],
      ["md5", `?digest=md5:${"0".repeat(32)}`, /: "md5:0{32}"$/],
      ["sha1", `?digest=sha1:${"0".repeat(40)}`, /: "sha1:0{40}"$/],
      ["upper case", `?digest=${right.toUpperCase()}`, /: "SHA256:[0-9A-F]{64}"$/],
      ["a digit less", `?digest=${right.slice(0, -1)}`, /: "sha256:[0-9a-f]{63}"$/],
      ["two digests", `?digest=${right}&digest=${held}`, /two digests, /],
      ["a path", "?digest=../../etc/passwd", /: "\.\.\/\.\.\/etc\/passwd"$/],
    ])("with %s is 400, and nothing is readable by it", async (_case, query, message) => {
      for (const body of [bytes, stream(bytes)]) {
        /* oxlint-disable no-await-in-loop */
        const response = await send(method, (await start()) + query, { body });
        await known.expectRefused(response, [400, "DIGEST_INVALID", message]);
        for (const unreadable of [right, held, `sha256:${hex}`]) {
          const head = await send("HEAD", `/v2/${known.name}/blobs/${unreadable}`);
          expect(head.status).toBe(404);
        }
        /* oxlint-enable no-await-in-loop */
      }
    });

    test.each<[string, (blob: Uint8Array<ArrayBuffer>) => BodyInit]>([
      ["a length", (blob) => blob],
      ["a stream", (blob) => stream(blob)],
    ])("as %s, after wrong digests, is 201 by the same Location", async (_form, body) => {
      const blob = randomBytes(1000);
      const location = await start();
      for (const wrong of [`sha256:${hex}`, "foo"]) {
        // oxlint-disable-next-line no-await-in-loop
        const refused = await send(method, `${location}?digest=${wrong}`, { body: body(blob) });
        expect(refused.status).toBe(400);
      }
      const path = `${location}?digest=${digestOf(blob)}`;
      const put = await send(method, path, { body: body(blob) });
      expect(put.status).toBe(201);
      const got = await send("GET", `/v2/${known.name}/blobs/${digestOf(blob)}`);
      expect(digestOf(await got.bytes())).toBe(digestOf(blob));
    });
  });
});

describe("the start of a session", () => {
  test.each([
    ["an unknown algorithm", "digest-algorithm=whirlpool", /digest-algorithm is "whirlpool"$/],
    ["md5", "digest-algorithm=md5", /digest-algorithm is "md5"$/],
    ["an algorithm in upper case", "digest-algorithm=SHA256", /digest-algorithm is "SHA256"$/],
    ["no algorithm", "digest-algorithm=", /digest-algorithm is ""$/],
    ["a digest for an algorithm", `digest-algorithm=${digest}`, /digest-algorithm is "sha256:/],
    ["a word of the prototype", "digest-algorithm=toString", /digest-algorithm is "toString"$/],
    ["1,000 characters", `digest-algorithm=${"x".repeat(1000)}`, /digest-algorithm is "x{100}"$/],
  ])("with %s is 400", async (_case, query, message) => {
    const response = await send("POST", `/v2/${known.name}/blobs/uploads/?${query}`);
    await known.expectRefused(response, [400, "DIGEST_INVALID", message]);
  });

  const { layer } = known;
  test.each([
    ["a digest that nobody has", `mount=sha256:${hex}&from=${known.name}`],
    ["a digest that nobody has, from anywhere", `mount=sha256:${hex}`],
    ["a word", `mount=foo&from=${known.name}`],
    ["an empty digest", `mount=&from=${known.name}`],
    ["no value", "mount"],
    ["md5", `mount=md5:${"0".repeat(32)}&from=${known.name}`],
    ["upper case", `mount=${layer.digest.toUpperCase()}&from=${known.name}`],
    ["a digit less", `mount=${layer.digest.slice(0, -1)}&from=${known.name}`],
    ["a NUL behind the digest", `mount=${layer.digest}%00&from=${known.name}`],
    ["no UTF-8", `mount=%ff&from=${known.name}`],
    ["10,000 characters", `mount=sha256:${"0".repeat(10_000)}`],
    ["from a repository that is not there", `mount=${layer.digest}&from=team/none`],
    ["from upper case", `mount=${layer.digest}&from=TEAM/App`],
    ["from a path", `mount=${layer.digest}&from=../../${known.name}`],
    ["from nothing", `mount=${layer.digest}&from=`],
    ["from no UTF-8", `mount=${layer.digest}&from=%ff`],
    ["from a NUL", `mount=${layer.digest}&from=${known.name}%00`],
    ["from 10,000 characters", `mount=${layer.digest}&from=${"a".repeat(10_000)}`],
    ["a manifest's digest", `mount=${known.image.digest}&from=${known.name}`],
    ["from alone", `from=${known.name}`],
  ])("with a mount of %s is 202 with a session that takes the blob", async (_case, query) => {
    const target = newRepository();
    const response = await send("POST", `/v2/${target}/blobs/uploads/?${query}`);
    expect(response.status).toBe(202);
    const location = response.headers.get("Location") ?? "";
    const bytes = randomBytes(10);
    const put = await send("PUT", `${location}?digest=${digestOf(bytes)}`, { body: bytes });
    expect(put.status).toBe(201);
    expect((await send("HEAD", `/v2/${target}/blobs/${layer.digest}`)).status).toBe(404);
    await known.expectUnchanged();
  });
});

/** Every request on a session. */
const requests: [string, string][] = [
  ["GET", ""],
  ["PATCH", ""],
  ["PUT", `?digest=${digest}`],
  ["DELETE", ""],
];

function request(method: string, path: string): Promise<Response> {
  return send(method, path, { body: method === "PATCH" ? "chunk" : null });
}

/** A Location with another last segment. */
function withId(location: string, id: string): string {
  return location.slice(0, location.lastIndexOf("/") + 1) + id;
}

function idOf(location: string): string {
  return location.slice(location.lastIndexOf("/") + 1);
}

function flipped(text: string, at: number): string {
  return text.slice(0, at) + (text.charAt(at) === "A" ? "B" : "A") + text.slice(at + 1);
}

function noSuch(name: string): Refused {
  const message = new RegExp(`upload unknown to registry: no such session in ${name}$`);
  return [404, "BLOB_UPLOAD_UNKNOWN", message];
}

describe.each(requests)("%s%s", (method, query) => {
  test.each<[string, (id: string) => string]>([
    ["never given", () => "A".repeat(52)],
    ["that is a UUID", () => crypto.randomUUID()],
    ["that is a digest", () => digest],
    ["that is one letter", () => "x"],
    ["of 10,000 letters", () => "A".repeat(10_000)],
    ["that is shorter", (id) => id.slice(0, -1)],
    ["that is longer", (id) => `${id}A`],
    ["that is twice itself", (id) => id + id],
    ["with padding", (id) => `${id}=`],
    ["in upper case", (id) => id.toUpperCase()],
    ["with another first letter", (id) => flipped(id, 0)],
    ["with another name", (id) => flipped(id, 10)],
    ["with another time", (id) => flipped(id, 26)],
    ["with other flags", (id) => flipped(id, 30)],
    ["with another seal", (id) => flipped(id, 40)],
    ["with another last letter", (id) => flipped(id, id.length - 1)],
    ["with a letter that none has", (id) => `${id.slice(0, 5)}!${id.slice(5)}`],
    ["with a NUL", (id) => `${id}%00`],
    ["with a space", (id) => `${id}%20`],
    ["that is a path", () => "..%2F..%2F_catalog"],
    ["that is no UTF-8", () => "%ff%fe"],
    ["that is a percent sign", () => "%"],
  ])("of an id %s is 404", async (_case, change) => {
    const location = withId(known.session, change(idOf(known.session)));
    await known.expectRefused(await request(method, location + query), noSuch(known.name));
  });

  test("of the session under another repository is 404", async () => {
    const theirs = newRepository();
    const location = known.session.replace(known.name, theirs);
    await known.expectRefused(await request(method, location + query), noSuch(theirs));
  });

  test("of a session that was cancelled is 404", async () => {
    const location = await startUpload(known.name);
    await send("PATCH", location, { body: upload });
    expect((await send("DELETE", location)).status).toBe(204);
    const message = /upload unknown to registry: it was closed, cancelled or expired$/;
    const refused: Refused = [404, "BLOB_UPLOAD_UNKNOWN", message];
    await known.expectRefused(await request(method, location + query), refused);
  });

  test("of a session that was closed is 404", async () => {
    const location = await startUpload(known.name);
    const body = randomBytes(10);
    await send("PATCH", location, { body });
    expect((await send("PUT", `${location}?digest=${digestOf(body)}`)).status).toBe(201);
    const message = /upload unknown to registry: it was closed, cancelled or expired$/;
    const refused: Refused = [404, "BLOB_UPLOAD_UNKNOWN", message];
    await known.expectRefused(await request(method, location + query), refused);
  });
});

/** Calls `work` with each number below 1,000, 50 at a time: more would wait for each other. */
async function thousandTimes<T>(work: (at: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  while (results.length < 1000) {
    const batch = Array.from({ length: 50 }, (_, at) => work(results.length + at));
    // oxlint-disable-next-line no-await-in-loop
    results.push(...(await Promise.all(batch)));
  }
  return results;
}

test("1,000 sessions that are open at once each take their own blob", async () => {
  const repository = newRepository();
  const text = (at: number) => `${repository} ${String(at).padStart(3, "0")}`;
  const locations = await thousandTimes(() => startUpload(repository));
  expect(new Set(locations).size).toBe(1000);
  // One in ten has its bytes before the others close: the rest are as open, and brought whole.
  const ranges = await thousandTimes(async (at) => {
    if (at % 10 !== 0) return null;
    const patch = await send("PATCH", locations[at] ?? "", { body: text(at) });
    return patch.headers.get("Range");
  });
  expect(ranges).toEqual(ranges.map((_, at) => (at % 10 === 0 ? "0-45" : null)));
  const puts = await thousandTimes(async (at) => {
    const body = at % 10 === 0 ? null : text(at);
    const path = `${locations[at] ?? ""}?digest=${digestOf(text(at))}`;
    return (await send("PUT", path, { body })).status;
  });
  expect(new Set(puts)).toEqual(new Set([201]));
  const blobs = await thousandTimes(async (at) => {
    const head = await send("HEAD", `/v2/${repository}/blobs/${digestOf(text(at))}`);
    return head.status;
  });
  expect(new Set(blobs)).toEqual(new Set([200]));
}, 180_000);
