import { describe, expect, test } from "vitest";
import { parseAccessConfiguration } from "../../schemas/access-configuration.ts";
import type { User } from "../../schemas/user.ts";

const hash = "$2y$05$abcdefghijklmnopqrstuuWd6Z5Z0Z2oQ9kF0n5lN0JzV5x3v4mFe";
/** Keys are looked at when the first token is made; here they only have to be there. */
const key = "-----BEGIN PRIVATE KEY-----\nMIGH\nAgEA\n-----END PRIVATE KEY-----\n";
const otherKey = key.replace("MIGH", "MIGI");
const alice = { USERNAME: "alice", PASSWORD: "correct-horse" };
const withKey = { ...alice, REGISTRY_AUTH_TOKEN_PRIVATEKEY: key };
const outside = {
  REGISTRY_AUTH_TYPE: "token",
  REGISTRY_AUTH_TOKEN_REALM: "https://auth.example.com/token",
  REGISTRY_AUTH_TOKEN_SERVICE: "registry.example.com",
  REGISTRY_AUTH_TOKEN_ISSUER: "https://auth.example.com",
  REGISTRY_AUTH_TOKEN_PUBLICKEY: "https://auth.example.com/jwks.json",
};
const issuers = JSON.stringify({
  issuers: [
    {
      issuer: "https://ci.example.com",
      audience: "registry",
      rules: [{ claims: { repository: "a" }, repository: "a", permissions: ["push"] }],
    },
  ],
});

type Environment = Record<string, unknown>;
type Access = ReturnType<typeof parseAccessConfiguration>["access"];

/** What is read where nothing is wrong. */
function read(environment: Environment): Access {
  const { access, problems } = parseAccessConfiguration(environment);
  expect(problems).toEqual([]);
  return access;
}

test("everybody may do everything where that was said", () => {
  expect(read({ REGISTRY_AUTH_TYPE: "none" })).toEqual({
    type: "none",
    realm: "Registry",
    users: [],
    tokens: undefined,
    policy: undefined,
  });
});

describe("the type", () => {
  test.each<[string, Environment, string]>([
    ["with a user and no type", withKey, "token"],
    ["with a user and an empty type", { ...withKey, REGISTRY_AUTH_TYPE: "" }, "token"],
    [
      "with a user who reads and no type",
      { READONLY_USERNAME: "bob", READONLY_PASSWORD: "read", REGISTRY_AUTH_TOKEN_PRIVATEKEY: key },
      "token",
    ],
    [
      "with htpasswd and no type",
      { REGISTRY_AUTH_HTPASSWD: `alice:${hash}`, REGISTRY_AUTH_TOKEN_PRIVATEKEY: key },
      "token",
    ],
    ["as it is said", { ...alice, REGISTRY_AUTH_TYPE: "basic" }, "basic"],
    ["as it is said, for tokens", { ...withKey, REGISTRY_AUTH_TYPE: "token" }, "token"],
    [
      "as it is said, with users whom nobody asks",
      { ...alice, REGISTRY_AUTH_TYPE: "none" },
      "none",
    ],
    ["with another token service", outside, "token"],
    [
      "with jobs alone",
      {
        REGISTRY_AUTH_TYPE: "token",
        REGISTRY_AUTH_TOKEN_PRIVATEKEY: key,
        REGISTRY_ACCESS_CONTROL_CONFIG: issuers,
      },
      "token",
    ],
    ["with a name that a desktop sets", { USERNAME: "alice", REGISTRY_AUTH_TYPE: "none" }, "none"],
  ])("%s is read", (_, environment, expected) => {
    expect(read(environment).type).toBe(expected);
  });
});

function plain(name: string, text: string, readonly: boolean): User {
  return { name, password: { kind: "plain", text }, readonly };
}

function bcrypt(name: string): User {
  return { name, password: { kind: "bcrypt", hash }, readonly: false };
}

describe("users", () => {
  test.each<[string, Environment, User[]]>([
    ["one by name and password", alice, [plain("alice", "correct-horse", false)]],
    [
      "a password of any signs",
      { USERNAME: "alice", PASSWORD: " a:b ü\t" },
      [plain("alice", " a:b ü\t", false)],
    ],
    [
      "one who reads",
      { READONLY_USERNAME: "bob", READONLY_PASSWORD: "read" },
      [plain("bob", "read", true)],
    ],
    [
      "both",
      { ...alice, READONLY_USERNAME: "bob", READONLY_PASSWORD: "read" },
      [plain("alice", "correct-horse", false), plain("bob", "read", true)],
    ],
    [
      "htpasswd",
      { REGISTRY_AUTH_HTPASSWD: `# ours\r\nbob:${hash}\r\ncarol:${hash}\r\n` },
      [bcrypt("bob"), bcrypt("carol")],
    ],
    [
      "htpasswd and one more",
      { ...alice, REGISTRY_AUTH_HTPASSWD: `bob:${hash}` },
      [bcrypt("bob"), plain("alice", "correct-horse", false)],
    ],
    [
      "a name without a password",
      { ...alice, READONLY_USERNAME: "bob" },
      [plain("alice", "correct-horse", false)],
    ],
  ])("are read: %s", (_, environment, expected) => {
    expect(read({ ...environment, REGISTRY_AUTH_TYPE: "basic" }).users).toEqual(expected);
  });
});

describe("tokens", () => {
  test.each<[string, Environment, unknown]>([
    [
      "of our own",
      withKey,
      { kind: "own", service: "longshore", privateKeys: [key.trim()], lifetimeSeconds: 300 },
    ],
    [
      "of two keys",
      { ...withKey, REGISTRY_AUTH_TOKEN_PRIVATEKEY: otherKey + key },
      {
        kind: "own",
        service: "longshore",
        privateKeys: [otherKey.trim(), key.trim()],
        lifetimeSeconds: 300,
      },
    ],
    [
      "of two keys with text around",
      { ...withKey, REGISTRY_AUTH_TOKEN_PRIVATEKEY: `new\n${otherKey}\nold\n${key}\n` },
      {
        kind: "own",
        service: "longshore",
        privateKeys: [otherKey.trim(), key.trim()],
        lifetimeSeconds: 300,
      },
    ],
    [
      "for a service and a time",
      {
        ...withKey,
        REGISTRY_AUTH_TOKEN_SERVICE: "registry.example.com",
        REGISTRY_AUTH_TOKEN_LIFETIME: "60",
      },
      {
        kind: "own",
        service: "registry.example.com",
        privateKeys: [key.trim()],
        lifetimeSeconds: 60,
      },
    ],
    [
      "of another service",
      outside,
      {
        kind: "outside",
        realm: "https://auth.example.com/token",
        service: "registry.example.com",
        issuer: "https://auth.example.com",
        publicKey: "https://auth.example.com/jwks.json",
      },
    ],
    ["of none, with basic", { ...alice, REGISTRY_AUTH_TYPE: "basic" }, undefined],
  ])("%s are read", (_, environment, expected) => {
    expect(read(environment).tokens).toEqual(expected);
  });

  test("have the realm of Basic beside them", () => {
    expect(read({ ...withKey, REGISTRY_AUTH_REALM: "Ours" }).realm).toBe("Ours");
  });
});

describe("a policy", () => {
  test.each<[string, Environment, unknown]>([
    [
      "that is there is meant",
      { REGISTRY_ACCESS_CONTROL_CONFIG: "{}" },
      { kind: "given", policy: expect.objectContaining({ defaultPolicy: "deny" }) },
    ],
    [
      "that is switched on is meant",
      { REGISTRY_ACCESS_CONTROL_CONFIG: "{}", REGISTRY_ACCESS_CONTROL_ENABLED: "true" },
      { kind: "given", policy: expect.objectContaining({ defaultPolicy: "deny" }) },
    ],
    [
      "that is switched off is left aside",
      { REGISTRY_ACCESS_CONTROL_CONFIG: "{}", REGISTRY_ACCESS_CONTROL_ENABLED: "false" },
      undefined,
    ],
    [
      "that is switched off and wrong is left aside",
      { REGISTRY_ACCESS_CONTROL_CONFIG: "[", REGISTRY_ACCESS_CONTROL_ENABLED: "false" },
      undefined,
    ],
    [
      "in the bucket is named",
      { REGISTRY_ACCESS_CONTROL_CONFIG: "r2:config/policy.json" },
      { kind: "stored", key: "config/policy.json" },
    ],
    ["that is not there lets users do everything", {}, undefined],
  ])("%s", (_, environment, expected) => {
    expect(read({ ...withKey, ...environment }).policy).toEqual(expected);
  });
});

describe("what is wrong is told with its variable, and no secret:", () => {
  test.each<[string, Environment, string[]]>([
    [
      "nothing is set",
      {},
      [
        "REGISTRY_AUTH_TYPE is not set: set USERNAME and PASSWORD (or REGISTRY_AUTH_HTPASSWD) for users who log in, or REGISTRY_AUTH_TYPE=none to",
      ],
    ],
    ["a name that a desktop sets", { USERNAME: "alice" }, ["REGISTRY_AUTH_TYPE is not set: "]],
    [
      "htpasswd of comments alone",
      { REGISTRY_AUTH_HTPASSWD: "# ours\n" },
      ["REGISTRY_AUTH_TYPE is not set: "],
    ],
    [
      "another type",
      { ...alice, REGISTRY_AUTH_TYPE: "htpasswd" },
      ['REGISTRY_AUTH_TYPE is "htpasswd"; allowed is none or basic or token'],
    ],
    [
      "a type in upper case",
      { REGISTRY_AUTH_TYPE: "NONE" },
      ['REGISTRY_AUTH_TYPE is "NONE"; allowed is none or basic or token'],
    ],
    [
      "basic without users",
      { REGISTRY_AUTH_TYPE: "basic" },
      [
        "REGISTRY_AUTH_TYPE is basic, and nobody can log in: set USERNAME and PASSWORD, or REGISTRY_AUTH_HTPASSWD",
      ],
    ],
    [
      "tokens without users",
      { REGISTRY_AUTH_TYPE: "token", REGISTRY_AUTH_TOKEN_PRIVATEKEY: key },
      ["REGISTRY_AUTH_TYPE is token, and nobody can log in: set USERNAME and PASSWORD, "],
    ],
    [
      "a password without a name",
      { ...withKey, READONLY_PASSWORD: "secret-2" },
      ["READONLY_PASSWORD is set, and READONLY_USERNAME is not set"],
    ],
    [
      "a name with a colon",
      { ...withKey, READONLY_USERNAME: "a:b", READONLY_PASSWORD: "secret-2" },
      ['READONLY_PASSWORD is set, and READONLY_USERNAME is "a:b", which is no name'],
    ],
    [
      "a user called anonymous",
      { ...withKey, READONLY_USERNAME: "anonymous", READONLY_PASSWORD: "secret-2" },
      ['READONLY_PASSWORD is set, and READONLY_USERNAME is "anonymous", which is no name'],
    ],
    [
      "a line called anonymous",
      { ...withKey, REGISTRY_AUTH_HTPASSWD: `anonymous:${hash}` },
      ['the user name "anonymous" means who is not logged in: choose another'],
    ],
    [
      "one name twice",
      { ...withKey, READONLY_USERNAME: "alice", READONLY_PASSWORD: "secret-2" },
      ['the user name "alice" is there twice: choose another'],
    ],
    [
      "one line twice",
      { ...withKey, REGISTRY_AUTH_HTPASSWD: `bob:${hash}\nbob:${hash}` },
      ['the user name "bob" is there twice: choose another'],
    ],
    [
      "a name that htpasswd has too",
      { ...withKey, REGISTRY_AUTH_HTPASSWD: `alice:${hash}` },
      ['the user name "alice" is there twice: choose another'],
    ],
    [
      "lines that are no bcrypt",
      { ...withKey, REGISTRY_AUTH_HTPASSWD: `bob:${hash}\ncarol:secret-2\ndave:{SHA}secret-3=` },
      [
        "REGISTRY_AUTH_HTPASSWD: line 2 is not <user>:<bcrypt hash>",
        "REGISTRY_AUTH_HTPASSWD: line 3 is not <user>:<bcrypt hash>",
      ],
    ],
    [
      "no line that is bcrypt",
      { REGISTRY_AUTH_HTPASSWD: "alice:secret-2", REGISTRY_AUTH_TOKEN_PRIVATEKEY: key },
      ["REGISTRY_AUTH_HTPASSWD: line 1 is not <user>:<bcrypt hash>"],
    ],
    [
      "a realm of two lines",
      { ...withKey, REGISTRY_AUTH_REALM: "Ours\r\nX-Other: a" },
      ["REGISTRY_AUTH_REALM has a line break or a control character"],
    ],
    [
      "no private key",
      alice,
      [
        "REGISTRY_AUTH_TOKEN_PRIVATEKEY has no private key (PKCS #8 in PEM): make one with openssl genpkey",
      ],
    ],
    [
      "a key of another form",
      {
        ...alice,
        REGISTRY_AUTH_TOKEN_PRIVATEKEY:
          "-----BEGIN EC PRIVATE KEY-----\nsecret-2\n-----END EC PRIVATE KEY-----",
      },
      ["REGISTRY_AUTH_TOKEN_PRIVATEKEY has no private key (PKCS #8 in PEM)"],
    ],
    [
      "a public key for a private one",
      {
        ...alice,
        REGISTRY_AUTH_TOKEN_PRIVATEKEY:
          "-----BEGIN PUBLIC KEY-----\nMIGH\n-----END PUBLIC KEY-----",
      },
      ["REGISTRY_AUTH_TOKEN_PRIVATEKEY has no private key (PKCS #8 in PEM)"],
    ],
    [
      "a life too short",
      { ...withKey, REGISTRY_AUTH_TOKEN_LIFETIME: "59" },
      ['REGISTRY_AUTH_TOKEN_LIFETIME is "59"; allowed is a whole number from 60 to 86400'],
    ],
    [
      "a life too long",
      { ...withKey, REGISTRY_AUTH_TOKEN_LIFETIME: "86401" },
      ['REGISTRY_AUTH_TOKEN_LIFETIME is "86401"; allowed is a whole number from 60 to 86400'],
    ],
    [
      "a realm that is no URL",
      { ...outside, REGISTRY_AUTH_TOKEN_REALM: "auth.example.com" },
      ['REGISTRY_AUTH_TOKEN_REALM is "auth.example.com"; allowed is the URL of a token service'],
    ],
    [
      "a realm alone",
      { REGISTRY_AUTH_TYPE: "token", REGISTRY_AUTH_TOKEN_REALM: "https://auth.example.com/token" },
      [
        "REGISTRY_AUTH_TOKEN_SERVICE is not set, and REGISTRY_AUTH_TOKEN_REALM is",
        "REGISTRY_AUTH_TOKEN_ISSUER is not set, and REGISTRY_AUTH_TOKEN_REALM is",
        "REGISTRY_AUTH_TOKEN_PUBLICKEY is not set, and REGISTRY_AUTH_TOKEN_REALM is",
      ],
    ],
    [
      "a policy for nobody",
      { REGISTRY_AUTH_TYPE: "none", REGISTRY_ACCESS_CONTROL_CONFIG: "{}" },
      [
        "REGISTRY_ACCESS_CONTROL_ENABLED is true and REGISTRY_AUTH_TYPE is none: set basic or token",
      ],
    ],
    [
      "no policy that is switched on",
      { ...withKey, REGISTRY_ACCESS_CONTROL_ENABLED: "true" },
      ["REGISTRY_ACCESS_CONTROL_ENABLED is true, and REGISTRY_ACCESS_CONTROL_CONFIG is not set"],
    ],
    [
      "a switch that is neither",
      { ...withKey, REGISTRY_ACCESS_CONTROL_ENABLED: "yes", REGISTRY_ACCESS_CONTROL_CONFIG: "{}" },
      ['REGISTRY_ACCESS_CONTROL_ENABLED is "yes"; allowed is true or false'],
    ],
    [
      "a policy that is wrong",
      {
        ...withKey,
        REGISTRY_ACCESS_CONTROL_CONFIG:
          '{"rules": [{"repository": "a", "users": ["group:b"], "permissions": ["pull"]}]}',
      },
      ['REGISTRY_ACCESS_CONTROL_CONFIG: rules[0].users[0]: there is no group "b"'],
    ],
    [
      "a policy that is htpasswd",
      { ...withKey, REGISTRY_ACCESS_CONTROL_CONFIG: "bob:secret-2" },
      ["REGISTRY_ACCESS_CONTROL_CONFIG: it is not JSON"],
    ],
  ])("%s", (_, environment, expected) => {
    const { problems } = parseAccessConfiguration(environment);
    expect(problems.map((problem, at) => problem.slice(0, expected[at]?.length))).toEqual(expected);
    expect(problems.join("\n")).not.toMatch(/correct-horse|secret|MIG|\$2y/);
  });

  test("all at once", () => {
    const { problems } = parseAccessConfiguration({
      REGISTRY_AUTH_TYPE: "all",
      REGISTRY_AUTH_HTPASSWD: "a:b",
      READONLY_PASSWORD: "c",
    });
    const variables = problems.map((problem) => /^\w+/.exec(problem)?.[0]);
    expect(variables).toEqual([
      "REGISTRY_AUTH_HTPASSWD",
      "READONLY_PASSWORD",
      "REGISTRY_AUTH_TYPE",
    ]);
  });
});

test.each([["REGISTRY_AUTH_HTPASSWD"], ["PASSWORD"], ["REGISTRY_ACCESS_CONTROL_CONFIG"]])(
  "what is no text in %s, like a binding, is not read",
  (name) => {
    const environment = { REGISTRY_AUTH_TYPE: "none", [name]: { get: () => "x" } };
    expect(read(environment)).toEqual(read({ REGISTRY_AUTH_TYPE: "none" }));
  },
);
