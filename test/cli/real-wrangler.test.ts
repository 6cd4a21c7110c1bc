import { copyFile, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RunningRegistry } from "../standalone/running-registry.ts";
import { CloudflareApi } from "./cloudflare-api.ts";
import { Companion, type Ended } from "./companion.ts";

/** What the Worker is bundled of, and wrangler itself. */
const linked = [
  "workers",
  "durable-objects",
  "schemas",
  "stores",
  "streams",
  "telemetry",
  "package.json",
  "tsconfig.json",
  "node_modules",
];
const root = join(import.meta.dirname, "../..");
const registry = new RunningRegistry();
const api = new CloudflareApi();
let folder = "";
let environment: Record<string, string> = {};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "longshore-clone-"));
  await copyFile(join(root, "wrangler.toml"), join(folder, "wrangler.toml"));
  await Promise.all(linked.map((name) => symlink(join(root, name), join(folder, name))));
  environment = { ...(await api.start()), HOME: folder };
});
afterAll(async () => {
  api.close();
  await rm(folder, { recursive: true });
});

async function run(command: string, ...args: string[]): Promise<Ended> {
  const all = ["--env", "staging", "--directory", folder, "--url", registry.url, ...args];
  const credentials = { LONGSHORE_USERNAME: "alice", LONGSHORE_PASSWORD: "any" };
  return Companion.run([command, ...all], { ...environment, ...credentials });
}

/** Each starts wrangler up to sixteen times, for more than a second. */
const timeout = 240_000;

test("wrangler itself takes what a setup calls it with", { timeout }, async () => {
  const { code, output, errors } = await run("setup");
  expect([code, errors, output]).toEqual([0, expect.any(String), expect.stringContaining("works")]);
  expect([...api.buckets.keys()]).toEqual(["longshore-staging-blobs"]);
  const abortMultipartUploadsTransition = { condition: { type: "Age", maxAge: 604_800 } };
  expect(api.buckets.get("longshore-staging-blobs")).toEqual([
    expect.objectContaining({ enabled: true, conditions: {}, abortMultipartUploadsTransition }),
  ]);
  expect(api.namespaces.map(({ title }) => title)).toEqual([
    "longshore-staging-manifests",
    "longshore-staging-tags",
  ]);
  expect(api.workers.get("longshore-staging")).toEqual({
    secrets: ["REGISTRY_AUTH_TOKEN_PRIVATEKEY", "REGISTRY_AUTH_HTPASSWD"],
    tag: expect.stringMatching(/^longshore-[0-9a-f]{12}$/),
  });
});

test("what it answers is understood by the next setup", { timeout }, async () => {
  const { code, output } = await run("setup");
  expect([code, output.match(/^ {2}(?:now|right) .*$/gm)?.length]).toEqual([0, 8]);
  expect(output.match(/^ {2}now .*$/gm)).toEqual([`  now    smoke-test ${registry.url}`]);
});

test("it takes what a teardown calls it with", { timeout }, async () => {
  const { code, output } = await run("teardown", "--confirm", "staging");
  expect([code, output]).toEqual([0, expect.stringContaining("staging is gone")]);
  expect([api.buckets.size, api.namespaces.length, api.workers.size]).toEqual([0, 0, 0]);
  const [now, before] = [folder, root].map((path) => readFile(join(path, "wrangler.toml"), "utf8"));
  expect(await now).toBe(await before);
  expect(api.unknown).toEqual([]);
});
