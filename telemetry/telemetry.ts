/**
 * Where what happened is told to: this isolate's own counters where all is in one isolate (one
 * machine), else Workers Analytics Engine, as no isolate of a deployment sees what others count. The
 * binding ANALYTICS tells which.
 *
 * The columns of a data point, by what it is of (blob1):
 *
 *   request     index1, blob2 route; blob3 method; blob4 status; blob5 code of an error, or empty;
 *               double1 ms until the answer; double2, double3 bytes in and out; double4 calls of
 *               objects; double5 operations of R2; double6 of KV
 *   upload      index1 `upload`; blob2 started, committed or expired; double1 is 1
 *   collection  index1 `collection`; double1 layers, double2 bytes, double3 manifests deleted
 *   replica     index1 `replica`; double1 seconds from a change to its replica's write
 */
import { env } from "cloudflare:workers";
import {
  type Collected,
  countCollection,
  countRequest,
  countUploadEvent,
  observeLag,
  type UploadEvent,
} from "./metrics.ts";
import type { RequestReport } from "./request-report.ts";

/** Where data points go; undefined on one machine. */
export type Analytics = Pick<AnalyticsEngineDataset, "writeDataPoint"> | undefined;

const analyticsOfIsolate: Analytics = env.ANALYTICS;

/** Tells that a request was answered. */
export function countAnswered(report: RequestReport, analytics: Analytics): void {
  if (analytics === undefined) return countRequest(report);
  const { route, method, status, code = "", bytesIn = 0, bytesOut = 0, operations } = report;
  analytics.writeDataPoint({
    indexes: [route],
    blobs: ["request", route, method, String(status), code],
    doubles: [
      report.durationMs,
      bytesIn,
      bytesOut,
      operations.objects,
      operations.r2,
      operations.kv,
    ],
  });
}

/** Tells what became of an upload session. */
export function countUpload(event: UploadEvent, analytics = analyticsOfIsolate): void {
  if (analytics === undefined) return countUploadEvent(event);
  analytics.writeDataPoint({ indexes: ["upload"], blobs: ["upload", event], doubles: [1] });
}

/** Tells what a collection, or a step of one, deleted. */
export function countCollected(result: Collected, analytics = analyticsOfIsolate): void {
  if (analytics === undefined) return countCollection(result);
  const { layers, bytes, manifests } = result;
  analytics.writeDataPoint({
    indexes: ["collection"],
    blobs: ["collection"],
    doubles: [layers, bytes, manifests],
  });
}

/** Tells how many seconds after its change a replica was written. */
export function observeReplicaLag(seconds: number, analytics = analyticsOfIsolate): void {
  if (analytics === undefined) return observeLag(seconds);
  analytics.writeDataPoint({ indexes: ["replica"], blobs: ["replica"], doubles: [seconds] });
}
