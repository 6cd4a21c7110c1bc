import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { digestOf, indexOf, ociIndex, pushBlob, pushManifest, refusal } from "../client.ts";
import { sendTo } from "../configured.ts";
import {
  basic,
  type Credentials,
  htpasswd,
  tokenOf,
  tokenRegistry,
  type Variables,
} from "./credentials.ts";

function policyOf(permissions: readonly string[]): string {
  return JSON.stringify({
    rules: [
      { repository: "releases/**", users: ["carla"], permissions },
      { repository: "releases/**", users: ["owner"], permissions: ["pull", "push", "delete"] },
    ],
  });
}

let variables: Variables;
let repository: string;
/** What the tag `kept` names. */
const kept = indexOf();
let blob: string;

beforeAll(async () => {
  variables = await tokenRegistry({
    REGISTRY_AUTH_HTPASSWD: htpasswd({ carla: "carla's", owner: "owner's" }),
    REGISTRY_ACCESS_CONTROL_CONFIG: policyOf(["pull", "create"]),
  });
});

beforeEach(async () => {
  repository = `releases/r${crypto.randomUUID()}`;
  await pushManifest(repository, "kept", kept);
  blob = await pushBlob(repository, crypto.randomUUID());
});

const carla = basic("carla", "carla's");
const owner = basic("owner", "owner's");

function put(
  credentials: Credentials,
  reference: string,
  manifest: string,
  registry = variables,
): Promise<Response> {
  return sendTo(registry, "PUT", `/v2/${repository}/manifests/${reference}`, {
    body: manifest,
    headers: { ...credentials, "Content-Type": ociIndex },
  });
}

/** What a tag or digest names, undefined if nothing. */
async function named(reference: string): Promise<string | undefined> {
  const path = `/v2/${repository}/manifests/${reference}`;
  const response = await sendTo(variables, "GET", path, { headers: owner });
  return response.status === 200 ? response.text() : undefined;
}

/** How carla shows who she is. */
const ways: [string, () => Promise<Credentials>][] = [
  ["by password", async () => carla],
  ["by token", () => tokenOf(variables, carla, `repository:${repository}:pull,push`)],
  ["by a token for everything", () => tokenOf(variables, carla, `repository:${repository}:*`)],
];

describe.each(ways)("who may create, %s,", (_way, credentials) => {
  test("makes a new tag", async () => {
    const manifest = indexOf();
    expect((await put(await credentials(), "new", manifest)).status).toBe(201);
    expect(await named("new")).toBe(manifest);
  });

  test("does not move a tag", async () => {
    const response = await put(await credentials(), "kept", indexOf());
    expect(await refusal(response)).toEqual([403, "DENIED"]);
    expect(await named("kept")).toBe(kept);
  });

  test("is told which tag it is", async () => {
    const response = await put(await credentials(), "kept", indexOf());
    expect(await response.text()).toContain("tag kept exists");
  });

  test("pushes what a tag names once more", async () => {
    expect((await put(await credentials(), "kept", kept)).status).toBe(201);
    expect(await named("kept")).toBe(kept);
  });

  test("gives a manifest that is there another tag", async () => {
    expect((await put(await credentials(), "second", kept)).status).toBe(201);
    expect(await named("second")).toBe(kept);
  });

  test("pushes by digest", async () => {
    const manifest = indexOf();
    expect((await put(await credentials(), digestOf(manifest), manifest)).status).toBe(201);
    expect(await named(digestOf(manifest))).toBe(manifest);
  });

  test.each([
    ["the last", "one", "two", "kept"],
    ["the first", "kept", "one", "two"],
    ["one of them, twice", "one", "kept", "kept"],
  ])("makes none of the tags of a list if %s is there", async (_case, ...tags) => {
    const manifest = indexOf();
    const reference = `${digestOf(manifest)}?${tags.map((tag) => `tag=${tag}`).join("&")}`;
    const response = await put(await credentials(), reference, manifest);
    expect(await refusal(response)).toEqual([403, "DENIED"]);
    expect(await named("one")).toBeUndefined();
    expect(await named("two")).toBeUndefined();
    expect(await named(digestOf(manifest))).toBeUndefined();
    expect(await named("kept")).toBe(kept);
  });

  test("makes all new tags of a list", async () => {
    const manifest = indexOf();
    const reference = `${digestOf(manifest)}?tag=one&tag=two`;
    expect((await put(await credentials(), reference, manifest)).status).toBe(201);
    expect([await named("one"), await named("two")]).toEqual([manifest, manifest]);
  });

  test("makes a tag anew that its owner has deleted", async () => {
    const path = `/v2/${repository}/manifests/kept`;
    expect((await sendTo(variables, "DELETE", path, { headers: owner })).status).toBe(202);
    const manifest = indexOf();
    expect((await put(await credentials(), "kept", manifest)).status).toBe(201);
    expect(await named("kept")).toBe(manifest);
  });

  test("is one of two at once", async () => {
    const headers = await credentials();
    const manifests = [indexOf(), indexOf()];
    const answers = await Promise.all(manifests.map((manifest) => put(headers, "raced", manifest)));
    const statuses = answers.map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([201, 403]));
    expect(await named("raced")).toBe(manifests[statuses.indexOf(201)]);
  });

  test.each([
    ["a tag", () => "manifests/kept"],
    ["a manifest", () => `manifests/${digestOf(kept)}`],
    ["a blob", () => `blobs/${blob}`],
  ])("does not delete %s", async (_case, path) => {
    const response = await sendTo(variables, "DELETE", `/v2/${repository}/${path()}`, {
      headers: await credentials(),
    });
    expect(await refusal(response)).toEqual([403, "DENIED"]);
    expect(await named("kept")).toBe(kept);
  });

  test("pushes a blob, looks at it first, and cancels its own session", async () => {
    const headers = await credentials();
    const bytes = crypto.randomUUID();
    const path = `/v2/${repository}/blobs/${digestOf(bytes)}`;
    expect((await sendTo(variables, "HEAD", path, { headers })).status).toBe(404);
    const uploads = `/v2/${repository}/blobs/uploads/`;
    const location = (await sendTo(variables, "POST", uploads, { headers })).headers.get(
      "Location",
    );
    const closing = `${location}?digest=${digestOf(bytes)}`;
    expect((await sendTo(variables, "PUT", closing, { headers, body: bytes })).status).toBe(201);
    expect((await sendTo(variables, "HEAD", path, { headers })).status).toBe(200);
    const other = (await sendTo(variables, "POST", uploads, { headers })).headers.get("Location");
    expect((await sendTo(variables, "DELETE", `${other}`, { headers })).status).toBe(204);
  });
});

function registryWith(permissions: readonly string[]): Variables {
  return { ...variables, REGISTRY_ACCESS_CONTROL_CONFIG: policyOf(permissions) };
}

describe("whose rule changes", () => {
  test("from push to create moves no tag with the token of before", async () => {
    const before = registryWith(["pull", "push"]);
    const headers = await tokenOf(before, carla, `repository:${repository}:pull,push`);
    expect((await put(headers, "kept", indexOf(), before)).status).toBe(201);
    expect(await refusal(await put(headers, "kept", indexOf()))).toEqual([403, "DENIED"]);
    expect((await put(headers, "new", indexOf())).status).toBe(201);
  });

  test("from create to push goes on creating with the token of before", async () => {
    const after = registryWith(["pull", "push"]);
    const scope = `repository:${repository}:pull,push`;
    const headers = await tokenOf(variables, carla, scope);
    expect((await put(headers, "new", indexOf(), after)).status).toBe(201);
    expect(await refusal(await put(headers, "kept", indexOf(), after))).toEqual([403, "DENIED"]);
    const fresh = await tokenOf(after, carla, scope);
    expect((await put(fresh, "kept", indexOf(), after)).status).toBe(201);
  });

  test("to both moves tags", async () => {
    const both = registryWith(["create", "push"]);
    expect((await put(carla, "kept", indexOf(), both)).status).toBe(201);
  });

  test("to create alone pushes and looks, and does not pull", async () => {
    const only = registryWith(["create"]);
    expect((await put(carla, "new", indexOf(), only)).status).toBe(201);
    const path = `/v2/${repository}/manifests/kept`;
    expect((await sendTo(only, "HEAD", path, { headers: carla })).status).toBe(200);
    expect((await sendTo(only, "GET", path, { headers: carla })).status).toBe(403);
  });
});

test("the same bytes as another media type are refused: readers would get that", async () => {
  const bare = JSON.stringify({ schemaVersion: 2, manifests: [], annotations: { id: repository } });
  expect((await put(owner, "bare", bare)).status).toBe(201);
  for (const reference of ["bare", "more", digestOf(bare)]) {
    // oxlint-disable-next-line no-await-in-loop
    const response = await sendTo(variables, "PUT", `/v2/${repository}/manifests/${reference}`, {
      body: bare,
      headers: { ...carla, "Content-Type": "application/x-evil" },
    });
    // oxlint-disable-next-line no-await-in-loop
    expect(await refusal(response)).toEqual([403, "DENIED"]);
  }
  const path = `/v2/${repository}/manifests/bare`;
  const read = await sendTo(variables, "GET", path, { headers: owner });
  expect(read.headers.get("Content-Type")).toBe(ociIndex);
});

test("HEAD of the lists needs pull, as GET does: their Link names tags", async () => {
  const registry = { ...variables, REGISTRY_ACCESS_CONTROL_CONFIG: policyOf(["push"]) };
  const head = async (path: string) =>
    (await sendTo(registry, "HEAD", `/v2/${repository}/${path}`, { headers: carla })).status;
  expect(await head("manifests/kept")).toBe(200);
  expect(await head(`blobs/${blob}`)).toBe(200);
  expect(await head("tags/list?n=1")).toBe(403);
  expect(await head(`referrers/${digestOf(kept)}`)).toBe(403);
});
