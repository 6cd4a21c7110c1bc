import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { RunningRegistry } from "../standalone/running-registry.ts";
import { waiting } from "../standalone/start-process.ts";
import { DeployedClone } from "./deployed-clone.ts";
import type { StandInAccount } from "./stand-in-account.ts";

const registry = new RunningRegistry();
const confirm = ["--confirm", "staging"];
/** What is theirs, for all that a teardown of staging may name. */
const othersNames = /longshore-(?!staging)|production|--env dev/;
let clone: DeployedClone;
let unset = "";

beforeEach(async () => {
  clone = await DeployedClone.make(registry.url);
  unset = await clone.configuration();
  await clone.run("setup");
  await clone.calls();
}, 60_000);
afterEach(() => clone.remove());

/** Pushes a manifest without layers; answers its path. */
async function pushImage(): Promise<string> {
  const config = await registry.pushBlob("team/app", "{}");
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: {
      mediaType: "application/vnd.oci.image.config.v1+json",
      digest: config.slice(config.lastIndexOf("/") + 1),
      size: 2,
    },
    layers: [],
  });
  const answer = await fetch(`${registry.url}/v2/team/app/manifests/1`, {
    method: "PUT",
    headers: { "content-type": "application/vnd.oci.image.manifest.v1+json" },
    body: manifest,
  });
  expect(answer.status).toBe(201);
  return `/v2/team/app/manifests/1`;
}

async function statistics(): Promise<unknown> {
  return (await fetch(`${registry.url}/_stats`)).json();
}

/** As R2 has objects where the registry has an image. */
function hasObjects({ buckets }: StandInAccount): void {
  const bucket = buckets["longshore-staging-blobs"];
  if (bucket !== undefined) bucket.objects = 3;
}

const deletions = [
  "r2 bucket delete longshore-staging-blobs",
  "delete --force --env staging",
  `kv namespace delete --namespace-id ${"1".padStart(32, "0")} --skip-confirmation`,
  `kv namespace delete --namespace-id ${"2".padStart(32, "0")} --skip-confirmation`,
];

describe("a teardown", () => {
  test("deletes what setup made, takes the ids out, and names nothing of another environment", async () => {
    const { code, output } = await clone.run("teardown", confirm);
    expect([code, output]).toEqual([0, expect.stringContaining("staging is gone")]);
    const calls = (await clone.calls()).map(({ args }) => args.join(" "));
    expect(calls.filter((line) => / delete |^delete /.test(line))).toEqual(deletions);
    expect(calls.filter((line) => othersNames.test(line))).toEqual([]);
    expect(await clone.configuration()).toBe(unset);
    const { buckets, namespaces, workers } = await clone.account();
    expect([buckets, namespaces, workers]).toEqual([{}, [], {}]);
  });

  test("run again finds nothing, and is done", async () => {
    await clone.run("teardown", confirm);
    const { code, output } = await clone.run("teardown", [...confirm, "--json"]);
    expect([code, JSON.parse(output)]).toEqual([
      0,
      { status: "done", environment: "staging", deleted: [] },
    ]);
  });

  test("that was cut off is finished by the next", async () => {
    await clone.changeAccount((account) => {
      account.failingCommand = "kv namespace delete";
    });
    expect(await clone.run("teardown", confirm)).toMatchObject({ code: 1 });
    await clone.changeAccount((account) => {
      delete account.failingCommand;
    });
    expect(await clone.run("teardown", confirm)).toMatchObject({ code: 0 });
    const { buckets, namespaces, workers } = await clone.account();
    expect([buckets, namespaces, workers]).toEqual([{}, [], {}]);
    expect(await clone.configuration()).toBe(unset);
  });

  test("undoes a setup that never deployed", async () => {
    await clone.changeAccount((account) => {
      account.workers = {};
    });
    const { code } = await clone.run("teardown", [...confirm, "--url", "http://127.0.0.1:9"]);
    const { buckets, namespaces } = await clone.account();
    expect([code, buckets, namespaces]).toEqual([0, {}, []]);
  });
});

describe("a teardown refuses", () => {
  test.each([
    ["without a terminal and a name", [], "say --confirm staging"],
    ["another name", ["--confirm", "production"], 'the environment is "staging"'],
    ["an unknown environment", ["--env", "prod", "--confirm", "prod"], 'no environment "prod"'],
    [
      "a registry that does not answer",
      [...confirm, "--url", "http://127.0.0.1:9"],
      "can't be reached",
    ],
  ])("%s", async (_name, args, message) => {
    const { code, errors } = await clone.run("teardown", args);
    expect([code, errors]).toEqual([1, expect.stringContaining(message)]);
    expect(await clone.changes()).toEqual([]);
  });

  test("what another environment has too", async () => {
    await clone.changeConfiguration((text) =>
      text.replace(
        'bucket_name = "longshore-staging-blobs"',
        'bucket_name = "longshore-production-blobs"',
      ),
    );
    const { code, errors } = await clone.run("teardown", confirm);
    expect([code, errors]).toEqual([1, expect.stringContaining("another environment")]);
    expect(await clone.calls()).toEqual([]);
  });

  test("a bucket that R2 finds objects in, before anything else is gone", async () => {
    await clone.changeAccount(hasObjects);
    const { code, errors } = await clone.run("teardown", confirm);
    expect([code, errors]).toEqual([
      1,
      expect.stringContaining("longshore-staging-blobs still has objects"),
    ]);
    const { namespaces, workers } = await clone.account();
    expect([namespaces.length, Object.keys(workers)]).toEqual([2, ["longshore-staging"]]);
  });

  test("an image that was pushed a moment ago, which is not counted yet", async () => {
    const image = await pushImage();
    await clone.changeAccount(hasObjects);
    const { code } = await clone.run("teardown", confirm);
    expect(code).toBe(1);
    expect((await fetch(`${registry.url}${image}`)).status).toBe(200);
  });

  test("while there are images, and deletes them only --with-data", async () => {
    const image = await pushImage();
    await vi.waitFor(async () => expect(await statistics()).toMatchObject({ images: 1 }), waiting);
    const refused = await clone.run("teardown", confirm);
    expect([refused.code, refused.errors]).toEqual([1, expect.stringContaining("has 1 images")]);
    expect(await clone.changes()).toEqual([]);
    expect((await fetch(`${registry.url}${image}`)).status).toBe(200);

    const { code } = await clone.run("teardown", [...confirm, "--with-data"]);
    expect([code, await clone.changes()]).toEqual([0, deletions]);
    expect((await fetch(`${registry.url}${image}`)).status).toBe(404);
    expect(await statistics()).toMatchObject({ images: 0, layers: { layers: 0 } });
  });
});
