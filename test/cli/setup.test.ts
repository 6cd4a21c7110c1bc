import { readFile } from "node:fs/promises";
import { compare } from "bcryptjs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseAccessConfiguration } from "../../schemas/access-configuration.ts";
import { RunningRegistry } from "../standalone/running-registry.ts";
import { DeployedClone } from "./deployed-clone.ts";

const registry = new RunningRegistry();
let clone: DeployedClone;

beforeEach(async () => {
  clone = await DeployedClone.make(registry.url);
});
afterEach(() => clone.remove());

const abortRule = {
  name: "longshore-abort-uploads",
  enabled: true,
  prefix: "",
  action: "Abort incomplete multipart uploads after 7 days",
};
const id = (at: number) => String(at).padStart(32, "0");
const idLine = /^\+id = "\d{32}"$/;

/** The lines that were added to or taken from a text. */
function changedLines(before: string, after: string): string[] {
  const old = before.split("\n");
  const added: string[] = [];
  let at = 0;
  for (const line of after.split("\n")) {
    if (line === old[at]) at += 1;
    else added.push(`+${line}`);
  }
  return [...added, ...old.slice(at).map((line) => `-${line}`)];
}

describe("a first setup", () => {
  test("makes everything, in this order, and writes the ids", async () => {
    const before = await clone.configuration();
    const { code, output, errors } = await clone.run("setup");
    expect([code, output]).toEqual([0, expect.stringContaining(`${registry.url} works`)]);
    expect(await clone.changes()).toEqual([
      "r2 bucket create longshore-staging-blobs",
      "kv namespace create longshore-staging-manifests",
      "kv namespace create longshore-staging-tags",
      "secret bulk --env staging",
      "r2 bucket lifecycle add longshore-staging-blobs longshore-abort-uploads --abort-multipart-days 7 --force",
      expect.stringMatching(/^deploy --no-x-provision --tag longshore-[0-9a-f]{12} --env staging$/),
    ]);
    const lines = changedLines(before, await clone.configuration());
    expect(lines).toEqual([expect.stringMatching(idLine), expect.stringMatching(idLine)]);
    const account = await clone.account();
    expect(account.buckets["longshore-staging-blobs"]?.rules).toEqual([abortRule]);
    expect(errors).toMatch(/user admin, password \S{24}\n/);
  });

  test("shows each step before it is taken", async () => {
    await clone.changeAccount((account) => {
      account.failingCommand = "r2 bucket create";
    });
    const { code, output, errors } = await clone.run("setup");
    expect([code, output]).toEqual([
      1,
      expect.stringContaining("now    make the R2 bucket longshore-staging-blobs"),
    ]);
    expect(errors).toContain("wrangler r2 bucket create longshore-staging-blobs failed: ");
    expect(errors).toContain("internal error [code: 10000]");
  });

  test("makes a key and a user that the registry takes", async () => {
    const { output } = await clone.run("setup", ["--username", "alice", "--json"]);
    const { username, password } = JSON.parse(output) as Record<string, string>;
    const { secrets } = (await clone.account()).workers["longshore-staging"] ?? { secrets: {} };
    const { access, problems } = parseAccessConfiguration(secrets);
    expect([problems, access.type, access.tokens?.kind]).toEqual([[], "token", "own"]);
    expect([username, access.users.map(({ name }) => name)]).toEqual(["alice", ["alice"]]);
    const hash = secrets["REGISTRY_AUTH_HTPASSWD"]?.split(":")[1] ?? "";
    expect(await compare(password ?? "", hash)).toBe(true);
  });

  test("gives secrets to wrangler by standard input alone", async () => {
    const { output, errors } = await clone.run("setup");
    const calls = await clone.calls();
    const withSecrets = calls.filter(({ secrets }) => secrets.length > 0);
    expect(withSecrets).toEqual([
      {
        args: ["secret", "bulk", "--env", "staging"],
        secrets: ["REGISTRY_AUTH_TOKEN_PRIVATEKEY", "REGISTRY_AUTH_HTPASSWD"],
      },
    ]);
    const [, password = "none"] = /password (\S+)/.exec(errors) ?? [];
    expect(`${JSON.stringify(calls)}${output}`).not.toContain(password);
    expect(await readFile(`${clone.folder}/wrangler.toml`, "utf8")).not.toContain("PRIVATE KEY");
  });

  test("tells its result as JSON, and the password there alone", async () => {
    const { output, errors } = await clone.run("setup", ["--json"]);
    const result = JSON.parse(output) as { password: string };
    expect(result).toMatchObject({
      status: "done",
      environment: "staging",
      url: registry.url,
      username: "admin",
      steps: expect.arrayContaining([
        { state: "done", text: "make the R2 bucket longshore-staging-blobs" },
      ]),
      smoke: expect.arrayContaining([
        { step: "pull the image and compare", milliseconds: expect.any(Number) },
      ]),
    });
    expect(errors).not.toContain(result.password);
  });

  test("takes what is there by name", async () => {
    const title = "longshore-staging-tags";
    await clone.changeAccount((account) => {
      account.namespaces.push({ id: id(77), title, supports_url_encoding: true });
      account.buckets["longshore-staging-blobs"] = { objects: 0, rules: [abortRule] };
    });
    await clone.run("setup");
    const changes = await clone.changes();
    expect(changes.filter((line) => line.includes(" create "))).toEqual([
      "kv namespace create longshore-staging-manifests",
    ]);
    expect(await clone.configuration()).toContain(`binding = "TAGS"\nid = "${id(77)}"`);
  });

  test("writes domain and jurisdiction, and asks for the bucket there", async () => {
    const before = await clone.configuration();
    const domain = ["--domain", "registry.example.com", "--url", registry.url];
    const { code } = await clone.run("setup", [...domain, "--jurisdiction", "eu"]);
    expect(code).toBe(0);
    const creations = (await clone.changes()).filter((line) => / create | add /.test(line));
    expect(creations.map((line) => / (?:-J|--jurisdiction) eu$/.test(line))).not.toContain(false);
    expect(creations).toHaveLength(4);
    expect(changedLines(before, await clone.configuration())).toEqual([
      '+routes = [ { pattern = "registry.example.com", custom_domain = true } ]',
      '+REGISTRY_JURISDICTION = "eu"',
      '+jurisdiction = "eu"',
      expect.stringMatching(idLine),
      expect.stringMatching(idLine),
    ]);
  });
});

describe("a second setup", () => {
  test("changes nothing, and says so of each", async () => {
    await clone.run("setup");
    const before = await clone.configuration();
    await clone.calls();
    const credentials = { LONGSHORE_USERNAME: "alice", LONGSHORE_PASSWORD: "secret" };
    const { code, output, errors } = await clone.run("setup", [], credentials);
    expect(await clone.changes()).toEqual([]);
    expect(await clone.configuration()).toBe(before);
    expect([code, errors]).toEqual([0, ""]);
    expect(output.match(/^ {2}right {2}/gm)).toHaveLength(7);
    expect(output).toContain(`${registry.url} works`);
  });

  test("leaves the smoke test out where it has no user", async () => {
    await clone.run("setup");
    const { code, output } = await clone.run("setup");
    expect(code).toBe(0);
    expect(output).toContain(`the smoke test, for want of a user: npx longshore smoke`);
  });

  test.each([
    [
      "other code",
      (text: string) => text,
      "export default { other };",
      /^deploy --no-x-provision --tag/,
    ],
    [
      "another variable",
      (text: string) => text.replace("[env.staging.vars]", '[env.staging.vars]\nX = "1"'),
      "export default {};",
      /^deploy --no-x-provision --tag/,
    ],
  ])("with %s deploys alone", async (_name, change, code, deployment) => {
    await clone.run("setup");
    await clone.calls();
    await clone.changeConfiguration(change);
    await clone.changeAccount((account) => {
      account.code = code;
    });
    await clone.run("setup");
    expect(await clone.changes()).toEqual([expect.stringMatching(deployment)]);
  });
});

test.each([
  "whoami",
  "r2 bucket create",
  "kv namespace create longshore-staging-tags",
  "secret bulk",
  "r2 bucket lifecycle add",
  "deploy --dry-run",
  "deploy --no-x-provision",
])("a setup that failed at `%s` is finished by the next", async (failingCommand) => {
  await clone.changeAccount((account) => {
    account.failingCommand = failingCommand;
  });
  const failed = await clone.run("setup");
  expect(failed.code).toBe(1);
  await clone.changeAccount((account) => {
    delete account.failingCommand;
  });
  const next = await clone.run("setup", [], { LONGSHORE_USERNAME: "a", LONGSHORE_PASSWORD: "b" });
  expect([next.code, next.output]).toEqual([0, expect.stringContaining("works")]);
  const { buckets, namespaces, workers } = await clone.account();
  expect(Object.keys(buckets)).toEqual(["longshore-staging-blobs"]);
  expect(buckets["longshore-staging-blobs"]?.rules).toEqual([abortRule]);
  expect(namespaces.map(({ title }) => title)).toEqual([
    "longshore-staging-manifests",
    "longshore-staging-tags",
  ]);
  expect(Object.keys(workers["longshore-staging"]?.secrets ?? {})).toEqual([
    "REGISTRY_AUTH_TOKEN_PRIVATEKEY",
    "REGISTRY_AUTH_HTPASSWD",
  ]);
});

test("a dry run shows every step, and changes nothing", async () => {
  const before = await clone.configuration();
  const { code, output } = await clone.run("setup", ["--dry-run", "--domain", "r.example.com"]);
  expect(code).toBe(0);
  expect(await clone.changes()).toEqual([]);
  expect(await clone.configuration()).toBe(before);
  expect(output.match(/^ {2}would {2}.*$/gm)).toEqual([
    "  would  write the custom domain r.example.com to wrangler.toml",
    "  would  make the R2 bucket longshore-staging-blobs",
    "  would  make the KV namespace longshore-staging-manifests, and write its id to wrangler.toml",
    "  would  make the KV namespace longshore-staging-tags, and write its id to wrangler.toml",
    "  would  put as secrets: a key that signs tokens, and the user admin with a new password",
    "  would  have R2 end multipart uploads after 7 days (lifecycle rule longshore-abort-uploads)",
    "  would  deploy the Worker longshore-staging, if that changes it",
  ]);
});

describe("a setup refuses", () => {
  test("a user who is not logged in", async () => {
    await clone.changeAccount((account) => {
      account.isLoggedIn = false;
    });
    const { code, errors } = await clone.run("setup");
    expect([code, errors]).toEqual([1, expect.stringContaining("run npx wrangler login")]);
  });

  test("to move what is stored to another jurisdiction", async () => {
    await clone.run("setup");
    await clone.calls();
    const { code, errors } = await clone.run("setup", ["--jurisdiction", "eu"]);
    expect([code, errors]).toEqual([1, expect.stringContaining("can't be moved")]);
    expect(await clone.changes()).toEqual([]);
  });

  test("a bucket whose objects expire", async () => {
    const rule = { ...abortRule, name: "tidy", action: "Expire objects after 30 days" };
    await clone.changeAccount((account) => {
      account.rulesOfNewBuckets.push(rule);
    });
    const { code, errors } = await clone.run("setup");
    const mending = 'npx wrangler r2 bucket lifecycle remove longshore-staging-blobs --name "tidy"';
    expect([code, errors]).toEqual([1, expect.stringContaining(mending)]);
  });

  test("an id that the account does not have", async () => {
    await clone.run("setup");
    await clone.changeAccount((account) => {
      account.namespaces = [];
    });
    const { code, errors } = await clone.run("setup");
    expect([code, errors]).toEqual([1, expect.stringContaining(`the KV namespace ${id(1)} for`)]);
  });

  test.each([
    [["--env", "prod"], 1, 'has no environment "prod": choose one of dev, staging, production'],
    [["--domain", "https://r.example.com"], 2, "It is the name of a host"],
    [["--username", "a:b"], 2, "A name has no colon"],
    [["--directory", "/nowhere"], 1, "/nowhere/wrangler.toml can't be read"],
  ])("the options %s", async (args, exitCode, message) => {
    const { code, errors } = await clone.run("setup", args);
    expect([code, errors]).toEqual([exitCode, expect.stringContaining(message)]);
  });
});

test("a deployment that the plan refuses says which plan is needed", async () => {
  await clone.changeAccount((account) => {
    account.failingCommand = "deploy --no-x-provision";
    account.failure = "CPU limits are not supported for the Free plan.";
  });
  const { code, errors } = await clone.run("setup");
  expect([code, errors]).toEqual([1, expect.stringContaining("Workers Paid is needed")]);
});
