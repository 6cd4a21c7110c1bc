/** The companion's HTTP client: log-in, repeats, and what it never sends. */
import { afterEach, describe, expect, test } from "vitest";
import type { Credentials } from "../../cli/credentials.ts";
import { parseChallenges } from "../../cli/registry-authorizer.ts";
import { headerOf } from "../../cli/registry-answer.ts";
import { RegistryClient } from "../../cli/registry-client.ts";
import { RegistryAnswerError, RegistryUnreachable } from "../../cli/registry-error.ts";
import { type Asked, type StandInAnswer, StandInRegistry } from "./stand-in-registry.ts";

const alice: Credentials = { kind: "password", username: "alice", password: "correct-horse" };
const basic = `Basic ${Buffer.from("alice:correct-horse").toString("base64")}`;
const closing: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of closing.splice(0)) await one.close();
});

async function startRegistry(
  answer: (asked: Asked) => StandInAnswer | Promise<StandInAnswer>,
): Promise<StandInRegistry> {
  const registry = await StandInRegistry.start(answer);
  closing.push(registry);
  return registry;
}

function clientOf(registry: { url: string }, credentials?: Credentials, tries = 3): RegistryClient {
  const client = new RegistryClient(registry.url, { credentials: async () => credentials, tries });
  closing.push(client);
  return client;
}

async function get(client: RegistryClient, path: string): Promise<[number, string]> {
  const answer = await client.send({ method: "GET", path, follows: true });
  return [answer.status, await answer.body.text()];
}

/** A registry whose tokens are numbered, and are good until the next but `good` was made. */
async function startTokenRegistry(expiresIn: number, isGood: (token: string) => boolean) {
  let made = 0;
  const registry = await startRegistry(({ line, headers }) => {
    if (line.includes("/token")) {
      made += 1;
      return { status: 200, body: JSON.stringify({ token: `t${made}`, expires_in: expiresIn }) };
    }
    const token = headers.authorization?.replace("Bearer ", "") ?? "";
    if (isGood(token)) return { status: 200, body: token };
    const scope = "repository:team/app:pull,push";
    const challenge = `Bearer realm="${registry.url}/token",service="it's",scope="${scope}"`;
    return { status: 401, headers: { "www-authenticate": challenge } };
  });
  return registry;
}

describe("a token", () => {
  const path = "/v2/team/app/manifests/v1";
  test("is asked for once for requests side by side, and kept", async () => {
    const registry = await startTokenRegistry(300, (token) => token !== "");
    const client = clientOf(registry, alice);
    const answers = await Promise.all([get(client, path), get(client, path), get(client, path)]);
    answers.push(await get(client, path));
    expect(answers).toEqual(answers.map(() => [200, "t1"]));
    const asked = registry.asked.filter(({ line }) => line.includes("/token"));
    expect(asked.map(({ line, headers }) => [line, headers.authorization])).toEqual([
      [
        "GET /token?service=it%27s&scope=repository%3Ateam%2Fapp%3Apull%2Cpush&account=alice",
        basic,
      ],
    ]);
  });

  test("that is refused is followed by another one, once", async () => {
    const good = new Set(["t1"]);
    const registry = await startTokenRegistry(300, (token) => good.has(token));
    const client = clientOf(registry, alice);
    expect(await get(client, path)).toEqual([200, "t1"]);
    good.clear();
    good.add("t2");
    expect(await get(client, path)).toEqual([200, "t2"]);
    good.clear();
    expect((await get(client, path))[0]).toBe(401);
    expect(registry.lines.filter((line) => line.includes("/token"))).toHaveLength(3);
  });

  test("is got by POST with an identity token", async () => {
    const registry = await startTokenRegistry(300, (token) => token !== "");
    const client = clientOf(registry, { kind: "identity", token: "refresh" });
    expect(await get(client, path)).toEqual([200, "t1"]);
    const asked = registry.asked.find(({ line }) => line.includes("/token"));
    expect([asked?.line, asked?.headers.authorization]).toEqual(["POST /token", undefined]);
  });

  test("is not asked for with a password elsewhere without HTTPS", async () => {
    const elsewhere = 'Bearer realm="http://auth.example/token",service="s"';
    const registry = await startRegistry(() => ({
      status: 401,
      headers: { "www-authenticate": elsewhere },
    }));
    await expect(get(clientOf(registry, alice), path)).rejects.toThrow("without HTTPS");
  });
});

describe("another host", () => {
  test("that a blob is redirected to gets no Authorization", async () => {
    const storage = await startRegistry(() => ({ status: 200, body: "bytes" }));
    const registry = await startRegistry(({ headers }) =>
      headers.authorization === undefined
        ? { status: 401, headers: { "www-authenticate": "Basic realm=r" } }
        : { status: 307, headers: { location: `${storage.url}/blob?sig=1` } },
    );
    expect(await get(clientOf(registry, alice), "/v2/a/blobs/x")).toEqual([200, "bytes"]);
    expect(storage.asked.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });

  test("that asks for a password gets none", async () => {
    const challenge = { "www-authenticate": "Basic realm=r" };
    const other = await startRegistry(() => ({ status: 401, headers: challenge }));
    const registry = await startRegistry(() => ({ status: 200 }));
    const answer = await clientOf(registry, alice).send({
      method: "GET",
      path: new URL(other.url),
    });
    await answer.body.dump();
    expect(answer.status).toBe(401);
    expect(other.asked.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });
});

describe("what is sent again", () => {
  test.each([
    ["GET", 503, 3],
    ["PUT", 502, 3],
    ["POST", 503, 1],
    ["PATCH", 504, 1],
    ["GET", 500, 1],
  ])("%s that is answered %i: %i times", async (method, status, times) => {
    const registry = await startRegistry(() => ({ status }));
    const answer = await clientOf(registry).send({ method, path: "/v2/" });
    await answer.body.dump();
    expect([answer.status, registry.asked.length]).toEqual([status, times]);
  });

  test.each(["GET", "POST", "PATCH"])("%s that is answered 429, behind a pause", async (method) => {
    let refusals = 2;
    const registry = await startRegistry(() => {
      refusals -= 1;
      return refusals >= 0 ? { status: 429, headers: { "retry-after": "0" } } : { status: 200 };
    });
    const body = Buffer.from("bytes");
    const answer = await clientOf(registry).send({ method, path: "/v2/", body });
    await answer.body.dump();
    expect([answer.status, registry.asked.length]).toEqual([200, 3]);
    expect(registry.asked.map(({ length }) => length)).toEqual([5, 5, 5]);
  });
});

describe("an answer that is an error", () => {
  test.each([
    [
      "of the spec",
      { status: 403, body: '{"errors":[{"code":"DENIED","message":"no","detail":"ask"}]}' },
      { status: 403, code: "DENIED", isPage: false },
      "403 DENIED: no; ask",
    ],
    [
      "of an edge",
      {
        status: 413,
        headers: { "content-type": "text/html" },
        body: "<html><head><title>413 Too Large</title></head></html>",
      },
      { status: 413, code: undefined, isPage: true },
      "came from an edge",
    ],
    [
      "without a body",
      { status: 500 },
      { status: 500, code: undefined, isPage: false },
      "500: no body",
    ],
  ])("%s is told as it is", async (_what, answer, expected, text) => {
    const registry = await startRegistry(() => answer);
    const asking = clientOf(registry).expect({ method: "GET", path: "/v2/" }, [200]);
    await expect(asking).rejects.toBeInstanceOf(RegistryAnswerError);
    await expect(asking).rejects.toMatchObject(expected);
    await expect(asking).rejects.toThrow(text);
  });

  test("of nobody says what to do", async () => {
    const client = clientOf({ url: "http://127.0.0.1:1" }, undefined, 2);
    const asking = client.send({ method: "GET", path: "/v2/" });
    await expect(asking).rejects.toBeInstanceOf(RegistryUnreachable);
    await expect(asking).rejects.toThrow(/ECONNREFUSED.*check the address/);
  });
});

test.each([
  ["Basic realm=r", [{ scheme: "basic", parameters: { realm: "r" } }]],
  [
    'Bearer realm="https://a/token",service="s",scope="repository:x:pull,push"',
    [
      {
        scheme: "bearer",
        parameters: { realm: "https://a/token", service: "s", scope: "repository:x:pull,push" },
      },
    ],
  ],
  [
    String.raw`Negotiate, Bearer realm="a\"b", Basic realm="x"`,
    [
      { scheme: "negotiate", parameters: {} },
      { scheme: "bearer", parameters: { realm: 'a"b' } },
      { scheme: "basic", parameters: { realm: "x" } },
    ],
  ],
  ["", []],
])("the challenge %s", (header, challenges) => {
  expect(parseChallenges(header)).toEqual(challenges);
});

test("a header that came twice is one", () => {
  expect(headerOf({ headers: { link: ["a", "b"] } }, "link")).toBe("a, b");
});
