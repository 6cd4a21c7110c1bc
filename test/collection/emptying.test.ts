/** What POST of /_empty deletes: everything, and only of who says twice which registry is meant. */
import { Buffer } from "node:buffer";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import type { RepositoryName } from "../../schemas/reference.ts";
import { catalogName } from "../../schemas/storage-keys.ts";
import { basic, tokenRegistry, type Variables } from "../access/credentials.ts";
import {
  digestOf,
  indexOf,
  newRepository,
  pushBlob,
  pushImage,
  pushManifest,
  randomBytes,
  refusal,
  send,
  startUpload,
} from "../client.ts";
import { sendTo } from "../configured.ts";

interface EmptiedBody {
  readonly deletedManifests: number;
  readonly deletedObjects: number;
  readonly deletedBytes: number;
  readonly more: boolean;
}

const path = "/_empty?confirm=registry.test";

/** Empties the registry as the command does; answers the sums of all pages. */
async function empty(
  ask: () => Promise<Response> = () => send("POST", path),
): Promise<Omit<EmptiedBody, "more">> {
  const sums = { deletedManifests: 0, deletedObjects: 0, deletedBytes: 0 };
  for (;;) {
    /* oxlint-disable no-await-in-loop */
    const response = await ask();
    expect(response.status).toBe(200);
    const body = await response.json<EmptiedBody>();
    sums.deletedManifests += body.deletedManifests;
    sums.deletedObjects += body.deletedObjects;
    sums.deletedBytes += body.deletedBytes;
    const isWaiting = body.more && body.deletedManifests + body.deletedObjects === 0;
    expect(response.headers.get("Retry-After")).toBe(isWaiting ? "1" : null);
    if (!body.more) return sums;
    await scheduler.wait(200);
    /* oxlint-enable no-await-in-loop */
  }
}

async function keys(): Promise<string[]> {
  return (await env.BLOBS.list()).objects.map(({ key }) => key);
}

describe("everything goes", () => {
  beforeEach(async () => {
    await empty();
  });

  test("images of all repositories, and who asks finds nothing of them", async () => {
    const repositories = Array.from({ length: 25 }, newRepository);
    const shared = randomBytes(1000);
    for (const repository of repositories) {
      // oxlint-disable-next-line no-await-in-loop
      await pushImage(repository, "v1", [shared, randomBytes(10)]);
    }
    const [first = ""] = repositories;
    const kept = await pushManifest(first, "index", indexOf());
    // One blob is shared, each image has another and a config.
    const { deletedManifests, deletedObjects } = await empty();
    expect([deletedManifests, deletedObjects]).toEqual([26, 51]);
    expect(await keys()).toEqual([]);
    const asked = [
      `/v2/${first}/manifests/v1`,
      `/v2/${first}/manifests/${kept}`,
      `/v2/${first}/blobs/${digestOf(shared)}`,
      `/v2/${first}/tags/list`,
    ];
    for (const of of asked) {
      // oxlint-disable-next-line no-await-in-loop
      expect((await send("GET", of)).status, of).toBe(404);
    }
    const catalog = await (await send("GET", "/v2/_catalog")).json();
    expect(catalog).toEqual({ repositories: [] });
    expect(await (await send("GET", "/_stats")).json()).toMatchObject({
      repositories: 0,
      images: 0,
      layers: { layers: 0, totalSize: 0 },
    });
  });

  test("blobs without a manifest, objects that nobody claimed, and what is not of the registry", async () => {
    await pushBlob(newRepository(), randomBytes(10));
    await env.BLOBS.put("blobs/2026-11-01/unclaimed", "1");
    await env.BLOBS.put("another/key", "2");
    expect((await empty()).deletedObjects).toBe(3);
    expect(await keys()).toEqual([]);
  });

  test("more than a page of objects", async () => {
    const names = Array.from({ length: 1001 }, (_, at) => `stray/${at}`);
    await Promise.all(names.map((name) => env.BLOBS.put(name, "x")));
    expect(await empty()).toMatchObject({ deletedObjects: 1001, deletedBytes: 1001 });
    expect(await keys()).toEqual([]);
  });

  test("an upload that is open for some time", async () => {
    const repository = newRepository() as RepositoryName;
    const session = await startUpload(repository);
    const body = randomBytes(9 * 1024 * 1024);
    expect((await send("PATCH", session, { body })).status).toBe(202);
    const sealed = Buffer.from(session.slice(session.lastIndexOf("/") + 1), "base64url");
    const id = sealed.toString("base64url", 0, 16);
    await env.CATALOG.getByName(catalogName).setUpload(
      { id, repository, startedMs: Date.now() },
      true,
    );
    await empty();
    expect(await refusal(await send("GET", session))).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
  });

  test("and the registry goes on: the same image can be pushed again", async () => {
    const repository = newRepository();
    const layer = randomBytes(1000);
    await pushImage(repository, "v1", [layer]);
    await empty();
    await pushImage(repository, "v1", [layer]);
    const blob = await send("GET", `/v2/${repository}/blobs/${digestOf(layer)}`);
    expect(digestOf(new Uint8Array(await blob.arrayBuffer()))).toBe(digestOf(layer));
  });

  test("the policy in the bucket last, by which who asks is let in", async () => {
    await env.BLOBS.put("config/policy.json", JSON.stringify({ adminUsers: ["alice"] }));
    const registry = await tokenRegistry({
      REGISTRY_ACCESS_CONTROL_CONFIG: "r2:config/policy.json",
    });
    await pushImage(newRepository(), "v1", [randomBytes(10)]);
    const headers = basic("alice", "alice's");
    await empty(() => sendTo(registry, "POST", path, { headers }));
    expect(await keys()).toEqual([]);
  });
});

describe("nothing goes", () => {
  const url = "https://registry.example.com:8443";

  test.each<[string, string, Variables]>([
    ["without a word", "/_empty", {}],
    ["with an empty one", "/_empty?confirm=", {}],
    ["with true", "/_empty?confirm=true", {}],
    ["with another host", "/_empty?confirm=staging.registry.test", {}],
    ["with the host of the request, where clients see another", path, { REGISTRY_URL: url }],
    ["with half of it", "/_empty?confirm=registry.example.com", { REGISTRY_URL: url }],
  ])("%s", async (_case, asked, variables) => {
    const repository = newRepository();
    await pushImage(repository, "v1", [randomBytes(10)]);
    const response = await sendTo(variables, "POST", asked);
    expect(await refusal(response)).toEqual([400, "CONFIRMATION_NEEDED"]);
    expect((await send("GET", `/v2/${repository}/manifests/v1`)).status).toBe(200);
  });

  test.each([
    ["a page of another origin", "https://elsewhere.example.com"],
    ["a page that hides its origin", "null"],
    ["a page of a name that leads here", "https://registry.test"],
  ])("by %s, which a browser lends its passwords", async (_case, origin) => {
    const repository = newRepository();
    await pushImage(repository, "v1", [randomBytes(10)]);
    const response = await send("POST", path, { headers: { Origin: origin } });
    expect(await refusal(response)).toEqual([403, "DENIED"]);
    expect((await send("GET", `/v2/${repository}/manifests/v1`)).status).toBe(200);
  });

  test("the message names the host that is meant", async () => {
    const response = await sendTo({ REGISTRY_URL: url }, "POST", "/_empty");
    const { errors } = await response.json<{ errors: { message: string }[] }>();
    expect(errors[0]?.message).toContain("confirm=registry.example.com%3A8443");
    const query = "?confirm=registry.example.com%3A8443";
    expect((await sendTo({ REGISTRY_URL: url }, "POST", `/_empty${query}`)).status).toBe(200);
  });
});
