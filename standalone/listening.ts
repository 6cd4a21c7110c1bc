import { once } from "node:events";
import { type IncomingMessage, get as getByHttp } from "node:http";
import { get as getByHttps } from "node:https";
import { isIP } from "node:net";

/** The variables of an environment. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Where one machine listens. */
export interface Listening {
  /** A name or an address. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly scheme: "http" | "https";
}

/** A variable's text; one that is empty counts as not set. */
export function given(environment: Environment, name: string): string | undefined {
  const value = environment[name];
  return value === "" ? undefined : value;
}

/**
 * Where the registry of this environment listens: REGISTRY_HOST (127.0.0.1), REGISTRY_PORT or else
 * PORT (5000), by HTTPS with REGISTRY_TLS_CERT; and what is wrong with the port, which is then NaN.
 */
export function parseListening(environment: Environment): {
  readonly listening: Listening;
  readonly problems: readonly string[];
} {
  const name = given(environment, "REGISTRY_PORT") === undefined ? "PORT" : "REGISTRY_PORT";
  const text = given(environment, name) ?? "5000";
  const port = /^\d{1,5}$/.test(text) && Number(text) <= 65_535 ? Number(text) : Number.NaN;
  const allowed = "allowed is a whole number from 0 (any free port) to 65535";
  return {
    listening: {
      host: given(environment, "REGISTRY_HOST") ?? "127.0.0.1",
      port,
      scheme: given(environment, "REGISTRY_TLS_CERT") === undefined ? "http" : "https",
    },
    problems: Number.isNaN(port) ? [`${name} is "${text}"; ${allowed}`] : [],
  };
}

/** `host:port`, with brackets around an IPv6 address. */
export function address({ host, port }: Listening): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/** `host:port` by which this machine reaches what listens there. */
export function ownAddress(listening: Listening): string {
  const anywhere: Record<string, string> = { "0.0.0.0": "127.0.0.1", "::": "::1" };
  return address({ ...listening, host: anywhere[listening.host] ?? listening.host });
}

/**
 * Asks what listens there whether it is alive. Its certificate is not looked at: it is for the name
 * that clients use. Rejects if it is not, or nothing answers for so long.
 */
export async function checkAlive(listening: Listening, timeoutMs: number): Promise<void> {
  const url = `${listening.scheme}://${ownAddress(listening)}/healthz`;
  const options = { signal: AbortSignal.timeout(timeoutMs), agent: false };
  const request =
    listening.scheme === "https"
      ? getByHttps(url, { ...options, rejectUnauthorized: false })
      : getByHttp(url, options);
  const [answer] = (await once(request, "response")) as [IncomingMessage];
  answer.resume();
  await once(answer, "end");
  if (answer.statusCode !== 200) throw new Error(`${url} was answered ${answer.statusCode}`);
}
