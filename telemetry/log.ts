import { env } from "cloudflare:workers";
import { type LogLevel, logLevels, parseConfiguration } from "../schemas/configuration.ts";

/** What a line says beside its time, level and event: values of JSON; what is undefined is left out. */
export type LogFields = Readonly<Record<string, unknown>>;

/** What REGISTRY_LOG_LEVEL says, the same for all of an isolate. */
const lowestOfIsolate = parseConfiguration({ ...env }).configuration.logLevel;

/**
 * Writes a line of JSON, unless its level is below `lowest`. It has its time, as workerd on one
 * machine stamps nothing; Cloudflare's own stamp stands beside it. No field may hold a secret.
 */
export function log(
  level: LogLevel,
  event: string,
  fields: LogFields,
  lowest: LogLevel = lowestOfIsolate,
): void {
  if (logLevels.indexOf(level) < logLevels.indexOf(lowest)) return;
  write(level, event, fields);
}

/**
 * Writes who changed what, or was refused. No level leaves these lines out: what may be asked of an
 * audit later is no matter of how much one wants to read today.
 */
export function audit(level: "info" | "warn", fields: LogFields): void {
  write(level, "audit", fields);
}

function write(level: LogLevel, event: string, fields: LogFields): void {
  console[level](JSON.stringify({ time: new Date().toISOString(), level, event, ...fields }));
}
