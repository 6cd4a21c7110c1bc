import { describe, expect, test } from "vitest";
import { digestOf, newRepository, pushBlob, randomBytes, send, stream } from "../client.ts";
import { sendTo } from "../configured.ts";

const limit = 70_000;
const variables = { REGISTRY_MAX_BODY: String(limit) };

function announced(bytes: Uint8Array<ArrayBuffer>, more: Record<string, string> = {}): RequestInit {
  return { body: bytes, headers: { "Content-Length": String(bytes.length), ...more } };
}

async function begin(repository: string): Promise<string> {
  const response = await sendTo(variables, "POST", `/v2/${repository}/blobs/uploads/`);
  return response.headers.get("Location") ?? "";
}

/** A way to send bytes: its request, to a session or to where sessions begin. */
type Way = (
  repository: string,
  bytes: Uint8Array<ArrayBuffer>,
) => Promise<[method: string, path: string, init: RequestInit]>;

const ways: [string, number, Way][] = [
  ["a PATCH", 202, async (name, bytes) => ["PATCH", await begin(name), announced(bytes)]],
  [
    "a chunk",
    202,
    async (name, bytes) => {
      const range = { "Content-Range": `0-${bytes.length - 1}` };
      return ["PATCH", await begin(name), announced(bytes, range)];
    },
  ],
  [
    "a PATCH of a stream",
    202,
    async (name, b) => ["PATCH", await begin(name), { body: stream(b) }],
  ],
  [
    "a chunk that is a stream",
    202,
    async (name, bytes) => {
      const headers = { "Content-Range": `0-${bytes.length - 1}` };
      return ["PATCH", await begin(name), { body: stream(bytes), headers }];
    },
  ],
  [
    "a PUT",
    201,
    async (name, bytes) => [
      "PUT",
      `${await begin(name)}?digest=${digestOf(bytes)}`,
      announced(bytes),
    ],
  ],
  [
    "a PUT of a stream",
    201,
    async (name, bytes) => [
      "PUT",
      `${await begin(name)}?digest=${digestOf(bytes)}`,
      { body: stream(bytes) },
    ],
  ],
  [
    "a POST",
    201,
    async (name, bytes) => [
      "POST",
      `/v2/${name}/blobs/uploads/?digest=${digestOf(bytes)}`,
      announced(bytes),
    ],
  ],
  [
    "a POST of a stream",
    201,
    async (name, bytes) => [
      "POST",
      `/v2/${name}/blobs/uploads/?digest=${digestOf(bytes)}`,
      { body: stream(bytes) },
    ],
  ],
];

describe("a request that carries as much as it may", () => {
  test.each(ways)("%s, is %i", async (_way, status, request) => {
    const [method, path, init] = await request(newRepository(), randomBytes(limit));
    expect((await sendTo(variables, method, path, init)).status).toBe(status);
  });
});

describe("a request that carries a byte more", () => {
  test.each(ways)(
    "%s, is refused, names how to push, and keeps nothing",
    async (_way, _, request) => {
      const repository = newRepository();
      const bytes = randomBytes(limit + 1);
      const [method, path, init] = await request(repository, bytes);
      const response = await sendTo(variables, method, path, init);
      expect(response.status).toBe(413);
      expect(response.headers.get("Content-Type")).toBe("application/json");
      const { errors } = await response.json<{ errors: { code: string; message: string }[] }>();
      // docker repeats neither this code nor UNSUPPORTED, podman and skopeo repeat UNSUPPORTED.
      expect(errors[0]?.code).toBe("DENIED");
      expect(errors[0]?.message).toBe(
        `request body too large: a request carries at most ${limit} bytes here, a longer layer has to come in ` +
          "chunks: push it with longshore push, or through longshore proxy",
      );
      const head = await send("HEAD", `/v2/${repository}/blobs/${digestOf(bytes)}`);
      expect(head.status).toBe(404);
      if (method === "POST") return;
      const status = await sendTo(variables, "GET", path.replace(/\?.*/, ""));
      expect(status.headers.get("Range")).toBe("0--1");
    },
  );

  test.each(ways)("%s, is taken where there is no limit", async (_way, status, request) => {
    const [method, path, init] = await request(newRepository(), randomBytes(limit + 1));
    expect((await sendTo({ REGISTRY_MAX_BODY: "" }, method, path, init)).status).toBe(status);
  });

  test("is refused whether its blob is held or not", async () => {
    const bytes = randomBytes(limit + 1);
    await pushBlob(newRepository(), bytes);
    const path = `${await begin(newRepository())}?digest=${digestOf(bytes)}`;
    expect((await sendTo(variables, "PUT", path, announced(bytes))).status).toBe(413);
  });
});

test("a blob that is longer than a request may be comes in chunks", async () => {
  const repository = newRepository();
  const bytes = randomBytes(3 * limit + 5);
  let location = await begin(repository);
  for (let at = 0; at < bytes.length; at += limit) {
    const chunk = bytes.slice(at, at + limit);
    const init = announced(chunk, { "Content-Range": `${at}-${at + chunk.length - 1}` });
    // oxlint-disable-next-line no-await-in-loop
    const patch = await sendTo(variables, "PATCH", location, init);
    expect(patch.status).toBe(202);
    location = patch.headers.get("Location") ?? "";
  }
  const put = await sendTo(variables, "PUT", `${location}?digest=${digestOf(bytes)}`);
  expect(put.status).toBe(201);
  const blob = await send("GET", `/v2/${repository}/blobs/${digestOf(bytes)}`);
  expect(digestOf(new Uint8Array(await blob.arrayBuffer()))).toBe(digestOf(bytes));
});

describe("POST tells how long chunks may be", () => {
  const eightMebibytes = String(8 * 1024 * 1024);

  test.each([
    [undefined, eightMebibytes, null],
    ["100000000", eightMebibytes, "100000000"],
    [eightMebibytes, eightMebibytes, eightMebibytes],
    ["65536", "65536", "65536"],
  ])("where REGISTRY_MAX_BODY is %s", async (value, least, most) => {
    const path = `/v2/${newRepository()}/blobs/uploads/`;
    const { headers } = await sendTo({ REGISTRY_MAX_BODY: value }, "POST", path);
    expect(headers.get("OCI-Chunk-Min-Length")).toBe(least);
    expect(headers.get("OCI-Chunk-Max-Length")).toBe(most);
  });
});

test.each<[string, Record<string, string | undefined>, string | null]>([
  ["no limit", { REGISTRY_MAX_BODY: undefined }, null],
  [
    "a limit",
    { REGISTRY_MAX_BODY: "100000000" },
    '299 - "requests carry at most 100000000 bytes here, a longer layer has to come in chunks: push it with ' +
      'longshore push, or through longshore proxy"',
  ],
  [
    "a limit, and another host that takes uploads",
    { REGISTRY_MAX_BODY: "100000000", REGISTRY_UPLOAD_URL: "https://uploads.example.com" },
    null,
  ],
])("with %s, who begins an upload is warned so", async (_case, more, warning) => {
  const response = await sendTo(more, "POST", `/v2/${newRepository()}/blobs/uploads/`);
  expect([response.status, response.headers.get("Warning")]).toEqual([202, warning]);
});
