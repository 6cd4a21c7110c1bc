import { isIP } from "node:net";
import { resolve } from "node:path";
import { parseConfiguration } from "../schemas/configuration.ts";

/** How one machine runs, as the environment says. */
export interface Settings {
  /** A name or an address to listen on. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** The folder, absolute, that holds everything. */
  readonly storagePath: string;
  /** What the Worker gets as variables: all that begin with REGISTRY_, completed. */
  readonly variables: Readonly<Record<string, string>>;
}

/** Values that nothing can be started with; the message has a line for whoever set each of them. */
export class WrongSetting extends Error {}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The settings in the environment: REGISTRY_HOST (127.0.0.1), REGISTRY_PORT or else PORT (5000),
 * REGISTRY_STORAGE_PATH (./data); an empty variable counts as not set. The Worker's own variables are
 * checked as the Worker does. Throws WrongSetting.
 */
export function parseSettings(environment: Environment): Settings {
  const host = given(environment, "REGISTRY_HOST") ?? "127.0.0.1";
  const variables: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (name.startsWith("REGISTRY_") && value !== undefined) variables[name] = value;
  }
  // One machine has no replicas to read from: the objects are as near.
  variables["REGISTRY_READS"] = given(environment, "REGISTRY_READS") ?? "strong";
  variables["REGISTRY_AUTH_TYPE"] = authType(environment, host);
  const port = parsePort(environment);
  const { problems } = parseConfiguration(variables);
  if (problems.length > 0) throw new WrongSetting(problems.join("\n"));
  return {
    host,
    port,
    storagePath: resolve(given(environment, "REGISTRY_STORAGE_PATH") ?? "data"),
    variables,
  };
}

function given(environment: Environment, name: string): string | undefined {
  const value = environment[name];
  return value === "" ? undefined : value;
}

function parsePort(environment: Environment): number {
  const name = given(environment, "REGISTRY_PORT") === undefined ? "PORT" : "REGISTRY_PORT";
  const text = given(environment, name) ?? "5000";
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65_535) return port;
  throw new WrongSetting(
    `${name} is "${text}"; allowed is a whole number from 0 (any free port) to 65535`,
  );
}

/** Who listens to others has to say who may come in; on loopback that is whoever is here. */
function authType(environment: Environment, host: string): string {
  const type = given(environment, "REGISTRY_AUTH_TYPE");
  if (type !== undefined) return type;
  if (isLoopback(host)) return "none";
  throw new WrongSetting(
    `REGISTRY_HOST is "${host}", which others can reach, and REGISTRY_AUTH_TYPE is not set: set ` +
      `REGISTRY_AUTH_TYPE=none to let everyone who reaches this address push, pull and delete, ` +
      `or REGISTRY_HOST=127.0.0.1 to be reached from this machine only`,
  );
}

function isLoopback(host: string): boolean {
  if (host === "localhost" || host === "::1") return true;
  return isIP(host) === 4 && host.startsWith("127.");
}

/** `host:port`, with brackets around an IPv6 address. */
export function address(host: string, port: number): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}
