import type { PageLimits } from "./pagination.ts";

/** The variables of the environment, parsed; README has the table of them. */
export interface Configuration {
  readonly authType: "none";
  /** The origin that clients reach the registry at, where a Location has to name it. */
  readonly url: string | undefined;
  /** Origins of pages that may use the registry from a browser, or any. */
  readonly corsOrigins: "*" | readonly string[];
  readonly uploadTimeoutMs: number;
  readonly uploadCleanupIntervalMs: number;
  /** Which reads may be answered by replicas: none, or those by digest. */
  readonly reads: "strong" | "digest";
  readonly validateReferences: boolean;
  readonly collectGraceMs: number;
  readonly pageLimits: PageLimits;
}

/** The configuration, and for each wrong value its variable, the value and what is allowed. */
export interface Configured {
  readonly configuration: Configuration;
  /** Not empty: nothing may be served. The configuration has presets in the place of wrong values. */
  readonly problems: readonly string[];
}

/** R2 ends a multipart upload after seven days: an upload session has to be gone before. */
const uploadTimeoutSecondsMax = 6 * 24 * 60 * 60;

type Variables = Readonly<Record<string, unknown>>;

class Reader {
  readonly problems: string[] = [];
  readonly #variables: Variables;

  constructor(variables: Variables) {
    this.#variables = variables;
  }

  #text(name: string): string | undefined {
    const value = this.#variables[name];
    return typeof value === "string" && value !== "" ? value : undefined;
  }

  wholeNumber(name: string, preset: number, min: number, max: number): number {
    const text = this.#text(name);
    if (text === undefined) return preset;
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    this.problems.push(`${name} is "${text}"; allowed is a whole number from ${min} to ${max}`);
    return preset;
  }

  /** An http or https URL without a path. */
  origin(name: string): string | undefined {
    const text = this.#text(name);
    if (text === undefined) return undefined;
    const origin = originOf(text.replace(/\/$/, ""));
    if (origin !== undefined) return origin;
    this.problems.push(
      `${name} is "${text}"; allowed is a URL without a path, such as https://registry.example.com`,
    );
    return undefined;
  }

  /** Origins, separated by commas, or * for any. */
  origins(name: string): "*" | readonly string[] {
    const text = this.#text(name)?.trim() ?? "";
    if (text === "*") return text;
    const texts = text === "" ? [] : text.split(",").map((item) => item.trim());
    const wrong = texts.find((item) => originOf(item) === undefined);
    if (wrong === undefined) return texts;
    this.problems.push(
      `${name} has "${wrong}"; allowed is * or origins such as https://ui.example.com, separated by commas`,
    );
    return [];
  }

  oneOf<T extends string>(name: string, preset: T | undefined, allowed: readonly T[]): T {
    const text = this.#text(name) ?? preset;
    const value = allowed.find((candidate) => candidate === text);
    if (value !== undefined) return value;
    const state = text === undefined ? "not set" : `"${text}"`;
    this.problems.push(`${name} is ${state}; allowed is ${allowed.join(" or ")}`);
    return allowed[0] as T;
  }
}

/** The text if it is an origin as browsers write it (RFC 6454 section 6.2). */
function originOf(text: string): string | undefined {
  const url = URL.parse(text);
  const isWeb = url?.protocol === "http:" || url?.protocol === "https:";
  return isWeb && url.origin === text ? text : undefined;
}

/**
 * The configuration in the environment's variables. The access type has no default here: a
 * deployment that nobody configured serves nobody; the start on one machine sets it on loopback.
 */
export function parseConfiguration(variables: Variables): Configured {
  const reader = new Reader(variables);
  const maxLimit = reader.wholeNumber("REGISTRY_PAGINATION_MAX_LIMIT", 1000, 1, 10_000);
  const configuration: Configuration = {
    authType: reader.oneOf("REGISTRY_AUTH_TYPE", undefined, ["none"]),
    url: reader.origin("REGISTRY_URL"),
    corsOrigins: reader.origins("REGISTRY_CORS_ORIGINS"),
    uploadTimeoutMs:
      1000 * reader.wholeNumber("REGISTRY_UPLOAD_TIMEOUT", 3600, 1, uploadTimeoutSecondsMax),
    uploadCleanupIntervalMs:
      1000 * reader.wholeNumber("REGISTRY_UPLOAD_CLEANUP_INTERVAL", 300, 1, 86_400),
    reads: reader.oneOf("REGISTRY_READS", "digest", ["strong", "digest"]),
    validateReferences:
      reader.oneOf("REGISTRY_VALIDATE_REFERENCES", "true", ["true", "false"]) === "true",
    collectGraceMs: 1000 * reader.wholeNumber("REGISTRY_GC_GRACE", 86_400, 0, 366 * 86_400),
    pageLimits: {
      maxLimit,
      defaultLimit: Math.min(
        maxLimit,
        reader.wholeNumber("REGISTRY_PAGINATION_DEFAULT_LIMIT", 100, 1, 10_000),
      ),
    },
  };
  return { configuration, problems: reader.problems };
}
