import { describe, expect, test } from "vitest";
import {
  digestOf,
  indexOf,
  newRepository,
  ociIndex,
  pushBlob,
  putManifest,
  send,
} from "./client.ts";

const digest = `sha256:${"0".repeat(64)}`;
const good = newRepository();

/** One request for each row of the table of errors that a client can meet. */
const rows: [string, number, () => Promise<Response>][] = [
  ["BLOB_UNKNOWN", 404, () => send("GET", `/v2/${good}/blobs/${digest}`)],
  ["BLOB_UPLOAD_UNKNOWN", 404, () => send("GET", `/v2/${good}/blobs/uploads/none`)],
  ["DIGEST_INVALID", 400, () => send("GET", `/v2/${good}/blobs/sha256:x`)],
  [
    "MANIFEST_BLOB_UNKNOWN",
    400,
    () => putManifest(good, "x", indexOf([{ mediaType: "a/b", digest, size: 1 }]), ociIndex),
  ],
  ["MANIFEST_INVALID", 400, () => putManifest(good, "x", "{}", ociIndex)],
  ["MANIFEST_INVALID", 413, () => putManifest(good, "x", " ".repeat(4_194_305), ociIndex)],
  ["MANIFEST_UNKNOWN", 404, () => send("GET", `/v2/${good}/manifests/none`)],
  ["NAME_INVALID", 400, () => send("GET", "/v2/UPPER/tags/list")],
  ["NAME_UNKNOWN", 404, () => send("GET", `/v2/${newRepository()}/tags/list`)],
  ["NAME_UNKNOWN", 404, () => send("GET", "/nowhere")],
  ["PAGINATION_NUMBER_INVALID", 400, () => send("GET", "/v2/_catalog?n=x")],
  [
    "RANGE_INVALID",
    416,
    async () => {
      const path = `/v2/${good}/blobs/${await pushBlob(good, "x")}`;
      return send("GET", path, { headers: { Range: "bytes=5-" } });
    },
  ],
  ["TAG_INVALID", 400, () => send("GET", `/v2/${good}/manifests/-`)],
  ["UNSUPPORTED", 405, () => send("POST", "/v2/_catalog")],
];

test.each(rows)(
  "%s is %i, in JSON, with what was wrong and what to do",
  async (code, status, ask) => {
    const response = await ask();
    expect(response.status).toBe(status);
    expect(response.headers.get("Content-Type")).toBe("application/json");
    expect(response.headers.get("Docker-Distribution-API-Version")).toBe("registry/2.0");
    expect(response.headers.get("Cache-Control")).toBe("no-store");
    const text = await response.text();
    expect(response.headers.get("Content-Length")).toBe(
      String(new TextEncoder().encode(text).length),
    );
    const filled = expect.stringMatching(/^.{10,}$/) as string;
    expect(JSON.parse(text)).toEqual({ errors: [{ code, message: filled, detail: filled }] });
  },
);

test.each([
  ["a name", `/v2/${"X".repeat(5000)}/tags/list`],
  ["a tag", `/v2/${good}/manifests/${"x".repeat(5000)}`],
  ["a digest", `/v2/${good}/blobs/sha256:${"x".repeat(5000)}`],
  ["n", `/v2/_catalog?n=${"x".repeat(5000)}`],
  ["a path", `/nowhere/${"x".repeat(5000)}`],
])("an error that repeats %s of 5,000 characters stays short", async (_case, path) => {
  const response = await send("GET", path);
  expect(response.status).toBeGreaterThanOrEqual(400);
  expect(response.status).toBeLessThan(500);
  expect((await response.text()).length).toBeLessThan(1000);
});

describe("a name that is none", () => {
  test.each([
    ["UPPER/x"],
    ["a//b"],
    ["/a"],
    ["a/"],
    ["-a"],
    ["a-"],
    ["a/-b"],
    ["_x"],
    ["a___b"],
    ["a..b"],
    ["a._b"],
    ["a%2fb"],
    ["a%252fb"],
    ["caf%C3%A9"],
    ["a%00"],
    ["a%20b"],
    ["a@b"],
    ["a:b"],
    ["%"],
    ["%ff"],
    ["%E0%A4%A"],
    ["a".repeat(256)],
    [`${"a/".repeat(127)}ab`],
  ])("%s is 400, whatever is asked for", async (name) => {
    const paths: [string, string][] = [
      ["GET", `/v2/${name}/tags/list`],
      ["GET", `/v2/${name}/manifests/latest`],
      ["PUT", `/v2/${name}/manifests/latest`],
      ["DELETE", `/v2/${name}/manifests/latest`],
      ["GET", `/v2/${name}/blobs/${digest}`],
      ["DELETE", `/v2/${name}/blobs/${digest}`],
      ["POST", `/v2/${name}/blobs/uploads/`],
      ["PATCH", `/v2/${name}/blobs/uploads/id`],
      ["GET", `/v2/${name}/referrers/${digest}`],
    ];
    const answers = paths.map(async ([method, path]) => {
      const response = await send(method, path);
      return [method, path, response.status, (await response.text()).includes("NAME_INVALID")];
    });
    expect(await Promise.all(answers)).toEqual(paths.map((path) => [...path, 400, true]));
  });
});

describe("a name with words of the routes", () => {
  const names = [
    "a/manifests",
    "a/blobs",
    "a/blobs/uploads",
    "a/blobs/uploads/b",
    "a/tags",
    "a/tags/list",
    "a/referrers",
    "a/manifests/latest",
    "team/gc",
    "x/insertion-y",
    "x/tags/list",
    "v2",
    "v2/a",
    "blobs",
    "manifests",
    "tags/list",
    "catalog",
    "a",
    "a".repeat(255),
    "a.b/c_d/e__f/g-h/i---j",
  ];

  test("each keeps its own manifests, tags and blobs", async () => {
    const unique = crypto.randomUUID();
    const pushed = names.map((name) => ({
      name,
      manifest: indexOf(),
      blob: `${name} ${unique}`,
      tag: digestOf(name).slice(7),
    }));
    await Promise.all(
      pushed.map(async ({ name, manifest, blob, tag }) => {
        await pushBlob(name, blob);
        const put = await putManifest(name, tag, manifest, ociIndex);
        expect([name, put.status]).toEqual([name, 201]);
      }),
    );
    for (const { name, manifest, blob, tag } of pushed) {
      /* oxlint-disable no-await-in-loop */
      const tags = await send("GET", `/v2/${name}/tags/list`);
      expect(await tags.json()).toEqual({ name, tags: [tag] });
      const byTag = await send("GET", `/v2/${name}/manifests/${tag}`);
      expect(await byTag.text()).toBe(manifest);
      for (const other of pushed) {
        const status = other.name === name ? 200 : 404;
        const blobs = await send("HEAD", `/v2/${name}/blobs/${digestOf(other.blob)}`);
        const path = `/v2/${name}/manifests/${digestOf(other.manifest)}`;
        expect([name, other.name, blobs.status]).toEqual([name, other.name, status]);
        expect((await send("HEAD", path)).status).toBe(status);
      }
      const blobPath = `/v2/${name}/blobs/${digestOf(blob)}`;
      expect(await (await send("GET", blobPath)).bytes()).toEqual(new TextEncoder().encode(blob));
      /* oxlint-enable no-await-in-loop */
    }
  });
});
