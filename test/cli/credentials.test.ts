/** What `docker login` has stored. */
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  type Credentials,
  givenCredentials,
  passwordFromStdin,
  remembered,
  storedCredentials,
} from "../../cli/credentials.ts";

const host = "registry.example.com";
const auth = Buffer.from("alice:a:b").toString("base64");
const password = { kind: "password", username: "alice", password: "a:b" };
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "longshore-credentials-test-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const environment = () => ({
  DOCKER_CONFIG: folder,
  PATH: `${folder}:${process.env["PATH"] ?? ""}`,
});

/** A credential helper that answers anything so. */
async function writeHelper(output: string, code = 0): Promise<void> {
  const path = join(folder, "docker-credential-test");
  await writeFile(path, `#!/bin/sh\ncat > "${folder}/asked"\necho '${output}'\nexit ${code}\n`);
  await chmod(path, 0o755);
}

test.each([
  ["an entry", { auths: { [host]: { auth } } }, password],
  ["an entry of old clients", { auths: { [`https://${host}/v1/`]: { auth } } }, password],
  ["fields", { auths: { [host]: { username: "alice", password: "a:b" } } }, password],
  [
    "an identity token",
    { auths: { [host]: { auth, identitytoken: "t" } } },
    { kind: "identity", token: "t" },
  ],
  ["another host's", { auths: { [`${host}:5000`]: { auth } } }, undefined],
  ["an empty entry", { auths: { [host]: {} } }, undefined],
  ["nothing", {}, undefined],
])("%s of auths", async (_what, configuration, expected) => {
  await writeFile(join(folder, "config.json"), JSON.stringify(configuration));
  expect(await storedCredentials([host], environment())).toEqual(expected);
});

describe.each([
  ["credsStore", { credsStore: "test" }],
  ["credHelpers", { credHelpers: { [host]: "test" } }],
])("a helper of %s", (_key, configuration) => {
  beforeEach(async () => {
    await writeFile(join(folder, "config.json"), JSON.stringify(configuration));
  });

  test.each([
    ["a password", '{"Username":"alice","Secret":"a:b"}', 0, password],
    [
      "an identity token",
      '{"Username":"<token>","Secret":"t"}',
      0,
      { kind: "identity", token: "t" },
    ],
    ["that it has none", "credentials not found in native keychain", 1, undefined],
  ])("that says %s", async (_what, output, code, expected) => {
    await writeHelper(output, code);
    expect(await storedCredentials([host], environment())).toEqual(expected);
  });

  test.each([
    ["fails", "the keychain is locked", 2, "the keychain is locked"],
    ["says something else", "secret", 0, "something else than JSON"],
  ])("that %s is told of", async (_what, output, code, text) => {
    await writeHelper(output, code);
    await expect(storedCredentials([host], environment())).rejects.toThrow(text);
  });

  test("that is not installed is named", async () => {
    const asking = storedCredentials([host], environment());
    await expect(asking).rejects.toThrow(/docker-credential-test can't be run .*install it/);
  });
});

test("the first host that has some is taken", async () => {
  const configuration = { auths: { "127.0.0.1:5050": { auth } } };
  await writeFile(join(folder, "config.json"), JSON.stringify(configuration));
  expect(await storedCredentials([host, "127.0.0.1:5050"], environment())).toEqual(password);
});

test("no configuration is no credentials, and a broken one is told of", async () => {
  expect(await storedCredentials([host], environment())).toBeUndefined();
  await writeFile(join(folder, "config.json"), "{");
  await expect(storedCredentials([host], environment())).rejects.toThrow("is not JSON");
});

test.each([
  ["options", { username: "a", password: "b" }, {}, ["a", "b"]],
  ["the environment", {}, { LONGSHORE_USERNAME: "a", LONGSHORE_PASSWORD: "b" }, ["a", "b"]],
  ["both", { username: "c" }, { LONGSHORE_USERNAME: "a", LONGSHORE_PASSWORD: "b" }, ["c", "b"]],
])("given by %s", (_what, options, variables, [username, secret]) => {
  const given = givenCredentials(options, variables);
  expect(given).toEqual({ kind: "password", username, password: secret });
});

test.each([[{ username: "a" }], [{ password: "b" }]])(
  "half of a pair, %j, is refused",
  (options) => {
    expect(() => givenCredentials(options, {})).toThrow("--password-stdin");
    expect(givenCredentials({}, {})).toBeUndefined();
  },
);

test("a password of standard input has no line's end", async () => {
  expect(await passwordFromStdin(Readable.from(["pass", "word\n"]))).toBe("password");
  await expect(passwordFromStdin(Readable.from(["\n"]))).rejects.toThrow("pipe the password");
});

test.each<[string, Credentials | undefined, number, number]>([
  ["that were found, a minute", { kind: "identity", token: "t" }, 59_000, 61_000],
  ["that were not there, ten seconds", undefined, 9000, 11_000],
])("credentials are remembered: those %s", async (_which, found, keptMs, askedAgainMs) => {
  const source = vi.fn(async () => found);
  const kept = remembered(source);
  vi.useFakeTimers({ toFake: ["Date"], now: 0 });
  try {
    await kept();
    vi.setSystemTime(keptMs);
    expect([await kept(), source.mock.calls.length]).toEqual([found, 1]);
    vi.setSystemTime(askedAgainMs);
    expect([await kept(), source.mock.calls.length]).toEqual([found, 2]);
  } finally {
    vi.useRealTimers();
  }
});
