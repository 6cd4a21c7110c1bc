import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { digestOf, imageManifest, ociManifest, pushBlob, pushImage, refusal } from "../client.ts";
import { sendTo } from "../configured.ts";
import {
  basic,
  type Credentials,
  htpasswd,
  nobody,
  tokenOf,
  tokenRegistry,
  type Variables,
} from "./credentials.ts";

const rules = [
  { repository: "public/**", users: ["anonymous"], permissions: ["pull"] },
  { repository: "shared/**", users: ["bob"], permissions: ["pull"] },
  { repository: "drop/**", users: ["bob"], permissions: ["push"] },
  { repository: "bob/**", users: ["bob"], permissions: ["pull", "push", "delete"] },
];

const bob = basic("bob", "bob's");
const root = basic("root", "root's");

let variables: Variables;
let target: string;
let id: string;
let bytes: string;
let digest: string;

beforeAll(async () => {
  variables = await tokenRegistry({
    REGISTRY_AUTH_HTPASSWD: htpasswd({ bob: "bob's", root: "root's" }),
    REGISTRY_ACCESS_CONTROL_CONFIG: JSON.stringify({ adminUsers: ["root"], rules }),
  });
});

beforeEach(() => {
  id = crypto.randomUUID();
  target = `bob/r${id}`;
  bytes = `blob ${id}`;
  digest = digestOf(bytes);
});

function ask(headers: Credentials, method: string, path: string, body?: string): Promise<Response> {
  return sendTo(variables, method, path, body === undefined ? { headers } : { headers, body });
}

function mount(headers: Credentials, from: string | undefined, what = digest): Promise<Response> {
  const source = from === undefined ? "" : `&from=${from}`;
  return ask(headers, "POST", `/v2/${target}/blobs/uploads/?mount=${what}${source}`);
}

/** Headers that are other ones each time. */
const changing = ["location", "docker-upload-uuid", "x-request-id"];

/** What an answer tells, but for what is another each time. */
async function told(response: Response): Promise<string> {
  const headers = [...response.headers].map(([name, value]) =>
    changing.includes(name) ? [name, value.length] : [name, value],
  );
  return JSON.stringify([response.status, headers, await response.text()]);
}

async function isReadable(repository: string): Promise<boolean> {
  const path = `/v2/${repository}/blobs/${digest}`;
  const [head, get] = [await ask(root, "HEAD", path), await ask(root, "GET", path)];
  const text = await get.text();
  expect(get.status).toBe(head.status);
  if (head.status === 200) expect(text).toBe(bytes);
  return head.status === 200;
}

const pushToken = () => tokenOf(variables, bob, `repository:${target}:pull,push`);
const bothToken = (source: string) =>
  tokenOf(variables, bob, `repository:${target}:pull,push`, `repository:${source}:pull`);

describe("a mount from a repository that its user", () => {
  test.each([
    ["may pull from", "shared"],
    ["may pull from as everyone", "public"],
    ["owns", "bob"],
  ])("%s is 201", async (_case, group) => {
    const source = `${group}/s${id}`;
    await pushBlob(source, bytes);
    const response = await mount(await bothToken(source), source);
    expect(response.status).toBe(201);
    expect(response.headers.get("Docker-Content-Digest")).toBe(digest);
    expect(await isReadable(target)).toBe(true);
  });

  test.each([
    ["may not see", "secret"],
    ["may push to and not pull from", "drop"],
  ])("%s is 202, as if it did not exist, and nothing is readable", async (_case, group) => {
    const source = `${group}/s${id}`;
    await pushBlob(source, bytes);
    const missing = await told(await mount(bob, `${group}/n${id}`));
    for (const headers of [bob, await pushToken(), await bothToken(source)]) {
      // oxlint-disable-next-line no-await-in-loop
      const response = await mount(headers, source);
      expect(response.status).toBe(202);
      // oxlint-disable-next-line no-await-in-loop
      expect(await told(response)).toBe(missing);
    }
    expect(await isReadable(target)).toBe(false);
  });

  test("could pull from until now is 202", async () => {
    const source = `shared/s${id}`;
    await pushBlob(source, bytes);
    const left = JSON.stringify({
      rules: rules.filter(({ repository }) => repository !== "shared/**"),
    });
    const registry = { ...variables, REGISTRY_ACCESS_CONTROL_CONFIG: left };
    const path = `/v2/${target}/blobs/uploads/?mount=${digest}&from=${source}`;
    const response = await sendTo(registry, "POST", path, { headers: await bothToken(source) });
    expect(response.status).toBe(202);
    expect(await isReadable(target)).toBe(false);
  });

  test("may pull from, for a blob that is not in it, is 202", async () => {
    await pushBlob(`secret/s${id}`, bytes);
    await pushBlob(`shared/s${id}`, "another");
    expect((await mount(bob, `shared/s${id}`)).status).toBe(202);
    expect(await isReadable(target)).toBe(false);
  });
});

describe("a mount without from", () => {
  test("takes a holder that its user may pull from", async () => {
    await pushBlob(`secret/s${id}`, bytes);
    await pushBlob(`shared/s${id}`, bytes);
    expect((await mount(await pushToken(), undefined)).status).toBe(201);
    expect(await isReadable(target)).toBe(true);
  });

  test("is 202 where all holders are hidden, as where there is none", async () => {
    const none = await told(await mount(bob, undefined));
    await pushBlob(`secret/s${id}`, bytes);
    await pushBlob(`drop/s${id}`, bytes);
    expect(await told(await mount(bob, undefined))).toBe(none);
    expect(await told(await mount(await pushToken(), undefined))).toBe(none);
    expect(await isReadable(target)).toBe(false);
  });
});

describe("a mount needs push in its target", () => {
  test.each<[string, () => Promise<Credentials>, number]>([
    ["nobody", async () => nobody, 401],
    ["nobody's token", () => tokenOf(variables, nobody, "repository:public/a:pull"), 401],
    [
      "a token for the source alone",
      () => tokenOf(variables, bob, `repository:public/s${id}:pull`),
      401,
    ],
    ["another user", async () => basic("alice", "alice's"), 403],
  ])("%s is %i", async (_case, credentials, status) => {
    const source = `public/s${id}`;
    await pushBlob(source, bytes);
    expect((await mount(await credentials(), source)).status).toBe(status);
    expect((await mount(await credentials(), undefined)).status).toBe(status);
    expect(await isReadable(target)).toBe(false);
  });
});

describe("to know a digest", () => {
  test.each(["GET", "HEAD"])("reads nothing in one's own repository: %s", async (method) => {
    await pushBlob(`secret/s${id}`, bytes);
    const response = await ask(bob, method, `/v2/${target}/blobs/${digest}`);
    expect(response.status).toBe(404);
    expect((await ask(bob, method, `/v2/secret/s${id}/blobs/${digest}`)).status).toBe(403);
  });

  test("reads nothing as a manifest's either", async () => {
    const { digest: image } = await pushImage(`secret/s${id}`, "1", []);
    expect((await ask(bob, "GET", `/v2/${target}/manifests/${image}`)).status).toBe(404);
    expect((await ask(bob, "GET", `/v2/secret/s${id}/manifests/${image}`)).status).toBe(403);
    expect((await ask(bob, "GET", `/v2/secret/s${id}/referrers/${image}`)).status).toBe(403);
  });

  test.each([
    [
      "in one POST",
      async () => ask(bob, "POST", `/v2/${target}/blobs/uploads/?digest=${digest}`, "other"),
    ],
    [
      "by a session",
      async () => {
        const post = await ask(bob, "POST", `/v2/${target}/blobs/uploads/`);
        const patch = await ask(bob, "PATCH", post.headers.get("Location") ?? "", "other");
        return ask(bob, "PUT", `${patch.headers.get("Location")}?digest=${digest}`);
      },
    ],
    [
      "by a PUT of the whole",
      async () => {
        const post = await ask(bob, "POST", `/v2/${target}/blobs/uploads/`);
        return ask(bob, "PUT", `${post.headers.get("Location")}?digest=${digest}`, "other");
      },
    ],
    [
      "by a PUT of nothing",
      async () => {
        const post = await ask(bob, "POST", `/v2/${target}/blobs/uploads/`);
        return ask(bob, "PUT", `${post.headers.get("Location")}?digest=${digest}`);
      },
    ],
  ])("pushes nothing with other bytes %s", async (_case, push) => {
    await pushBlob(`secret/s${id}`, bytes);
    expect(await refusal(await push())).toEqual([400, "DIGEST_INVALID"]);
    expect(await isReadable(target)).toBe(false);
    expect(await isReadable(`secret/s${id}`)).toBe(true);
  });

  test("makes no manifest that uses the blob of others", async () => {
    await pushBlob(`secret/s${id}`, bytes);
    const manifest = imageManifest({ digest, size: bytes.length }, []);
    const response = await sendTo(variables, "PUT", `/v2/${target}/manifests/1`, {
      body: manifest,
      headers: { ...bob, "Content-Type": ociManifest },
    });
    expect(await refusal(response)).toEqual([400, "MANIFEST_BLOB_UNKNOWN"]);
    expect(await isReadable(target)).toBe(false);
  });
});

/** The registry once nobody but its administrator may do anything. */
function taken(): Variables {
  return { ...variables, REGISTRY_ACCESS_CONTROL_CONFIG: '{"adminUsers":["root"]}' };
}

describe("what a data centre remembers is not served", () => {
  test.each<[string, () => Credentials, string, number]>([
    ["a user", () => bob, "shared", 403],
    ["nobody", () => nobody, "public", 401],
  ])("to %s after access was taken away", async (_case, credentials, group, status) => {
    const repository = `${group}/s${id}`;
    const { digest: image, layers } = await pushImage(repository, "1", [
      new TextEncoder().encode(bytes),
    ]);
    const paths = [
      `/v2/${repository}/manifests/1`,
      `/v2/${repository}/manifests/${image}`,
      `/v2/${repository}/blobs/${layers[0]}`,
    ];
    for (const path of [...paths, ...paths]) {
      // oxlint-disable-next-line no-await-in-loop
      const response = await ask(credentials(), "GET", path);
      // oxlint-disable-next-line no-await-in-loop
      await response.arrayBuffer();
      expect([path, response.status]).toEqual([path, 200]);
    }
    for (const path of paths) {
      for (const method of ["GET", "HEAD"]) {
        // oxlint-disable-next-line no-await-in-loop
        const response = await sendTo(taken(), method, path, { headers: credentials() });
        expect([method, path, response.status]).toEqual([method, path, status]);
      }
    }
  });

  test("to a token whose user may not pull any more", async () => {
    const repository = `shared/s${id}`;
    await pushBlob(repository, bytes);
    const headers = await tokenOf(variables, bob, `repository:${repository}:pull`);
    const path = `/v2/${repository}/blobs/${digest}`;
    expect((await sendTo(variables, "GET", path, { headers })).status).toBe(200);
    expect((await sendTo(taken(), "GET", path, { headers })).status).toBe(403);
  });

  test("in another repository", async () => {
    const repository = `shared/s${id}`;
    await pushBlob(repository, bytes);
    const read = await ask(bob, "GET", `/v2/${repository}/blobs/${digest}`);
    expect(await read.text()).toBe(bytes);
    expect((await ask(bob, "GET", `/v2/${target}/blobs/${digest}`)).status).toBe(404);
  });
});
