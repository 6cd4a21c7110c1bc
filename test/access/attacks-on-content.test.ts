import { Buffer } from "node:buffer";
import { beforeAll, describe, expect, test } from "vitest";
import {
  digestOf,
  indexOf,
  newRepository,
  ociIndex,
  pushBlob,
  pushManifest,
  randomBytes,
  refusal,
  send,
} from "../client.ts";
import {
  basic,
  type Credentials,
  htpasswd,
  tokenOf,
  tokenRegistry,
  type Variables,
} from "./credentials.ts";
import { sendWatched } from "./watched.ts";

const alice = basic("alice", "alice's");
const carla = basic("carla", "carla's");
const mallory = basic("mallory", "mallory's");

const rules = [
  { repository: "team/**", users: ["alice"], permissions: ["pull", "push"] },
  { repository: "team/**", users: ["carla"], permissions: ["pull", "create"] },
  { repository: "shared/**", users: ["alice", "mallory"], permissions: ["pull", "push"] },
];

let variables: Variables;

function withRules(list: readonly object[]): Variables {
  return { ...variables, REGISTRY_ACCESS_CONTROL_CONFIG: JSON.stringify({ rules: list }) };
}

beforeAll(async () => {
  variables = await tokenRegistry({
    REGISTRY_AUTH_HTPASSWD: htpasswd({ carla: "carla's", mallory: "mallory's" }),
  });
  variables = withRules(rules);
});

function manifestInit(headers: Credentials, body: string) {
  return { body, headers: { ...headers, "Content-Type": ociIndex } };
}

async function digestOfTag(repository: string, tag: string): Promise<string | null> {
  const response = await send("HEAD", `/v2/${repository}/manifests/${tag}`);
  return response.headers.get("Docker-Content-Digest");
}

describe("overwriting a tag with create alone", () => {
  test.each([
    ["by its name", (tag: string) => `/manifests/${tag}`],
    ["by ?tag=", (tag: string, digest: string) => `/manifests/${digest}?tag=${tag}`],
    [
      "by ?tag= among new ones",
      (tag: string, digest: string) => `/manifests/${digest}?tag=new&tag=${tag}&tag=newer`,
    ],
    [
      "by ?tag=, escaped",
      (tag: string, digest: string) =>
        `/manifests/${digest}?tag=%${tag.charCodeAt(0).toString(16)}${tag.slice(1)}`,
    ],
    [
      "by ?tag= twice",
      (tag: string, digest: string) => `/manifests/${digest}?tag=${tag}&tag=${tag}`,
    ],
    [
      "by its name, escaped",
      (tag: string) => `/manifests/%${tag.charCodeAt(0).toString(16)}${tag.slice(1)}`,
    ],
  ])("%s is 403, and nothing is made", async (_case, pathOf) => {
    const repository = newRepository();
    const former = await pushManifest(repository, "latest", indexOf());
    const body = indexOf();
    const path = `/v2/${repository}${pathOf("latest", digestOf(body))}`;
    for (const headers of [carla, await tokenOf(variables, carla, `repository:${repository}:*`)]) {
      // oxlint-disable-next-line no-await-in-loop
      const response = await sendWatched(variables, "PUT", path, manifestInit(headers, body));
      // oxlint-disable-next-line no-await-in-loop
      expect(await refusal(response)).toEqual([403, "DENIED"]);
    }
    expect(await digestOfTag(repository, "latest")).toBe(former);
    const tags = await send("GET", `/v2/${repository}/tags/list`);
    expect(await tags.json()).toEqual({ name: repository, tags: ["latest"] });
    expect((await send("GET", `/v2/${repository}/manifests/${digestOf(body)}`)).status).toBe(404);
  });

  test("by If-Match, which holds, is 403", async () => {
    const repository = newRepository();
    const former = await pushManifest(repository, "latest", indexOf());
    const { body, headers } = manifestInit(carla, indexOf());
    const init = { body, headers: { ...headers, "If-Match": `"${former}"` } };
    const path = `/v2/${repository}/manifests/latest`;
    expect((await sendWatched(variables, "PUT", path, init)).status).toBe(403);
    expect(await digestOfTag(repository, "latest")).toBe(former);
  });

  test("by deleting it first is 403", async () => {
    const repository = newRepository();
    const former = await pushManifest(repository, "latest", indexOf());
    for (const reference of ["latest", former]) {
      const path = `/v2/${repository}/manifests/${reference}`;
      // oxlint-disable-next-line no-await-in-loop
      expect((await sendWatched(variables, "DELETE", path, { headers: carla })).status).toBe(403);
    }
    expect(await digestOfTag(repository, "latest")).toBe(former);
  });

  test("by a token for more is as much as create", async () => {
    const repository = newRepository();
    const headers = await tokenOf(
      variables,
      carla,
      `repository:${repository}:push,create,delete,*`,
    );
    const body = indexOf();
    const path = `/v2/${repository}/manifests/v1`;
    const put = (text: string) => sendWatched(variables, "PUT", path, manifestInit(headers, text));
    expect((await put(body)).status).toBe(201);
    expect((await put(body)).status).toBe(201);
    expect((await put(indexOf())).status).toBe(403);
  });

  test("by two at once is done by one of them", async () => {
    const repository = newRepository();
    const path = `/v2/${repository}/manifests/v1`;
    const bodies = [indexOf(), indexOf(), indexOf(), indexOf()];
    const answers = bodies.map((body) =>
      sendWatched(variables, "PUT", path, manifestInit(carla, body)),
    );
    const statuses = (await Promise.all(answers)).map(({ status }) => status);
    expect(statuses.toSorted((a, b) => a - b)).toEqual([201, 403, 403, 403]);
    const first = bodies[statuses.indexOf(201)] ?? "";
    expect(await digestOfTag(repository, "v1")).toBe(digestOf(first));
  });
});

describe("deleting where delete is denied", () => {
  test.each<[string, Credentials]>([
    ["who may push", alice],
    ["who may create", carla],
    ["who may do nothing here", mallory],
  ])("%s: a tag, a manifest and a blob stay", async (_who, credentials) => {
    const repository = newRepository();
    const digest = await pushManifest(repository, "v1", indexOf());
    const blob = await pushBlob(repository, randomBytes(100));
    const paths = [
      "manifests/v1",
      `manifests/${digest}`,
      `manifests/sha256%3A${digest.slice(7)}`,
      `blobs/${blob}`,
    ];
    for (const headers of [credentials]) {
      for (const path of paths) {
        // oxlint-disable-next-line no-await-in-loop
        const response = await sendWatched(variables, "DELETE", `/v2/${repository}/${path}`, {
          headers,
        });
        // oxlint-disable-next-line no-await-in-loop
        expect(await refusal(response)).toEqual([403, "DENIED"]);
      }
    }
    expect(await digestOfTag(repository, "v1")).toBe(digest);
    expect((await send("HEAD", `/v2/${repository}/blobs/${blob}`)).status).toBe(200);
  });
});

describe("a digest that is known", () => {
  test.each<[string, Credentials]>([
    ["a user of another repository", mallory],
    ["a user of both", alice],
  ])("is read where it is, and nowhere else, by %s", async (_who, headers) => {
    const [mine, theirs] = [`shared/m${crypto.randomUUID()}`, newRepository()];
    const blob = await pushBlob(theirs, randomBytes(100));
    const manifest = await pushManifest(theirs, "v1", indexOf());
    await pushBlob(mine, randomBytes(100));
    for (const path of [`blobs/${blob}`, `manifests/${manifest}`]) {
      for (const method of ["GET", "HEAD"]) {
        // oxlint-disable-next-line no-await-in-loop
        const response = await sendWatched(variables, method, `/v2/${mine}/${path}`, { headers });
        expect(response.status).toBe(404);
      }
    }
  });

  test.each([
    ["is referred to by a manifest", (blob: string) => imageOf(blob)],
    ["is referred to by an index", (_blob: string, manifest: string) => indexWith(manifest)],
  ])("%s, which is refused: it is not had by that", async (_case, bodyOf) => {
    const [mine, theirs] = [`shared/m${crypto.randomUUID()}`, newRepository()];
    const blob = await pushBlob(theirs, "{}");
    const manifest = await pushManifest(theirs, "v1", indexOf());
    const { body, mediaType } = bodyOf(blob, manifest);
    const init = { body, headers: { ...mallory, "Content-Type": mediaType } };
    const response = await sendWatched(variables, "PUT", `/v2/${mine}/manifests/v1`, init);
    expect(response.status).toBe(400);
    const path = `/v2/${mine}/blobs/${blob}`;
    expect((await sendWatched(variables, "GET", path, { headers: mallory })).status).toBe(404);
  });

  test.each([
    ["with other bytes", (bytes: Uint8Array) => randomBytes(bytes.length)],
    ["with fewer bytes", (bytes: Uint8Array) => bytes.slice(0, -1)],
    ["with more bytes", (bytes: Uint8Array) => Buffer.concat([bytes, Buffer.alloc(1)])],
    ["with no bytes", () => new Uint8Array()],
  ])("is pushed %s: 400, and not had by that", async (_case, otherOf) => {
    const [mine, theirs] = [`shared/m${crypto.randomUUID()}`, newRepository()];
    const bytes = randomBytes(1000);
    const blob = await pushBlob(theirs, bytes);
    const uploads = `/v2/${mine}/blobs/uploads/`;
    const other = { headers: mallory, body: new Uint8Array(otherOf(bytes)) };
    const begin = async () => {
      const response = await sendWatched(variables, "POST", uploads, { headers: mallory });
      return response.headers.get("Location") ?? "";
    };
    const whole = await sendWatched(variables, "POST", `${uploads}?digest=${blob}`, other);
    expect(await refusal(whole)).toEqual([400, "DIGEST_INVALID"]);
    const put = await sendWatched(variables, "PUT", `${await begin()}?digest=${blob}`, other);
    expect(await refusal(put)).toEqual([400, "DIGEST_INVALID"]);
    const patch = await sendWatched(variables, "PATCH", await begin(), other);
    const next = patch.headers.get("Location") ?? "";
    const last = await sendWatched(variables, "PUT", `${next}?digest=${blob}`, {
      headers: mallory,
    });
    expect(await refusal(last)).toEqual([400, "DIGEST_INVALID"]);
    const path = `/v2/${mine}/blobs/${blob}`;
    expect((await sendWatched(variables, "GET", path, { headers: mallory })).status).toBe(404);
    const there = await send("GET", `/v2/${theirs}/blobs/${blob}`);
    expect(digestOf(await there.bytes())).toBe(blob);
  });

  test("of a manifest is pushed with another: 400, and the manifest stays", async () => {
    const repository = `shared/m${crypto.randomUUID()}`;
    const manifest = await pushManifest(repository, "v1", indexOf());
    const path = `/v2/${repository}/manifests/${manifest}`;
    const response = await sendWatched(variables, "PUT", path, manifestInit(mallory, indexOf()));
    expect(await refusal(response)).toEqual([400, "DIGEST_INVALID"]);
    expect(digestOf(await (await send("GET", path)).bytes())).toBe(manifest);
  });
});

function imageOf(blob: string) {
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const config = { mediaType: "application/vnd.oci.image.config.v1+json", digest: blob, size: 2 };
  return { mediaType, body: JSON.stringify({ schemaVersion: 2, mediaType, config, layers: [] }) };
}

function indexWith(manifest: string) {
  return {
    mediaType: ociIndex,
    body: indexOf([{ mediaType: ociIndex, digest: manifest, size: 2 }]),
  };
}

/** What each method on a session answers. */
async function statusesOf(headers: Credentials, location: string): Promise<number[]> {
  const digest = digestOf("x");
  const found = [];
  /* oxlint-disable no-await-in-loop */
  for (const [method, query, body] of [
    ["GET", "", null],
    ["HEAD", "", null],
    ["PATCH", "", "x"],
    ["PUT", `?digest=${digest}`, "x"],
    ["PUT", `?digest=${digest}`, null],
    ["DELETE", "", null],
  ] as const) {
    const answer = await sendWatched(variables, method, location + query, { headers, body });
    found.push(answer.status);
  }
  /* oxlint-enable no-await-in-loop */
  return found;
}

describe("an upload id that is", () => {
  const repository = "shared/app";
  const uploads = `/v2/${repository}/blobs/uploads/`;

  async function begin(headers: Credentials, path = uploads): Promise<string> {
    const response = await sendWatched(variables, "POST", path, { headers });
    return response.headers.get("Location") ?? "";
  }

  const unknown = [404, 404, 404, 404, 404, 404];

  test.each<[string, (id: string) => string]>([
    ["random", () => Buffer.from(randomBytes(39)).toString("base64url")],
    ["of zeros", () => Buffer.alloc(39).toString("base64url")],
    ["a UUID", () => crypto.randomUUID()],
    ["cut off", (id) => id.slice(0, -1)],
    ["longer", (id) => `${id}A`],
    ["with its first bit turned", (id) => turned(id, 0)],
    ["with its last random bit turned", (id) => turned(id, 15)],
    ["with its time turned", (id) => turned(id, 20)],
    ["with its flags turned", (id) => turned(id, 22)],
    ["with its seal turned", (id) => turned(id, 23)],
    ["with the end of its seal turned", (id) => turned(id, 38)],
    ["without its seal", (id) => id.slice(0, 32)],
    ["padded", (id) => `${id}=`],
    ["in another case", (id) => id.toLowerCase().replace("a", "A")],
    ["a prototype", () => "__proto__"],
    ["dots", () => "%2e%2e%2f%2e%2e"],
  ])("forged, %s, is unknown", async (_case, forge) => {
    const location = await begin(mallory);
    const id = location.slice(uploads.length);
    const forged = uploads + forge(id);
    expect(await statusesOf(mallory, forged)).toEqual(unknown);
    expect((await sendWatched(variables, "GET", location, { headers: mallory })).status).toBe(204);
  });

  test("another user's is unknown, and goes on to be good for its own", async () => {
    const location = await begin(alice);
    const first = await sendWatched(variables, "PATCH", location, { headers: alice, body: "be" });
    const next = first.headers.get("Location") ?? "";
    for (const path of [location, next]) {
      const token = await tokenOf(variables, mallory, `repository:${repository}:*`);
      expect(await statusesOf(mallory, path)).toEqual(unknown);
      expect(await statusesOf(token, path)).toEqual(unknown);
    }
    const token = await tokenOf(variables, alice, `repository:${repository}:pull,push`);
    const init = { headers: token, body: "gun" };
    const path = `${next}?digest=${digestOf("begun")}`;
    expect((await sendWatched(variables, "PUT", path, init)).status).toBe(201);
  });

  test("of another repository is unknown there", async () => {
    const location = await begin(mallory, "/v2/shared/other/blobs/uploads/");
    const id = location.split("/").at(-1) ?? "";
    expect(await statusesOf(mallory, uploads + id)).toEqual(unknown);
    expect((await sendWatched(variables, "GET", location, { headers: mallory })).status).toBe(204);
  });

  test("one's own is refused once the right to push is gone", async () => {
    const location = await begin(mallory);
    const less = withRules([{ ...rules[2], permissions: ["pull"] }]);
    const init = { headers: mallory, body: "x" };
    expect((await sendWatched(less, "PATCH", location, init)).status).toBe(403);
    expect(
      (await sendWatched(less, "GET", location, init.body ? { headers: mallory } : {})).status,
    ).toBe(403);
    expect((await sendWatched(variables, "PATCH", location, init)).status).toBe(202);
  });
});

/** An id with one bit of one of its bytes turned. */
function turned(id: string, at: number): string {
  const bytes = Buffer.from(id, "base64url");
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return bytes.toString("base64url");
}

describe("what is cached is not read by who", () => {
  test.each<[string, string, Credentials, () => Variables, number]>([
    ["had access, which was taken away", "GET", alice, () => withRules([]), 403],
    ["never had access", "GET", mallory, () => variables, 403],
    ["is not logged in", "GET", {}, () => variables, 401],
    ["had access, asking by HEAD", "HEAD", alice, () => withRules([]), 403],
  ])("%s", async (_case, method, headers, now, status) => {
    const repository = newRepository();
    const blob = await pushBlob(repository, randomBytes(100));
    const manifest = await pushManifest(repository, "v1", indexOf());
    for (const path of [`blobs/${blob}`, `manifests/${manifest}`, "manifests/v1"]) {
      const full = `/v2/${repository}/${path}`;
      for (let reads = 0; reads < 2; reads++) {
        // oxlint-disable-next-line no-await-in-loop
        const response = await sendWatched(variables, "GET", full, { headers: alice });
        expect(response.status).toBe(200);
        // oxlint-disable-next-line no-await-in-loop
        await response.arrayBuffer();
      }
      const registry = { ...now(), REGISTRY_READS: "digest" };
      // oxlint-disable-next-line no-await-in-loop
      expect((await sendWatched(registry, method, full, { headers })).status).toBe(status);
    }
  });
});
