/** `longshore proxy` before a registry that takes short bodies alone. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { digestOf, RunningRegistry } from "../standalone/running-registry.ts";
import { Companion } from "./companion.ts";
import { askHttp, errorOf, RunningProxy } from "./running-proxy.ts";
import { noise } from "./written-image.ts";

const chunkBytes = 64 * 1024;
// What is over the limit is refused: a body that comes through has been cut.
const registry = new RunningRegistry({ REGISTRY_MAX_BODY: `${chunkBytes}` });
let proxy: RunningProxy;
let uploads = 0;

beforeAll(async () => {
  proxy = await RunningProxy.start(registry.url, ["--chunk-size", `${chunkBytes}`]);
});
afterAll(async () => {
  await proxy.stop();
});

/** Pieces of one byte more than a page: they end nowhere where chunks end. */
function* pieces(bytes: Buffer, length = 4097): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

const sizes = [
  ["no bytes", 0],
  ["one byte", 1],
  ["a chunk less a byte", chunkBytes - 1],
  ["a chunk", chunkBytes],
  ["a chunk and a byte", chunkBytes + 1],
  ["three chunks less a byte", 3 * chunkBytes - 1],
  ["three chunks", 3 * chunkBytes],
  ["three chunks and a byte", 3 * chunkBytes + 1],
] as const;

interface Blob {
  readonly repository: string;
  readonly bytes: Buffer;
  readonly digest: string;
}

/** Each way in which clients push a blob; answers the last answer. */
const ways = {
  "a PATCH without length, and an empty PUT (docker, podman)": async (blob: Blob) => {
    const location = await proxy.begin(blob.repository);
    const patched = await proxy.ask(`PATCH ${location}`, { body: pieces(blob.bytes) });
    expect([patched.status, patched.headers.range]).toEqual([
      202,
      `0-${Math.max(blob.bytes.length - 1, 0)}`,
    ]);
    return proxy.ask(`PUT ${patched.headers.location}?digest=${blob.digest}`);
  },
  "a PATCH with a length, and an empty PUT (skopeo, crane)": async (blob: Blob) => {
    const location = await proxy.begin(blob.repository);
    const patched = await proxy.ask(`PATCH ${location}`, { body: blob.bytes });
    expect(patched.status).toBe(202);
    return proxy.ask(`PUT ${patched.headers.location}?digest=${blob.digest}`);
  },
  "a whole PUT (containerd, oras, helm)": async (blob: Blob) => {
    const location = await proxy.begin(blob.repository);
    return proxy.ask(`PUT ${location}?digest=${blob.digest}`, { body: blob.bytes });
  },
  "a whole PUT without length": async (blob: Blob) => {
    const location = await proxy.begin(blob.repository);
    return proxy.ask(`PUT ${location}?digest=${blob.digest}`, { body: pieces(blob.bytes) });
  },
  "a POST with the digest": async (blob: Blob) =>
    proxy.ask(`POST /v2/${blob.repository}/blobs/uploads/?digest=${blob.digest}`, {
      body: blob.bytes,
    }),
  "a POST with the digest, without length": async (blob: Blob) =>
    proxy.ask(`POST /v2/${blob.repository}/blobs/uploads/?digest=${blob.digest}`, {
      body: pieces(blob.bytes),
    }),
  "chunks of its own, and the last one in the PUT (regctl, .NET)": async (blob: Blob) => {
    let location = await proxy.begin(blob.repository);
    const own = Math.ceil(1.5 * chunkBytes);
    let at = 0;
    for (; at + own < blob.bytes.length; at += own) {
      const body = blob.bytes.subarray(at, at + own);
      const headers = { "content-range": `${at}-${at + own - 1}` };
      const { status, headers: told } = await proxy.ask(`PATCH ${location}`, { headers, body });
      expect([status, told.range]).toEqual([202, `0-${at + own - 1}`]);
      location = told.location ?? "";
    }
    const body = blob.bytes.subarray(at);
    const range = body.length === 0 ? {} : { "content-range": `${at}-${blob.bytes.length - 1}` };
    return proxy.ask(`PUT ${location}?digest=${blob.digest}`, { headers: range, body });
  },
} satisfies Record<string, (blob: Blob) => ReturnType<RunningProxy["ask"]>>;

describe.each(Object.entries(ways))("%s", (_name, push) => {
  test.each(sizes)("stores %s as they were sent", async (_size, length) => {
    uploads += 1;
    const bytes = noise(`blob ${uploads}`, length);
    const blob = { repository: `team/app-${uploads}`, bytes, digest: digestOf(bytes) };
    const answer = await push(blob);
    expect([answer.status, answer.headers["docker-content-digest"]]).toEqual([201, blob.digest]);
    const path = `/v2/${blob.repository}/blobs/${blob.digest}`;
    const [direct, through] = await Promise.all([
      askHttp(registry.url, `GET ${path}`),
      proxy.ask(`GET ${path}`),
    ]);
    expect(direct.body.equals(bytes)).toBe(true);
    expect(through.body.equals(bytes)).toBe(true);
    expect(answer.headers.location).toBe(path);
  });
});

describe("an upload that is wrong", () => {
  const bytes = noise("wrong", 2 * chunkBytes + 5);
  const other = digestOf("other bytes");

  test("with another digest is refused in the registry's words, and leaves the session", async () => {
    const location = await proxy.begin("team/wrong");
    const patched = await proxy.ask(`PATCH ${location}`, { body: pieces(bytes) });
    const refused = await proxy.ask(`PUT ${patched.headers.location}?digest=${other}`);
    expect([refused.status, errorOf(refused).code]).toEqual([400, "DIGEST_INVALID"]);
    const closed = await proxy.ask(`PUT ${patched.headers.location}?digest=${digestOf(bytes)}`);
    expect(closed.status).toBe(201);
  });

  test.each([
    ["PUT", (location: string) => `PUT ${location}?digest=${other}`],
    ["POST", () => `POST /v2/team/wrong/blobs/uploads/?digest=${other}`],
  ])("a whole %s with another digest is refused", async (_method, line) => {
    const location = await proxy.begin("team/wrong");
    const refused = await proxy.ask(line(location), { body: bytes });
    expect([refused.status, errorOf(refused).code]).toEqual([400, "DIGEST_INVALID"]);
  });

  test.each([
    ["that is not next", `100-${100 + 2 * chunkBytes + 4}`, 416, "RANGE_INVALID"],
    ["that is none", "all of it", 416, "RANGE_INVALID"],
    ["of another length", "0-99", 400, "SIZE_INVALID"],
  ])("a chunk with a Content-Range %s is refused", async (_what, range, status, code) => {
    const location = await proxy.begin("team/wrong");
    const headers = { "content-range": range };
    const refused = await proxy.ask(`PATCH ${location}`, { headers, body: bytes });
    expect([refused.status, errorOf(refused).code]).toEqual([status, code]);
  });

  test("a chunk that was there already is told where to go on", async () => {
    const location = await proxy.begin("team/wrong");
    const headers = { "content-range": "0-9" };
    const body = bytes.subarray(0, 10);
    await proxy.ask(`PATCH ${location}`, { headers, body });
    const refused = await proxy.ask(`PATCH ${location}`, { headers, body });
    expect([refused.status, refused.headers.range]).toEqual([416, "0-9"]);
    expect(refused.headers.location).toMatch(/^\/v2\/team\/wrong\/blobs\/uploads\//);
  });

  test("to a session that is none is 404", async () => {
    const path = "/v2/team/wrong/blobs/uploads/none";
    const refused = await proxy.ask(`PATCH ${path}`, { body: pieces(bytes) });
    expect([refused.status, errorOf(refused).code]).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
  });

  test("a PUT without a digest says what to append", async () => {
    const location = await proxy.begin("team/wrong");
    const refused = await proxy.ask(`PUT ${location}`, { body: bytes });
    expect([refused.status, errorOf(refused).code]).toEqual([400, "DIGEST_INVALID"]);
    expect(errorOf(refused).detail).toContain("?digest=");
  });
});

describe("a body that breaks off", () => {
  const bytes = noise("broken", 4 * chunkBytes);

  async function* brokenOff(): AsyncGenerator<Buffer> {
    yield bytes.subarray(0, 3 * chunkBytes + 100);
    await expect.poll(() => proxy.said).toContain("team/broken");
    throw new Error("the client has gone");
  }

  test("leaves what whole chunks brought, and a new upload begins anew", async () => {
    const location = await proxy.begin("team/broken");
    await expect(proxy.ask(`PATCH ${location}`, { body: brokenOff() })).rejects.toThrow("gone");
    const status = await proxy.ask(`GET ${location}`);
    expect(status.status).toBe(204);
    const again = await proxy.begin("team/broken");
    const patched = await proxy.ask(`PATCH ${again}`, { body: pieces(bytes) });
    const digest = digestOf(bytes);
    const closed = await proxy.ask(`PUT ${patched.headers.location}?digest=${digest}`);
    expect(closed.status).toBe(201);
  });

  test("of a whole PUT is gone on with when the client sends it again", async () => {
    const whole = noise("broken put", 4 * chunkBytes);
    async function* half(): AsyncGenerator<Buffer> {
      yield whole.subarray(0, 2 * chunkBytes + 100);
      await expect
        .poll(async () => (await registry.range(location))?.replace("0--1", ""))
        .toMatch(/^0-\d{5,}$/);
      throw new Error("the client has gone");
    }
    const location = await proxy.begin("team/broken");
    const line = `PUT ${location}?digest=${digestOf(whole)}`;
    await expect(proxy.ask(line, { body: half() })).rejects.toThrow("gone");
    const closed = await proxy.ask(line, { body: whole });
    expect(closed.status).toBe(201);
  });
});

describe("all else passes", () => {
  const bytes = noise("read", 3 * chunkBytes);
  const digest = digestOf(bytes);
  const path = `/v2/team/read/blobs/${digest}`;
  const config = "{}";
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: {
      mediaType: "application/vnd.oci.empty.v1+json",
      digest: digestOf(config),
      size: config.length,
    },
    layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar", digest, size: bytes.length }],
  });

  beforeAll(async () => {
    const post = "POST /v2/team/read/blobs/uploads/?digest=";
    await proxy.ask(`${post}${digest}`, { body: bytes });
    await proxy.ask(`${post}${digestOf(config)}`, { body: Buffer.from(config) });
    const headers = { "content-type": "application/vnd.oci.image.manifest.v1+json" };
    const body = Buffer.from(manifest);
    const put = await proxy.ask("PUT /v2/team/read/manifests/v1", { headers, body });
    expect(put.status).toBe(201);
  });

  test.each([
    ["the base", "GET /v2/", {}],
    ["HEAD of a blob", `HEAD ${path}`, {}],
    ["a Range of a blob", `GET ${path}`, { range: "bytes=70000-70009" }],
    ["the end of a blob", `GET ${path}`, { range: "bytes=-10" }],
    ["several ranges", `GET ${path}`, { range: "bytes=0-9,70000-70009" }],
    ["a Range behind the end", `GET ${path}`, { range: "bytes=900000-" }],
    ["a blob that is not there", `GET /v2/team/none/blobs/${digest}`, {}],
    ["a manifest", "GET /v2/team/read/manifests/v1", {}],
    ["HEAD of a manifest", "HEAD /v2/team/read/manifests/v1", {}],
    [
      "a manifest that is not changed",
      "GET /v2/team/read/manifests/v1",
      {
        "if-none-match": `"${digestOf(manifest)}"`,
      },
    ],
    ["tags", "GET /v2/team/read/tags/list?n=1", {}],
    ["referrers", `GET /v2/team/read/referrers/${digest}`, {}],
    ["what is no route", "GET /somewhere", {}],
  ])("%s is answered as the registry answers", async (_what, line, headers) => {
    const [direct, through] = await Promise.all([
      askHttp(registry.url, line, { headers }),
      proxy.ask(line, { headers }),
    ]);
    expect(through.status).toBe(direct.status);
    expect(through.body.toString("latin1").replaceAll(/--[\w-]{20,}/g, "--")).toBe(
      direct.body.toString("latin1").replaceAll(/--[\w-]{20,}/g, "--"),
    );
    for (const name of ["content-type", "content-range", "content-length", "etag", "link"]) {
      const boundary = /boundary=.*/;
      const [one, two] = [direct.headers[name], through.headers[name]];
      expect(String(two).replace(boundary, "")).toBe(String(one).replace(boundary, ""));
    }
  });

  test("a mount from another repository", async () => {
    const line = `POST /v2/team/mounted/blobs/uploads/?mount=${digest}&from=team/read`;
    const mounted = await proxy.ask(line);
    expect([mounted.status, mounted.headers.location]).toEqual([
      201,
      `/v2/team/mounted/blobs/${digest}`,
    ]);
  });

  test("a mount that is not possible begins a session that takes the blob", async () => {
    const missing = noise("not mounted", 2 * chunkBytes);
    const line = `POST /v2/team/mounted/blobs/uploads/?mount=${digestOf(missing)}&from=team/read`;
    const begun = await proxy.ask(line);
    expect(begun.status).toBe(202);
    const put = `PUT ${begun.headers.location}?digest=${digestOf(missing)}`;
    expect((await proxy.ask(put, { body: missing })).status).toBe(201);
  });

  test("an upload's end", async () => {
    const location = await proxy.begin("team/read");
    expect((await proxy.ask(`DELETE ${location}`)).status).toBe(204);
    expect((await proxy.ask(`GET ${location}`)).status).toBe(404);
  });

  test("of a session's beginning, but for the limit", async () => {
    const through = await proxy.ask("POST /v2/team/read/blobs/uploads/");
    const direct = await askHttp(registry.url, "POST /v2/team/read/blobs/uploads/");
    const limits = (headers: typeof direct.headers) => [
      headers["oci-chunk-max-length"],
      headers["warning"],
    ];
    expect(limits(direct.headers)).not.toContain(undefined);
    expect(limits(through.headers)).toEqual([undefined, undefined]);
  });
});

describe("who may use it", () => {
  test.each([
    ["a page's own name that resolves here", { host: "evil.example" }, 403],
    ["a web page", { origin: "https://evil.example" }, 403],
    ["an image of a web page", { "sec-fetch-site": "cross-site" }, 403],
    ["a browser's address bar", { "sec-fetch-site": "none" }, 200],
    ["localhost", { host: "localhost:5050" }, 200],
    ["Docker Desktop", { host: "host.docker.internal:5050" }, 200],
  ])("%s: %j", async (_who, headers, status) => {
    expect((await proxy.ask("GET /v2/", { headers })).status).toBe(status);
  });

  test.each([
    ["//evil.example/v2/"],
    ["/\\evil.example/v2/"],
    ["/\\evil.example/v2/team/app/blobs/uploads/one"],
    ["http://evil.example/v2/"],
    ["*"],
  ])("a target that is no path of the registry is refused: %s", async (target) => {
    const refused = await proxy.ask(`GET ${target}`);
    expect([refused.status, errorOf(refused).code]).toEqual([400, "NAME_INVALID"]);
  });
});

describe("--uploads-only on another address", () => {
  let host: RunningProxy;
  beforeAll(async () => {
    const args = ["--host", "0.0.0.0", "--uploads-only", "--chunk-size", `${chunkBytes}`];
    host = await RunningProxy.start(registry.url, args);
  });
  afterAll(async () => {
    await host.stop();
  });

  test("says that others can reach it", () => {
    expect(host.said).toContain("warning: whoever reaches 0.0.0.0");
  });

  test("takes the bytes of a session that it has not seen begin", async () => {
    const bytes = noise("upload host", 3 * chunkBytes + 1);
    const { headers } = await askHttp(registry.url, "POST /v2/team/host/blobs/uploads/");
    const patched = await host.ask(`PATCH ${headers.location}`, { body: pieces(bytes) });
    expect(patched.headers.range).toBe(`0-${bytes.length - 1}`);
    const put = `PUT ${patched.headers.location}?digest=${digestOf(bytes)}`;
    expect((await host.ask(put)).status).toBe(201);
  });

  test.each([
    "GET /v2/",
    "POST /v2/team/host/blobs/uploads/",
    `POST /v2/team/host/blobs/uploads/?digest=${digestOf("")}`,
    "PUT /v2/team/host/manifests/v1",
    "DELETE /v2/team/host/manifests/v1",
    `GET /v2/team/host/blobs/${digestOf("")}`,
    "POST /_gc",
    "GET /v2/_catalog",
  ])("refuses %s", async (line) => {
    const refused = await host.ask(line);
    expect([refused.status, errorOf(refused).code]).toEqual([403, "DENIED"]);
  });
});

test("Ctrl-C ends it", async () => {
  const other = await RunningProxy.start(registry.url);
  expect(await other.stop()).toMatchObject({ code: 0, output: "" });
});

test.each([
  ["a URL that is none", ["registry"], 1, "give a URL"],
  ["a chunk size that is none", ["http://127.0.0.1:1", "--chunk-size", "many"], 2, "MiB"],
  ["a chunk size that is too small", ["http://127.0.0.1:1", "--chunk-size", "1kB"], 2, "64KiB"],
  ["a port that is none", ["http://127.0.0.1:1", "--port", "99999"], 2, "65535"],
  ["half of a pair", ["http://127.0.0.1:1", "--username", "alice"], 1, "--password-stdin"],
])("%s ends with what to do", async (_what, args, code, text) => {
  const ended = await Companion.run(["proxy", ...args]);
  expect(ended.code).toBe(code);
  expect(ended.errors).toContain(text);
});
