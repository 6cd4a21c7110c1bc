import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, test } from "vitest";
import { digestOf, newRepository, pushBlob, randomBytes, refusal } from "./client.ts";
import { sendTo } from "./configured.ts";
import { storedObjects } from "./durable-objects/stored-objects.ts";

const account = "0123456789abcdef0123456789abcdef";
const variables = {
  REGISTRY_R2_ACCOUNT_ID: account,
  REGISTRY_R2_BUCKET: "longshore-blobs",
  REGISTRY_R2_ACCESS_KEY_ID: "an-access-key",
  REGISTRY_R2_SECRET_ACCESS_KEY: "a-secret",
};

const bytes = randomBytes(1000);
const digest = digestOf(bytes);
let repository: string;
let path: string;

beforeAll(async () => {
  repository = newRepository();
  await pushBlob(repository, bytes);
  path = `/v2/${repository}/blobs/${digest}`;
});

/** GET of the blob with these headers; what is not answered by a redirect, is read. */
async function get(
  headers: Record<string, string> = {},
  more: Record<string, string | undefined> = {},
): Promise<Response> {
  return sendTo({ ...variables, ...more }, "GET", path, { headers });
}

test("GET of a blob is 307 to where R2 has it, for five minutes", async () => {
  const response = await get();
  expect(response.status).toBe(307);
  expect(await response.text()).toBe("");
  expect(Object.fromEntries(response.headers)).toMatchObject({
    "cache-control": "no-store",
    "content-length": "0",
    "docker-content-digest": digest,
  });
  // An entity tag would be that of the redirect.
  expect(response.headers.get("ETag")).toBeNull();
  const url = new URL(response.headers.get("Location") ?? "");
  const [object] = await storedObjects(repository);
  expect(url.origin).toBe(`https://${account}.r2.cloudflarestorage.com`);
  expect(url.pathname).toBe(`/longshore-blobs/${object?.key}`);
  expect(Object.fromEntries(url.searchParams)).toMatchObject({
    "X-Amz-Expires": "300",
    "X-Amz-SignedHeaders": "host",
    "response-content-type": "application/octet-stream",
  });
  expect(url.searchParams.get("X-Amz-Credential")).toMatch(/^an-access-key\/\d{8}\/auto\/s3\//);
});

test.each([
  ["REGISTRY_R2_URL_LIFETIME", "604800", /[?&]X-Amz-Expires=604800&/],
  ["REGISTRY_URL", "https://registry.example.com", /^https:\/\/0123456789abcdef/],
])("with %s=%s it goes to %s", async (name, value, expected) => {
  const response = await get({}, { [name]: value });
  expect(response.headers.get("Location")).toMatch(expected);
});

test("another jurisdiction's endpoint is taken as it is", async () => {
  const endpoint = `https://${account}.eu.r2.cloudflarestorage.com`;
  const more = { REGISTRY_R2_ACCOUNT_ID: undefined, REGISTRY_R2_ENDPOINT: endpoint };
  const location = (await get({}, more)).headers.get("Location") ?? "";
  expect(new URL(location).origin).toBe(endpoint);
});

describe("is answered here", () => {
  test("HEAD", async () => {
    const response = await sendTo(variables, "HEAD", path);
    expect([response.status, response.headers.get("Content-Length")]).toEqual([200, "1000"]);
  });

  test("GET where nothing of R2 is configured", async () => {
    const response = await sendTo({}, "GET", path);
    expect([response.status, response.headers.get("Content-Length")]).toEqual([200, "1000"]);
  });

  test.each([
    ["of several parts, which R2 does not send", { Range: "bytes=0-1,5-6" }, 206],
    ["that goes on if it is still the blob", { Range: "bytes=5-", "If-Range": `"${digest}"` }, 206],
    ["by who has it", { "If-None-Match": `"${digest}"` }, 304],
    ["under a condition that holds for our tag", { "If-Match": `"${digest}"` }, 200],
    ["under a condition that does not hold", { "If-Match": '"other"' }, 412],
    ["of what is beyond its end", { Range: "bytes=1000-" }, 416],
    ["by a page of another origin", { Origin: "https://ui.example.com" }, 200],
  ])("GET %s", async (_case, headers, status) => {
    expect((await get(headers)).status).toBe(status);
  });
});

test.each([
  ["a part", { Range: "bytes=5-9" }],
  ["a blob whose former one is another", { "If-None-Match": '"other"' }],
])("GET of %s is 307", async (_case, headers) => {
  expect((await get(headers)).status).toBe(307);
});

test("GET of a blob that there is not is 404", async () => {
  const missing = `/v2/${repository}/blobs/${digestOf("nobody has it")}`;
  expect(await refusal(await sendTo(variables, "GET", missing))).toEqual([404, "BLOB_UNKNOWN"]);
});

test("GET of a blob that R2 lost is 404 here, and a push repairs it", async () => {
  const other = newRepository();
  const lost = randomBytes(100);
  const lostPath = `/v2/${other}/blobs/${await pushBlob(other, lost)}`;
  expect((await sendTo(variables, "GET", lostPath)).status).toBe(307);
  for (const { key } of await storedObjects(other)) await env.BLOBS.delete(key);
  expect(await refusal(await sendTo(variables, "GET", lostPath))).toEqual([404, "BLOB_UNKNOWN"]);
  expect((await sendTo(variables, "HEAD", lostPath)).status).toBe(404);
  await pushBlob(other, lost);
  expect((await sendTo(variables, "GET", lostPath)).status).toBe(307);
});
