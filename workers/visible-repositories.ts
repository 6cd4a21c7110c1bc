import { Buffer } from "node:buffer";
import type { Page } from "../schemas/pagination.ts";
import type { RepositoryName } from "../schemas/reference.ts";
import { catalogName } from "../schemas/storage-keys.ts";

/** How many names one page asks the catalog for, all in all: a reader who may see few goes on by Link. */
const scannedMax = 10_000;
const batchNamesMax = 1000;

/** No repository name begins so: what follows is a sealed position between names. */
const sealedMark = "~";
const ivBytes = 12;
const positionBytes = 256;

/** A page of names, and after what the next one begins; undefined at the end. */
export interface VisiblePage {
  readonly names: RepositoryName[];
  readonly last: string | undefined;
}

/**
 * A page of the repositories that a reader may see, in byte order. The position that it ends at is
 * the last of them; where many names in a row are hidden, a sealed one, so that none is told.
 */
export async function visibleRepositories(
  env: Env,
  { limit, last }: Page,
  isVisible: (name: RepositoryName) => boolean,
): Promise<VisiblePage> {
  if (limit === 0) return { names: [], last: undefined };
  const catalog = env.CATALOG.getByName(catalogName);
  const names: RepositoryName[] = [];
  let position = await openPosition(env, last);
  // Most readers see all that is asked for; who does not has it looked for in larger batches.
  let batchNames = Math.min(limit + 1, batchNamesMax);
  for (let scanned = 0; scanned < scannedMax; scanned += batchNames) {
    // oxlint-disable-next-line no-await-in-loop
    const batch = await catalog.list({ limit: batchNames, last: position });
    batchNames = batchNamesMax;
    names.push(...batch.names.filter(isVisible));
    if (names.length > limit) return { names: names.slice(0, limit), last: names[limit - 1] };
    if (!batch.more) return { names, last: undefined };
    position = batch.names.at(-1) ?? position;
  }
  return { names, last: await sealPosition(env, position) };
}

async function sealPosition(env: Env, position: string): Promise<string> {
  const iv = crypto.getRandomValues(new Uint8Array(ivBytes));
  const sealed = await crypto.subtle.encrypt(
    { name: "AES-GCM", iv },
    await positionKey(env),
    // As long as any name, so that not even its length is told.
    Buffer.from(position.padEnd(positionBytes)),
  );
  return sealedMark + Buffer.concat([iv, Buffer.from(sealed)]).toString("base64url");
}

/** What is no sealed position is a name, or a text that stands where a name would. */
async function openPosition(env: Env, last: string): Promise<string> {
  if (!last.startsWith(sealedMark)) return last;
  const sealed = Buffer.from(last.slice(sealedMark.length), "base64url");
  try {
    const position = await crypto.subtle.decrypt(
      { name: "AES-GCM", iv: sealed.subarray(0, ivBytes) },
      await positionKey(env),
      sealed.subarray(ivBytes),
    );
    return Buffer.from(position).toString().trimEnd();
  } catch {
    return last;
  }
}

async function positionKey(env: Env): Promise<CryptoKey> {
  const secret = await env.CATALOG.getByName(catalogName).sealingKey();
  const bytes = Buffer.concat([Buffer.from("position in the catalog\n"), secret]);
  const hash = await crypto.subtle.digest("SHA-256", bytes);
  return crypto.subtle.importKey("raw", hash, "AES-GCM", false, ["encrypt", "decrypt"]);
}
