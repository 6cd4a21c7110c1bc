import { type DirectReads, parseDirectReads } from "./direct-reads.ts";
import { type Jurisdiction, jurisdictions, jurisdictionVariable } from "./jurisdiction.ts";
import type { PageLimits } from "./pagination.ts";
import { Variables } from "./variables.ts";

/** How much is written to the log, from most to least. */
export const logLevels = ["debug", "info", "warn", "error"] as const;

export type LogLevel = (typeof logLevels)[number];

/** How the registry works, by the variables of the environment; README has the table of them. */
export interface Configuration {
  /** The origin that clients reach the registry at, where a Location has to name it. */
  readonly url: string | undefined;
  /** The origin that uploads go to, for whoever knows the id of theirs; the registry's own without. */
  readonly uploadUrl: string | undefined;
  /** The longest body of a request in bytes, where there is a limit. */
  readonly bodyBytesMax: number | undefined;
  /** By what readers of blobs are sent to R2 itself, if they are. */
  readonly directReads: DirectReads | undefined;
  /** Where Durable Objects are kept, if not anywhere. */
  readonly jurisdiction: Jurisdiction | undefined;
  /** Origins of pages that may use the registry from a browser, or any. */
  readonly corsOrigins: "*" | readonly string[];
  readonly uploadTimeoutMs: number;
  readonly uploadCleanupIntervalMs: number;
  /** Which reads may be answered by replicas: none, or those by digest. */
  readonly reads: "strong" | "digest";
  readonly validateReferences: boolean;
  readonly collection: CollectionRules;
  /** Bytes that a scrub reads in a second. */
  readonly scrubRate: number;
  readonly pageLimits: PageLimits;
  /** The lowest level of lines that are written. */
  readonly logLevel: LogLevel;
}

/** What a collection takes away. */
export interface CollectionRules {
  /**
   * How long a blob stays that was pushed, mounted or asked for by who may push, and one that lost the
   * last manifest that references it.
   */
  readonly graceMs: number;
  /** How old manifests get that nothing names; undefined keeps them. */
  readonly untaggedMs: number | undefined;
  /** True if referrers go with their subject. */
  readonly deletesReferrers: boolean;
}

/** The configuration, and for each wrong value its variable, the value and what is allowed. */
interface ParsedConfiguration {
  readonly configuration: Configuration;
  /** Not empty: nothing may be served. The configuration has presets in the place of wrong values. */
  readonly problems: readonly string[];
}

/** R2 ends a multipart upload after seven days: an upload session has to be gone before. */
export const sessionSecondsMax = 6 * 24 * 60 * 60;

/** What a core hashes in a second is less. */
const scrubRateMax = 10_000_000_000;
/** A year: longer than anybody waits for. */
const collectSecondsMax = 366 * 86_400;

/** The least is more than any request for a token has, the most is what R2 takes in an object. */
const bodyBytesMin = 65_536;
const bodyBytesMost = 5_000_000_000_000;

function jurisdiction(variables: Variables): Jurisdiction | undefined {
  if (variables.text(jurisdictionVariable) === undefined) return undefined;
  return variables.oneOf(jurisdictionVariable, undefined, jurisdictions);
}

function untaggedMs(variables: Variables): number | undefined {
  const seconds = variables.optionalNumber("REGISTRY_GC_UNTAGGED", 0, collectSecondsMax);
  return seconds === undefined ? undefined : 1000 * seconds;
}

/** The configuration in the environment's variables, but for who may do what. */
export function parseConfiguration(
  environment: Readonly<Record<string, unknown>>,
): ParsedConfiguration {
  const variables = new Variables(environment);
  const maxLimit = variables.wholeNumber("REGISTRY_PAGINATION_MAX_LIMIT", 1000, 1, 10_000);
  const configuration: Configuration = {
    url: variables.origin("REGISTRY_URL"),
    uploadUrl: variables.origin("REGISTRY_UPLOAD_URL"),
    bodyBytesMax: variables.optionalNumber("REGISTRY_MAX_BODY", bodyBytesMin, bodyBytesMost),
    directReads: parseDirectReads(variables),
    jurisdiction: jurisdiction(variables),
    corsOrigins: variables.origins("REGISTRY_CORS_ORIGINS"),
    uploadTimeoutMs:
      1000 * variables.wholeNumber("REGISTRY_UPLOAD_TIMEOUT", 3600, 1, sessionSecondsMax),
    uploadCleanupIntervalMs:
      1000 * variables.wholeNumber("REGISTRY_UPLOAD_CLEANUP_INTERVAL", 300, 1, 86_400),
    reads: variables.oneOf("REGISTRY_READS", "digest", ["strong", "digest"]),
    validateReferences:
      variables.oneOf("REGISTRY_VALIDATE_REFERENCES", "true", ["true", "false"]) === "true",
    collection: {
      graceMs: 1000 * variables.wholeNumber("REGISTRY_GC_GRACE", 86_400, 1, collectSecondsMax),
      untaggedMs: untaggedMs(variables),
      deletesReferrers:
        variables.oneOf("REGISTRY_GC_REFERRERS", "keep", ["keep", "delete"]) === "delete",
    },
    scrubRate: variables.wholeNumber("REGISTRY_SCRUB_RATE", 50_000_000, 1_000_000, scrubRateMax),
    pageLimits: {
      maxLimit,
      defaultLimit: Math.min(
        maxLimit,
        variables.wholeNumber("REGISTRY_PAGINATION_DEFAULT_LIMIT", 100, 1, 10_000),
      ),
    },
    logLevel: variables.oneOf("REGISTRY_LOG_LEVEL", "info", logLevels),
  };
  return { configuration, problems: variables.problems };
}
