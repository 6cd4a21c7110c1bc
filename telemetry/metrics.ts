import Counter from "prom-client/lib/counter.js";
import Gauge from "prom-client/lib/gauge.js";
import Histogram from "prom-client/lib/histogram.js";
import Registry from "prom-client/lib/registry.js";
import type { OperationKind, RequestReport } from "./request-report.ts";

/** What an upload session came to. */
export type UploadEvent = "started" | "committed" | "expired";

/** What a collection deleted. */
export interface Collected {
  readonly layers: number;
  readonly bytes: number;
  readonly manifests: number;
}

/** What the whole registry has, as its objects own it: bytes of each blob once. */
export interface Totals {
  readonly repositories: number;
  readonly images: number;
  readonly tags: number;
  readonly layers: number;
  readonly layerBytes: number;
  /** Layers that a push found already there, and those it did not, since the first push. */
  readonly cacheHits: number;
  readonly cacheMisses: number;
  readonly uploadsActive: number;
}

const registry = new Registry();
const registers = [registry];

const requests = new Counter({
  name: "longshore_http_requests_total",
  help: "Requests answered",
  labelNames: ["route", "method", "status"],
  registers,
});
const durations = new Histogram({
  name: "longshore_http_request_duration_seconds",
  help: "Time from a request's head to the head of its answer",
  labelNames: ["route", "method"],
  buckets: [0.005, 0.025, 0.1, 0.5, 2.5, 10, 60],
  registers,
});
const requestBytes = new Counter({
  name: "longshore_http_request_bytes_total",
  help: "Bytes of request bodies, as announced or as taken",
  labelNames: ["route"],
  registers,
});
const responseBytes = new Counter({
  name: "longshore_http_response_bytes_total",
  help: "Bytes of answers' bodies, as announced",
  labelNames: ["route"],
  registers,
});
const errors = new Counter({
  name: "longshore_http_errors_total",
  help: "Answers that are errors, by the registry's code",
  labelNames: ["code"],
  registers,
});
const operations = {
  objects: new Counter({
    name: "longshore_object_calls_total",
    help: "Calls of Durable Objects, by the route asked for; those of objects by `objects`",
    labelNames: ["route"],
    registers,
  }),
  r2: new Counter({
    name: "longshore_r2_operations_total",
    help: "Operations of R2, by the route asked for; those of objects by `objects`",
    labelNames: ["route"],
    registers,
  }),
  kv: new Counter({
    name: "longshore_kv_operations_total",
    help: "Operations of KV, by the route asked for; those of objects by `objects`",
    labelNames: ["route"],
    registers,
  }),
};
const uploads = {
  started: new Counter({
    name: "longshore_uploads_started_total",
    help: "Upload sessions that a first body reached",
    registers,
  }),
  committed: new Counter({
    name: "longshore_uploads_committed_total",
    help: "Upload sessions that became a blob",
    registers,
  }),
  expired: new Counter({
    name: "longshore_uploads_expired_total",
    help: "Upload sessions that nobody touched for their time",
    registers,
  }),
};
const collected = {
  layers: new Counter({
    name: "longshore_collected_layers_total",
    help: "Blobs that collections deleted",
    registers,
  }),
  bytes: new Counter({
    name: "longshore_collected_bytes_total",
    help: "Bytes of the blobs that collections deleted",
    registers,
  }),
  manifests: new Counter({
    name: "longshore_collected_manifests_total",
    help: "Manifests that collections deleted",
    registers,
  }),
};
const replicaLag = new Histogram({
  name: "longshore_replica_lag_seconds",
  help: "Time from a change to its replica's write",
  buckets: [1, 2, 5, 15, 60, 300],
  registers,
});

/** The Content-Type of the text. */
export const metricsContentType: string = Registry.PROMETHEUS_CONTENT_TYPE;

/** Counts an operation under a route, or under `objects` where no request asks for it. */
export function countOperation(kind: OperationKind, route: string, count = 1): void {
  if (count > 0) operations[kind].inc({ route }, count);
}

/** Counts a request that was answered. */
export function countRequest(report: RequestReport): void {
  const { route, method, status, code, bytesIn, bytesOut } = report;
  requests.inc({ route, method, status });
  durations.observe({ route, method }, report.durationMs / 1000);
  requestBytes.inc({ route }, bytesIn ?? 0);
  responseBytes.inc({ route }, bytesOut ?? 0);
  if (code !== undefined) errors.inc({ code });
  countOperation("objects", route, report.operations.objects);
  countOperation("r2", route, report.operations.r2);
  countOperation("kv", route, report.operations.kv);
}

export function countUploadEvent(event: UploadEvent): void {
  uploads[event].inc();
}

export function countCollection({ layers, bytes, manifests }: Collected): void {
  collected.layers.inc(layers);
  collected.bytes.inc(bytes);
  collected.manifests.inc(manifests);
}

export function observeLag(seconds: number): void {
  replicaLag.observe(seconds);
}

/** All that this isolate has counted, in Prometheus' text form. */
export function countedHere(): Promise<string> {
  return registry.metrics();
}

/** The totals in Prometheus' text form. */
export function totalsText(totals: Totals): Promise<string> {
  const of = new Registry();
  const gauge = (name: string, help: string, value: number) =>
    new Gauge({ name: `longshore_${name}`, help, registers: [of] }).set(value);
  const counter = (name: string, help: string, value: number) =>
    new Counter({ name: `longshore_${name}`, help, registers: [of] }).inc(value);
  gauge("repositories", "Repositories that have manifests", totals.repositories);
  gauge("images", "Manifests that are not indexes", totals.images);
  gauge("tags", "Tags", totals.tags);
  gauge("layers", "Distinct blobs", totals.layers);
  gauge("layer_bytes", "Bytes of the distinct blobs", totals.layerBytes);
  gauge("uploads_active", "Upload sessions that are open", totals.uploadsActive);
  counter("layer_cache_hits_total", "Pushed layers that were already there", totals.cacheHits);
  counter("layer_cache_misses_total", "Pushed layers that were new", totals.cacheMisses);
  return of.metrics();
}
