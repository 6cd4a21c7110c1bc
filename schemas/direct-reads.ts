import type { Variables } from "./variables.ts";

/** By what clients are sent to R2 itself for the bytes of a blob (its S3 API). */
export interface DirectReads {
  /** The origin of R2's S3 API. */
  readonly endpoint: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** How long a URL is good that a client is sent to. */
  readonly lifetimeSeconds: number;
}

const names = {
  accessKeyId: "REGISTRY_R2_ACCESS_KEY_ID",
  secretAccessKey: "REGISTRY_R2_SECRET_ACCESS_KEY",
  bucket: "REGISTRY_R2_BUCKET",
  accountId: "REGISTRY_R2_ACCOUNT_ID",
  endpoint: "REGISTRY_R2_ENDPOINT",
  lifetime: "REGISTRY_R2_URL_LIFETIME",
};

const lifetimeSeconds = 300;
/** S3 signs URLs for seven days at most. */
const lifetimeSecondsMax = 604_800;

/**
 * How blobs are read from R2 directly, if the variables say so: all of them, or none. What is wrong
 * is added to the problems of `variables`, without the keys.
 */
export function parseDirectReads(variables: Variables): DirectReads | undefined {
  const first = Object.values(names).find((name) => variables.text(name) !== undefined);
  if (first === undefined) return undefined;
  const before = variables.problems.length;
  const direct: DirectReads = {
    endpoint: endpoint(variables, first),
    bucket: needed(variables, names.bucket, first),
    accessKeyId: needed(variables, names.accessKeyId, first),
    secretAccessKey: needed(variables, names.secretAccessKey, first),
    lifetimeSeconds: variables.wholeNumber(names.lifetime, lifetimeSeconds, 1, lifetimeSecondsMax),
  };
  if (direct.bucket !== "" && !/^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(direct.bucket)) {
    variables.problems.push(
      `${names.bucket} is "${direct.bucket}"; allowed is the name of a bucket, 3 to 63 of a-z, 0-9 and -`,
    );
  }
  for (const name of [names.accessKeyId, names.secretAccessKey]) {
    if (/\s/.test(variables.text(name) ?? "")) {
      variables.problems.push(`${name} has a space or a line break; allowed is the key alone`);
    }
  }
  return variables.problems.length === before ? direct : undefined;
}

/** The S3 API of the account, or the one that is named (another jurisdiction's has another host). */
function endpoint(variables: Variables, first: string): string {
  const accountId = variables.text(names.accountId);
  const named = variables.origin(names.endpoint);
  if (variables.text(names.endpoint) !== undefined) {
    if (accountId !== undefined) {
      variables.problems.push(`${names.accountId} and ${names.endpoint} are set: allowed is one`);
    }
    return named ?? "";
  }
  if (accountId === undefined) {
    variables.problems.push(
      `${names.accountId} is not set (nor is ${names.endpoint}), and ${first} is: they belong together`,
    );
  } else if (!/^[0-9a-f]{32}$/.test(accountId)) {
    variables.problems.push(`${names.accountId} is "${accountId}"; allowed are 32 hex digits`);
  }
  return `https://${accountId ?? ""}.r2.cloudflarestorage.com`;
}

function needed(variables: Variables, name: string, first: string): string {
  const text = variables.text(name);
  if (text === undefined) {
    variables.problems.push(`${name} is not set, and ${first} is: they belong together`);
  }
  return text ?? "";
}
