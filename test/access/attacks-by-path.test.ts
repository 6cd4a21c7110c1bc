import { beforeAll, describe, expect, test } from "vitest";
import {
  indexOf,
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
  nobody,
  tokenOf,
  tokenRegistry,
  type Variables,
} from "./credentials.ts";
import { sendWatched } from "./watched.ts";

const mallory = basic("mallory", "mallory's");
const secretTag = `secret-${crypto.randomUUID()}`;
const hidden = `private/r${crypto.randomUUID()}`;
const open = `public/r${crypto.randomUUID()}`;

let variables: Variables;
let malloryToken: Credentials;
let blob: string;
let manifest: string;

async function registryWith(rules: readonly object[]): Promise<Variables> {
  return tokenRegistry({
    REGISTRY_AUTH_HTPASSWD: htpasswd({ mallory: "mallory's" }),
    REGISTRY_ACCESS_CONTROL_CONFIG: JSON.stringify({ rules }),
  });
}

beforeAll(async () => {
  variables = await registryWith([
    { repository: "public/**", users: ["mallory"], permissions: ["pull", "push", "delete"] },
    { repository: "public/**", users: ["anonymous"], permissions: ["pull"] },
    { repository: "private/**", users: ["alice"], permissions: ["pull", "push"] },
  ]);
  malloryToken = await tokenOf(variables, mallory, `repository:${open}:*`);
  blob = await pushBlob(hidden, randomBytes(100));
  manifest = await pushManifest(hidden, secretTag, indexOf());
  await pushManifest(open, "v1", indexOf());
});

/** The status of an answer to a path of the placeholders' values, and its body with its Link. */
async function answerTo(method: string, template: string, headers: Credentials) {
  const path = template
    .replaceAll("<hidden>", hidden)
    .replaceAll("<name>", hidden.slice("private/".length))
    .replaceAll("<open>", open)
    .replaceAll("<tag>", secretTag)
    .replaceAll("<manifest>", manifest)
    .replaceAll("<blob>", blob);
  const response = await sendWatched(variables, method, path, { headers });
  const text = `${await response.text()} ${response.headers.get("Link")}`;
  return { status: response.status, text };
}

describe.each<[string, () => Credentials]>([
  ["nobody", () => nobody],
  ["a user of another repository", () => mallory],
  ["a user of another repository, by token", () => malloryToken],
])("%s", (_who, credentials) => {
  test.each([
    ["dots, escaped slashes", "/v2/<open>/..%2f..%2f<hidden>/tags/list"],
    ["dots, escaped slashes in upper case", "/v2/<open>/..%2F..%2F<hidden>/tags/list"],
    ["dots", "/v2/<open>/../../<hidden>/tags/list"],
    ["escaped dots", "/v2/<open>/%2e%2e/%2e%2e/<hidden>/tags/list"],
    ["escaped dots and slashes", "/v2/<open>%2f%2e%2e%2f%2e%2e%2f<hidden>/tags/list"],
    ["dots, slashes escaped twice", "/v2/<open>/..%252f..%252f<hidden>/tags/list"],
    ["backslashes", "/v2/<open>\\..\\..\\<hidden>/tags/list"],
    ["escaped backslashes", "/v2/<open>%5c..%5c..%5c<hidden>/tags/list"],
    ["two slashes", "/v2//<hidden>/tags/list"],
    ["two slashes before", "//v2/<hidden>/tags/list"],
    ["a segment of one dot", "/v2/./<hidden>/tags/list"],
    ["a slash that is escaped in the name", "/v2/private%2f<name>/tags/list"],
    ["a slash that is escaped after the name", "/v2/<hidden>%2ftags%2flist"],
    ["a NUL", "/v2/<open>%00/../../<hidden>/tags/list"],
    ["a NUL at the end", "/v2/<hidden>%00/tags/list"],
    ["a line break", "/v2/<hidden>%0a/tags/list"],
    ["a semicolon", "/v2/<open>;/../../<hidden>/tags/list"],
    ["a full-width slash", "/v2/private%ef%bc%8f<name>/tags/list"],
    ["an overlong slash", "/v2/private%c0%af<name>/tags/list"],
    ["an upper-case prefix", "/V2/<hidden>/tags/list"],
    ["an upper-case name", "/v2/PRIVATE/<name>/tags/list"],
    ["an escaped letter", "/v2/privat%65/<name>/tags/list"],
    ["an escaped route", "/v2/<hidden>/t%61gs/list"],
    ["a slash at the end", "/v2/<hidden>/tags/list/"],
    ["two routes", "/v2/<open>/tags/list/../../../<hidden>/tags/list"],
    [
      "a manifest's path in a reference",
      "/v2/<open>/manifests/..%2f..%2f..%2f<hidden>%2ftags%2flist",
    ],
    ["the repository itself", "/v2/<hidden>/tags/list"],
    ["its manifest by tag", "/v2/<hidden>/manifests/<tag>"],
    ["its manifest by digest", "/v2/<hidden>/manifests/<manifest>"],
    ["its manifest by digest, elsewhere", "/v2/<open>/manifests/<manifest>"],
    ["its blob", "/v2/<hidden>/blobs/<blob>"],
    ["its blob, elsewhere", "/v2/<open>/blobs/<blob>"],
    ["its referrers", "/v2/<hidden>/referrers/<manifest>"],
  ])("encoded paths: by %s nothing of a hidden repository is read", async (_case, template) => {
    for (const method of ["GET", "HEAD"]) {
      // oxlint-disable-next-line no-await-in-loop
      const { status, text } = await answerTo(method, template, credentials());
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(500);
      expect(text).not.toContain(secretTag);
    }
  });

  test.each([
    ["a repository in the query", "/v2/<open>/tags/list?name=<hidden>&repository=<hidden>"],
    ["a name as the query", "/v2/<open>/tags/list?/../../../<hidden>/tags/list"],
    ["a position in the query", "/v2/<open>/tags/list?last=../../<hidden>/"],
    ["the catalog's position", "/v2/_catalog?last=private/"],
  ])("lists: by %s a hidden repository is not in them", async (_case, template) => {
    const { status, text } = await answerTo("GET", template, credentials());
    expect([200, 401]).toContain(status);
    expect(text).not.toContain(secretTag);
    expect(text).not.toContain(hidden);
  });

  test.each([
    ["X-Original-URL", (path: string) => path],
    ["X-Rewrite-URL", (path: string) => path],
    ["X-Forwarded-Prefix", (path: string) => path],
    ["X-Forwarded-Uri", (path: string) => path],
    ["X-HTTP-Method-Override", () => "DELETE"],
    ["X-Forwarded-User", () => "alice"],
    ["X-Remote-User", () => "alice"],
    ["Remote-User", () => "alice"],
    ["Cf-Access-Authenticated-User-Email", () => "alice"],
    ["Cookie", () => "user=alice"],
    ["Proxy-Authorization", () => basic("alice", "alice's")["Authorization"] ?? ""],
  ])("headers of proxies: %s says nothing", async (name, value) => {
    const secret = `/v2/${hidden}/tags/list`;
    for (const path of [secret, `/v2/${open}/manifests/v1`]) {
      const headers = { ...credentials(), [name]: value(secret) };
      // oxlint-disable-next-line no-await-in-loop
      const response = await sendWatched(variables, "GET", path, { headers });
      expect(response.status === 200).toBe(path !== secret);
      // oxlint-disable-next-line no-await-in-loop
      expect(await response.text()).not.toContain(secretTag);
    }
    expect((await send("GET", `/v2/${open}/manifests/v1`)).status).toBe(200);
  });
});

describe("route words in names: what is asked of the policy is what is served", () => {
  test.each([
    ["<word>/blobs/uploads"],
    ["<word>/blobs"],
    ["<word>/blobs/uploads/x"],
    ["<word>/manifests"],
    ["<word>/manifests/v1"],
    ["<word>/tags/list"],
    ["<word>/tags"],
    ["<word>/referrers"],
    ["<word>/uploads"],
    ["<word>/v2/x"],
    ["v2/<word>"],
    ["token/<word>"],
    ["manifests/<word>"],
    ["blobs/uploads/<word>"],
    ["tags/list/<word>/tags/list"],
  ])("%s", async (template) => {
    const name = template.replaceAll("<word>", `w${crypto.randomUUID()}`);
    const only = await registryWith([
      { repository: name, users: ["mallory"], permissions: ["pull", "push"] },
    ]);
    const allButOne = await registryWith([
      { repository: name, users: ["mallory"], permissions: ["delete"] },
      { repository: "**", users: ["mallory"], permissions: ["pull", "push"] },
    ]);
    const tag = `t${crypto.randomUUID()}`;
    const body = indexOf();
    const put = { method: "PUT", path: `/v2/${name}/manifests/${tag}`, body, allowed: 201 };
    const list = { method: "GET", path: `/v2/${name}/tags/list`, body: null, allowed: 200 };
    const read = { method: "GET", path: `/v2/${name}/manifests/${tag}`, body: null, allowed: 200 };
    const upload = { method: "POST", path: `/v2/${name}/blobs/uploads/`, body: null, allowed: 202 };
    const headers = { ...mallory, "Content-Type": ociIndex };
    /* oxlint-disable no-await-in-loop */
    for (const { method, path, body: bytes, allowed } of [put, list, read, upload]) {
      const init = { headers, body: bytes };
      expect((await sendWatched(allButOne, method, path, init)).status).toBe(403);
      const answer = await sendWatched(only, method, path, init);
      expect(answer.status).toBe(allowed);
      if (path === list.path) expect(await answer.json()).toEqual({ name, tags: [tag] });
      const location = answer.headers.get("Location");
      if (location !== null) expect(location.slice(0, name.length + 5)).toBe(`/v2/${name}/`);
    }
    /* oxlint-enable no-await-in-loop */
    // What is shorter or longer is another repository.
    const others = [name.split("/").slice(0, -1).join("/"), `${name}/x`, `x/${name}`];
    const statuses = others.map(async (other) => {
      const path = `/v2/${other}/blobs/uploads/`;
      return (await sendWatched(only, "POST", path, { headers: mallory })).status;
    });
    expect(await Promise.all(statuses)).toEqual([403, 403, 403]);
  });
});

describe("mounts: by", () => {
  test.each([
    ["the name", "&from=<hidden>"],
    ["the name, escaped", "&from=<escaped>"],
    ["the name, escaped twice", "&from=<escaped twice>"],
    ["no from", ""],
    ["an empty from", "&from="],
    ["two names, the first allowed", "&from=<open>&from=<hidden>"],
    ["two names, the second allowed", "&from=<hidden>&from=<open>"],
    ["a list of names", "&from=<open>,<hidden>"],
    ["a list in brackets", "&from[]=<hidden>"],
    ["dots", "&from=<open>/../../<hidden>"],
    ["a dot", "&from=./<hidden>"],
    ["two slashes", "&from=/<hidden>"],
    ["upper case", "&from=<upper>"],
    ["a NUL", "&from=<hidden>%00"],
    ["a space before", "&from=%20<hidden>"],
    ["a plus before", "&from=+<hidden>"],
    ["a host", "&from=registry.test/<hidden>"],
    ["a pattern", "&from=private/*"],
    ["a repository that is not there", "&from=public/none"],
    ["the target itself", "&from=<target>"],
    ["two mounts", "&mount=sha256:0&from=<hidden>"],
  ])("%s a blob of a hidden repository is not had", async (_case, template) => {
    const target = `public/t${crypto.randomUUID()}`;
    const query = template
      .replaceAll("<hidden>", hidden)
      .replaceAll("<escaped>", encodeURIComponent(hidden))
      .replaceAll("<escaped twice>", encodeURIComponent(encodeURIComponent(hidden)))
      .replaceAll("<upper>", hidden.toUpperCase())
      .replaceAll("<target>", target)
      .replaceAll("<open>", open);
    const scopes = [`repository:${target}:*`, `repository:${hidden}:pull`];
    for (const headers of [mallory, await tokenOf(variables, mallory, ...scopes)]) {
      const path = `/v2/${target}/blobs/uploads/?mount=${blob}${query}`;
      // oxlint-disable-next-line no-await-in-loop
      const response = await sendWatched(variables, "POST", path, { headers });
      expect(response.status).toBe(202);
      const wanted = `/v2/${target}/blobs/${blob}`;
      // oxlint-disable-next-line no-await-in-loop
      expect((await sendWatched(variables, "HEAD", wanted, { headers })).status).toBe(404);
    }
  });

  test("the answer is not told whether a hidden repository has it", async () => {
    const unknown = `sha256:${"0".repeat(64)}`;
    const answers = [`${blob}&from=${hidden}`, `${unknown}&from=${hidden}`, blob, unknown];
    const heads = answers.map(async (query) => {
      const path = `/v2/${open}/blobs/uploads/?mount=${query}`;
      const response = await sendWatched(variables, "POST", path, { headers: mallory });
      const names = [...response.headers.keys()].toSorted();
      return [response.status, names, await response.text()];
    });
    const [first, ...others] = await Promise.all(heads);
    for (const other of others) expect(other).toEqual(first);
  });

  test("who may pull from the source, a mount is had", async () => {
    const source = `public/s${crypto.randomUUID()}`;
    const mine = await pushBlob(source, randomBytes(100));
    const path = `/v2/${open}/blobs/uploads/?mount=${mine}&from=${source}`;
    expect((await sendWatched(variables, "POST", path, { headers: mallory })).status).toBe(201);
  });
});

describe("Host", () => {
  test.each([
    ["a path", "registry.test/v2/private"],
    ["a query", "registry.test?x"],
    ["a fragment", "registry.test#x"],
    ["a user", "alice@registry.test"],
    ["a backslash", "registry.test\\v2"],
    ["quotes, for a challenge of two realms", 'evil",realm="elsewhere'],
  ])("with %s is 400", async (_case, host) => {
    const headers = { ...mallory, Host: host };
    const response = await sendWatched(variables, "GET", "/v2/", { headers });
    expect(await refusal(response)).toEqual([400, "HOST_INVALID"]);
  });
});
