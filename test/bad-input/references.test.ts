import { beforeAll, describe, expect, test } from "vitest";
import {
  indexOf,
  newRepository,
  ociIndex,
  pushBlob,
  pushManifest,
  putManifest,
  send,
} from "../client.ts";
import { expectError, KnownRepository } from "./known-repository.ts";

const known = new KnownRepository();
beforeAll(() => known.push());

/** The text as an error quotes it: without needless escapes, and cut. */
function quoted(text: string): RegExp {
  const plain = text.replaceAll("%2e", ".").slice(0, 300);
  return new RegExp(`: "${plain.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)}`);
}

describe("a repository name", () => {
  const tooLong = [
    "a".repeat(256),
    `${"a/".repeat(127)}ab`,
    `${"a".repeat(128)}/${"b".repeat(127)}`,
  ];

  test.each([
    ["in upper case", "UPPER"],
    ["with a part in upper case", "team/App"],
    ["with a capital within", "teaM"],
    ["with a dash first", "-a"],
    ["with a dash last", "a-"],
    ["with a dot first", ".a"],
    ["with a dot last", "a."],
    ["with an underscore first", "_a"],
    ["with an underscore last", "a_"],
    ["with two dots", "a..b"],
    ["with three underscores", "a___b"],
    ["with a dot and an underscore", "a._b"],
    ["with a dash and a dot", "a-.b"],
    ["with a second part of a dash", "a/-"],
    ["with a second part that begins with a dot", "a/.b"],
    ["with a second part that ends with a dash", "a/b-"],
    ["with an empty part", "a//b"],
    ["with an empty part first", "/a"],
    ["with an empty part last", "a/"],
    ["of slashes", "//"],
    ["that is named like the catalog", "_catalog"],
    ["with a part that is named like it", "team/_catalog"],
    ["with an escaped slash", "a%2Fb"],
    ["with an escaped slash in lower case", "a%2fb"],
    ["with a slash that is escaped twice", "a%252Fb"],
    ["with a slash that is escaped thrice", "a%25252Fb"],
    ["with an escaped backslash", "a%5Cb"],
    ["with escaped dots and a slash", "%2e%2e%2fb"],
    ["with dots between escaped slashes", "a%2f..%2f..%2fb"],
    ["with dots that are escaped twice", "a/%252e%252e/b"],
    ["with a slash in two bytes", "a%c0%afb"],
    ["with a NUL", "a%00b"],
    ["with a NUL last", "a%00"],
    ["with a space", "a%20b"],
    ["with a tabulator", "a%09b"],
    ["with a line's end", "a%0Ab"],
    ["with a line's end last", "a%0A"],
    ["with a return", "a%0D%0ASet-Cookie:%20a"],
    ["with a DEL", "a%7Fb"],
    ["with an accent", "caf%C3%A9"],
    ["of Cyrillic that looks like Latin", "%D0%B0"],
    ["with a wide slash", "a%EF%BC%8Fb"],
    ["with no space at all, of zero width", "a%E2%80%8Bb"],
    ["with a whale", "%F0%9F%90%B3"],
    ["that is no UTF-8", "%ff"],
    ["with UTF-8 cut short", "%E0%A4%A"],
    ["of a percent sign", "%"],
    ["of a percent sign and letters", "%zz"],
    ["with an at sign", "a@b"],
    ["with a colon", "a:b"],
    ["with a port", "localhost:5000/a"],
    ["with a tag", "a:latest"],
    ["with a plus", "a+b"],
    ["with a tilde", "~a"],
    ["with an asterisk", "a*"],
    ["with a dollar", "$a"],
    ["with a quote", "a'b"],
    ["with a semicolon", "a;b"],
    ["with a comma", "a,b"],
    ["with brackets", "a[0]"],
    ["with an escaped question mark", "a%3Fb"],
    ["with an escaped hash", "a%23b"],
    ["of 256 characters", tooLong[0]],
    ["of 256 characters in 128 parts", tooLong[1]],
    ["of 256 characters in two parts", tooLong[2]],
    ["of 10,000 characters", "a".repeat(10_000)],
  ])("%s is 400, whatever is asked for", async (_case, name = "") => {
    const path = `/v2/${name}`;
    const manifest = indexOf();
    const requests: [string, string, string?][] = [
      ["GET", `${path}/tags/list`],
      ["GET", `${path}/manifests/latest`],
      ["PUT", `${path}/manifests/latest`, manifest],
      ["DELETE", `${path}/manifests/latest`],
      ["GET", `${path}/blobs/${known.layer.digest}`],
      ["DELETE", `${path}/blobs/${known.layer.digest}`],
      ["POST", `${path}/blobs/uploads/`],
      ["PATCH", `${path}/blobs/uploads/id`, "chunk"],
      ["GET", `${path}/referrers/${known.image.digest}`],
    ];
    for (const [method, requested, body] of requests) {
      // oxlint-disable-next-line no-await-in-loop
      const response = await send(method, requested, { body: body ?? null });
      // oxlint-disable-next-line no-await-in-loop
      await expectError(response, [400, "NAME_INVALID", quoted(name)]);
    }
    await known.expectUnchanged();
  });

  test.each([
    ["of one letter", "a"],
    ["of one digit", "0"],
    ["of digits", "2026/11"],
    ["of 255 characters", crypto.randomUUID().padEnd(255, "a")],
    ["of 255 characters in 128 parts", `${"a/".repeat(127)}z`],
    ["with each separator", "a.b/c_d/e__f/g-h/i---j"],
    ["that is a word of the routes", "manifests"],
    ["that ends like a route of uploads", "x/blobs/uploads"],
    ["that ends like a route of manifests", "a/manifests"],
    ["that is a whole route", "a/manifests/latest"],
    ["that begins like the version", "v2/catalog"],
    ["that could be a route of tokens", "token"],
    ["that could be one of collection", "team/gc"],
    ["that has the catalog in it", "a_catalog/catalog"],
    ["like a host with its domain", "registry.example.com/app"],
    ["like a digest with a dash", `sha256-${"0".repeat(64)}`],
  ])("%s works", async (_case, name) => {
    const manifest = indexOf();
    const tag = crypto.randomUUID();
    const blob = await pushBlob(name, tag);
    await pushManifest(name, tag, manifest);
    const got = await send("GET", `/v2/${name}/manifests/${tag}`);
    expect(await got.text()).toBe(manifest);
    expect(await (await send("GET", `/v2/${name}/blobs/${blob}`)).bytes()).toHaveLength(36);
    const tags = await (await send("GET", `/v2/${name}/tags/list`)).json<{ tags: string[] }>();
    expect(tags.tags).toContain(tag);
  });
});

describe("a tag", () => {
  test.each([
    ["of 129 characters", "x".repeat(129)],
    ["of 10,000 characters", "x".repeat(10_000)],
    ["that begins with a dash", "-x"],
    ["that begins with a dot", ".x"],
    ["with an escaped slash", "a%2Fb"],
    ["with a slash that is escaped twice", "a%252Fb"],
    ["with an escaped backslash", "a%5Cb"],
    ["of escaped dots and a slash", "%2e%2e%2fb"],
    ["of dots between escaped slashes", "a%2f..%2fb"],
    ["with a NUL", "a%00"],
    ["of a NUL", "%00"],
    ["with a space", "a%20b"],
    ["with a line's end last", "latest%0A"],
    ["with a line's end first", "%0Alatest"],
    ["with a plus", "a+b"],
    ["with an accent", "caf%C3%A9"],
    ["with a whale", "%F0%9F%90%B3"],
    ["with an at sign", "a@b"],
    ["with a tilde", "a~"],
    ["with an asterisk", "*"],
    ["with a comma", "a,b"],
    ["with a quote", "a'b"],
    ["with a semicolon", "a;b"],
    ["of a percent sign", "%"],
    ["that is no UTF-8", "%ff"],
  ])("%s is 400 to PUT, GET and DELETE", async (_case, tag) => {
    for (const method of ["PUT", "GET", "DELETE"]) {
      const path = `/v2/${known.name}/manifests/${tag}`;
      const body = method === "PUT" ? indexOf() : null;
      // oxlint-disable-next-line no-await-in-loop
      const response = await send(method, path, { body });
      // oxlint-disable-next-line no-await-in-loop
      await expectError(response, [400, "TAG_INVALID", quoted(tag)]);
    }
    await known.expectUnchanged();
  });

  test.each([["GET"], ["DELETE"]])("that nobody pushed is 404 to %s", async (method) => {
    const response = await send(method, `/v2/${known.name}/manifests/none`);
    await known.expectRefused(response, [404, "MANIFEST_UNKNOWN", /manifest unknown: tag none$/]);
  });

  test.each([
    ["of one character", "a"],
    ["of an underscore", "_"],
    ["of 128 characters", "x".repeat(128)],
    ["with all that it may have", "_Az09.-_"],
    ["of dots behind a letter", "a.."],
    ["like a digest", `sha256-${"0".repeat(64)}.sig`],
    ["that is a word of the routes", "list"],
    ["that is another one", "uploads"],
  ])("%s works", async (_case, tag) => {
    const repository = newRepository();
    const put = await putManifest(repository, tag, indexOf(), ociIndex);
    expect(put.status).toBe(201);
    const head = await send("HEAD", `/v2/${repository}/manifests/${tag}`);
    expect(head.headers.get("Docker-Content-Digest")).toBe(
      put.headers.get("Docker-Content-Digest"),
    );
    const tags = await send("GET", `/v2/${repository}/tags/list`);
    expect(await tags.json()).toEqual({ name: repository, tags: [tag] });
  });
});

describe("a path that is no route", () => {
  test.each([
    ["/"],
    ["/v1/"],
    ["/v2/unknown"],
    ["/v2/team/app"],
    ["/v2/team/app/tags"],
    ["/v2/team/app/tags/List"],
    ["/v2/team/app/manifest/latest"],
    ["/v2/team/app/blobs/upload/id"],
    ["/v2/manifests/latest"],
    ["/v2/blobs/uploads/"],
    ["/v2/tags/list"],
    ["/v2/team/app/manifests/"],
    ["/v2/team/app/referrers/"],
    ["/v2/team/app/blobs/"],
    ["/V2/_catalog"],
    ["/v2%2F_catalog"],
    ["/..%2Fv2/"],
    ["/%00"],
    ["/%ff"],
    ["/%"],
    ["/.git/config"],
    ["/v2/team/app/blobs/uploads/a/b"],
  ])("%s is 404 and named", async (path) => {
    const response = await send("GET", path);
    await known.expectRefused(response, [404, "NAME_UNKNOWN", /no such route: \//]);
  });
});
