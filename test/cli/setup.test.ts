import { compare } from "bcryptjs";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { parseAccessConfiguration } from "../../schemas/access-configuration.ts";
import { RunningRegistry } from "../standalone/running-registry.ts";
import type { Ended } from "./companion.ts";
import { type Call, changesOf, DeployedClone } from "./deployed-clone.ts";

const registry = new RunningRegistry();
let clone: DeployedClone;

const newClone = async () => {
  clone = await DeployedClone.make(registry.url);
};
/** A setup is a dozen processes. */
const hookMs = 60_000;
const removeClone = () => clone.remove();

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
  let before = "";
  let ended: Ended;
  let calls: readonly Call[] = [];

  beforeAll(async () => {
    await newClone();
    before = await clone.configuration();
    ended = await clone.run("setup");
    calls = await clone.calls();
  }, hookMs);
  afterAll(removeClone);

  test("makes everything, in this order, and tests it", async () => {
    expect([ended.code, ended.output]).toEqual([
      0,
      expect.stringContaining(`${registry.url} works`),
    ]);
    expect(changesOf(calls)).toEqual([
      "r2 bucket create longshore-staging-blobs",
      "kv namespace create longshore-staging-manifests",
      "kv namespace create longshore-staging-tags",
      "secret bulk --env staging",
      "r2 bucket lifecycle add longshore-staging-blobs longshore-abort-uploads --abort-multipart-days 7 --force",
      expect.stringMatching(/^deploy --no-x-provision --tag longshore-[0-9a-f]{12} --env staging$/),
    ]);
  });

  test("writes the ids, and nothing else, to wrangler.toml", async () => {
    const lines = changedLines(before, await clone.configuration());
    expect(lines).toEqual([expect.stringMatching(idLine), expect.stringMatching(idLine)]);
  });

  test("gives secrets to wrangler by standard input alone", async () => {
    expect(calls.filter(({ secrets }) => secrets.length > 0)).toEqual([
      {
        args: ["secret", "bulk", "--env", "staging"],
        secrets: ["REGISTRY_AUTH_TOKEN_PRIVATEKEY", "REGISTRY_AUTH_HTPASSWD"],
      },
    ]);
    const [, password = "none"] = /user admin, password (\S{24})\n/.exec(ended.errors) ?? [];
    expect(password).not.toBe("none");
    expect(`${JSON.stringify(calls)}${ended.output}`).not.toContain(password);
    expect(await clone.configuration()).not.toContain("PRIVATE KEY");
  });

  test("makes a key and a user that the registry takes", async () => {
    const [, password = ""] = /user admin, password (\S{24})\n/.exec(ended.errors) ?? [];
    const { workers } = await clone.account();
    const secrets = workers["longshore-staging"]?.secrets ?? {};
    const { access, problems } = parseAccessConfiguration(secrets);
    expect([problems, access.type, access.tokens?.kind]).toEqual([[], "token", "own"]);
    expect(access.users.map(({ name }) => name)).toEqual(["admin"]);
    const hash = secrets["REGISTRY_AUTH_HTPASSWD"]?.split(":")[1] ?? "";
    expect(await compare(password, hash)).toBe(true);
  });

  test("made one rule of the bucket's lifecycle", async () => {
    const { buckets } = await clone.account();
    expect(buckets["longshore-staging-blobs"]?.rules).toEqual([abortRule]);
  });
});

describe("a first setup elsewhere", () => {
  beforeEach(newClone);
  afterEach(removeClone);

  test("tells its result as JSON, and the password there alone", async () => {
    const { output, errors } = await clone.run("setup", ["--json", "--username", "alice"]);
    const result = JSON.parse(output) as { password: string };
    expect(result).toMatchObject({
      status: "done",
      environment: "staging",
      url: registry.url,
      username: "alice",
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

describe("without a setup", () => {
  beforeEach(newClone);
  afterEach(removeClone);

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

  test("refuses a user who is not logged in", async () => {
    await clone.changeAccount((account) => {
      account.isLoggedIn = false;
    });
    const { code, errors } = await clone.run("setup");
    expect([code, errors]).toEqual([1, expect.stringContaining("run npx wrangler login")]);
  });

  test("refuses to make a user whose password would be in a job's log", async () => {
    const { code, errors } = await clone.run("setup", [], { CI: "true" });
    expect([code, errors]).toEqual([1, expect.stringContaining("once by hand")]);
    expect((await clone.account()).workers).toEqual({});
  });

  test("leaves the smoke test out where it is told so", async () => {
    const { code, output } = await clone.run("setup", ["--no-smoke", "--json"]);
    expect([code, JSON.parse(output)]).toMatchObject([0, { status: "done", smoke: [] }]);
  });

  test("refuses a bucket whose objects expire", async () => {
    const rule = { ...abortRule, name: "tidy", action: "Expire objects after 30 days" };
    await clone.changeAccount((account) => {
      account.rulesOfNewBuckets.push(rule);
    });
    const { code, errors } = await clone.run("setup");
    const mending = 'npx wrangler r2 bucket lifecycle remove longshore-staging-blobs --name "tidy"';
    expect([code, errors]).toEqual([1, expect.stringContaining(mending)]);
  });

  test.each([
    [["--env", "prod"], 1, 'has no environment "prod": choose one of dev, staging, production'],
    [["--domain", "https://r.example.com"], 2, "It is the name of a host"],
    [["--jurisdiction", "mars"], 2, "Allowed are eu, us, fedramp, fedramp-high."],
    [["--username", "a:b"], 2, "A name has no colon"],
    [["--directory", "/nowhere"], 1, "/nowhere/wrangler.toml can't be read"],
  ])("refuses the options %s", async (args, exitCode, message) => {
    const { code, errors } = await clone.run("setup", args);
    expect([code, errors]).toEqual([exitCode, expect.stringContaining(message)]);
  });

  test("a deployment that the plan refuses says which plan is needed", async () => {
    await clone.changeAccount((account) => {
      account.failingCommand = "deploy --no-x-provision";
      account.failure = "CPU limits are not supported for the Free plan.";
    });
    const { code, errors } = await clone.run("setup");
    expect([code, errors]).toEqual([1, expect.stringContaining("Workers Paid is needed")]);
  });
});
