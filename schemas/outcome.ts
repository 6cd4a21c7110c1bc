import { type ErrorCode, RegistryError } from "./errors.ts";

/** A refusal in a form that crosses from a Durable Object to the Worker. */
export interface Refusal {
  readonly ok: false;
  readonly code: ErrorCode;
  readonly what: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * What a Durable Object answers instead of throwing: a throw over RPC loses its class and is logged
 * as uncaught.
 */
export type Outcome<T> = { readonly ok: true; readonly value: T } | Refusal;

export function done<T>(value: T): Outcome<T> {
  return { ok: true, value };
}

export function refuse(
  code: ErrorCode,
  what: string,
  headers: Readonly<Record<string, string>> = {},
): Refusal {
  return { ok: false, code, what, headers };
}

/** The value of an outcome. @throws RegistryError what a refusal stands for */
export function expectDone<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw new RegistryError(outcome.code, outcome.what, outcome.headers);
}
