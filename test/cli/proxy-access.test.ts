/** Whose credentials `longshore proxy` uses. */
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { digestOf, RunningRegistry } from "../standalone/running-registry.ts";
import { errorOf, RunningProxy } from "./running-proxy.ts";
import { StandInRegistry } from "./stand-in-registry.ts";
import { noise } from "./written-image.ts";

const users = {
  USERNAME: "alice",
  PASSWORD: "correct-horse",
  READONLY_USERNAME: "bob",
  READONLY_PASSWORD: "read",
};
const basic = (name: string, password: string) =>
  `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`;
const alice = basic("alice", "correct-horse");
let folder: string;
let proxy: RunningProxy | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "longshore-proxy-test-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});
afterEach(async () => {
  await proxy?.stop();
  proxy = undefined;
});

/** docker's configuration, with a helper `docker-credential-test` that knows alice. */
async function writeConfiguration(registry: string, kind: "auths" | "credsStore" | "credHelpers") {
  const host = new URL(registry).host;
  const helper = join(folder, "docker-credential-test");
  const known = JSON.stringify({ Username: "alice", Secret: "correct-horse" });
  const script = [
    "#!/bin/sh",
    "read -r host",
    `if [ "$1 $host" = "get ${host}" ]; then echo '${known}'; exit 0; fi`,
    "echo 'credentials not found in native keychain'; exit 1",
  ];
  await writeFile(helper, `${script.join("\n")}\n`);
  await chmod(helper, 0o755);
  const auth = alice.replace("Basic ", "");
  const configuration = {
    auths: { auths: { [host]: { auth } } },
    credsStore: { auths: { [host]: {} }, credsStore: "test" },
    credHelpers: { credHelpers: { [host]: "test" } },
  }[kind];
  await writeFile(join(folder, "config.json"), JSON.stringify(configuration));
  return { DOCKER_CONFIG: folder, PATH: `${folder}:${process.env["PATH"] ?? ""}` };
}

describe.each(["basic", "token"])("a registry with %s", (type) => {
  const registry = new RunningRegistry({ ...users, REGISTRY_AUTH_TYPE: type });

  async function push(headers: Record<string, string>): Promise<number[]> {
    const bytes = noise(`access ${type}`, 3 * 1024 * 1024);
    if (proxy === undefined) throw new Error("no proxy");
    const begun = await proxy.ask("POST /v2/team/app/blobs/uploads/", { headers });
    if (begun.status !== 202) return [begun.status];
    const line = `PUT ${begun.headers.location}?digest=${digestOf(bytes)}`;
    const put = await proxy.ask(line, { headers, body: bytes });
    const read = await proxy.ask(`GET /v2/team/app/blobs/${digestOf(bytes)}`, { headers });
    return [begun.status, put.status, read.status];
  }

  test.each(["auths", "credsStore", "credHelpers"] as const)(
    "a client that sends none gets what docker login stored in %s",
    async (kind) => {
      const environment = await writeConfiguration(registry.url, kind);
      proxy = await RunningProxy.start(registry.url, ["--chunk-size", "1MiB"], environment);
      expect(await push({})).toEqual([202, 201, 200]);
      expect(proxy.said).not.toContain("correct-horse");
    },
  );

  test("--username with --password-stdin is what it uses", async () => {
    const args = ["--username", "alice", "--password-stdin"];
    proxy = await RunningProxy.start(registry.url, args, {}, "correct-horse\n");
    expect(await push({})).toEqual([202, 201, 200]);
  });

  test("a client without any, and a proxy without any, meets the registry's challenge", async () => {
    proxy = await RunningProxy.start(registry.url);
    const answer = await proxy.ask("GET /v2/");
    expect(answer.status).toBe(401);
    const challenge = answer.headers["www-authenticate"];
    expect(challenge).toContain(type === "basic" ? "Basic" : `realm="${registry.url}/token"`);
    expect(await push({})).toEqual([401]);
  });

  test("a client's own go on as they are", async () => {
    proxy = await RunningProxy.start(registry.url);
    if (type === "token") {
      const token = async () => {
        const scope = "repository:team/app:pull,push";
        const answer = await fetch(`${registry.url}/token?service=longshore&scope=${scope}`, {
          headers: { authorization: alice },
        });
        const { token: made } = await answer.json<{ token: string }>();
        return made;
      };
      expect(await push({ authorization: `Bearer ${await token()}` })).toEqual([202, 201, 200]);
    } else {
      expect(await push({ authorization: alice })).toEqual([202, 201, 200]);
    }
  });

  test("a client's wrong password is refused, whatever the proxy has", async () => {
    const environment = await writeConfiguration(registry.url, "auths");
    proxy = await RunningProxy.start(registry.url, [], environment);
    const headers = { authorization: basic("alice", "wrong") };
    expect((await proxy.ask("GET /v2/", { headers })).status).toBe(401);
    expect(await push(headers)).toEqual([401]);
  });

  test("a token that ends in the middle of an upload is followed by the proxy's", async () => {
    const environment = await writeConfiguration(registry.url, "auths");
    proxy = await RunningProxy.start(registry.url, ["--chunk-size", "1MiB"], environment);
    const bytes = noise(`ended ${type}`, 9 * 1024 * 1024);
    const location = await proxy.begin("team/app");
    const headers = { authorization: "Bearer ended" };
    const line = `PUT ${location}?digest=${digestOf(bytes)}`;
    expect((await proxy.ask(line, { headers, body: bytes })).status).toBe(201);
  });

  test("on another address than loopback, stored ones are nobody's", async () => {
    const environment = await writeConfiguration(registry.url, "auths");
    proxy = await RunningProxy.start(registry.url, ["--host", "0.0.0.0"], environment);
    expect(await push({})).toEqual([401]);
    await proxy.stop();
    const given = {
      ...environment,
      LONGSHORE_USERNAME: "alice",
      LONGSHORE_PASSWORD: "correct-horse",
    };
    proxy = await RunningProxy.start(registry.url, ["--host", "0.0.0.0"], given);
    expect(await push({})).toEqual([202, 201, 200]);
    expect(proxy.said).toContain("as alice");
  });
});

describe("a token that ends in the middle of an upload, and a proxy without credentials", () => {
  const chunkBytes = 64 * 1024;
  const headers = { authorization: "Bearer ended" };
  const location = "/v2/team/app/blobs/uploads/one";
  const challenge = {
    "www-authenticate": 'Bearer realm="https://a.example",error="invalid_token"',
  };
  const bytes = noise("ended", 3 * chunkBytes);
  let stand: StandInRegistry;
  let isSessionEnough: boolean;

  beforeAll(async () => {
    stand = await StandInRegistry.start(({ headers: { authorization } }) =>
      isSessionEnough && authorization === undefined
        ? { status: 202, headers: { location } }
        : { status: 401, headers: challenge },
    );
  });
  afterAll(async () => {
    await stand.close();
  });

  async function patch() {
    stand.asked.length = 0;
    isSessionEnough = true;
    proxy = await RunningProxy.start(stand.url, ["--chunk-size", `${chunkBytes}`]);
    return proxy.begin("team/app");
  }

  test("goes on by the session's id where that is enough, each chunk sent once but the first", async () => {
    const path = await patch();
    expect((await proxy?.ask(`PATCH ${path}`, { headers, body: bytes }))?.status).toBe(202);
    const sent = stand.asked.filter(({ line }) => line.startsWith("PATCH"));
    expect(sent.map((one) => [one.headers["content-range"], one.headers.authorization])).toEqual([
      ["0-65535", "Bearer ended"],
      ["0-65535", undefined],
      ["65536-131071", undefined],
      ["131072-196607", undefined],
    ]);
  });

  test("says where to log in else", async () => {
    const path = await patch();
    isSessionEnough = false;
    const refused = await proxy?.ask(`PATCH ${path}`, { headers, body: bytes });
    if (refused === undefined) throw new Error("no proxy");
    expect([refused.status, refused.headers["www-authenticate"]]).toEqual([
      401,
      challenge["www-authenticate"],
    ]);
    expect(errorOf(refused).message).toContain(`docker login ${new URL(stand.url).host}`);
  });
});
