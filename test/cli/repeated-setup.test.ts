import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RunningRegistry } from "../standalone/running-registry.ts";
import { DeployedClone } from "./deployed-clone.ts";

const registry = new RunningRegistry();
let clone: DeployedClone;

const newClone = async () => {
  clone = await DeployedClone.make(registry.url);
};
const removeClone = () => clone.remove();
/** A setup is a dozen processes. */
const hookMs = 60_000;

describe("a second setup", () => {
  beforeAll(async () => {
    await newClone();
    await clone.run("setup");
    await clone.calls();
  }, hookMs);
  afterAll(removeClone);

  test("changes nothing, and says so of each", async () => {
    const before = await clone.configuration();
    const credentials = { LONGSHORE_USERNAME: "alice", LONGSHORE_PASSWORD: "secret" };
    const { code, output, errors } = await clone.run("setup", [], credentials);
    expect(await clone.changes()).toEqual([]);
    expect(await clone.configuration()).toBe(before);
    expect([code, errors]).toEqual([0, ""]);
    expect(output.match(/^ {2}right {2}/gm)).toHaveLength(7);
    expect(output).toContain(`${registry.url} works`);
  });

  test("leaves the smoke test out where it has no user", async () => {
    const { code, output } = await clone.run("setup");
    expect(code).toBe(0);
    expect(output).toContain(`the smoke test, for want of a user: npx longshore smoke`);
  });

  test.each([
    ["other code", (text: string) => text, "export default { other };"],
    [
      "another variable",
      (text: string) => text.replace("[env.staging.vars]", '[env.staging.vars]\nX = "1"'),
      "export default {};",
    ],
  ])("with %s deploys alone", async (_name, change, code) => {
    await clone.calls();
    await clone.changeConfiguration(change);
    await clone.changeAccount((account) => {
      account.code = code;
    });
    await clone.run("setup");
    expect(await clone.changes()).toEqual([expect.stringMatching(/^deploy --no-x-provision/)]);
  });

  test("refuses to move what is stored to another jurisdiction", async () => {
    await clone.calls();
    const { code, errors } = await clone.run("setup", ["--jurisdiction", "eu"]);
    expect([code, errors]).toEqual([1, expect.stringContaining("can't be moved")]);
    expect(await clone.changes()).toEqual([]);
  });

  test("refuses an id that the account does not have", async () => {
    await clone.changeAccount((account) => {
      account.namespaces = [];
    });
    const { code, errors } = await clone.run("setup");
    expect([code, errors]).toEqual([
      1,
      expect.stringContaining(`the KV namespace ${"1".padStart(32, "0")} for`),
    ]);
  });
});

describe("a setup that fails", () => {
  beforeAll(newClone);
  afterAll(removeClone);

  const withUser = { LONGSHORE_USERNAME: "alice", LONGSHORE_PASSWORD: "secret" };

  // Each goes on where the one before failed.
  test.each([
    ["r2 bucket create", /now {4}make the R2 bucket longshore-staging-blobs\n$/],
    ["kv namespace create longshore-staging-tags", /now {4}make the KV namespace \S+-tags, .*\n$/],
    ["secret bulk", /now {4}put as secrets: a key .*\n$/],
    ["r2 bucket lifecycle add", /now {4}have R2 end multipart uploads .*\n$/],
    ["deploy --dry-run", /right {2}R2 ends abandoned multipart uploads\n$|R2 end multipart .*\n$/],
    ["deploy --no-x-provision", /now {4}deploy the Worker longshore-staging as longshore-\w+\n$/],
  ])("at `%s` has shown the step, and says so", async (failingCommand, lastLine) => {
    await clone.changeAccount((account) => {
      account.failingCommand = failingCommand;
    });
    const { code, output, errors } = await clone.run("setup", [], withUser);
    expect([code, output]).toEqual([1, expect.stringMatching(lastLine)]);
    expect(errors).toContain(`longshore: wrangler ${failingCommand}`);
    expect(errors).toContain("internal error [code: 10000]");
  });

  test("is finished by the next, with nothing made twice", async () => {
    await clone.changeAccount((account) => {
      delete account.failingCommand;
    });
    const { code, output } = await clone.run("setup", [], withUser);
    expect([code, output]).toEqual([0, expect.stringContaining("works")]);
    const { buckets, namespaces, workers } = await clone.account();
    expect(Object.keys(buckets)).toEqual(["longshore-staging-blobs"]);
    expect(buckets["longshore-staging-blobs"]?.rules).toEqual([
      expect.objectContaining({ name: "longshore-abort-uploads" }),
    ]);
    expect(namespaces.map(({ title }) => title)).toEqual([
      "longshore-staging-manifests",
      "longshore-staging-tags",
    ]);
    expect(Object.keys(workers["longshore-staging"]?.secrets ?? {})).toEqual([
      "REGISTRY_AUTH_TOKEN_PRIVATEKEY",
      "REGISTRY_AUTH_HTPASSWD",
    ]);
  });
});
