import { CommandError } from "./exit-codes.ts";
import { isLoopback } from "./loopback.ts";
import {
  parseReference,
  parseRepositoryName,
  type Reference,
  type RepositoryName,
} from "../schemas/reference.ts";

/** Where an image is pushed to. */
export interface PushTarget {
  /** Scheme, host and port of the registry: `https://registry.example.com`. */
  readonly origin: string;
  /** Host and port as clients write them, which is the key of credentials: `127.0.0.1:5050`. */
  readonly host: string;
  readonly repository: RepositoryName;
  readonly reference: Reference;
}

/** How a target's scheme is chosen where the text has none. */
export interface TargetOptions {
  /** http instead of https, whatever the host is. */
  readonly plainHttp?: boolean;
}

const example = "write it as registry.example.com/team/app:tag";

/** A host as docker tells it from the first part of a repository's name. */
const hostPattern = /^(?:localhost|[\w-]*\.[\w.-]*|\[[0-9a-fA-F:]+\]|[\w-]+(?=:\d+$))(?::\d+)?$/;

/**
 * The target that the text is: `host/repository:tag`, `host/repository@digest`, or the same behind
 * `https://` or `http://`. Without a tag it is `latest`. Without a scheme it is https, and http for
 * loopback hosts, as docker does.
 * @throws CommandError that says what is wrong
 */
export function parsePushTarget(text: string, { plainHttp }: TargetOptions = {}): PushTarget {
  const [, scheme, rest = ""] = /^(?:(https?):\/\/)?(.*)$/su.exec(text) ?? [];
  const slash = rest.indexOf("/");
  const host = slash === -1 ? rest : rest.slice(0, slash);
  if (host.includes("@")) {
    // There may be a password in it.
    throw new CommandError(
      "the target does not begin with a registry's host, but with a user: name that by --username",
    );
  }
  if (!hostPattern.test(host)) {
    throw new CommandError(`${text} does not begin with a registry's host: ${example}`);
  }
  if (slash === -1 || slash === rest.length - 1) {
    throw new CommandError(`${text} names no repository: ${example}`);
  }
  const { name, reference } = splitReference(rest.slice(slash + 1));
  const repository = parseRepositoryName(name);
  if (repository === undefined) {
    throw new CommandError(
      `${name} is no repository name: use lower-case letters and digits, divided by . _ - or /`,
    );
  }
  const parsed = parseReference(reference);
  if (parsed === undefined) {
    throw new CommandError(`${reference} is neither a tag nor a digest: ${example}`);
  }
  const chosen =
    scheme ?? (plainHttp === true || isLoopback(host.replace(/:\d+$/, "")) ? "http" : "https");
  if (plainHttp === true && chosen === "https") {
    throw new CommandError(`${text} is https, and --plain-http says http: leave one of them out`);
  }
  return { origin: `${chosen}://${host}`, host, repository, reference: parsed };
}

function splitReference(path: string): { name: string; reference: string } {
  const at = path.indexOf("@");
  if (at !== -1) return { name: withoutTag(path.slice(0, at)), reference: path.slice(at + 1) };
  const name = withoutTag(path);
  return { name, reference: name === path ? "latest" : path.slice(name.length + 1) };
}

function withoutTag(path: string): string {
  const colon = path.indexOf(":", path.lastIndexOf("/") + 1);
  return colon === -1 ? path : path.slice(0, colon);
}

/** The target as users write it: `registry.example.com/team/app:tag`. */
export function shownTarget({ host, repository, reference }: PushTarget): string {
  return reference.kind === "tag"
    ? `${host}/${repository}:${reference.tag}`
    : `${host}/${repository}@${reference.digest}`;
}
