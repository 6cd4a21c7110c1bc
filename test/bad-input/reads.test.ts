import { beforeAll, describe, expect, test } from "vitest";
import { digestOf, newRepository, pushBlob, send } from "../client.ts";
import { KnownRepository, type Refused } from "./known-repository.ts";

const known = new KnownRepository();
beforeAll(() => known.push());

const { layer, config, image, index } = known;
const digits = "0123456789";
const ten = digestOf(digits);
const ranges = newRepository();
beforeAll(async () => {
  await pushBlob(ranges, digits);
  await pushBlob(ranges, "");
});

describe("a Range of a blob of ten bytes", () => {
  test.each([
    ["bytes=10-"],
    ["bytes=10-20"],
    ["bytes=10-10"],
    ["bytes=9007199254740993-"],
    ["bytes=18446744073709551616-18446744073709551620"],
    [`bytes=${"9".repeat(400)}-`],
    ["bytes=5-2"],
    ["bytes=9-0"],
    ["bytes=20-10"],
    ["bytes=-0"],
    ["bytes=-000"],
    ["bytes=10-20,30-40"],
  ])("%s is 416 with the blob's size", async (range) => {
    const headers = { Range: range };
    const response = await send("GET", `/v2/${ranges}/blobs/${ten}`, { headers });
    expect(response.headers.get("Content-Range")).toBe("bytes */10");
    const refused: Refused = [416, "RANGE_INVALID", /not satisfiable: the blob has 10 bytes$/];
    await known.expectRefused(response, refused);
  });

  test.each([["bytes=0-0"], ["bytes=0-"], ["bytes=-1"], ["bytes=-9007199254740993"]])(
    "%s of an empty blob is 416 with size 0",
    async (range) => {
      const headers = { Range: range };
      const response = await send("GET", `/v2/${ranges}/blobs/${digestOf("")}`, { headers });
      expect(response.headers.get("Content-Range")).toBe("bytes */0");
      const refused: Refused = [416, "RANGE_INVALID", /not satisfiable: the blob has 0 bytes$/];
      await known.expectRefused(response, refused);
    },
  );

  test.each([
    ["lines=1-2"],
    ["lines=-1"],
    ["seconds=1-2"],
    ["bytes"],
    ["bytes="],
    ["bytes=-"],
    ["bytes=a-b"],
    ["bytes=0x0-0x5"],
    ["bytes=1.0-2.0"],
    ["bytes=1e1-1e2"],
    ["bytes=--5"],
    ["bytes=-5-"],
    ["bytes=-1--5"],
    ["bytes=+1-5"],
    ["bytes=1-2-3"],
    ["bytes=1"],
    ["bytes: 1-2"],
    ["bytes 1-2"],
    ["bytes =1-2"],
    ["bytes=1 - 2"],
    ["bytes=1- 2"],
    ["bytes=1-2;q=1"],
    ["1-2"],
    ["=1-2"],
    ["bytes=0-1,4-5"],
    ["bytes=0-1, 4-5"],
    ["bytes=0-9,0-9,0-9"],
    ["bytes=5-2,0-1"],
    ["bytes=0-0,100-"],
    ["bytes=0-0,"],
    [`bytes=${"0-0,".repeat(2000)}0-0`],
    [`bytes=${Array.from({ length: 2000 }, (_, at) => `${at}-${at}`).join(",")}`],
    [`${"b".repeat(10_000)}=1-2`],
  ])("%s is ignored, and the blob answered whole", async (range) => {
    const headers = { Range: range };
    const response = await send("GET", `/v2/${ranges}/blobs/${ten}`, { headers });
    expect(response.status).toBe(200);
    expect(response.headers.get("Content-Range")).toBeNull();
    expect(response.headers.get("Content-Length")).toBe("10");
    expect(new TextDecoder().decode(await response.bytes())).toBe(digits);
  });

  test.each([
    ["bytes=5-99999999999999999999", "5-9", "56789"],
    [`bytes=0-${"9".repeat(400)}`, "0-9", digits],
    [`bytes=-${"9".repeat(400)}`, "0-9", digits],
    ["bytes=-500", "0-9", digits],
    ["bytes=5-10", "5-9", "56789"],
    ["bytes=00005-00006", "5-6", "56"],
    ["bytes=9-9", "9-9", "9"],
    ["bytes= 1-2", "1-2", "12"],
  ])("%s is cut to %s", async (range, part, expected) => {
    const headers = { Range: range };
    const response = await send("GET", `/v2/${ranges}/blobs/${ten}`, { headers });
    expect(response.status).toBe(206);
    expect(response.headers.get("Content-Range")).toBe(`bytes ${part}/10`);
    expect(new TextDecoder().decode(await response.bytes())).toBe(expected);
  });
});

const hex = "0".repeat(64);

/** Digests that are none, as they stand in a path. Those with a colon are no tags either. */
const malformed: [string][] = [
  [`sha256:${hex.slice(1)}`],
  [`sha256:${hex}0`],
  ["sha256:"],
  [":"],
  [`:${hex}`],
  ["sha256:xyz"],
  [`sha256:${"A".repeat(64)}`],
  [`sha256:${"g".repeat(64)}`],
  [`SHA256:${hex}`],
  [`sha256::${hex}`],
  [`sha256:${hex}:`],
  [`sha512:${hex}`],
  [`sha256:${hex}${hex}`],
  [`md5:${"0".repeat(32)}`],
  [`sha1:${"0".repeat(40)}`],
  [`sha384:${"0".repeat(96)}`],
  [`__proto__:${hex}`],
  [`constructor:${hex}`],
  [`sha256+b64:${"A".repeat(43)}`],
  [`sha256:${hex}%0A`],
  [`sha256:${hex}%00`],
  [`sha256:${hex}%20`],
  [`%20sha256:${hex}`],
  [`sha256:%2e%2e%2f${hex.slice(3)}`],
  [`..%2Fsha256:${hex}`],
  [`sha256%3A%3A${hex}`],
  [`${layer.digest}@${layer.digest}`],
  [`sha256:${"0".repeat(10_000)}`],
];

/** The error names the digest as it came, but for its colon. */
const quotedDigest = /provided digest did not match uploaded content: "[^"]+"?/;

describe.each([["GET"], ["DELETE"]])("%s", (method) => {
  test.each(malformed)("of a blob by %s is 400", async (digest) => {
    const response = await send(method, `/v2/${known.name}/blobs/${digest}`);
    await known.expectRefused(response, [400, "DIGEST_INVALID", quotedDigest]);
  });

  test.each([
    ["sha256"],
    ["latest"],
    [hex],
    [`sha256-${hex}`],
    ["..%2F..%2Fetc%2Fpasswd"],
    ["%"],
    ["%ff"],
    ["%00"],
    [`sha256%253A${hex}`],
  ])("of a blob by %s, which has no colon, is 400", async (digest) => {
    const response = await send(method, `/v2/${known.name}/blobs/${digest}`);
    await known.expectRefused(response, [400, "DIGEST_INVALID", quotedDigest]);
  });

  test.each(malformed)("of a manifest by %s is 400", async (digest) => {
    const response = await send(method, `/v2/${known.name}/manifests/${digest}`);
    await known.expectRefused(response, [400, "DIGEST_INVALID", quotedDigest]);
  });

  test.each([
    ["a layer's digest", layer.digest],
    ["a config's digest", config.digest],
    ["a digest that nobody pushed", `sha256:${hex}`],
    ["a digest by sha512 that nobody pushed", `sha512:${hex}${hex}`],
  ])("of a manifest by %s is 404", async (_case, digest) => {
    const response = await send(method, `/v2/${known.name}/manifests/${digest}`);
    const message = new RegExp(`manifest unknown: ${digest}$`);
    await known.expectRefused(response, [404, "MANIFEST_UNKNOWN", message]);
  });

  test.each([
    ["a manifest's digest", image.digest],
    ["an index's digest", index.digest],
    ["a digest that nobody pushed", `sha256:${hex}`],
    ["the digest of a blob of another repository", ten],
  ])("of a blob by %s is 404", async (_case, digest) => {
    const response = await send(method, `/v2/${known.name}/blobs/${digest}`);
    const message = new RegExp(`blob unknown to registry: ${digest}$`);
    await known.expectRefused(response, [404, "BLOB_UNKNOWN", message]);
  });
});

test.each(malformed)("HEAD of a blob or manifest by %s is 400 without a body", async (digest) => {
  for (const noun of ["blobs", "manifests"]) {
    // oxlint-disable-next-line no-await-in-loop
    const response = await send("HEAD", `/v2/${known.name}/${noun}/${digest}`);
    // oxlint-disable-next-line no-await-in-loop
    expect([response.status, await response.text()]).toEqual([400, ""]);
  }
  await known.expectUnchanged();
});

test.each([
  ["a manifest by a layer's digest", `manifests/${layer.digest}`],
  ["a manifest by a tag that nobody pushed", "manifests/none"],
  ["a blob by a manifest's digest", `blobs/${image.digest}`],
  ["a blob that nobody pushed", `blobs/sha256:${hex}`],
])("HEAD of %s is 404 without a body", async (_case, path) => {
  const response = await send("HEAD", `/v2/${known.name}/${path}`);
  expect([response.status, await response.text()]).toEqual([404, ""]);
  await known.expectUnchanged();
});

describe("a blob or manifest that another one needs", () => {
  test.each([
    ["a layer", layer.digest],
    ["a config", config.digest],
  ])("%s is not deleted: 405 names the manifest", async (_case, digest) => {
    const response = await send("DELETE", `/v2/${known.name}/blobs/${digest}`);
    const message = new RegExp(`unsupported: manifest ${image.digest} uses the blob`);
    await known.expectRefused(response, [405, "UNSUPPORTED", message]);
  });
});

const paths: [string, string[], string][] = [
  ["/v2/", ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"], "GET, HEAD"],
  ["/v2/_catalog", ["POST", "PUT", "PATCH", "DELETE"], "GET, HEAD"],
  [`/v2/${known.name}/tags/list`, ["POST", "PUT", "PATCH", "DELETE"], "GET, HEAD"],
  [`/v2/${known.name}/referrers/${image.digest}`, ["POST", "PUT", "DELETE"], "GET, HEAD"],
  [`/v2/${known.name}/blobs/${layer.digest}`, ["POST", "PUT", "PATCH"], "GET, HEAD, DELETE"],
  [`/v2/${known.name}/manifests/latest`, ["POST", "PATCH", "LOCK"], "PUT, GET, HEAD, DELETE"],
  [`/v2/${known.name}/blobs/uploads/`, ["GET", "PUT", "PATCH", "DELETE"], "POST"],
  [`/v2/${known.name}/blobs/uploads/id`, ["POST", "MKCOL"], "PATCH, PUT, GET, HEAD, DELETE"],
];

describe.each(paths)("%s", (path, methods, allowed) => {
  test.each(methods.map((method) => [method]))(`%s is 405, not ${allowed}`, async (method) => {
    for (const body of [null, "x".repeat(100_000)]) {
      if (method === "GET" && body !== null) continue;
      // oxlint-disable-next-line no-await-in-loop
      const response = await send(method, path, { body });
      expect(response.headers.get("Allow")).toBe(`${allowed}, OPTIONS`);
      const message = new RegExp(`the operation is unsupported: ${method} on this route$`);
      // oxlint-disable-next-line no-await-in-loop
      await known.expectRefused(response, [405, "UNSUPPORTED", message]);
    }
  });
});
