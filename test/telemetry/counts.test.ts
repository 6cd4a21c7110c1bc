import { beforeAll, describe, expect, test } from "vitest";
import { RegistryError } from "../../schemas/errors.ts";
import { countCollected, countUpload, observeReplicaLag } from "../../telemetry/telemetry.ts";
import { countCollection, countUploadEvent, observeLag } from "../../telemetry/metrics.ts";
import { routes } from "../../workers/registry.ts";
import { alice, basic, tokenRegistry, type Variables } from "../access/credentials.ts";
import { digestOf, indexOf, newRepository, ociIndex, pushBlob, pushManifest } from "../client.ts";
import { sendTo } from "../configured.ts";

const repository = newRepository();
const manifest = indexOf();
const blob = "a blob that is counted";
const totals = {
  repositories: 1,
  images: 2,
  tags: 3,
  layers: 4,
  layerBytes: 5,
  cacheHits: 6,
  cacheMisses: 7,
  uploadsActive: 8,
};

/** One machine, where nothing stands behind ANALYTICS and everything is counted here. */
let machine: Variables;

/** A Catalog that has these totals, or none. */
function catalog(statistics: () => Promise<unknown>): string {
  return { getByName: () => ({ statistics }) } as unknown as string;
}

beforeAll(async () => {
  machine = {
    ...(await tokenRegistry()),
    REGISTRY_AUTH_TYPE: "basic",
    ANALYTICS: undefined,
    CATALOG: catalog(async () => totals),
  };
  await pushBlob(repository, blob);
  await pushManifest(repository, "kept", manifest);
});

async function metricsOf(variables: Variables = machine): Promise<string> {
  const response = await sendTo(variables, "GET", "/metrics", { headers: alice });
  expect(response.status).toBe(200);
  expect(response.headers.get("Content-Type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  return response.text();
}

/** The value of a series, 0 where it is not there. */
function valueOf(text: string, series: string): number {
  const line = text.split("\n").find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length + 1));
}

/** By how much a series grows while something is done. */
async function growthOf(series: string, work: () => Promise<unknown> | void): Promise<number> {
  const before = valueOf(await metricsOf(), series);
  await work();
  return valueOf(await metricsOf(), series) - before;
}

const manifests = '{route="/v2/:name/manifests/:reference"';
const blobs = '{route="/v2/:name/blobs/:digest"';
const byTag = (): Promise<Response> =>
  sendTo(machine, "GET", `/v2/${repository}/manifests/kept`, { headers: alice });
const byDigest = (): Promise<Response> =>
  sendTo(machine, "GET", `/v2/${repository}/blobs/${digestOf(blob)}`, { headers: alice });
const put = (): Promise<Response> =>
  sendTo(machine, "PUT", `/v2/${repository}/manifests/put`, {
    body: manifest,
    headers: { ...alice, "Content-Type": ociIndex, "Content-Length": String(manifest.length) },
  });

describe("on one machine", () => {
  test.each<[string, () => Promise<unknown> | void, number]>([
    [`longshore_http_requests_total${manifests},method="GET",status="200"}`, byTag, 1],
    [`longshore_http_requests_total${manifests},method="PUT",status="201"}`, put, 1],
    [`longshore_http_request_duration_seconds_count${manifests},method="GET"}`, byTag, 1],
    [`longshore_http_request_bytes_total${manifests}}`, put, manifest.length],
    [`longshore_http_response_bytes_total${blobs}}`, byDigest, blob.length],
    [`longshore_object_calls_total${manifests}}`, byTag, 1],
    [`longshore_object_calls_total${manifests}}`, put, 1],
    [`longshore_r2_operations_total${blobs}}`, byDigest, 1],
    [
      'longshore_http_errors_total{code="MANIFEST_UNKNOWN"}',
      () => sendTo(machine, "GET", `/v2/${repository}/manifests/none`, { headers: alice }),
      1,
    ],
    [
      'longshore_http_errors_total{code="UNAUTHORIZED"}',
      () => sendTo(machine, "GET", "/v2/", { headers: basic("alice", "wrong") }),
      1,
    ],
    [
      `longshore_kv_operations_total${manifests}}`,
      () =>
        sendTo(machine, "GET", `/v2/${repository}/manifests/${digestOf(manifest)}`, {
          headers: alice,
        }),
      1,
    ],
    ["longshore_uploads_started_total", () => countUploadEvent("started"), 1],
    ["longshore_uploads_committed_total", () => countUploadEvent("committed"), 1],
    ["longshore_uploads_expired_total", () => countUploadEvent("expired"), 1],
    [
      "longshore_collected_layers_total",
      () => countCollection({ layers: 2, bytes: 30, manifests: 4 }),
      2,
    ],
    [
      "longshore_collected_bytes_total",
      () => countCollection({ layers: 2, bytes: 30, manifests: 4 }),
      30,
    ],
    [
      "longshore_collected_manifests_total",
      () => countCollection({ layers: 2, bytes: 30, manifests: 4 }),
      4,
    ],
    ["longshore_replica_lag_seconds_sum", () => observeLag(3), 3],
    ['longshore_replica_lag_seconds_bucket{le="2"}', () => observeLag(3), 0],
    ['longshore_replica_lag_seconds_bucket{le="5"}', () => observeLag(3), 1],
  ])("%s grows", async (series, work, growth) => {
    expect(await growthOf(series, work)).toBe(growth);
  });

  test.each([
    ["longshore_repositories", 1],
    ["longshore_images", 2],
    ["longshore_tags", 3],
    ["longshore_layers", 4],
    ["longshore_layer_bytes", 5],
    ["longshore_layer_cache_hits_total", 6],
    ["longshore_layer_cache_misses_total", 7],
    ["longshore_uploads_active", 8],
  ])("%s is what Catalog keeps", async (series, value) => {
    expect(valueOf(await metricsOf(), series)).toBe(value);
  });

  test("what clients make up becomes no label", async () => {
    const odd = crypto.randomUUID();
    const asked: [string, string][] = [
      ["GET", `/${odd}`],
      ["GET", `/v2/${odd}/tags/list`],
      ["GET", `/v2/${odd}/manifests/${odd}`],
      ["PROPFIND", `/v2/${odd}/manifests/${odd}`],
      ["MKCOL", "/v2/"],
      ["GET", `/v2/${odd}/blobs/uploads/${odd}?${odd}=${odd}`],
    ];
    for (const [method, path] of asked) {
      // oxlint-disable-next-line no-await-in-loop
      await sendTo(machine, method, path, { headers: alice });
    }
    const text = await metricsOf();
    const labels = [...text.matchAll(/(\w+)="([^"]*)"/g)].map(([, name = "", value = ""]) => ({
      name,
      value,
    }));
    const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"];
    const bounded: Record<string, (value: string) => boolean> = {
      route: (value) => Object.hasOwn(routes, value) || value === "none" || value === "objects",
      method: (value) => methods.includes(value),
      status: (value) => /^[1-5]\d\d$/.test(value),
      code: (value) => new RegistryError(value as "DENIED").status >= 400,
      le: (value) => value === "+Inf" || Number(value) > 0,
    };
    expect(labels.filter(({ name, value }) => bounded[name]?.(value) !== true)).toEqual([]);
    expect(new Set(labels.map(({ name }) => name))).toEqual(new Set(Object.keys(bounded)));
    expect(labels.map(({ value }) => value)).toContain("other");
    expect(text).not.toContain(odd);
    expect(text).not.toContain(repository);
  });

  test("without totals all else is answered", async () => {
    const failing = { ...machine, CATALOG: catalog(() => Promise.reject(new Error("away"))) };
    const text = await metricsOf(failing);
    expect(text).toContain("# The totals are missing");
    expect(text).not.toContain("longshore_repositories");
    expect(text).toContain("longshore_http_requests_total{");
  });
});

interface DataPoint {
  readonly indexes: string[];
  readonly blobs: string[];
  readonly doubles: number[];
}

/** A dataset, and what was written to it. */
function dataset() {
  const points: DataPoint[] = [];
  const writeDataPoint = (point?: AnalyticsEngineDataPoint) => void points.push(point as DataPoint);
  return { points, analytics: { writeDataPoint } };
}

describe("deployed", () => {
  test.each<[string, string, RequestInit, string[], number[]]>([
    [
      "GET",
      `/v2/${repository}/manifests/kept`,
      {},
      ["request", "/v2/:name/manifests/:reference", "GET", "200", ""],
      [0, manifest.length, 1, 0, 0],
    ],
    [
      "GET",
      `/v2/${repository}/blobs/${digestOf("nothing")}`,
      {},
      ["request", "/v2/:name/blobs/:digest", "GET", "404", "BLOB_UNKNOWN"],
      [0, expect.any(Number) as number, 1, 0, 0],
    ],
    [
      "PUT",
      `/v2/${repository}/manifests/UPPER`,
      { body: manifest, headers: { "Content-Length": String(manifest.length) } },
      ["request", "/v2/:name/manifests/:reference", "PUT", "201", ""],
      [manifest.length, 0, 1, 0, 0],
    ],
  ])("%s %s is one data point", async (method, path, init, texts, numbers) => {
    const { points, analytics } = dataset();
    const variables = { ...machine, ANALYTICS: analytics as unknown as string };
    const headers = { "Content-Type": ociIndex, ...(init.headers as object), ...alice };
    await sendTo(variables, method, path, { ...init, headers });
    expect(points).toEqual([
      { indexes: [texts[1]], blobs: texts, doubles: [expect.any(Number), ...numbers] },
    ]);
  });

  test.each<
    [string, (analytics: Pick<AnalyticsEngineDataset, "writeDataPoint">) => void, DataPoint]
  >([
    [
      "an upload",
      (analytics) => countUpload("expired", analytics),
      { indexes: ["upload"], blobs: ["upload", "expired"], doubles: [1] },
    ],
    [
      "a collection",
      (analytics) => countCollected({ layers: 2, bytes: 30, manifests: 4 }, analytics),
      { indexes: ["collection"], blobs: ["collection"], doubles: [2, 30, 4] },
    ],
    [
      "a replica",
      (analytics) => observeReplicaLag(1.5, analytics),
      { indexes: ["replica"], blobs: ["replica"], doubles: [1.5] },
    ],
  ])("%s is one data point", (_case, tell, point) => {
    const { points, analytics } = dataset();
    tell(analytics);
    expect(points).toEqual([point]);
  });

  test("the metrics are the totals alone, and say where the rest is", async () => {
    const { analytics } = dataset();
    const text = await metricsOf({ ...machine, ANALYTICS: analytics as unknown as string });
    const series = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    expect(series.map((line) => line.split(" ")[0])).toEqual([
      "longshore_repositories",
      "longshore_images",
      "longshore_tags",
      "longshore_layers",
      "longshore_layer_bytes",
      "longshore_uploads_active",
      "longshore_layer_cache_hits_total",
      "longshore_layer_cache_misses_total",
    ]);
    expect(text).toContain("Workers Analytics Engine");
    expect(text).toContain("longshore_requests");
  });
});

test.each([
  ["nobody", {}, 401],
  ["a wrong password", basic("alice", "wrong"), 401],
  ["a reader", basic("rita", "rita's"), 200],
])("%s asks for metrics: %j is %i", async (_who, headers, status) => {
  expect((await sendTo(machine, "GET", "/metrics", { headers })).status).toBe(status);
});
