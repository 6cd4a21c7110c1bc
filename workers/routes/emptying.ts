import { RegistryError } from "../../schemas/errors.ts";
import { catalogName } from "../../schemas/storage-keys.ts";
import { originOf } from "../client-origin.ts";
import type { RegistryContext } from "../context.ts";
import { jsonResponse } from "../json-response.ts";

/** How many objects are asked at once. */
const askedMax = 20;
/** How many of the open upload sessions are ended by a request. */
const sessionsMax = 100;
/** R2 lists, and deletes, at most 1,000 objects a call. */
const listedMax = 1000;
/** Whose blob an object is, the catalog knows a second after its push: a younger one waits for it. */
const youngMs = 3000;

/** What a request deleted, and whether there is more to delete. */
interface Emptied {
  readonly deletedManifests: number;
  readonly deletedObjects: number;
  readonly deletedBytes: number;
  readonly more: boolean;
}

const nothing: Emptied = { deletedManifests: 0, deletedObjects: 0, deletedBytes: 0, more: true };

/**
 * Deletes everything that the registry stores, a page with each request, until the answer says that
 * there is no more: repositories first, then blobs, then whatever else is in the bucket. Each page
 * leaves a registry that works; what is pushed meanwhile goes with the next one. Only who names the
 * registry's host is taken at their word, and no page of a browser.
 * @throws RegistryError CONFIRMATION_NEEDED, DENIED
 */
export async function emptyRegistry(context: RegistryContext): Promise<Response> {
  refuseUnconfirmed(context);
  const { env, var: variables } = context;
  const policy = variables.access.policy;
  await endUploads(env);
  const emptied =
    (await emptyRepositories(env)) ??
    (await emptyIndexes(env)) ??
    (await emptyBucket(env, policy?.kind === "stored" ? policy.key : undefined));
  // What was pushed a moment ago the catalog knows in a second: who asks at once finds the same.
  const isWaiting = emptied.more && emptied.deletedManifests + emptied.deletedObjects === 0;
  const headers = isWaiting ? { "Retry-After": "1" } : {};
  return jsonResponse(emptied, { headers });
}

/** A host can't be meant by accident: which registry is emptied stands in the request twice. */
function refuseUnconfirmed(context: RegistryContext): void {
  const host = URL.parse(originOf(context))?.host ?? "";
  if (host !== "" && context.req.query("confirm") === host) return;
  throw new RegistryError(
    "CONFIRMATION_NEEDED",
    `this deletes everything that ${host} stores: confirm=${encodeURIComponent(host)} says that you mean it`,
  );
}

/** Open sessions end with their parts. One that is being closed goes on, and a later page meets its blob. */
async function endUploads(env: Env): Promise<void> {
  const uploads = await env.CATALOG.getByName(catalogName).uploads(sessionsMax);
  await askEach(uploads, ({ id, repository, startedMs: startedAtMs }) =>
    // The session knows its algorithm itself.
    env.UPLOAD_SESSION.getByName(id).cancel({ repository, startedAtMs, algorithm: "sha256" }),
  );
}

/** Asks an object for each item, at most `askedMax` at once. */
async function askEach<T>(items: readonly T[], ask: (item: T) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < items.length; at += askedMax) {
    // oxlint-disable-next-line no-await-in-loop
    await Promise.all(items.slice(at, at + askedMax).map(ask));
  }
}

/** Undefined if no repository has anything. */
async function emptyRepositories(env: Env): Promise<Emptied | undefined> {
  const page = { limit: askedMax, last: "" };
  const { names } = await env.CATALOG.getByName(catalogName).listAll(page);
  if (names.length === 0) return undefined;
  const terms = { force: true, dryRun: false, everything: true };
  const collected = await Promise.all(
    names.map((name) => env.REPOSITORY.getByName(name).collect(terms)),
  );
  const deletedManifests = collected.reduce((sum, { manifests }) => sum + manifests.length, 0);
  return { ...nothing, deletedManifests };
}

/** Has indexes delete what no repository holds; undefined once they hold nothing. */
async function emptyIndexes(env: Env): Promise<Emptied | undefined> {
  const names = await env.CATALOG.getByName(catalogName).indexes();
  const sums = { deletedObjects: 0, deletedBytes: 0, held: 0 };
  await askEach(names, async (name) => {
    const index = env.BLOB_INDEX.getByName(name);
    const { layers, bytes } = await index.collect({ force: true });
    sums.deletedObjects += layers;
    sums.deletedBytes += bytes;
    sums.held += (await index.totals()).layers;
  });
  const { held, ...deleted } = sums;
  // Of a blob that is held, the catalog does not know the repository yet.
  return held + deleted.deletedObjects === 0 ? undefined : { ...nothing, ...deleted };
}

/**
 * What no index knew. The policy goes last: without it nobody is let in any more. A young object may be
 * a blob that was just pushed: deleted first, it would be missed by who holds it.
 */
async function emptyBucket(env: Env, policyKey: string | undefined): Promise<Emptied> {
  const { objects, truncated } = await env.BLOBS.list({ limit: listedMax });
  const others = objects.filter(({ key }) => key !== policyKey);
  const isLast = !truncated && others.length === 0;
  const oldMs = Date.now() - youngMs;
  const due = isLast ? objects : others.filter(({ uploaded }) => uploaded.getTime() < oldMs);
  if (due.length > 0) await env.BLOBS.delete(due.map(({ key }) => key));
  return {
    deletedManifests: 0,
    deletedObjects: due.length,
    deletedBytes: due.reduce((sum, { size }) => sum + size, 0),
    more: !isLast,
  };
}
