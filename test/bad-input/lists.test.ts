import { beforeAll, describe, expect, test } from "vitest";
import { newRepository, ociIndex, send } from "../client.ts";
import { KnownRepository } from "./known-repository.ts";

const known = new KnownRepository();
beforeAll(() => known.push());

const lists: [string, string][] = [
  ["tags", `/v2/${known.name}/tags/list`],
  ["repositories", "/v2/_catalog"],
];

describe.each(lists)("a list of %s", (_noun, path) => {
  test.each([
    ["-1", /n is "-1"/],
    ["-0", /n is "-0"/],
    ["abc", /n is "abc"/],
    ["1.5", /n is "1\.5"/],
    ["1e3", /n is "1e3"/],
    ["0x10", /n is "0x10"/],
    ["%2B5", /n is "\+5"/],
    ["5%20", /n is "5 "/],
    ["%205", /n is " 5"/],
    ["5%0A", /n is "5\n"/],
    ["5%00", /n is "5\0"/],
    ["NaN", /n is "NaN"/],
    ["Infinity", /n is "Infinity"/],
    ["null", /n is "null"/],
    ["1,000", /n is "1,000"/],
    ["%D9%A5", /n is "\u0665"/],
    ["%EF%BC%95", /n is "\uff15"/],
    ["%", /n is "%"/],
    ["%zz", /n is "%zz"/],
    ["%ff", /n is "%ff"/],
    ["5;DROP%20TABLE%20tags", /n is "5;DROP TABLE tags"/],
    [`-${"9".repeat(1000)}`, /n is "-9{63}"/],
  ])("with n=%s is 400", async (n, message) => {
    const response = await send("GET", `${path}?n=${n}`);
    await known.expectRefused(response, [400, "PAGINATION_NUMBER_INVALID", message]);
  });

  test.each([
    ["n=%30"],
    ["n="],
    ["n"],
    ["n=00001"],
    [`n=1${"0".repeat(30)}`],
    [`n=${"9".repeat(400)}`],
    ["n=1&n=x"],
    ["N=x"],
    ["last=%00"],
    ["last=%"],
    ["last=%zz"],
    ["last=%ff"],
    ["last=%ED%A0%80"],
    ["last=..%2F..%2Fetc%2Fpasswd"],
    ["last=%27%20OR%201=1%20--"],
    ["last=%F0%9F%90%B3"],
    ["last=%0D%0ASet-Cookie:%20a"],
    [`last=${"z".repeat(10_000)}`],
    [`n=1&last=${"%00".repeat(3000)}`],
    ["last=a&last=b"],
    ["last"],
    ["&&&=&"],
  ])("with ?%s is a page, and no header but a Link of ours", async (query) => {
    const response = await send("GET", `${path}?${query}`);
    expect(response.status).toBe(200);
    expect(response.headers.get("Link") ?? "<>").toMatch(/^<[^\r\n<>]*>/);
    expect(response.headers.get("Set-Cookie")).toBeNull();
    const body = await response.json<Record<string, unknown>>();
    expect(Object.values(body).some((list) => Array.isArray(list))).toBe(true);
    await known.expectUnchanged();
  });
});

test.each([
  ["n=1", ["index"], "n=1&last=index"],
  [`n=1${"0".repeat(30)}`, ["index", "latest"], undefined],
  ["last=index%00", ["latest"], undefined],
  ["last=Index", ["index", "latest"], undefined],
  ["last=%F0%9F%90%B3", [], undefined],
  [`last=${"z".repeat(10_000)}`, [], undefined],
  ["last=%27%20OR%201=1%20--", ["index", "latest"], undefined],
])("tags with ?%s are what comes behind it", async (query, tags, next) => {
  const path = `/v2/${known.name}/tags/list`;
  const response = await send("GET", `${path}?${query}`);
  expect(await response.json()).toEqual({ name: known.name, tags });
  const link = next === undefined ? null : `<${path}?${next}>; rel="next"`;
  expect(response.headers.get("Link")).toBe(link);
});

test("the tags of a repository that is not there are 404", async () => {
  const name = newRepository();
  const response = await send("GET", `/v2/${name}/tags/list`);
  await known.expectRefused(response, [404, "NAME_UNKNOWN", new RegExp(`registry: ${name}$`)]);
});

describe("the referrers", () => {
  test.each([
    ["a tag", "latest", /"latest"/],
    ["an algorithm", "sha256", /"sha256"/],
    ["an algorithm with a colon", "sha256:", /"sha256:"/],
    ["xyz", "sha256:xyz", /"sha256:xyz"/],
    ["md5", `md5:${"0".repeat(32)}`, /"md5:0{32}"/],
    ["sha1", `sha1:${"0".repeat(40)}`, /"sha1:0{40}"/],
    ["upper case", known.image.digest.toUpperCase(), /"SHA256:[0-9A-F]{64}"/],
    ["a digit less", known.image.digest.slice(0, -1), /"sha256:[0-9a-f]{63}"/],
    ["a digit more", `${known.image.digest}0`, /"sha256:[0-9a-f]{65}"/],
    ["a dash for a colon", known.image.digest.replace(":", "-"), /"sha256-[0-9a-f]{64}"/],
    ["a NUL behind it", `${known.image.digest}%00`, /"sha256:[0-9a-f]{64}%00"/],
    ["a path", "..%2F..%2Fetc", /"\.\.%2F\.\.%2Fetc"/],
    ["no UTF-8", "%ff", /"%ff"/],
  ])("of %s are 400", async (_case, digest, message) => {
    const response = await send("GET", `/v2/${known.name}/referrers/${digest}`);
    await known.expectRefused(response, [400, "DIGEST_INVALID", message]);
  });

  test.each([
    ["a type that nobody has", "artifactType=text/plain", true, 0],
    ["an empty type", "artifactType=", false, 1],
    ["no value", "artifactType", false, 1],
    ["a type without slash", "artifactType=x", true, 0],
    ["a NUL", "artifactType=%00", true, 0],
    ["a percent sign", "artifactType=%", true, 0],
    ["no UTF-8", "artifactType=%ff", true, 0],
    ["a pattern", "artifactType=%25", true, 0],
    ["an asterisk", "artifactType=*", true, 0],
    ["SQL", "artifactType=%27%20OR%201=1%20--", true, 0],
    ["a whale", "artifactType=%F0%9F%90%B3", true, 0],
    ["a header's end", "artifactType=a%0D%0ASet-Cookie:%20a", true, 0],
    ["10,000 characters", `artifactType=${"x".repeat(10_000)}`, true, 0],
    ["null", "artifactType=null", true, 0],
    ["another case of the parameter", "ArtifactType=text/plain", false, 1],
    ["a last that is no digest", "last=x", false, 0],
    ["a last of a NUL", "last=%00", false, 1],
    ["an empty last", "last=", false, 1],
    ["a last of 10,000 characters", `last=${"z".repeat(10_000)}`, false, 0],
    ["n, which it does not have", "n=-1", false, 1],
  ])("filtered by %s are an index", async (_case, query, isFiltered, count) => {
    const path = `/v2/${known.name}/referrers/${known.image.digest}?${query}`;
    const response = await send("GET", path);
    expect(response.status).toBe(200);
    expect(response.headers.get("Content-Type")).toBe(ociIndex);
    expect(response.headers.get("OCI-Filters-Applied")).toBe(isFiltered ? "artifactType" : null);
    expect(response.headers.get("Set-Cookie")).toBeNull();
    const { manifests } = await response.json<{ manifests: unknown[] }>();
    expect(manifests).toHaveLength(count);
    await known.expectUnchanged();
  });
});
