import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { resolve } from "node:path";
import { parseAccessConfiguration } from "../schemas/access-configuration.ts";
import { parseConfiguration } from "../schemas/configuration.ts";
import { Variables } from "../schemas/variables.ts";
import { errorCode } from "./error-code.ts";
import { type Environment, given, type Listening, parseListening } from "./listening.ts";
import { loopbackOnly } from "./loopback.ts";
import { syncSocketPath } from "./sync-service.ts";
import { parseTlsFiles, type TlsFiles, tlsVariables } from "./tls-files.ts";
import { keptTokenKey } from "./token-key.ts";

/** How one machine runs, as the environment says. */
export interface Settings {
  readonly listening: Listening;
  /** What HTTPS is served with; undefined for HTTP. */
  readonly tls: TlsFiles | undefined;
  /** The folder, absolute, that holds everything. */
  readonly storagePath: string;
  /** Where what syncs files listens; undefined if they are left to the system. */
  readonly syncSocketPath: string | undefined;
  /** What the Worker gets as variables: REGISTRY_* and the users, completed, files by their content. */
  readonly variables: Readonly<Record<string, string>>;
}

/** Values that nothing can be started with; the message has a line for whoever set each of them. */
export class WrongSetting extends Error {}

const userVariables = ["USERNAME", "PASSWORD", "READONLY_USERNAME", "READONLY_PASSWORD"];

const fileVariables = [
  "REGISTRY_AUTH_HTPASSWD",
  "REGISTRY_ACCESS_CONTROL_CONFIG",
  "REGISTRY_AUTH_TOKEN_PRIVATEKEY",
  "REGISTRY_AUTH_TOKEN_PUBLICKEY",
];

/** Files that hold secrets: where one is given itself instead, it is not told to anybody. */
const secretFileVariables = ["REGISTRY_AUTH_HTPASSWD", "REGISTRY_AUTH_TOKEN_PRIVATEKEY"];

/** How a public key begins that is given itself: a URL, JSON, PEM, or JSON in base64. */
const publicKeyPattern = /^\s*(?:https?:|\{|-----BEGIN|e[wy])/;

/** workerd gets a file's content as one variable, and Linux allows that 128 KiB. */
const fileBytesMax = 130_000;

/** Variables that say who may come in. A desktop sets USERNAME by itself. */
const accessVariablePattern =
  /^(?:REGISTRY_AUTH_|REGISTRY_ACCESS_CONTROL_|PASSWORD$|READONLY_(?:USERNAME|PASSWORD)$)/;

/**
 * The settings in the environment: where to listen, REGISTRY_STORAGE_PATH (./data), REGISTRY_TLS_CERT
 * and REGISTRY_TLS_KEY (none), REGISTRY_FSYNC (false); an empty variable counts as not set. The
 * Worker's own variables are checked as the Worker does. Reads the files that variables name, and makes
 * the key that signs tokens where one is needed and none is configured. Throws WrongSetting.
 */
export function parseSettings(environment: Environment): Settings {
  const { listening, problems: portProblems } = parseListening(environment);
  const { tls, problems: tlsProblems } = parseTlsFiles(
    given(environment, tlsVariables.certificate),
    given(environment, tlsVariables.key),
  );
  const storagePath = resolve(given(environment, "REGISTRY_STORAGE_PATH") ?? "data");
  const variables: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    const isOurs = name.startsWith("REGISTRY_") || userVariables.includes(name);
    if (isOurs && value !== undefined) variables[name] = contentOf(name, value);
  }
  // One machine has no replicas to read from: the objects are as near.
  variables["REGISTRY_READS"] = given(environment, "REGISTRY_READS") ?? "strong";
  if (!isAccessConfigured(environment)) {
    variables["REGISTRY_AUTH_TYPE"] = openOnLoopback(listening.host);
    variables[loopbackOnly] = "true";
  } else if (needsTokenKey(variables)) {
    variables["REGISTRY_AUTH_TOKEN_PRIVATEKEY"] = tokenKeyIn(storagePath);
  }
  const sync = parseSync(environment, storagePath);
  const { configuration, problems: wrongVariables } = parseConfiguration(variables);
  const problems = [
    ...portProblems,
    ...tlsProblems,
    ...sync.problems,
    ...parseAccessConfiguration(variables).problems,
    ...wrongVariables,
  ];
  if (configuration.jurisdiction !== undefined) {
    problems.push(
      `REGISTRY_JURISDICTION is "${configuration.jurisdiction}"; one machine keeps all where it is: unset it`,
    );
  }
  if (problems.length > 0) throw new WrongSetting(problems.join("\n"));
  return { listening, tls, storagePath, syncSocketPath: sync.socketPath, variables };
}

/** Where what syncs files is to listen, if it is wanted. */
function parseSync(
  environment: Environment,
  storagePath: string,
): { readonly socketPath: string | undefined; readonly problems: readonly string[] } {
  const name = "REGISTRY_FSYNC";
  const variables = new Variables(environment);
  const wanted = variables.oneOf(name, "false", ["false", "true"]);
  if (wanted === "false") return { socketPath: undefined, problems: variables.problems };
  const socketPath = syncSocketPath(storagePath);
  if (socketPath !== undefined) return { socketPath, problems: [] };
  const problem =
    `${name} is "true", which needs a Unix socket in REGISTRY_STORAGE_PATH "${storagePath}": that ` +
    `path is too long for one, a link to the folder may be shorter`;
  return { socketPath, problems: [problem] };
}

/** A path here, the content itself when deployed. */
function contentOf(name: string, value: string): string {
  if (!fileVariables.includes(name) || value === "") return value;
  const shown = secretFileVariables.includes(name) ? "" : ` "${value}",`;
  let content;
  try {
    content = readFileSync(value, "utf8");
  } catch (error) {
    if (name === "REGISTRY_AUTH_TOKEN_PUBLICKEY" && publicKeyPattern.test(value)) return value;
    const reason = errorCode(error) ?? error;
    throw new WrongSetting(`${name} is${shown} no file that can be read: ${String(reason)}`);
  }
  // Taken for a variable that is not set, it would let in more than was meant.
  if (content === "") throw new WrongSetting(`${name} is${shown} a file that is empty`);
  const bytes = Buffer.byteLength(content);
  if (bytes <= fileBytesMax) return content;
  throw new WrongSetting(
    `${name} is${shown} a file of ${bytes} bytes; at most ${fileBytesMax} fit`,
  );
}

/** True if somebody has said who may come in, however badly: then nothing is open by itself. */
function isAccessConfigured(environment: Environment): boolean {
  return Object.keys(environment).some(
    (name) => accessVariablePattern.test(name) && given(environment, name) !== undefined,
  );
}

function needsTokenKey(variables: Readonly<Record<string, string>>): boolean {
  const { access } = parseAccessConfiguration(variables);
  const isSet = given(variables, "REGISTRY_AUTH_TOKEN_PRIVATEKEY") !== undefined;
  return access.tokens?.kind === "own" && !isSet;
}

function tokenKeyIn(storagePath: string): string {
  try {
    return keptTokenKey(storagePath);
  } catch (error) {
    throw new WrongSetting(
      `REGISTRY_STORAGE_PATH is "${storagePath}", where the key that signs tokens can't be kept: ${String(error)}`,
    );
  }
}

/** Who listens to others has to say who may come in; on loopback that is whoever is here. */
function openOnLoopback(host: string): string {
  if (isLoopback(host)) return "none";
  throw new WrongSetting(
    `REGISTRY_HOST is "${host}", which others can reach, and REGISTRY_AUTH_TYPE is not set: set ` +
      `USERNAME and PASSWORD (or REGISTRY_AUTH_HTPASSWD) for users who log in, ` +
      `REGISTRY_AUTH_TYPE=none to let everyone who reaches this address push, pull and delete, ` +
      `or REGISTRY_HOST=127.0.0.1 to be reached from this machine only`,
  );
}

function isLoopback(host: string): boolean {
  if (host === "localhost" || host === "::1") return true;
  return isIP(host) === 4 && host.startsWith("127.");
}
