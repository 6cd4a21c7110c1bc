import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test, vi } from "vitest";
import type { Connection } from "./connection.ts";
import { digestOf, RunningRegistry } from "./running-registry.ts";
import { waiting } from "./start-process.ts";

const root = join(import.meta.dirname, "../..");
const docs = join(root, "docs");
const registry = new RunningRegistry({
  REGISTRY_LOG_LEVEL: "error",
  // With `strong` there are no replicas that could be late.
  REGISTRY_READS: "digest",
  REGISTRY_UPLOAD_TIMEOUT: "2",
  REGISTRY_UPLOAD_CLEANUP_INTERVAL: "1",
});
const repository = "team/metrics";
const config = "{}";
const mediaType = "application/vnd.oci.image.manifest.v1+json";
const image = {
  schemaVersion: 2,
  mediaType,
  config: {
    mediaType: "application/vnd.oci.image.config.v1+json",
    digest: digestOf(config),
    size: config.length,
  },
  layers: [],
};
const manifest = JSON.stringify(image);

/** What comes a while after what it counts: replicas, the end of an upload that nobody goes on with. */
const later = ["longshore_replica_lag_seconds_count", "longshore_uploads_expired_total"];

/** What /metrics answers once there was some of everything. */
let text = "";
/** The metrics that it has, and of what type each is. */
const types = new Map<string, string>();

async function expectStatus(
  connection: Connection,
  status: number,
  ...asked: Parameters<Connection["ask"]>
) {
  const answer = await connection.ask(...asked);
  expect([asked[0], answer.status]).toEqual([asked[0], status]);
  return answer;
}

/** What a series counts; nothing if there is no such series. */
function valueOf(series: string, metrics = text): number | undefined {
  const line = metrics.split("\n").find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

/** Has an image be deleted, and what nobody uses be collected. */
async function collect(connection: Connection): Promise<void> {
  await registry.pushBlob(repository, "nobody uses this");
  const deleted = JSON.stringify({ ...image, annotations: { is: "deleted" } });
  const path = `/v2/${repository}/manifests/${digestOf(deleted)}`;
  await expectStatus(connection, 201, `PUT ${path}`, deleted, `Content-Type: ${mediaType}`);
  await expectStatus(connection, 202, `DELETE ${path}`);
  await expectStatus(connection, 200, "POST /_gc?force=true", "");
}

beforeAll(async () => {
  const connection = await registry.connect();
  const abandoned = await registry.startUpload(repository);
  await expectStatus(connection, 202, `PATCH ${abandoned}`, config);
  const location = await registry.startUpload(repository);
  const patch = await expectStatus(connection, 202, `PATCH ${location}`, config);
  const next = patch.headers.get("location");
  await expectStatus(connection, 201, `PUT ${next}?digest=${digestOf(config)}`, "");
  const path = `/v2/${repository}/manifests/1`;
  await expectStatus(connection, 201, `PUT ${path}`, manifest, `Content-Type: ${mediaType}`);
  await expectStatus(connection, 200, `GET ${path}`);
  await expectStatus(connection, 200, `GET /v2/${repository}/blobs/${digestOf(config)}`);
  await expectStatus(connection, 404, `GET /v2/${repository}/manifests/none`);
  await expectStatus(connection, 200, "GET /readyz");
  await expectStatus(connection, 403, "GET /v2/", undefined, "Origin: https://evil.example");
  await collect(connection);
  text = await vi.waitFor(async () => {
    const answer = await connection.ask("GET /metrics");
    const found = answer.body.toString();
    const missing = later.filter((series) => !(Number(valueOf(series, found)) > 0));
    if (missing.length > 0) throw new Error(`no ${missing.join(" and ")}: ${found}`);
    return found;
  }, waiting);
  for (const [, name = "", type = ""] of text.matchAll(/^# TYPE (\w+) (\w+)$/gm))
    types.set(name, type);
}, 60_000);

describe("one machine counts", () => {
  test.each([
    [
      'longshore_http_requests_total{route="/v2/:name/blobs/uploads/:session",method="PATCH",status="202"}',
    ],
    [
      'longshore_http_request_duration_seconds_count{route="/v2/:name/manifests/:reference",method="GET"}',
    ],
    ['longshore_http_request_bytes_total{route="/v2/:name/manifests/:reference"}'],
    ['longshore_http_response_bytes_total{route="/v2/:name/blobs/:digest"}'],
    ['longshore_http_errors_total{code="DENIED"}'],
    ['longshore_http_requests_total{route="none",method="GET",status="403"}'],
    ['longshore_http_errors_total{code="MANIFEST_UNKNOWN"}'],
    ['longshore_object_calls_total{route="/v2/:name/manifests/:reference"}'],
    ['longshore_object_calls_total{route="objects"}'],
    ['longshore_r2_operations_total{route="/v2/:name/blobs/:digest"}'],
    ['longshore_r2_operations_total{route="objects"}'],
    ['longshore_kv_operations_total{route="objects"}'],
    ["longshore_uploads_started_total"],
    ["longshore_uploads_committed_total"],
    ["longshore_uploads_expired_total"],
    ["longshore_collected_layers_total"],
    ["longshore_collected_bytes_total"],
    ["longshore_repositories"],
    ["longshore_images"],
    ["longshore_tags"],
    ["longshore_layers"],
    ["longshore_layer_bytes"],
  ])("%s", (series) => {
    expect(valueOf(series)).toBeGreaterThan(0);
  });
});

/** The metric that a series is of: a histogram has three. */
function metricOf(series: string): string {
  const whole = series.replace(/_(?:bucket|sum|count)$/, "");
  return types.get(whole) === "histogram" ? whole : series;
}

/** The series that an expression names, and the labels by which it chooses. */
function seriesIn(expression: string): string[] {
  return expression.match(/longshore_\w+/g) ?? [];
}

interface Panel {
  readonly type: string;
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

async function dashboardExpressions(): Promise<string[]> {
  const file = await readFile(join(docs, "grafana/longshore.json"), "utf8");
  const { panels } = JSON.parse(file) as { panels: Panel[] };
  return panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
}

async function alerts(): Promise<{ name: string; text: string; expression: string }[]> {
  const file = await readFile(join(docs, "alerts/longshore.yaml"), "utf8");
  return file
    .split(/^ +- alert: /m)
    .slice(1)
    .map((rule) => ({
      name: rule.split("\n", 1)[0] ?? "",
      text: rule,
      expression: /^ +expr: (.+)$/m.exec(rule)?.[1] ?? "",
    }));
}

describe("the dashboard", () => {
  test("names only what exists", async () => {
    const named = (await dashboardExpressions()).flatMap(seriesIn).map(metricOf);
    expect(named.filter((name) => !types.has(name))).toEqual([]);
  });

  test("has all that exists", async () => {
    const named = new Set((await dashboardExpressions()).flatMap(seriesIn).map(metricOf));
    expect([...types.keys()].filter((name) => !named.has(name))).toEqual([]);
    expect(types.size).toBeGreaterThan(20);
  });

  test("has a panel with something in it for each title", async () => {
    const file = await readFile(join(docs, "grafana/longshore.json"), "utf8");
    const { panels } = JSON.parse(file) as { panels: Panel[] };
    const empty = panels.filter(({ type, targets = [] }) => type !== "row" && targets.length === 0);
    expect(empty).toEqual([]);
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
  });
});

/** One of the things that an expression chooses by. */
interface Choice {
  readonly series: string;
  readonly label: string;
  readonly operator: string;
  readonly value: string;
}

function choicesIn(expression: string): Choice[] {
  return [...expression.matchAll(/(longshore_\w+)\{([^}]*)\}/g)].flatMap(
    ([, series = "", labels = ""]) =>
      [...labels.matchAll(/(\w+)(=~|!~|!=|=)"([^"]*)"/g)].map(
        ([, label = "", operator = "", value = ""]) => ({ series, label, operator, value }),
      ),
  );
}

/** A file of the source, of which node cannot import all. */
async function sourceOf(path: string): Promise<string> {
  return readFile(join(root, path), "utf8");
}

/** The keys of a table in a source, as they are written there. */
function keysIn(source: string, start: string): string[] {
  const [, table = ""] = source.split(start, 2);
  const [rows = ""] = table.split("\n}", 1);
  return [...rows.matchAll(/^ {2}"?([^\s"]+?)"?: \{/gm)].map(([, key = ""]) => key);
}

/** The paths of the route table. */
async function routePaths(): Promise<string[]> {
  const health = await sourceOf("workers/routes/health.ts");
  const named = new Map(
    [...health.matchAll(/^export const (\w+) = "(.+)";$/gm)].map(([, name, path]) => [name, path]),
  );
  return keysIn(await sourceOf("workers/registry.ts"), "export const routes").map(
    (key) => named.get(key.slice(1, -1)) ?? key,
  );
}

/** What the value of each label can be. */
async function possibleValues(): Promise<Readonly<Record<string, RegExp | readonly string[]>>> {
  const paths = await routePaths();
  const codes = keysIn(await sourceOf("schemas/errors.ts"), "const errorTable");
  expect(paths).toContain("/readyz");
  expect(codes.length).toBeGreaterThan(20);
  return {
    route: [...paths, "none", "objects"],
    code: codes,
    method: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"],
    status: /^[1-5]\d\d$/,
  };
}

function canBe(value: string, possible: RegExp | readonly string[] = []): boolean {
  return possible instanceof RegExp ? possible.test(value) : possible.includes(value);
}

/** True if a series has the label; `job` is Prometheus' own. */
function isThere({ series, label }: Choice): boolean {
  if (label === "job") return true;
  const found = text.matchAll(new RegExp(`^${series}\\{([^}]*)\\}`, "gm"));
  return [...found].some(([, labels = ""]) => labels.includes(`${label}="`));
}

describe("the alert rules", () => {
  test("name only what exists, and each names something", async () => {
    const named = (await alerts()).map(({ name, expression }) => ({
      name,
      series: seriesIn(expression).map(metricOf),
    }));
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter(({ series }) => series.some((name) => !types.has(name)))).toEqual([]);
    // Prometheus itself says whether a target answers.
    expect(named.filter(({ series }) => series.length === 0).map(({ name }) => name)).toEqual([
      "LongshoreDown",
    ]);
  });

  test("each say how long, how bad, and what", async () => {
    for (const { name, text: rule } of await alerts()) {
      expect([name, /^ +for: \d+m$/m.test(rule)]).toEqual([name, true]);
      expect([name, /severity: (?:critical|warning)/.test(rule)]).toEqual([name, true]);
      expect([name, /^ +summary: .{10,}$/m.test(rule)]).toEqual([name, true]);
    }
  });

  test("choose by labels that are there, and by codes and routes that can be", async () => {
    const expressions = [
      ...(await dashboardExpressions()),
      ...(await alerts()).map((rule) => rule.expression),
    ];
    const chosen = expressions.flatMap(choicesIn);
    expect(chosen.length).toBeGreaterThan(20);
    expect(chosen.filter((choice) => !isThere(choice))).toEqual([]);
    const possible = await possibleValues();
    const exact = chosen.filter(({ operator }) => operator === "=" || operator === "!=");
    expect(exact.length).toBeGreaterThan(5);
    expect(exact.filter(({ label, value }) => !canBe(value, possible[label]))).toEqual([]);
  });
});
