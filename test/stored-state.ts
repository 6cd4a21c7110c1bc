/** All that the stores hold, read behind the registry's back, and what has to hold of it. */
import { Buffer } from "node:buffer";
import { listDurableObjectIds, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect } from "vitest";
import { parseManifest } from "../schemas/manifest.ts";
import { digestOf } from "./client.ts";

interface StoredLink {
  readonly digest: string;
  readonly key: string;
  readonly size: number;
  readonly token: string;
  readonly leased_until: number;
  readonly unreferenced_since: number | null;
}

/** The rows of one repository's object. */
export interface StoredRepository {
  readonly name: string;
  readonly links: readonly StoredLink[];
  readonly manifests: readonly { digest: string; media_type: string; bytes: Uint8Array }[];
  readonly tags: readonly { tag: string; digest: string }[];
  readonly references: readonly { manifest: string; target: string }[];
  /** What KV, BlobIndex and Catalog have yet to be told. */
  readonly outbox: readonly { kind: string; key: string }[];
}

/** The rows of one index. */
interface StoredIndex {
  readonly name: string;
  readonly blobs: readonly { digest: string; key: string; size: number }[];
  readonly holders: readonly { digest: string; token: string; repository: string }[];
  /** What is not deleted yet. */
  readonly garbage: readonly { key: string; due: number }[];
}

/** The bytes that an upload session keeps. */
interface StoredUpload {
  readonly stage: string;
  readonly parts: number;
  readonly tailBytes: number;
}

export interface StoredState {
  readonly repositories: readonly StoredRepository[];
  readonly indexes: readonly StoredIndex[];
  readonly uploads: readonly StoredUpload[];
  /** R2 objects: their sizes in bytes. */
  readonly objects: ReadonlyMap<string, number>;
  /** Keys of KV. */
  readonly replicas: { readonly manifests: readonly string[]; readonly tags: readonly string[] };
}

/** Objects by name; without one, all that were ever made. */
export interface Scope {
  readonly repositories?: readonly string[];
  readonly indexes?: readonly string[];
}

type Select = <T extends Record<string, SqlStorageValue>>(query: string) => T[];

/** Rows of an object, none of tables that it does not have. */
async function read<Result>(
  stub: DurableObjectStub,
  work: (select: Select, id: DurableObjectId) => Result,
): Promise<Result> {
  return runInDurableObject(stub, (_, { storage: { sql }, id }) => {
    const tables = new Set(
      sql
        .exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table'")
        .toArray()
        .map(({ name }) => name),
    );
    return work(<T extends Record<string, SqlStorageValue>>(query: string) => {
      const table = /FROM (\w+)/.exec(query)?.[1] ?? "";
      return tables.has(table) ? sql.exec<T>(query).toArray() : [];
    }, id);
  });
}

async function stubsOf(
  namespace: DurableObjectNamespace,
  names: readonly string[] | undefined,
): Promise<DurableObjectStub[]> {
  if (names !== undefined) return names.map((name) => namespace.getByName(name));
  return (await listDurableObjectIds(namespace)).map((id) => namespace.get(id));
}

export async function storedRepository(stub: DurableObjectStub): Promise<StoredRepository> {
  return read(stub, (select) => ({
    name: select<{ name: string }>("SELECT name FROM identity")[0]?.name ?? "",
    links: select<{
      digest: string;
      key: string;
      size: number;
      token: string;
      leased_until: number;
      unreferenced_since: number | null;
    }>("SELECT digest, key, size, token, leased_until, unreferenced_since FROM links"),
    manifests: select<{ digest: string; media_type: string }>(
      "SELECT digest, media_type FROM manifests",
    ).map((manifest) => {
      const rows = select<{ digest: string; bytes: ArrayBuffer }>(
        "SELECT digest, bytes FROM manifest_bytes ORDER BY digest, number",
      ).filter(({ digest }) => digest === manifest.digest);
      return { ...manifest, bytes: Buffer.concat(rows.map((row) => new Uint8Array(row.bytes))) };
    }),
    tags: select<{ tag: string; digest: string }>("SELECT tag, digest FROM tags"),
    references: select<{ manifest: string; target: string }>(
      "SELECT manifest, target FROM manifest_references",
    ),
    outbox: select<{ kind: string; key: string }>("SELECT kind, key FROM outbox"),
  }));
}

async function storedIndex(stub: DurableObjectStub): Promise<StoredIndex> {
  return read(stub, (select, id) => ({
    name: id.name ?? "",
    blobs: select<{ digest: string; key: string; size: number }>(
      "SELECT digest, key, size FROM blobs",
    ),
    holders: select<{ digest: string; token: string; repository: string }>(
      "SELECT digest, token, repository FROM holders",
    ),
    garbage: select<{ key: string; due: number }>("SELECT key, due FROM garbage WHERE NOT deleted"),
  }));
}

async function storedUpload(stub: DurableObjectStub): Promise<StoredUpload | undefined> {
  return read(stub, (select) => {
    const [row] = select<{ stage: string }>("SELECT stage FROM session");
    if (row === undefined) return undefined;
    const tail = select<{ bytes: number }>(
      "SELECT coalesce(sum(length(bytes)), 0) AS bytes FROM tail",
    );
    const parts = select<{ count: number }>("SELECT count(*) AS count FROM parts");
    return { stage: row.stage, parts: parts[0]?.count ?? 0, tailBytes: tail[0]?.bytes ?? 0 };
  });
}

async function storedObjects(): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  let cursor: string | undefined;
  do {
    // oxlint-disable-next-line no-await-in-loop
    const page = await env.BLOBS.list(cursor === undefined ? {} : { cursor });
    for (const { key, size } of page.objects) sizes.set(key, size);
    cursor = page.truncated ? page.cursor : undefined;
  } while (cursor !== undefined);
  return sizes;
}

async function storedKeys(namespace: KVNamespace): Promise<string[]> {
  const names: string[] = [];
  let cursor: string | undefined;
  do {
    // oxlint-disable-next-line no-await-in-loop
    const page = await namespace.list(cursor === undefined ? {} : { cursor });
    names.push(...page.keys.map(({ name }) => name));
    cursor = page.list_complete ? undefined : page.cursor;
  } while (cursor !== undefined);
  return names.toSorted();
}

/** Reads all stores. Nothing may change meanwhile. With a scope, uploads are left out. */
export async function storedState(scope?: Scope): Promise<StoredState> {
  const [repositories, indexes, uploads] = await Promise.all([
    stubsOf(env.REPOSITORY, scope?.repositories),
    stubsOf(env.BLOB_INDEX, scope?.indexes),
    stubsOf(env.UPLOAD_SESSION, scope === undefined ? undefined : []),
  ]);
  const [storedUploads, manifests, tags] = await Promise.all([
    Promise.all(uploads.map(storedUpload)),
    storedKeys(env.MANIFESTS),
    storedKeys(env.TAGS),
  ]);
  return {
    repositories: await Promise.all(repositories.map(storedRepository)),
    indexes: await Promise.all(indexes.map(storedIndex)),
    uploads: storedUploads.filter((upload) => upload !== undefined),
    objects: await storedObjects(),
    replicas: { manifests, tags },
  };
}

/** What is wrong in a repository by itself. */
function wrongInRepository({ name, links, manifests, tags, references }: StoredRepository) {
  const wrong: string[] = [];
  const linked = new Map(links.map((link) => [link.digest, link]));
  const there = new Set(manifests.map(({ digest }) => digest));
  const referenced = new Set(references.map(({ target }) => target));
  for (const { digest, media_type: mediaType, bytes } of manifests) {
    if (digestOf(bytes, digest.slice(0, digest.indexOf(":"))) !== digest) {
      wrong.push(`${name}: the bytes of manifest ${digest} are others`);
      continue;
    }
    const { blobs, children } = parseManifest(bytes, mediaType);
    for (const blob of blobs.filter(({ foreign }) => !foreign)) {
      if (!linked.has(blob.digest)) wrong.push(`${name}: ${digest} lacks blob ${blob.digest}`);
    }
    for (const target of [...blobs, ...children]) {
      const isNoted = references.some(
        (row) => row.manifest === digest && row.target === target.digest,
      );
      if (!isNoted) wrong.push(`${name}: that ${digest} uses ${target.digest} is not noted`);
    }
  }
  for (const { tag, digest } of tags) {
    if (!there.has(digest)) wrong.push(`${name}: tag ${tag} names ${digest}, which is not there`);
  }
  for (const { manifest, target } of references) {
    if (!there.has(manifest))
      wrong.push(`${name}: ${target} is used by ${manifest}, which is gone`);
  }
  for (const { digest, unreferenced_since: since } of links) {
    if ((since === null) === referenced.has(digest)) continue;
    wrong.push(`${name}: ${digest} is ${since === null ? "un" : ""}referenced, and not noted so`);
  }
  return wrong;
}

/** What a reader could miss: each sentence is something that is needed and not there, or wrong. */
function wrongIn({ repositories, indexes, uploads, objects }: StoredState): string[] {
  const wrong = repositories.flatMap(wrongInRepository);
  const blobs = new Map(indexes.flatMap((index) => index.blobs.map((blob) => [blob.digest, blob])));
  const holders = new Set(
    indexes.flatMap((index) => index.holders.map(({ digest, token }) => `${digest} ${token}`)),
  );
  for (const { name, links } of repositories) {
    for (const { digest, key, size, token } of links) {
      const blob = blobs.get(digest);
      if (blob?.key !== key || blob.size !== size) {
        wrong.push(`${name}: ${digest} is ${key} (${size} bytes), its index says ${blob?.key}`);
      }
      if (!holders.has(`${digest} ${token}`)) wrong.push(`${name}: nobody holds ${digest} for it`);
    }
  }
  const needed = new Set(repositories.flatMap(({ links }) => links.map(({ digest }) => digest)));
  for (const { digest, key, size } of blobs.values()) {
    // One that is being deleted may be gone from R2 first, if nothing needs it.
    if (objects.get(key) === size || !needed.has(digest)) continue;
    wrong.push(`${digest}: R2 has ${objects.get(key) ?? "no"} bytes under ${key}, not ${size}`);
  }
  for (const { stage, parts, tailBytes } of uploads) {
    const isOver = stage === "closed" || stage === "cancelled";
    if (isOver && parts + tailBytes > 0) wrong.push(`an upload that was ${stage} keeps its bytes`);
  }
  return wrong;
}

/** What is there and nothing needs: what a forced collection, and the alarms after it, had to take. */
function leftoversIn({ repositories, indexes, objects, replicas }: StoredState): string[] {
  const leftovers: string[] = [];
  const links = repositories.flatMap((repository) => repository.links);
  const tokens = new Set(links.map(({ digest, token }) => `${digest} ${token}`));
  const keys = new Set(links.map(({ key }) => key));
  const digests = new Set(links.map(({ digest }) => digest));
  for (const { name, links: own, outbox } of repositories) {
    for (const { digest, unreferenced_since: since } of own) {
      if (since !== null) leftovers.push(`${name}: ${digest} is linked, and nothing uses it`);
    }
    for (const { kind, key } of outbox) leftovers.push(`${name}: ${kind} ${key} is yet to be told`);
  }
  for (const { blobs, holders, garbage } of indexes) {
    for (const { digest, token, repository } of holders) {
      if (!tokens.has(`${digest} ${token}`)) leftovers.push(`${repository} holds ${digest}`);
    }
    for (const { digest } of blobs) {
      if (!digests.has(digest)) leftovers.push(`${digest} is indexed`);
    }
    for (const { key } of garbage) leftovers.push(`${key} is garbage`);
  }
  for (const key of objects.keys()) {
    if (!keys.has(key)) leftovers.push(`${key} is in R2`);
  }
  const manifests = repositories.flatMap(({ name, manifests: own }) =>
    own.map(({ digest }) => `${name}@${digest}`),
  );
  const tags = repositories.flatMap(({ name, tags: own }) =>
    own.map(({ tag }) => `${name}:${tag}`),
  );
  for (const [kind, found, expected] of [
    ["manifest", replicas.manifests, new Set(manifests)],
    ["tag", replicas.tags, new Set(tags)],
  ] as const) {
    for (const key of found) if (!expected.has(key)) leftovers.push(`${kind} ${key} is in KV`);
    for (const key of expected) {
      if (!found.includes(key)) leftovers.push(`${kind} ${key} is not in KV`);
    }
  }
  return leftovers;
}

/** Expects that all which is reachable is there, in every store; `hash` also reads it from R2. */
export async function expectSound(
  state: StoredState,
  { hash = false }: { readonly hash?: boolean } = {},
): Promise<void> {
  expect(wrongIn(state)).toEqual([]);
  if (!hash) return;
  for (const { blobs } of state.indexes) {
    for (const { digest, key } of blobs) {
      // One after the other: they may be large.
      // oxlint-disable-next-line no-await-in-loop
      const object = await env.BLOBS.get(key);
      if (object === null) continue;
      // oxlint-disable-next-line no-await-in-loop
      const bytes = await object.bytes();
      expect(digestOf(bytes, digest.slice(0, digest.indexOf(":")))).toBe(digest);
    }
  }
}

/** Expects that nothing is there but what is reachable; to be called after a forced collection. */
export function expectClean(state: StoredState): void {
  expect(leftoversIn(state)).toEqual([]);
}

/** Expects that the totals which repositories and indexes keep are those of their rows. */
export async function expectCounted(scope?: Scope): Promise<void> {
  const [repositories, indexes] = await Promise.all([
    stubsOf(env.REPOSITORY, scope?.repositories),
    stubsOf(env.BLOB_INDEX, scope?.indexes),
  ]);
  const differences = await Promise.all([
    ...repositories.map((stub) =>
      read(stub, (select) => [
        select("SELECT tags, manifests, layers, layer_bytes FROM statistics"),
        select(
          `SELECT count(*) AS tags, (SELECT count(*) FROM manifests) AS manifests,
             (SELECT count(*) FROM links) AS layers,
             (SELECT coalesce(sum(size), 0) FROM links) AS layer_bytes FROM tags`,
        ),
      ]),
    ),
    ...indexes.map((stub) =>
      read(stub, (select) => [
        select("SELECT layers, bytes FROM totals"),
        select("SELECT count(*) AS layers, coalesce(sum(size), 0) AS bytes FROM blobs"),
      ]),
    ),
  ]);
  for (const [kept, counted] of differences) expect(kept).toEqual(counted);
}
