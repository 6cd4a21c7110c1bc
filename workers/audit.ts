import type { RequestReport } from "../telemetry/request-report.ts";
import { audit } from "../telemetry/log.ts";
import { isWritten } from "./action.ts";

/** What a write or a refusal was about, beside what the report says. */
export interface AuditedThing {
  /** The tag or digest that the path names. */
  readonly reference: string | undefined;
  /** The digest that was answered or asked for. */
  readonly digest: string | undefined;
  /** Tags that a manifest was pushed with by its digest. */
  readonly tags: string | undefined;
}

/** Statuses by which somebody is refused. 405 is one where a route has the method: a blob in use. */
const refusals: ReadonlySet<number> = new Set([401, 403, 405, 412, 429]);

/** Writes a line for a write and for a refusal; what else was asked for is no matter of an audit. */
export function auditRequest(report: RequestReport, thing: AuditedThing): void {
  const { requestId, who, repository, action, status, code } = report;
  const isRefused = refusals.has(status) && (status !== 405 || action !== undefined);
  if (!isRefused && !(action !== undefined && isWritten(action, status))) return;
  // Each client begins with a 401: that alone is no reason to look up.
  const level = isRefused && status !== 401 ? "warn" : "info";
  const outcome = isRefused ? "refused" : "done";
  audit(level, { requestId, who, repository, action, ...thing, outcome, status, code });
}
