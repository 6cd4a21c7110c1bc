import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import * as budgets from "../../bench/scale/budgets.ts";
import { callsInTurnMax } from "../../bench/scale/hot-image.ts";
import {
  digestOf,
  imageManifest,
  ociManifest,
  pushBlob,
  pushImage,
  putManifest,
  randomBytes,
  send,
  startUpload,
} from "../client.ts";
import { type Rows, takeOperations } from "../doubles/counted-operations.ts";
import { advance, dayMs, hourMs, secondMs } from "../durable-objects/clock.ts";

const repository = "budget/app";

function sumOf(...owners: ReadonlyMap<string, Rows>[]): Rows {
  const sum = { read: 0, written: 0 };
  for (const { read, written } of owners.flatMap((rows) => [...rows.values()])) {
    sum.read += read;
    sum.written += written;
  }
  return sum;
}

/** What a request costs until it is answered. */
async function costOf(request: () => Promise<Response>, status: number) {
  takeOperations();
  const response = await request();
  expect(response.status).toBe(status);
  await response.arrayBuffer();
  const { objects, r2, kv, rows } = takeOperations();
  // It is told of changes by alarms, which may be those of an earlier test.
  rows.delete("Catalog");
  return { objects, r2, kv, rows: sumOf(rows) };
}

function expectRows(rows: Rows, most: Rows): void {
  expect(rows.read).toBeLessThanOrEqual(most.read);
  expect(rows.written).toBeLessThanOrEqual(most.written);
}

async function expectCost(
  request: () => Promise<Response>,
  status: number,
  { objects, r2, kv, rows }: budgets.Budget,
): Promise<void> {
  const cost = await costOf(request, status);
  expect({ ...cost, rows: undefined }).toEqual({ objects, r2, kv, rows: undefined });
  expectRows(cost.rows, rows);
}

/** Has a repository tell what it has to tell, at once; answers what that took. */
async function told(name: string) {
  advance(2 * secondMs);
  takeOperations();
  expect(await runDurableObjectAlarm(env.REPOSITORY.getByName(name))).toBe(true);
  const { objects, later, alarms, rows, alarmRows } = takeOperations();
  return { later: [...objects, ...later].toSorted(), alarms, rows: sumOf(rows, alarmRows) };
}

/** Bytes of a blob that a certain index has to hold: other blobs wake indexes that were never asked. */
function bytesOfIndex(prefix: string, algorithm = "sha256"): Uint8Array<ArrayBuffer> {
  for (;;) {
    const bytes = randomBytes(10);
    if (digestOf(bytes, algorithm).startsWith(`${algorithm}:${prefix}`)) return bytes;
  }
}

beforeAll(async () => {
  // The sealing key is asked for once per isolate, and a database begins with its tables.
  await pushImage(repository, "first", []);
  await pushBlob(repository, bytesOfIndex("00"));
});

afterEach(() => {
  vi.useRealTimers();
});

test("HEAD and GET of a manifest by digest cost one KV read where its replica is", async () => {
  const { digest } = await pushImage(repository, "warm", [randomBytes(10)]);
  await told(repository);
  for (const method of ["HEAD", "GET"]) {
    const request = () => send(method, `/v2/${repository}/manifests/${digest}`);
    // oxlint-disable-next-line no-await-in-loop
    await expectCost(request, 200, budgets.manifestByDigest);
  }
});

test("GET of a manifest by digest costs one KV read and one call where there is no replica", async () => {
  const { digest } = await pushImage(repository, "cold", [randomBytes(10)]);
  await told(repository);
  await env.MANIFESTS.delete(`${repository}@${digest}`);
  const request = () => send("GET", `/v2/${repository}/manifests/${digest}`);
  await expectCost(request, 200, budgets.manifestWithoutReplica(2));
});

test("HEAD and GET of a manifest by tag cost one call", async () => {
  await pushImage(repository, "latest", [randomBytes(10)]);
  const path = `/v2/${repository}/manifests/latest`;
  await expectCost(() => send("HEAD", path), 200, budgets.manifestHeadByTag);
  await expectCost(() => send("GET", path), 200, budgets.manifestByTag(2));
});

test("HEAD of a blob costs one call, GET one call and one R2 read", async () => {
  const digest = await pushBlob(repository, randomBytes(10));
  const path = `/v2/${repository}/blobs/${digest}`;
  await expectCost(() => send("HEAD", path), 200, budgets.blobHead);
  await expectCost(() => send("GET", path), 200, budgets.blob);
});

test("GET of a blob costs one R2 read where its manifest was served", async () => {
  const { layers } = await pushImage(repository, "served", [randomBytes(10)]);
  await costOf(() => send("GET", `/v2/${repository}/manifests/served`), 200);
  const { objects, r2, kv } = budgets.blobOfServedManifest;
  await expect
    .poll(() => costOf(() => send("GET", `/v2/${repository}/blobs/${layers[0]}`), 200))
    .toMatchObject({ objects, r2, kv });
});

test("push of a new blob that arrives whole costs three calls and one R2 write", async () => {
  const bytes = bytesOfIndex("00");
  let location = "";
  const start = async () => {
    const response = await send("POST", `/v2/${repository}/blobs/uploads/`);
    location = response.headers.get("Location") ?? "";
    return response;
  };
  await expectCost(start, 202, budgets.ping);
  const put = () => send("PUT", `${location}?digest=${digestOf(bytes)}`, { body: bytes });
  await expectCost(put, 201, budgets.wholeBlobNew);
});

test("push of a held blob that arrives whole costs two calls and no R2 write", async () => {
  const bytes = bytesOfIndex("00");
  await pushBlob("budget/other", bytes);
  const location = await startUpload(repository);
  const put = () => send("PUT", `${location}?digest=${digestOf(bytes)}`, { body: bytes });
  await expectCost(put, 201, budgets.wholeBlobHeld);
});

test("mount of a blob from another repository costs three calls and no R2 write", async () => {
  const bytes = bytesOfIndex("00");
  const digest = await pushBlob("budget/other", bytes);
  const path = `/v2/${repository}/blobs/uploads/?mount=${digest}&from=budget/other`;
  await expectCost(() => send("POST", path), 201, budgets.mount);
});

test.each([
  { chunks: [1000], parts: 0 },
  { chunks: [20 * 1024 * 1024], parts: 3 },
  { chunks: [9 * 1024 * 1024, 9 * 1024 * 1024, 9 * 1024 * 1024], parts: 4 },
])("push of a blob by $chunks costs at most a call per body and three", async (row) => {
  const bytes = randomBytes(row.chunks.reduce((sum, size) => sum + size, 0));
  let location = await startUpload(repository);
  takeOperations();
  let at = 0;
  for (const size of row.chunks) {
    // oxlint-disable-next-line no-await-in-loop
    const patch = await send("PATCH", location, {
      body: bytes.slice(at, at + size),
      headers: { "Content-Range": `${at}-${at + size - 1}` },
    });
    expect(patch.status).toBe(202);
    location = patch.headers.get("Location") ?? "";
    at += size;
  }
  const put = await send("PUT", `${location}?digest=${digestOf(bytes)}`);
  expect(put.status).toBe(201);
  const { objects, r2, kv, rows } = takeOperations();
  const budget = budgets.blobInParts(row.chunks.length, row.parts);
  expect(objects.length).toBeLessThanOrEqual(budget.objects.length);
  expect(r2.length).toBeLessThanOrEqual(budget.r2.length);
  expect(kv).toEqual(budget.kv);
  rows.delete("Catalog");
  expectRows(sumOf(rows), budget.rows);
});

test.each([
  { blobs: 1, tags: 1 },
  { blobs: 11, tags: 1 },
  { blobs: 11, tags: 3 },
])(
  "PUT of a manifest over $blobs blobs by $tags tags costs one call, and later what tells KV and the catalog",
  async ({ blobs, tags }) => {
    const made = [];
    for (let count = 0; count < blobs; count += 1) {
      const bytes = bytesOfIndex("00");
      // oxlint-disable-next-line no-await-in-loop
      made.push({ digest: await pushBlob(repository, bytes), size: bytes.length });
    }
    const [config = { digest: "", size: 0 }, ...layers] = made;
    const manifest = imageManifest(config, layers);
    const query = Array.from({ length: tags }, () => `tag=${crypto.randomUUID()}`).join("&");
    const path = `/v2/${repository}/manifests/${digestOf(manifest)}?${query}`;
    const headers = { "Content-Type": ociManifest };
    await told(repository);
    const put = () => send("PUT", path, { body: manifest, headers });
    await expectCost(put, 201, budgets.manifestPut(blobs, tags));
    const { later, alarms, rows } = await told(repository);
    const due = budgets.manifestTold(blobs, tags);
    expect({ later, alarms }).toEqual({ later: due.later, alarms: due.alarms });
    expectRows(rows, due.rows);
  },
);

test("PUT of a manifest into a new repository costs no call more", async () => {
  const name = "budget/fresh";
  const bytes = bytesOfIndex("00");
  const digest = await pushBlob(name, bytes);
  const manifest = imageManifest({ digest, size: bytes.length }, []);
  await told(name);
  const { objects, r2, kv } = await costOf(() => putManifest(name, "1", manifest), 201);
  const budget = budgets.manifestPut(1, 1);
  expect({ objects, r2, kv }).toEqual({ objects: budget.objects, r2: budget.r2, kv: budget.kv });
  expect((await told(name)).later).toEqual(budgets.manifestTold(1, 1).later);
});

test("an hour behind a push its repository is asked once for the links of an index", async () => {
  await pushBlob("budget/hour", bytesOfIndex("ff", "sha512"), "sha512");
  const index = env.BLOB_INDEX.getByName("sha512:ff");
  advance(2 * secondMs);
  // It has the catalog know of it.
  await runDurableObjectAlarm(index);
  advance(2 * hourMs);
  takeOperations();
  expect(await runDurableObjectAlarm(index)).toBe(true);
  const { objects, alarms, rows, alarmRows } = takeOperations();
  const budget = budgets.blobsConfirmed(1);
  expect({ objects, alarms }).toEqual({ objects: budget.later, alarms: budget.alarms });
  expectRows(sumOf(rows, alarmRows), budget.rows);
});

test("a day behind a push its repository looks once for what nobody references", async () => {
  const name = "budget/day";
  await pushImage(name, "1", [bytesOfIndex("00")]);
  await told(name);
  advance(2 * dayMs);
  const { later, alarms, rows } = await told(name);
  const budget = budgets.repositoryCollected;
  expect({ later, alarms }).toEqual({ later: budget.later, alarms: budget.alarms });
  expectRows(rows, budget.rows);
});

test("all pulls of an image of ten layers together cost at most 12 calls", async () => {
  // A thousand of them, with stores in memory, are in hot-image.test.ts.
  const pulls = 20;
  const bytes = Array.from({ length: 10 }, () => randomBytes(100));
  const { digest, manifest } = await pushImage(repository, "", bytes);
  await told(repository);
  const image = JSON.parse(manifest) as {
    config: { digest: string };
    layers: { digest: string }[];
  };
  const blobs = [image.config, ...image.layers];
  takeOperations();
  for (let pull = 0; pull < pulls; pull += 1) {
    // One after the other is what is counted.
    /* oxlint-disable no-await-in-loop */
    await (await send("GET", `/v2/${repository}/manifests/${digest}`)).arrayBuffer();
    for (const blob of blobs) {
      const response = await send("GET", `/v2/${repository}/blobs/${blob.digest}`);
      expect(response.status).toBe(200);
      await response.arrayBuffer();
    }
    /* oxlint-enable no-await-in-loop */
  }
  const { objects, r2, kv } = takeOperations();
  expect(objects.length).toBeLessThanOrEqual(callsInTurnMax);
  expect(r2.length).toBe(pulls * blobs.length);
  expect(kv.length).toBe(pulls);
});
