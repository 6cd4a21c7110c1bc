import { runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import {
  digestOf,
  imageManifest,
  ociIndex,
  ociManifest,
  pushBlob,
  putManifest,
  send,
} from "../client.ts";
import { newRepository, repositoryObject } from "./names.ts";
import { restart, restarts } from "./restart.ts";

test.for([
  { name: "of a byte more than one row", size: 1024 * 1024 + 1, rows: 2 },
  { name: "of 4 MiB", size: 4 * 1024 * 1024, rows: 4 },
  { name: "of exactly one row", size: 1024 * 1024, rows: 1 },
])("a manifest $name is stored in $rows rows, and read as it came", async ({ size, rows }) => {
  const repository = newRepository();
  const config = await pushBlob(repository, `{"id":"${crypto.randomUUID()}"}`);
  const bare = imageManifest({ digest: config, size: 45 }, [], { annotations: { padding: "" } });
  const manifest = bare.replace('"padding":""', `"padding":"${"x".repeat(size - bare.length)}"`);
  expect(manifest).toHaveLength(size);
  expect((await putManifest(repository, "large", manifest)).status).toBe(201);
  const digest = digestOf(manifest);
  const stored = await runInDurableObject(repositoryObject(repository), (_, { storage }) =>
    storage.sql
      .exec<{ size: number }>(
        "SELECT length(bytes) AS size FROM manifest_bytes WHERE digest = ? ORDER BY number",
        digest,
      )
      .toArray()
      .map((row) => row.size),
  );
  expect(stored).toHaveLength(rows);
  expect(Math.max(...stored)).toBeLessThanOrEqual(1024 * 1024);
  const byTag = await send("GET", `/v2/${repository}/manifests/large`);
  expect(digestOf(await byTag.bytes())).toBe(digest);
  const byDigest = await send("GET", `/v2/${repository}/manifests/${digest}`);
  expect(digestOf(await byDigest.bytes())).toBe(digest);
  expect((await send("DELETE", `/v2/${repository}/manifests/${digest}`)).status).toBe(202);
  const left = await runInDurableObject(repositoryObject(repository), (_, { storage }) =>
    storage.sql.exec("SELECT 1 FROM manifest_bytes").toArray(),
  );
  expect(left).toEqual([]);
});

test.for(restarts)("an index is pushed over children, whenever the object is %s", async (how) => {
  const repository = newRepository();
  const config = await pushBlob(repository, `{"id":"${crypto.randomUUID()}"}`);
  const child = imageManifest({ digest: config, size: 45 }, []);
  const lose = () => restart(() => repositoryObject(repository), how);
  await lose();
  expect((await putManifest(repository, digestOf(child), child)).status).toBe(201);
  await lose();
  const index = JSON.stringify({
    schemaVersion: 2,
    mediaType: ociIndex,
    manifests: [{ mediaType: ociManifest, digest: digestOf(child), size: child.length }],
  });
  expect((await putManifest(repository, "1.0", index, ociIndex)).status).toBe(201);
  await lose();
  expect(await (await send("GET", `/v2/${repository}/manifests/1.0`)).text()).toBe(index);
  await lose();
  const path = `/v2/${repository}/manifests/${digestOf(child)}`;
  expect(await (await send("GET", path)).text()).toBe(child);
  const tags = await send("GET", `/v2/${repository}/tags/list`);
  expect(await tags.json()).toEqual({ name: repository, tags: ["1.0"] });
});
