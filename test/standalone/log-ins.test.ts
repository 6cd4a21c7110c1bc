import { hash } from "bcryptjs";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Start } from "./start-process.ts";

const starts: Start[] = [];
let folder = "";

/** A start on the test's storage; with `<folder>` in a value, it is the test's own. */
function start(environment: Record<string, string>): Start {
  const own = Object.entries(environment).map(([name, value]) => [
    name,
    value.replaceAll("<folder>", folder),
  ]);
  const started = new Start([process.execPath, "standalone/start.ts"], {
    REGISTRY_PORT: "0",
    REGISTRY_STORAGE_PATH: join(folder, "data"),
    ...Object.fromEntries(own),
  });
  starts.push(started);
  return started;
}

async function stop(started: Start): Promise<void> {
  started.process.kill("SIGTERM");
  expect(await started.ended).toBe(0);
}

function basic(name: string, password: string): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`;
}

async function status(url: string, path: string, authorization?: string): Promise<number> {
  const headers: Record<string, string> =
    authorization === undefined ? {} : { Authorization: authorization };
  const response = await fetch(`${url}${path}`, { headers });
  await response.arrayBuffer();
  return response.status;
}

async function tokenOf(url: string, authorization: string, scope: string): Promise<string> {
  const response = await fetch(`${url}/token?service=longshore&scope=${scope}`, {
    headers: { Authorization: authorization },
  });
  const { token }: { token: string } = await response.json();
  return `Bearer ${token}`;
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "longshore-log-ins-"));
});

afterEach(async () => {
  for (const started of starts.splice(0)) {
    started.process.kill("SIGKILL");
    await started.ended;
  }
  // Whatever was killed may still be leaving.
  await rm(folder, { recursive: true, maxRetries: 10 });
});

describe("one machine", { timeout: 60_000 }, () => {
  test("lets in the users of a file, and those of variables, and nobody else", async () => {
    await writeFile(join(folder, "users"), `# ours\r\nalice:${await hash("a:ü", 4)}\r\n`);
    const started = start({
      REGISTRY_AUTH_HTPASSWD: "<folder>/users",
      READONLY_USERNAME: "bob",
      READONLY_PASSWORD: "read",
    });
    const url = await started.url();
    expect(await status(url, "/v2/")).toBe(401);
    expect(await status(url, "/v2/", basic("alice", "a:ü"))).toBe(200);
    expect(await status(url, "/v2/", basic("alice", "read"))).toBe(401);
    expect(await status(url, "/v2/", basic("bob", "read"))).toBe(200);
    expect(await status(url, "/v2/team/app/tags/list", basic("bob", "read"))).toBe(404);
    expect(await status(url, "/v2/team/app/tags/list")).toBe(401);
    expect(started.errors).toBe("");
  });

  test("takes a token that it made before it was started anew", async () => {
    const alice = { USERNAME: "alice", PASSWORD: "correct-horse" };
    const first = start(alice);
    const url = await first.url();
    const token = await tokenOf(url, basic("alice", "correct-horse"), "repository:a:pull");
    expect(await status(url, "/v2/a/tags/list", token)).toBe(404);
    await stop(first);

    const again = await start(alice).url();
    expect(await status(again, "/v2/a/tags/list", token)).toBe(404);
    expect(await status(again, "/v2/b/tags/list", token)).toBe(401);
    const kept = await readdir(join(folder, "data"));
    expect(kept.filter((name) => name.startsWith("token-key"))).toEqual(["token-key.pem"]);
    expect((await stat(join(folder, "data/token-key.pem"))).mode & 0o777).toBe(0o600);
  });

  test("takes no token of another machine's", async () => {
    const alice = { USERNAME: "alice", PASSWORD: "correct-horse" };
    const url = await start(alice).url();
    const other = await start({ ...alice, REGISTRY_STORAGE_PATH: "<folder>/other" }).url();
    const token = await tokenOf(other, basic("alice", "correct-horse"), "repository:a:pull");
    expect(await status(other, "/v2/", token)).toBe(200);
    expect(await status(url, "/v2/", token)).toBe(401);
  });

  test("does as a policy of a file says", async () => {
    const rule = { repository: "public/**", users: ["anonymous"], permissions: ["pull"] };
    await writeFile(join(folder, "policy.json"), JSON.stringify({ rules: [rule] }));
    const url = await start({
      USERNAME: "alice",
      PASSWORD: "correct-horse",
      REGISTRY_ACCESS_CONTROL_CONFIG: "<folder>/policy.json",
    }).url();
    const alice = basic("alice", "correct-horse");
    expect(await status(url, "/v2/public/app/tags/list")).toBe(404);
    expect(await status(url, "/v2/team/app/tags/list")).toBe(401);
    expect(await status(url, "/v2/team/app/tags/list", alice)).toBe(403);
  });

  test.each<[string, Record<string, string>, string]>([
    [
      "users whose passwords are plain",
      { REGISTRY_AUTH_HTPASSWD: "<folder>/plain" },
      "REGISTRY_AUTH_HTPASSWD: line 2 is not <user>:<bcrypt hash>: make it with htpasswd -B",
    ],
    [
      "users in a file that is not there",
      { REGISTRY_AUTH_HTPASSWD: "<folder>/nobody" },
      "REGISTRY_AUTH_HTPASSWD is no file that can be read: ENOENT",
    ],
    [
      "a storage that can't keep a key",
      { USERNAME: "alice", PASSWORD: "secret", REGISTRY_STORAGE_PATH: "/dev/null" },
      'REGISTRY_STORAGE_PATH is "/dev/null", where the key that signs tokens can\'t be kept: ',
    ],
  ])("is refused for %s, in one line without a secret", async (_, environment, message) => {
    await writeFile(join(folder, "plain"), "# ours\nalice:secret\n");
    const started = start(environment);
    expect(await started.ended).toBe(1);
    expect(started.output).toBe("");
    expect(started.errors.split("\n")).toEqual([
      expect.stringContaining(`longshore: ${message}`),
      "",
    ]);
    expect(started.errors).not.toContain("secret");
  });
});
