import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import type { RepositoryName } from "../../schemas/reference.ts";
import { digestOf, imageManifest, ociManifest, randomBytes, send } from "../client.ts";
import {
  blobIndex,
  digestFor,
  newKey,
  newRepository,
  newToken,
  repositoryObject,
} from "./names.ts";
import { totalsWith } from "./repository-totals.ts";
import { restart } from "./restart.ts";
import { uploadSession } from "./upload.ts";

/** The tables of version 1, as objects made them that have not been woken since. */
const tasks = "CREATE TABLE tasks (kind TEXT PRIMARY KEY, due INTEGER)";
const repositoryTables = [
  `CREATE TABLE manifests (digest TEXT PRIMARY KEY, media_type TEXT NOT NULL, size INTEGER NOT NULL,
     subject TEXT, artifact_type TEXT, annotations TEXT) WITHOUT ROWID`,
  `CREATE TABLE manifest_bytes (digest TEXT, number INTEGER, bytes BLOB NOT NULL,
     PRIMARY KEY (digest, number)) WITHOUT ROWID`,
  "CREATE TABLE tags (tag TEXT PRIMARY KEY, digest TEXT NOT NULL) WITHOUT ROWID",
  `CREATE TABLE manifest_references (manifest TEXT, target TEXT, PRIMARY KEY (manifest, target))
     WITHOUT ROWID`,
  `CREATE TABLE links (digest TEXT PRIMARY KEY, key TEXT NOT NULL, size INTEGER NOT NULL,
     token TEXT NOT NULL, leased_until INTEGER NOT NULL, unreferenced_since INTEGER) WITHOUT ROWID`,
  `CREATE TABLE outbox (kind TEXT, key TEXT, version INTEGER NOT NULL, PRIMARY KEY (kind, key))
     WITHOUT ROWID`,
  "CREATE TABLE identity (name TEXT NOT NULL, catalog_version INTEGER NOT NULL)",
  tasks,
];
const indexTables = [
  "CREATE TABLE blobs (digest TEXT PRIMARY KEY, key TEXT NOT NULL, size INTEGER NOT NULL) WITHOUT ROWID",
  `CREATE TABLE holders (digest TEXT, token TEXT, repository TEXT NOT NULL, PRIMARY KEY (digest, token))
     WITHOUT ROWID`,
  "CREATE TABLE garbage (key TEXT PRIMARY KEY, digest TEXT NOT NULL, due INTEGER NOT NULL) WITHOUT ROWID",
  tasks,
];
const catalogTables = [
  `CREATE TABLE repositories (name TEXT PRIMARY KEY, present INTEGER NOT NULL,
     version INTEGER NOT NULL) WITHOUT ROWID`,
  "CREATE TABLE keys (purpose TEXT PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID",
];
const sessionTables = [
  `CREATE TABLE session (id INTEGER PRIMARY KEY CHECK (id = 1), repository TEXT NOT NULL,
     stage TEXT NOT NULL, offset INTEGER NOT NULL, key TEXT NOT NULL, multipart_id TEXT,
     part_bytes INTEGER NOT NULL, algorithm TEXT NOT NULL, chunked INTEGER NOT NULL,
     saved_digest BLOB, digest TEXT, token TEXT, started_ms INTEGER NOT NULL,
     touched_ms INTEGER NOT NULL)`,
  "CREATE TABLE parts (number INTEGER PRIMARY KEY, etag TEXT NOT NULL)",
  "CREATE TABLE tail (number INTEGER PRIMARY KEY, bytes BLOB NOT NULL)",
  tasks,
];

type Row = readonly [statement: string, ...values: (string | number | null | Uint8Array)[]];

/** Gives an object that has nothing these tables and rows, and wakes it anew. */
async function store(
  stub: () => DurableObjectStub,
  statements: readonly string[],
  rows: readonly Row[],
): Promise<void> {
  await runInDurableObject(stub(), (_, { storage }) => {
    for (const statement of statements) storage.sql.exec(statement);
    for (const [statement, ...values] of rows) storage.sql.exec(statement, ...values);
  });
  await restart(stub, "evicted");
}

test("an image of version 1 is pulled, told of, deleted and collected", async () => {
  const repository = newRepository();
  const bytes = randomBytes(100);
  const [digest, key, token] = [digestFor(bytes), newKey(), newToken()];
  const manifest = new TextEncoder().encode(imageManifest({ digest, size: 100 }, []));
  const manifestDigest = digestOf(manifest);
  await env.BLOBS.put(key, bytes);
  await store(() => blobIndex(digest), indexTables, [
    ["INSERT INTO blobs VALUES (?, ?, 100)", digest, key],
    ["INSERT INTO holders VALUES (?, ?, ?)", digest, token, repository],
  ]);
  await store(() => repositoryObject(repository), repositoryTables, [
    ["INSERT INTO identity VALUES (?, 1)", repository],
    [
      "INSERT INTO manifests VALUES (?, ?, ?, NULL, NULL, NULL)",
      manifestDigest,
      ociManifest,
      manifest.length,
    ],
    ["INSERT INTO manifest_bytes VALUES (?, 0, ?)", manifestDigest, manifest],
    ["INSERT INTO manifest_references VALUES (?, ?)", manifestDigest, digest],
    ["INSERT INTO tags VALUES ('1.0', ?)", manifestDigest],
    ["INSERT INTO links VALUES (?, ?, 100, ?, 0, NULL)", digest, key, token],
  ]);
  const path = `/v2/${repository}`;
  expect(await (await send("GET", `${path}/manifests/1.0`)).bytes()).toEqual(manifest);
  expect(await (await send("GET", `${path}/blobs/${digest}`)).bytes()).toEqual(bytes);
  const totals = await runInDurableObject(repositoryObject(repository), (_, { storage }) =>
    storage.sql.exec("SELECT tags, images, layers, layer_bytes FROM statistics").one(),
  );
  expect(totals).toEqual({ tags: 1, images: 1, layers: 1, layer_bytes: 100 });
  expect(await blobIndex(digest).totals()).toEqual({ layers: 1, bytes: 100, hits: 0, misses: 0 });
  expect((await send("DELETE", `${path}/manifests/${manifestDigest}`)).status).toBe(202);
  const collected = await repositoryObject(repository).collect({ force: true, dryRun: false });
  expect(collected.freed).toEqual({ layers: 1, bytes: 100 });
  expect(await blobIndex(digest).collect({ force: true })).toEqual({ layers: 1, bytes: 100 });
  expect(await env.BLOBS.head(key)).toBeNull();
});

test("the names and the sealing key of version 1 stay, and what is told next counts", async () => {
  const name = newRepository();
  const id = crypto.randomUUID();
  const catalog = () => env.CATALOG.getByName(id);
  const key = randomBytes(32);
  await store(catalog, catalogTables, [
    ["INSERT INTO repositories VALUES (?, 1, 7)", name],
    ["INSERT INTO repositories VALUES ('gone', 0, 8)"],
    ["INSERT INTO keys VALUES ('upload session', ?)", key],
  ]);
  expect(await catalog().list({ limit: 10, last: "" })).toEqual({ names: [name], more: false });
  expect(await catalog().sealingKey()).toEqual(key);
  await catalog().set(name, totalsWith({ manifests: 2, images: 2, tags: 1 }), Date.now());
  expect(await catalog().statistics()).toMatchObject({ repositories: 1, images: 2, tags: 1 });
});

test("an upload session of version 1 goes on", async () => {
  const repository: RepositoryName = newRepository();
  const post = await send("POST", `/v2/${repository}/blobs/uploads/`);
  const location = post.headers.get("Location") ?? "";
  const bytes = randomBytes(20);
  const nowMs = Date.now();
  await store(() => uploadSession(location), sessionTables, [
    [
      `INSERT INTO session VALUES
         (1, ?, 'open', 10, ?, NULL, 8388608, 'sha256', 0, NULL, NULL, NULL, ?, ?)`,
      repository,
      newKey(),
      nowMs,
      nowMs,
    ],
    ["INSERT INTO tail VALUES (0, ?)", bytes.slice(0, 10)],
  ]);
  const patch = await send("PATCH", location, {
    body: bytes.slice(10),
    headers: { "Content-Range": "10-19" },
  });
  expect([patch.status, patch.headers.get("Range")]).toEqual([202, "0-19"]);
  const digest = digestOf(bytes);
  expect((await send("PUT", `${location}?digest=${digest}`)).status).toBe(201);
  const blob = await send("GET", `/v2/${repository}/blobs/${digest}`);
  expect(await blob.bytes()).toEqual(bytes);
});
