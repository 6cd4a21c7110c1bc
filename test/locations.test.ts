import { describe, expect, test } from "vitest";
import {
  digestOf,
  indexOf,
  newRepository,
  ociIndex,
  pushBlob,
  randomBytes,
  startUpload,
} from "./client.ts";
import { sendTo } from "./configured.ts";

const blob = randomBytes(10);
const digest = digestOf(blob);

/** Each request whose answer has a Location, and what its path begins with. */
const rows: [string, (repository: string) => Promise<[string, string, RequestInit]>, RegExp][] = [
  [
    "a new session",
    async (repository) => ["POST", `/v2/${repository}/blobs/uploads/`, {}],
    /\/blobs\/uploads\/[\w-]+$/,
  ],
  [
    "a chunk",
    async (repository) => ["PATCH", await startUpload(repository), { body: blob }],
    /\/blobs\/uploads\/[\w-]+$/,
  ],
  [
    "a chunk out of order",
    async (repository) => {
      const headers = { "Content-Range": "5-14" };
      return ["PATCH", await startUpload(repository), { body: blob, headers }];
    },
    /\/blobs\/uploads\/[\w-]+$/,
  ],
  [
    "a session's status",
    async (repository) => ["GET", await startUpload(repository), {}],
    /\/blobs\/uploads\/[\w-]+$/,
  ],
  [
    "a blob",
    async (repository) => [
      "PUT",
      `${await startUpload(repository)}?digest=${digest}`,
      { body: blob },
    ],
    /\/blobs\/sha256:[0-9a-f]{64}$/,
  ],
  [
    "a mounted blob",
    async (repository) => {
      const source = newRepository();
      const mount = await pushBlob(source, randomBytes(10));
      return ["POST", `/v2/${repository}/blobs/uploads/?mount=${mount}&from=${source}`, {}];
    },
    /\/blobs\/sha256:[0-9a-f]{64}$/,
  ],
  [
    "a manifest",
    async (repository) => [
      "PUT",
      `/v2/${repository}/manifests/v1`,
      { body: indexOf(), headers: { "Content-Type": ociIndex } },
    ],
    /\/manifests\/sha256:[0-9a-f]{64}$/,
  ],
];

describe.each([
  ["no REGISTRY_URL", undefined, ""],
  ["REGISTRY_URL", "https://registry.example.com:8443", "https://registry.example.com:8443"],
  ["REGISTRY_URL with a slash at its end", "http://[::1]:5000/", "http://[::1]:5000"],
])("with %s", (_case, url, origin) => {
  test.each(rows)(`the Location of %s begins with "${origin}"`, async (_noun, request, end) => {
    const repository = newRepository();
    const [method, path, init] = await request(repository);
    const response = await sendTo({ REGISTRY_URL: url }, method, path, init);
    const location = response.headers.get("Location") ?? "";
    expect(location.startsWith(`${origin}/v2/${repository}/`)).toBe(true);
    expect(location).toMatch(end);
  });
});

test("a Link stays relative: ggcr and oras refuse another origin", async () => {
  const repository = newRepository();
  const variables = { REGISTRY_URL: "https://registry.example.com" };
  for (const tag of ["a", "b"]) {
    const init = { body: indexOf(), headers: { "Content-Type": ociIndex } };
    // oxlint-disable-next-line no-await-in-loop
    await sendTo(variables, "PUT", `/v2/${repository}/manifests/${tag}`, init);
  }
  const response = await sendTo(variables, "GET", `/v2/${repository}/tags/list?n=1`);
  expect(response.headers.get("Link")).toBe(`</v2/${repository}/tags/list?n=1&last=a>; rel="next"`);
});
