import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RunningRegistry } from "../standalone/running-registry.ts";
import { Companion } from "./companion.ts";

const registry = new RunningRegistry({
  USERNAME: "alice",
  PASSWORD: "correct-horse",
  READONLY_USERNAME: "bob",
  READONLY_PASSWORD: "read",
});
const alice = { LONGSHORE_USERNAME: "alice", LONGSHORE_PASSWORD: "correct-horse" };
const home = { HOME: "/nonexistent" };

const steps = [
  "find the registry",
  "push a layer in chunks",
  "push a configuration whole",
  "push a manifest",
  "find the blobs",
  "pull the image and compare",
  "list the tags",
  "delete the image",
  "find nothing left",
];

async function statistics(): Promise<unknown> {
  const authorization = `Basic ${Buffer.from("alice:correct-horse").toString("base64")}`;
  const answer = await fetch(`${registry.url}/_stats`, { headers: { authorization } });
  return answer.json();
}

test("takes all steps, with the time of each", async () => {
  const { code, output } = await Companion.run(["smoke", registry.url], { ...home, ...alice });
  expect(code).toBe(0);
  const lines = output.trimEnd().split("\n");
  expect(lines.slice(0, -1)).toEqual(
    steps.map((step) => expect.stringMatching(new RegExp(`^ *\\d+ ms {2}${step}$`))),
  );
  expect(lines.at(-1)).toMatch(/ works: \d+ ms$/);
});

test("tells its result as JSON, with a password by standard input", async () => {
  const args = ["smoke", registry.url, "--username", "alice", "--password-stdin", "--json"];
  const { code, output } = await Companion.run(args, home, "correct-horse\n");
  expect([code, JSON.parse(output)]).toMatchObject([
    0,
    {
      status: "done",
      url: registry.url,
      repository: expect.stringMatching(/^smoke-tests\/[0-9a-f]{8}$/),
      steps: steps.map((step) => ({ step, milliseconds: expect.any(Number) })),
    },
  ]);
});

test("leaves no repository, tag, image or upload", async () => {
  const args = ["smoke", registry.url, "--repository", "team/checks"];
  expect(await Companion.run(args, { ...home, ...alice })).toMatchObject({ code: 0 });
  expect(await statistics()).toMatchObject({ repositories: 0, images: 0, tags: 0 });
  expect(await statistics()).toMatchObject({ uploads: { active: 0 } });
});

/** An edge before a registry, which lets no upload through. */
const wrong = createServer((request, response) => {
  request.resume();
  if (request.url === "/v2/") {
    response.setHeader("Docker-Distribution-API-Version", "registry/2.0");
    response.end("{}");
    return;
  }
  response.statusCode = 413;
  response.setHeader("Content-Type", "text/html");
  response.end("<html><head><title>413 Request Entity Too Large</title></head></html>");
});
/** A web site. */
const page = createServer((request, response) => {
  request.resume();
  response.setHeader("Content-Type", "text/html");
  response.end("<html>Welcome</html>");
});

describe("fails", () => {
  const addresses = new Map<string, string>();

  beforeAll(async () => {
    for (const [name, server] of Object.entries({ wrong, page })) {
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      addresses.set(name, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    }
    addresses.set("registry", registry.url);
    addresses.set("nothing", "http://127.0.0.1:9");
  });
  afterAll(() => {
    wrong.close();
    page.close();
  });

  const bob = { LONGSHORE_USERNAME: "bob", LONGSHORE_PASSWORD: "read" };
  const mallory = { LONGSHORE_USERNAME: "alice", LONGSHORE_PASSWORD: "wrong" };

  test.each([
    ["with a wrong password", "registry", mallory, "find the registry", "401 UNAUTHORIZED"],
    ["as a user who may pull only", "registry", bob, "push a layer in chunks", "403 DENIED"],
    ["without a user", "registry", {}, "push a layer in chunks", "log in"],
    ["at a page", "page", alice, "find the registry", "is no registry: check the URL"],
    ["at an edge that refuses", "wrong", alice, "push a layer in chunks", "413"],
    ["where nothing listens", "nothing", alice, "find the registry", "can't be reached"],
  ])("%s, and names the step", async (_name, server, user, step, reason) => {
    const url = addresses.get(server) ?? "";
    const { code, output, errors } = await Companion.run(["smoke", url, "--json"], {
      ...home,
      ...user,
    });
    expect(code).toBe(1);
    expect(JSON.parse(output)).toMatchObject({ status: "failed", failed: { step } });
    expect(errors).toContain(`longshore: smoke failed at "${step}": `);
    expect(errors).toContain(reason);
  });

  test("without a registry to test, as a command that was called wrongly", async () => {
    expect(await Companion.run(["smoke"], home)).toMatchObject({ code: 2 });
  });
});
