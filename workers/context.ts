import type { Context } from "hono";
import { type Digest, parseDigest } from "../schemas/digest.ts";
import { RegistryError } from "../schemas/errors.ts";
import type { Policy } from "../schemas/policy.ts";
import { parseReference, parseRepositoryName } from "../schemas/reference.ts";
import type { Reference, RepositoryName } from "../schemas/reference.ts";

import type { Caller } from "./access/caller.ts";
import type { Configured } from "./configured.ts";

/** What a route gets with each request. */
export interface RegistryHono {
  Bindings: Env;
  Variables: Configured & {
    readonly policy: Policy | undefined;
    readonly caller: Caller;
    /** False for who may push, but never move a tag that exists. */
    readonly mayMoveTags: boolean;
    /** What names this request in the log and to its client. */
    readonly requestId: string;
    /** True of who came without credentials, and was let in by the session's own id. */
    readonly admittedBySession: boolean | undefined;
    /** Bytes of a body that came without its length, where somebody counted them. */
    readonly bytesTaken: number | undefined;
  };
}

export type RegistryContext = Context<RegistryHono>;

export type RouteHandler = (context: RegistryContext) => Promise<Response> | Response;

/**
 * Has the answer warn of something (distribution spec, "Warnings"); podman, regctl, oras and
 * containerd show it. `text` has no quotes or backslashes.
 */
export function warn(context: RegistryContext, text: string): void {
  context.res.headers.append("Warning", `299 - "${text}"`);
}

/** Has the answer warn of what is accepted and will be refused one day. */
export function warnOfRefusal(context: RegistryContext, text: string): void {
  warn(context, `${text}: a later release will refuse it`);
}

/** How much of a wrong value an error repeats. */
const quotedCharactersMax = 300;

function quote(text: string): string {
  return `"${text.slice(0, quotedCharactersMax)}"`;
}

/** The repository that the path names. @throws RegistryError NAME_INVALID */
export function repositoryNameOf(context: RegistryContext): RepositoryName {
  const text = context.req.param("name") ?? "";
  const name = parseRepositoryName(text);
  if (name === undefined) throw new RegistryError("NAME_INVALID", quote(text));
  return name;
}

/** The digest that the path names. @throws RegistryError DIGEST_INVALID */
export function digestOfPath(context: RegistryContext): Digest {
  return digestIn(withColon(context.req.param("digest") ?? ""));
}

/** A digest's colon may be escaped in a path (RFC 3986); nothing else of a reference has to be. */
export function withColon(text: string): string {
  return text.replace(/%3a/i, ":");
}

/** @throws RegistryError DIGEST_INVALID */
export function digestIn(text: string): Digest {
  const digest = parseDigest(text);
  if (digest === undefined) throw new RegistryError("DIGEST_INVALID", quote(text));
  return digest;
}

/** The tag or digest that the path names. @throws RegistryError DIGEST_INVALID, TAG_INVALID */
export function referenceOf(context: RegistryContext): Reference {
  const text = withColon(context.req.param("reference") ?? "");
  const reference = parseReference(text);
  if (reference !== undefined) return reference;
  throw new RegistryError(text.includes(":") ? "DIGEST_INVALID" : "TAG_INVALID", quote(text));
}
