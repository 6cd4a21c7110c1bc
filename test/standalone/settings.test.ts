import { generateKeyPairSync } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseSettings, type Settings, WrongSetting } from "../../standalone/settings.ts";

const hash = "$2y$05$abcdefghijklmnopqrstuuWd6Z5Z0Z2oQ9kF0n5lN0JzV5x3v4mFe";
const alice = { USERNAME: "alice", PASSWORD: "correct-horse" };
const { privateKey, publicKey } = generateKeyPairSync("ec", {
  namedCurve: "P-256",
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
  publicKeyEncoding: { type: "spki", format: "pem" },
});
const outside = {
  REGISTRY_AUTH_TYPE: "token",
  REGISTRY_AUTH_TOKEN_REALM: "https://auth.example.com/token",
  REGISTRY_AUTH_TOKEN_SERVICE: "registry.example.com",
  REGISTRY_AUTH_TOKEN_ISSUER: "https://auth.example.com",
};

let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "longshore-settings-"));
});

afterEach(() => rm(folder, { recursive: true }));

type Environment = Record<string, string>;

/** With `<folder>` in a value, it is the test's own. */
function settingsOf(environment: Environment): Settings {
  const own = Object.entries(environment).map(([name, value]) => [
    name,
    value.replaceAll("<folder>", folder),
  ]);
  return parseSettings({ REGISTRY_STORAGE_PATH: join(folder, "data"), ...Object.fromEntries(own) });
}

/** What a start is refused for. */
function refusalOf(environment: Environment): string {
  try {
    settingsOf(environment);
  } catch (error) {
    if (error instanceof WrongSetting) return error.message;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("who is open to all", () => {
  test.each<[string, Environment]>([
    ["nothing is set", {}],
    ["the host is an address of loopback", { REGISTRY_HOST: "127.1.2.3" }],
    ["the host is loopback's of IPv6", { REGISTRY_HOST: "::1" }],
    ["the host is its name", { REGISTRY_HOST: "localhost" }],
    ["a desktop has set a name", { USERNAME: "alice" }],
    ["a variable is empty", { REGISTRY_AUTH_TYPE: "", PASSWORD: "", REGISTRY_AUTH_HTPASSWD: "" }],
    ["other variables are set", { REGISTRY_READS: "digest", REGISTRY_URL: "http://a" }],
  ])("on loopback: who starts it, when %s", (_, environment) => {
    expect(settingsOf(environment).variables["REGISTRY_AUTH_TYPE"]).toBe("none");
  });

  test.each<[string, Environment]>([
    ["REGISTRY_AUTH_TYPE", { REGISTRY_AUTH_TYPE: "token" }],
    ["REGISTRY_AUTH_REALM", { REGISTRY_AUTH_REALM: "Ours" }],
    ["REGISTRY_AUTH_HTPASSWD", { REGISTRY_AUTH_HTPASSWD: "<folder>/comments" }],
    ["REGISTRY_AUTH_HTPASSWD of an empty file", { REGISTRY_AUTH_HTPASSWD: "<folder>/empty" }],
    ["REGISTRY_AUTH_TOKEN_REALM", { REGISTRY_AUTH_TOKEN_REALM: "https://a" }],
    ["REGISTRY_AUTH_TOKEN_SERVICE", { REGISTRY_AUTH_TOKEN_SERVICE: "a" }],
    ["REGISTRY_AUTH_TOKEN_ISSUER", { REGISTRY_AUTH_TOKEN_ISSUER: "a" }],
    ["REGISTRY_AUTH_TOKEN_PUBLICKEY", { REGISTRY_AUTH_TOKEN_PUBLICKEY: "https://a" }],
    ["REGISTRY_AUTH_TOKEN_PRIVATEKEY", { REGISTRY_AUTH_TOKEN_PRIVATEKEY: "<folder>/comments" }],
    ["REGISTRY_AUTH_TOKEN_LIFETIME", { REGISTRY_AUTH_TOKEN_LIFETIME: "300" }],
    ["a variable by a wrong name", { REGISTRY_AUTH_HTPASSWORD: "users" }],
    ["REGISTRY_ACCESS_CONTROL_ENABLED", { REGISTRY_ACCESS_CONTROL_ENABLED: "true" }],
    ["REGISTRY_ACCESS_CONTROL_CONFIG", { REGISTRY_ACCESS_CONTROL_CONFIG: "<folder>/policy" }],
    ["PASSWORD", { PASSWORD: "correct-horse" }],
    ["READONLY_USERNAME", { READONLY_USERNAME: "bob" }],
    ["READONLY_PASSWORD", { READONLY_PASSWORD: "read" }],
  ])("nobody, when %s alone is set, on loopback too", async (_, environment) => {
    await writeFile(join(folder, "comments"), "# nobody yet\n");
    await writeFile(join(folder, "empty"), "");
    await writeFile(join(folder, "policy"), "{}");
    expect(refusalOf(environment)).not.toBe("");
  });

  test.each(["0.0.0.0", "::", "192.0.2.1", "registry.example.com", "127.example.com"])(
    "nobody by itself on %s, and what to set is told",
    (host) => {
      const refusal = refusalOf({ REGISTRY_HOST: host, USERNAME: "alice" });
      for (const part of [
        `REGISTRY_HOST is "${host}"`,
        "REGISTRY_AUTH_TYPE is not set",
        "USERNAME and PASSWORD",
        "REGISTRY_AUTH_HTPASSWD",
        "REGISTRY_AUTH_TYPE=none",
        "REGISTRY_HOST=127.0.0.1",
      ]) {
        expect(refusal).toContain(part);
      }
    },
  );

  test.each<[string, Environment]>([
    ["with users", alice],
    ["when that was said", { REGISTRY_AUTH_TYPE: "none" }],
  ])("is listened for on 0.0.0.0 %s", (_, environment) => {
    const { listening, variables } = settingsOf({ ...environment, REGISTRY_HOST: "0.0.0.0" });
    expect(listening.host).toBe("0.0.0.0");
    expect(variables["REGISTRY_AUTH_TYPE"]).toBe(environment["REGISTRY_AUTH_TYPE"]);
  });
});

describe("users", () => {
  test("are taken by name and password", () => {
    const reader = { READONLY_USERNAME: "bob", READONLY_PASSWORD: "read" };
    expect(settingsOf({ ...alice, ...reader }).variables).toMatchObject({ ...alice, ...reader });
  });

  test("and all else of the environment is left out", () => {
    const { variables } = settingsOf({ ...alice, HOME: "/home/alice", PORT: "0", USER: "alice" });
    expect(Object.keys(variables).filter((name) => !name.startsWith("REGISTRY_"))).toEqual(
      Object.keys(alice),
    );
  });
});

describe("a file", () => {
  test.each<[string, string, Environment]>([
    ["REGISTRY_AUTH_HTPASSWD", `# ours\r\nalice:${hash}\r\n`, {}],
    ["REGISTRY_ACCESS_CONTROL_CONFIG", '{"adminUsers": ["alice"]}', alice],
    ["REGISTRY_AUTH_TOKEN_PRIVATEKEY", privateKey, alice],
    ["REGISTRY_AUTH_TOKEN_PUBLICKEY", publicKey, outside],
  ])("that %s names is read", async (name, content, environment) => {
    await writeFile(join(folder, "given"), content);
    const { variables } = settingsOf({ ...environment, [name]: "<folder>/given" });
    expect(variables[name]).toBe(content);
  });

  test("is found from the folder that the registry starts in", () => {
    const { variables } = settingsOf({
      ...alice,
      REGISTRY_ACCESS_CONTROL_CONFIG: "docs/policy.example.json",
    });
    expect(variables["REGISTRY_ACCESS_CONTROL_CONFIG"]).toContain('"adminUsers"');
  });

  test.each([
    publicKey,
    "https://auth.example.com/jwks.json",
    '{"keys": []}',
    btoa('{"kty":"EC"}'),
  ])("is not needed for a public key that is given itself: %j", (key) => {
    const { variables } = settingsOf({ ...outside, REGISTRY_AUTH_TOKEN_PUBLICKEY: key });
    expect(variables["REGISTRY_AUTH_TOKEN_PUBLICKEY"]).toBe(key);
  });

  test.each([
    ["REGISTRY_AUTH_HTPASSWD", "<folder>/no", "is no file that can be read: ENOENT"],
    ["REGISTRY_AUTH_HTPASSWD", "<folder>", "is no file that can be read: EISDIR"],
    ["REGISTRY_AUTH_HTPASSWD", "<folder>/empty", "is a file that is empty"],
    ["REGISTRY_AUTH_TOKEN_PRIVATEKEY", "<folder>/no", "is no file that can be read: ENOENT"],
    ["REGISTRY_AUTH_TOKEN_PRIVATEKEY", "<folder>/empty", "is a file that is empty"],
    ["REGISTRY_AUTH_TOKEN_PUBLICKEY", "/no", 'is "/no", no file that can be read: ENOENT'],
    ["REGISTRY_ACCESS_CONTROL_CONFIG", "/no", 'is "/no", no file that can be read: ENOENT'],
    ["REGISTRY_ACCESS_CONTROL_CONFIG", "r2:p", 'is "r2:p", no file that can be read: ENOENT'],
    ["REGISTRY_ACCESS_CONTROL_CONFIG", "/dev/null", 'is "/dev/null", a file that is empty'],
  ])("for %s that is %s refuses the start", async (name, path, reason) => {
    await writeFile(join(folder, "empty"), "");
    expect(refusalOf({ ...alice, [name]: path })).toBe(`${name} ${reason}`);
  });

  test("of 130000 bytes is read, and of one more refuses the start", async () => {
    const policy = '{"adminUsers": ["ä"]}'.padEnd(129_999);
    const environment = { ...alice, REGISTRY_ACCESS_CONTROL_CONFIG: "<folder>/policy" };
    await writeFile(join(folder, "policy"), policy);
    expect(settingsOf(environment).variables["REGISTRY_ACCESS_CONTROL_CONFIG"]).toBe(policy);
    await writeFile(join(folder, "policy"), `${policy} `);
    expect(refusalOf(environment)).toBe(
      `REGISTRY_ACCESS_CONTROL_CONFIG is "${folder}/policy", a file of 130001 bytes; at most 130000 fit`,
    );
  });

  test.each<[string, string]>([
    ["REGISTRY_AUTH_HTPASSWD", `alice:${hash}`],
    ["REGISTRY_AUTH_TOKEN_PRIVATEKEY", privateKey],
  ])("that %s names is not told if it is the secret itself", (name, secret) => {
    const refusal = refusalOf({ ...alice, [name]: secret });
    expect(refusal).toContain(`${name} is no file that can be read`);
    expect(refusal).not.toContain(secret.slice(0, 5));
    expect(refusal).not.toContain(secret.slice(-20).trim());
  });

  test.each([
    ["with a plain password", "bob:correct-horse"],
    ["with MD5", "bob:$apr1$Kp7Zq4wX$q1B0uVnV3Ue8b1jzE9QyS/"],
    ["with SHA-1", "bob:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="],
  ])("of users %s refuses the start by the line's number, not its content", async (_, line) => {
    await writeFile(join(folder, "users"), `# ours\nalice:${hash}\n\n${line}\n`);
    expect(refusalOf({ REGISTRY_AUTH_HTPASSWD: "<folder>/users" })).toBe(
      "REGISTRY_AUTH_HTPASSWD: line 4 is not <user>:<bcrypt hash>: make it with htpasswd -B",
    );
  });

  test("of a policy that is wrong refuses the start by the path of the wrong value", async () => {
    await writeFile(join(folder, "policy"), '{"rules": [{"repository": "A"}]}');
    expect(refusalOf({ ...alice, REGISTRY_ACCESS_CONTROL_CONFIG: "<folder>/policy" })).toMatch(
      /^REGISTRY_ACCESS_CONTROL_CONFIG: rules\[0\]\.repository: is no pattern/,
    );
  });
});

function keyPath(): string {
  return join(folder, "data", "token-key.pem");
}

function keyOf(environment: Environment): string | undefined {
  return settingsOf(environment).variables["REGISTRY_AUTH_TOKEN_PRIVATEKEY"];
}

describe("the key that signs tokens", () => {
  test("is made once, kept, and readable by its owner alone", async () => {
    const key = keyOf(alice);
    expect(key).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
    expect(await readFile(keyPath(), "utf8")).toBe(key);
    expect((await stat(keyPath())).mode & 0o777).toBe(0o600);
    expect(keyOf(alice)).toBe(key);
    expect(keyOf({ ...alice, REGISTRY_STORAGE_PATH: "<folder>/other" })).not.toBe(key);
  });

  test.each<[string, Environment]>([
    ["nobody logs in", { REGISTRY_AUTH_TYPE: "none" }],
    ["tokens are not used", { ...alice, REGISTRY_AUTH_TYPE: "basic" }],
    ["tokens are another service's", { ...outside, REGISTRY_AUTH_TOKEN_PUBLICKEY: publicKey }],
    ["a key is configured", { ...alice, REGISTRY_AUTH_TOKEN_PRIVATEKEY: "<folder>/key" }],
  ])("is not made where %s", async (_, environment) => {
    await writeFile(join(folder, "key"), privateKey);
    const expected = "REGISTRY_AUTH_TOKEN_PRIVATEKEY" in environment ? privateKey : undefined;
    expect(keyOf(environment)).toBe(expected);
    expect(existsSync(keyPath())).toBe(false);
  });

  test("that can't be kept refuses the start", () => {
    expect(refusalOf({ ...alice, REGISTRY_STORAGE_PATH: "/dev/null" })).toMatch(
      /^REGISTRY_STORAGE_PATH is "\/dev\/null", where the key that signs tokens can't be kept: /,
    );
  });
});

test("one machine is in no jurisdiction", () => {
  expect(refusalOf({ REGISTRY_JURISDICTION: "eu" })).toBe(
    'REGISTRY_JURISDICTION is "eu"; one machine keeps all where it is: unset it',
  );
});
