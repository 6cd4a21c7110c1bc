import { catalogName, healthKey } from "../schemas/storage-keys.ts";
import { log } from "../telemetry/log.ts";

/** How each store is: `ok`, or why it is not. */
export interface Readiness {
  readonly ready: boolean;
  readonly stores: {
    readonly r2: string;
    readonly kv: string;
    readonly objects: string;
  };
}

/** How long an outcome is answered again: probes of many come together. */
const keptMs = 10_000;
const checkMsMax = 5000;
/** Who checks is given up by who waits for it a little after it should have given up itself. */
const slackMs = 500;
const pollMs = 20;

let known: { readonly readiness: Readiness; readonly untilMs: number } | undefined;
/** Until when somebody checks. */
let checkingUntilMs = 0;

/**
 * Whether the stores can be used, at most ten seconds old; at once, one request of an isolate looks,
 * and the others wait for what it finds. They poll, as a request can't be woken by another one in
 * workerd, and one that is cut off would leave them waiting.
 */
export async function readiness(env: Env): Promise<Readiness> {
  for (;;) {
    const nowMs = Date.now();
    if (known !== undefined && known.untilMs > nowMs) return known.readiness;
    if (checkingUntilMs <= nowMs) break;
    // oxlint-disable-next-line no-await-in-loop
    await scheduler.wait(pollMs);
  }
  checkingUntilMs = Date.now() + checkMsMax + slackMs;
  const found = await look(env);
  known = { readiness: found, untilMs: Date.now() + keptMs };
  checkingUntilMs = 0;
  return found;
}

async function look(env: Env): Promise<Readiness> {
  const [r2, kv, objects] = await Promise.all([
    stateOf("r2", () => writeAndRead(env.BLOBS)),
    stateOf("kv", () => Promise.all([env.MANIFESTS, env.TAGS].map(useNamespace))),
    stateOf("objects", () => env.CATALOG.getByName(catalogName).probe()),
  ]);
  return { ready: r2 === "ok" && kv === "ok" && objects === "ok", stores: { r2, kv, objects } };
}

async function writeAndRead(bucket: R2Bucket): Promise<void> {
  const key = healthKey(crypto.randomUUID());
  await bucket.put(key, key);
  try {
    const object = await bucket.get(key);
    if ((await object?.text()) !== key) throw new Error("what was written was not read");
  } finally {
    await bucket.delete(key);
  }
}

/** What was written need not be read at once: KV is not consistent. */
async function useNamespace(namespace: KVNamespace): Promise<void> {
  const key = healthKey(crypto.randomUUID());
  await namespace.put(key, "");
  try {
    await namespace.get(key);
  } finally {
    await namespace.delete(key);
  }
}

async function stateOf(store: string, check: () => Promise<unknown>): Promise<string> {
  const answered = new AbortController();
  try {
    const late = scheduler.wait(checkMsMax, { signal: answered.signal }).then(() => {
      throw new Error(`no answer in ${checkMsMax / 1000} s`);
    });
    await Promise.race([check(), late]);
    return "ok";
  } catch (error) {
    log("error", "store not ready", { store, error: String(error) });
    return error instanceof Error ? error.message.slice(0, 200) : "failed";
  } finally {
    answered.abort();
  }
}
