import { matchedRoutes } from "hono/route";
import type { Context } from "hono";
import { parseDigest } from "../schemas/digest.ts";
import type { LogLevel } from "../schemas/configuration.ts";
import type { RegistryError } from "../schemas/errors.ts";
import { parseReference, parseRepositoryName } from "../schemas/reference.ts";
import { log } from "../telemetry/log.ts";
import type { OperationCounts, RequestReport } from "../telemetry/request-report.ts";
import { countAnswered } from "../telemetry/telemetry.ts";
import { actionOf } from "./action.ts";
import { auditRequest, type AuditedThing } from "./audit.ts";
import { configured } from "./configured.ts";
import { type RegistryHono, withColon } from "./context.ts";
import { countedEnv } from "./counted-env.ts";
import { errorResponse, registryError } from "./error-response.ts";
import { requestIdHeader, requestIdOf } from "./request-id.ts";

/** Methods that may be a label: what a client makes up may not. */
const methods: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
]);

/** Routes that are asked every few seconds by machines: their lines are for who debugs. */
const probes: ReadonlySet<string> = new Set(["/healthz", "/readyz", "/metrics"]);

/** Refusals that a push and a pull are full of. */
const usualStatuses: ReadonlySet<number> = new Set([401, 404, 416]);

/** The caller's word for nobody. */
const nobody = "anonymous";

/**
 * Gives a request its id, has its operations counted, and tells of it when it is answered: a line of
 * the log, a line of the audit where it changed something or was refused, and a count. Answers are
 * never wrapped: their bytes are those that they announce.
 */
export async function observe(
  context: Context<RegistryHono>,
  routes: Readonly<Record<string, object>>,
  next: () => Promise<void>,
): Promise<void> {
  const { env, req } = context;
  const startedMs = Date.now();
  const requestId = requestIdOf(req.raw.headers);
  context.set("requestId", requestId);
  const operations: OperationCounts = { objects: 0, r2: 0, kv: 0 };
  context.env = countedEnv(env, (kind) => (operations[kind] += 1));
  await next();
  const { res } = context;
  res.headers.set(requestIdHeader, requestId);
  const route = routeOf(context, routes);
  const thing = thingOf(context);
  const { reference } = thing;
  const isTag = reference !== undefined && !reference.includes(":");
  const report: RequestReport = {
    requestId,
    who: context.var.caller?.subject || nobody,
    repository: parseRepositoryName(req.param("name") ?? ""),
    action: actionOf({ route, method: req.method, isTag, query: (name) => req.query(name) }),
    method: methods.has(req.method) ? req.method : "other",
    route,
    status: res.status,
    code: context.error === undefined ? undefined : registryError(context.error).code,
    bytesIn: context.var.bytesTaken ?? bytesAnnounced(req.raw.headers, req.raw.body),
    bytesOut: bytesOf(req.method, res),
    durationMs: Date.now() - startedMs,
    operations,
  };
  tell(report, thing, env, context.var.configuration.logLevel);
}

/** The answer to a request that no route may see; it is told of like any other. */
export function refuse(request: Request, env: Env, error: RegistryError): Response {
  const requestId = requestIdOf(request.headers);
  const response = errorResponse(error, requestId);
  const report: RequestReport = {
    requestId,
    who: nobody,
    repository: undefined,
    action: undefined,
    method: methods.has(request.method) ? request.method : "other",
    route: "none",
    status: response.status,
    code: error.code,
    bytesIn: bytesAnnounced(request.headers, request.body),
    bytesOut: bytesOf(request.method, response),
    durationMs: 0,
    operations: { objects: 0, r2: 0, kv: 0 },
  };
  const thing = { reference: undefined, digest: undefined, tags: undefined };
  tell(report, thing, env, configured(env).configuration.logLevel);
  return response;
}

function tell(report: RequestReport, thing: AuditedThing, env: Env, lowest: LogLevel): void {
  const { operations: _, ...fields } = report;
  log(levelOf(report), "request", fields, lowest);
  auditRequest(report, thing);
  countAnswered(report, env.ANALYTICS);
}

function levelOf({ status, route }: RequestReport): LogLevel {
  if (status >= 500) return "error";
  if (status >= 400 && !usualStatuses.has(status)) return "warn";
  return probes.has(route) ? "debug" : "info";
}

/** The pattern of the route table: a path itself would be a label without bounds. */
function routeOf(context: Context<RegistryHono>, routes: Readonly<Record<string, object>>): string {
  const matched = matchedRoutes(context).find(({ path }) => Object.hasOwn(routes, path));
  return matched?.path ?? "none";
}

/** What a request was about; only what a parser took, so that nothing else of a path is told. */
function thingOf({ req, res }: Context<RegistryHono>): AuditedThing {
  const named = parseReference(withColon(req.param("reference") ?? ""));
  const inPath = parseDigest(withColon(req.param("digest") ?? ""));
  const reference = named?.kind === "tag" ? named.tag : (named?.digest ?? inPath);
  const digest =
    res.headers.get("Docker-Content-Digest") ??
    inPath ??
    parseDigest(req.query("digest") ?? req.query("mount") ?? "");
  return { reference, digest, tags: res.headers.get("OCI-Tag") ?? undefined };
}

function bytesAnnounced(headers: Headers, body: ReadableStream | null): number | undefined {
  const length = headers.get("Content-Length");
  if (length === null) return body === null ? 0 : undefined;
  return /^\d{1,15}$/.test(length) ? Number(length) : undefined;
}

function bytesOf(method: string, { status, headers }: Response): number | undefined {
  if (method === "HEAD" || status === 204 || status === 304) return 0;
  const length = headers.get("Content-Length");
  return length === null ? undefined : Number(length);
}
