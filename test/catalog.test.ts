import { beforeAll, describe, expect, test, vi } from "vitest";
import { indexOf, newRepository, pushBlob, pushManifest, refusal, send } from "./client.ts";
import { sendTo } from "./configured.ts";

/** A page of the catalog, and where its Link leads. */
async function page(response: Response): Promise<{ names: string[]; next: string | undefined }> {
  expect(response.status).toBe(200);
  expect(response.headers.get("Content-Type")).toMatch(/^application\/json/);
  const { repositories } = await response.json<{ repositories: string[] }>();
  const next = /^<(\/v2\/[^>]*)>; rel="next"$/.exec(response.headers.get("Link") ?? "")?.[1];
  expect(response.headers.get("Link") === null).toBe(next === undefined);
  return { names: repositories, next };
}

async function listed(query: string, path = "/v2/_catalog") {
  return page(await send("GET", path + query));
}

/** Names that begin as no other repository's; 101, so that they are more than a page. */
const prefix = `catalog-${crypto.randomUUID()}/`;
const names = Array.from({ length: 101 }, (_, at) => `${prefix}r${String(at).padStart(3, "0")}`);
const [first, second, third] = names;

beforeAll(async () => {
  await Promise.all(names.map((name) => pushManifest(name, "latest", indexOf())));
  // The catalog is told a moment after a push was answered.
  await vi.waitFor(
    async () => {
      const { names: some } = await listed(`?n=1000&last=${prefix}`);
      expect(some.slice(0, names.length)).toEqual(names);
    },
    { timeout: 20_000, interval: 200 },
  );
}, 30_000);

describe.each([["/v2/_catalog"], ["/_catalog"]])("%s", (path) => {
  test("has 100 repositories without n, and leads to the rest", async () => {
    const { names: some, next } = await listed(`?last=${prefix}`, path);
    expect(some).toEqual(names.slice(0, 100));
    expect(next).toBe(`/v2/_catalog?n=100&last=${encodeURIComponent(`${some[99]}`)}`);
    expect((await listed("", next)).names[0]).toBe(names[100]);
  });

  test.each([
    ["two", `?n=2&last=${prefix}`, [first, second], true],
    ["the next ones", `?n=1&last=${second}`, [third], true],
    ["those after a name that is none", `?n=1&last=${first}!`, [second], true],
    ["none for n=0", "?n=0", [], false],
    ["none for n=0 and last", `?n=0&last=${prefix}`, [], false],
    ["none behind all", "?last=~", [], false],
  ])("answers %s", async (_case, query, expected, more) => {
    const { names: some, next } = await listed(query, path);
    expect(some).toEqual(expected);
    expect(next !== undefined).toBe(more);
  });

  test.each([["-1"], ["abc"], ["1.5"], ["1e3"], ["%2B5"]])("with n=%s is 400", async (n) => {
    const response = await send("GET", `${path}?n=${n}`);
    expect(await refusal(response)).toEqual([400, "PAGINATION_NUMBER_INVALID"]);
  });

  test("with more than the largest page is clamped and leads on", async () => {
    const variables = { REGISTRY_PAGINATION_MAX_LIMIT: "10" };
    const ask = async (query: string) =>
      page(await sendTo(variables, "GET", `${path}?${query}&last=${prefix}`));
    for (const query of ["n=11", "n=1000000000000", "x="]) {
      // oxlint-disable-next-line no-await-in-loop
      const { names: some, next } = await ask(query);
      expect(some).toEqual(names.slice(0, 10));
      expect(next).toContain("n=10&");
    }
  });

  test("has all, each once, from page to page", async () => {
    const all: string[] = [];
    let next: string | undefined = `/v2/_catalog?n=7&last=${prefix}`;
    while (next !== undefined && all.length < names.length) {
      // oxlint-disable-next-line no-await-in-loop
      const { names: some, next: after }: Awaited<ReturnType<typeof listed>> = await listed(
        "",
        next,
      );
      all.push(...some);
      next = after;
    }
    expect(all.filter((name) => name.startsWith(prefix))).toEqual(names);
  });
});

async function isListed(repository: string): Promise<boolean> {
  const { names: some } = await listed(`?n=1&last=${repository.slice(0, -1)}`);
  return some[0] === repository;
}

describe("a repository", () => {
  test("is listed while it has a manifest", async () => {
    const repository = newRepository();
    expect(await isListed(repository)).toBe(false);
    await pushBlob(repository, "blob");
    expect(await isListed(repository)).toBe(false);
    const digest = await pushManifest(repository, "latest", indexOf());
    await expect.poll(() => isListed(repository), { timeout: 5000 }).toBe(true);
    await send("DELETE", `/v2/${repository}/manifests/latest`);
    expect(await isListed(repository)).toBe(true);
    await send("DELETE", `/v2/${repository}/manifests/${digest}`);
    await expect.poll(() => isListed(repository), { timeout: 5000 }).toBe(false);
    await pushManifest(repository, "latest", indexOf());
    await expect.poll(() => isListed(repository), { timeout: 5000 }).toBe(true);
  });
});
