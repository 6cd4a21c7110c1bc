import { Buffer } from "node:buffer";
import { env } from "cloudflare:test";
import { runInDurableObject } from "cloudflare:test";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RepositoryName } from "../../schemas/reference.ts";
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
import { totalsWith } from "../durable-objects/repository-totals.ts";

/** Names that begin as no other repository's, and before all others. */
const prefix = `0-${crypto.randomUUID()}`;
const ours = (name: string) => `${prefix}/${name}`;

/** In byte order: what bob may pull is between what he may not. */
const listed = [
  ours("alice/a1"),
  ours("bob/b1"),
  ours("bob/b2"),
  ours("carla/c1"),
  ours("carla/c2"),
  ours("dave/d1"),
  ours("public/p1"),
  ours("public/p2"),
  ours("zoe/bob"),
  ours("zoe/z1"),
];

const policy = JSON.stringify({
  adminUsers: ["root"],
  rules: [
    { repository: `${prefix}/public/**`, users: ["anonymous"], permissions: ["pull"] },
    { repository: `${prefix}/bob/**`, users: ["bob"], permissions: ["pull", "push"] },
    { repository: `${prefix}/*/bob`, users: ["bob"], permissions: ["pull"] },
    { repository: `${prefix}/dave/**`, users: ["bob"], permissions: ["push", "create", "delete"] },
    { repository: `${prefix}/alice/**`, users: ["alice"], permissions: ["pull"] },
    { repository: "last/**", users: ["alice", "bob"], permissions: ["pull"] },
  ],
});

const bobs = [
  ours("bob/b1"),
  ours("bob/b2"),
  ours("public/p1"),
  ours("public/p2"),
  ours("zoe/bob"),
];
const everyones = [ours("public/p1"), ours("public/p2")];

let variables: Variables;

const catalog = () => env.CATALOG.getByName("catalog");

beforeAll(async () => {
  variables = await tokenRegistry({
    REGISTRY_AUTH_HTPASSWD: htpasswd({ bob: "bob's", root: "root's" }),
    REGISTRY_ACCESS_CONTROL_CONFIG: policy,
  });
  await Promise.all(
    listed.map((name) => catalog().set(name as RepositoryName, totalsWith({ manifests: 1 }), 1)),
  );
});

const bob = basic("bob", "bob's");

interface CatalogPage {
  readonly names: string[];
  readonly next: string | undefined;
}

async function page(credentials: Credentials, path: string): Promise<CatalogPage> {
  const response = await sendTo(variables, "GET", path, { headers: credentials });
  expect(response.status).toBe(200);
  const { repositories } = await response.json<{ repositories: string[] }>();
  const next = /^<([^>]+)>; rel="next"$/.exec(response.headers.get("Link") ?? "")?.[1];
  return { names: repositories, next };
}

/** All pages to the end, and every position that a Link named. */
async function walk(
  credentials: Credentials,
  query: string,
): Promise<{ names: string[]; positions: string[]; sizes: number[] }> {
  const found = { names: [] as string[], positions: [] as string[], sizes: [] as number[] };
  let next: string | undefined = `/v2/_catalog${query}`;
  while (next !== undefined) {
    // oxlint-disable-next-line no-await-in-loop
    const { names, next: after }: CatalogPage = await page(credentials, next);
    found.names.push(...names);
    found.sizes.push(names.length);
    next = after;
    if (next !== undefined) {
      found.positions.push(new URL(next, "http://r.test").searchParams.get("last") ?? "");
    }
    if (found.sizes.length > 100) throw new Error("the catalog has no end");
  }
  return found;
}

describe("the catalog has what its reader may pull", () => {
  test.each<[string, () => Promise<Credentials>, string[]]>([
    ["a user by password", async () => bob, bobs],
    ["a user by token", () => tokenOf(variables, bob, "registry:catalog:*"), bobs],
    ["nobody's token", () => tokenOf(variables, nobody, "registry:catalog:*"), everyones],
    ["an administrator", async () => basic("root", "root's"), listed],
  ])("%s", async (_case, credentials, expected) => {
    const headers = await credentials();
    const { names } = await walk(headers, `?n=1000&last=${prefix}`);
    expect(names.filter((name) => name.startsWith(prefix))).toEqual(expected);
  });

  test("a reader without a policy: all", async () => {
    const open = { ...variables, REGISTRY_ACCESS_CONTROL_ENABLED: "false" };
    const headers = basic("rita", "rita's");
    const response = await sendTo(open, "GET", `/v2/_catalog?n=10&last=${prefix}`, { headers });
    expect(await response.json()).toEqual({ repositories: listed });
  });

  test.each<[string, () => Promise<Credentials>, string | undefined]>([
    ["nobody", async () => nobody, undefined],
    ["podman's nobody", async () => basic("", ""), undefined],
    [
      "a token for a repository",
      () => tokenOf(variables, bob, `repository:${bobs[0]}:pull`),
      "insufficient_scope",
    ],
    ["a token for nothing", () => tokenOf(variables, nobody), "insufficient_scope"],
  ])("%s is challenged", async (_case, credentials, error) => {
    const headers = await credentials();
    const response = await sendTo(variables, "GET", "/v2/_catalog", { headers });
    const challenge = response.headers.get("WWW-Authenticate") ?? "";
    expect([response.status, /error="(\w+)"/.exec(challenge)?.[1]]).toEqual([401, error]);
    expect(challenge).toContain('scope="registry:catalog:*"');
  });
});

describe("pages with hidden names between", () => {
  test.each([[1], [2], [3], [4], [5], [100]])(
    "of %i are full, in order and without a hole",
    async (n) => {
      const { names, positions, sizes } = await walk(bob, `?n=${n}&last=${prefix}`);
      const mine = names.filter((name) => name.startsWith(prefix));
      expect(mine).toEqual(bobs);
      expect(sizes.slice(0, Math.floor(bobs.length / n))).toEqual(
        Array.from({ length: Math.floor(bobs.length / n) }, () => n),
      );
      expect(
        positions.filter((position) => listed.includes(position) && !bobs.includes(position)),
      ).toEqual([]);
    },
  );

  test("go on behind a hidden name that a reader guesses, as behind one that is none", async () => {
    const guessed = await page(bob, `/v2/_catalog?n=1&last=${ours("carla/c1")}`);
    const none = await page(bob, `/v2/_catalog?n=1&last=${ours("carla/c0")}`);
    expect(guessed).toEqual(none);
    expect(guessed.names).toEqual([ours("public/p1")]);
  });

  test("of none have none and lead nowhere", async () => {
    expect(await page(bob, "/v2/_catalog?n=0")).toEqual({ names: [], next: undefined });
  });
});

describe("behind more hidden names than a page looks at", () => {
  const hiddenCount = 21_500;
  const first = `last/${crypto.randomUUID()}`;
  const hidden = (at: number) =>
    `${first.replace("last/", "later/")}-${String(at).padStart(6, "0")}`;
  const visible = `last/${"z".repeat(20)}`;

  beforeAll(async () => {
    await runInDurableObject(catalog(), async (_object, { storage }) => {
      storage.transactionSync(() => {
        for (let at = 0; at < hiddenCount; at += 1) {
          const name = at % 2 === 0 ? hidden(at) : hidden(at).replace("later/", "last-/");
          storage.sql.exec(
            "INSERT OR REPLACE INTO repositories VALUES (?, 1, 1, 0, 1, 0, 0, 0, NULL, 1)",
            name,
          );
        }
      });
    });
    await catalog().set(visible as RepositoryName, totalsWith({ manifests: 1 }), 1);
  });

  afterAll(async () => {
    await runInDurableObject(catalog(), async (_object, { storage }) => {
      storage.sql.exec("DELETE FROM repositories WHERE name LIKE 'later/%' OR name LIKE 'last-/%'");
    });
  });

  test("a page is empty and leads on by a sealed position that tells no name", async () => {
    const { names, next } = await page(bob, "/v2/_catalog?n=10&last=last-");
    expect(names).toEqual([]);
    const position = new URL(next ?? "", "http://r.test").searchParams.get("last") ?? "";
    expect(position).toMatch(/^~[\w-]+$/);
    const plain = Buffer.from(position.slice(1), "base64url").toString("latin1");
    expect(plain).not.toContain(first.slice("last/".length));
    expect(plain).not.toContain("last-/");
  });

  test("all that a reader may see is found all the same, and no hidden name on the way", async () => {
    const { names, positions } = await walk(bob, `?n=3&last=${prefix}`);
    expect(names.filter((name) => name.startsWith(prefix))).toEqual(bobs);
    expect(names.filter((name) => name === visible)).toEqual([visible]);
    expect(positions.some((position) => position.startsWith("~"))).toBe(true);
    const told = positions.filter((position) => !position.startsWith("~"));
    expect(told.filter((position) => !names.includes(position))).toEqual([]);
  });

  test("a sealed position is another each time, and good for others as for its reader", async () => {
    const path = "/v2/_catalog?n=10&last=last-";
    const [one, two] = [await page(bob, path), await page(bob, path)];
    expect(one.next).not.toBe(two.next);
    const token = await tokenOf(variables, nobody, "registry:catalog:*");
    const { names } = await page(token, one.next ?? "");
    expect(names).toEqual([]);
  });

  test("a sealed position that was changed, cut or made up is a place behind all names", async () => {
    const { next = "" } = await page(bob, "/v2/_catalog?n=10&last=last-");
    const position = new URL(next, "http://r.test").searchParams.get("last") ?? "";
    const changed = position.slice(0, -2) + (position.endsWith("AA") ? "BB" : "AA");
    for (const forged of [
      changed,
      position.slice(0, 20),
      "~",
      "~a",
      "~~",
      `~${"A".repeat(40)}`,
      `~${Buffer.from(ours("alice/a1")).toString("base64url")}`,
      `~${"A".repeat(4000)}`,
      "~%00",
    ]) {
      const query = `n=10&last=${encodeURIComponent(forged)}`;
      // oxlint-disable-next-line no-await-in-loop
      expect(await page(bob, `/v2/_catalog?${query}`), forged).toEqual({
        names: [],
        next: undefined,
      });
    }
  });
});
