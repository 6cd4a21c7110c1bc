import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test, vi } from "vitest";
import { rowsOfAnswers, rowsOfClients, rowsOfStarts, seenBy } from "../troubleshooting-rows.ts";
import { objectBytes } from "../soak/bucket.ts";
import { Authority } from "./certificates.ts";
import { RestartedRegistry } from "./restarted-registry.ts";
import { digestOf } from "./running-registry.ts";
import { S3StandIn } from "./s3-stand-in.ts";
import { waiting } from "./start-process.ts";

type Row = (typeof rowsOfStarts)[number];

const mebibyte = 1024 * 1024;
const users = { USERNAME: "alice", PASSWORD: "alice's" };
const registry = new RestartedRegistry();

/** How much the folder's blobs take. */
async function storedBytes(): Promise<number> {
  const blobs = join(registry.storagePath, "blobs");
  const names = await readdir(blobs, { recursive: true });
  const files = await Promise.all(names.map((name) => stat(join(blobs, name))));
  return files.reduce((bytes, file) => bytes + (file.isFile() ? file.size : 0), 0);
}

/** Begins an upload of 9 MiB, of which 8 are stored as a part; answers its URL. */
async function beginUpload(url: string): Promise<string> {
  const post = await fetch(`${url}/v2/team/app/blobs/uploads/`, { method: "POST" });
  const session = `${url}${post.headers.get("location")}`;
  const body = new Uint8Array(9 * mebibyte);
  expect((await fetch(session, { method: "PATCH", body })).status).toBe(202);
  expect(await storedBytes()).toBeGreaterThanOrEqual(8 * mebibyte);
  return session;
}

const reproductions: Readonly<Record<Row, (row: Row) => Promise<void>>> = {
  async "`SignatureDoesNotMatch` (403), as XML, from R2"(row) {
    const reader = { accessKeyId: "a-key", secretAccessKey: "right", bucket: "test-blobs" };
    const store = new S3StandIn(reader, (key) => objectBytes(registry.storagePath, key));
    const direct = {
      REGISTRY_R2_ENDPOINT: await store.listen(),
      REGISTRY_R2_BUCKET: reader.bucket,
      REGISTRY_R2_ACCESS_KEY_ID: reader.accessKeyId,
    };
    try {
      for (const [secret, status] of [
        ["wrong", 403],
        [reader.secretAccessKey, 200],
      ] as const) {
        /* oxlint-disable no-await-in-loop */
        const url = await registry
          .start({ ...direct, REGISTRY_R2_SECRET_ACCESS_KEY: secret })
          .url();
        const digest = digestOf("a blob");
        const path = `${url}/v2/team/app/blobs`;
        const headers = { "Content-Type": "application/octet-stream" };
        const init = { method: "POST", body: "a blob", headers };
        expect((await fetch(`${path}/uploads/?digest=${digest}`, init)).status).toBe(201);
        const blob = await fetch(`${path}/${digest}`);
        expect(blob.status).toBe(status);
        expect(await blob.text()).toMatch(status === 403 ? seenBy(row) : /^a blob$/);
        await registry.stop();
        /* oxlint-enable no-await-in-loop */
      }
    } finally {
      await store.close();
    }
  },
  async '`REGISTRY_HOST is "0.0.0.0", which others can reach, and REGISTRY_AUTH_TYPE is not set`'(
    row,
  ) {
    const open = registry.start({ REGISTRY_HOST: "0.0.0.0" });
    expect(await open.ended).toBe(1);
    expect(open.errors).toMatch(seenBy(row));
    expect(open.errors).toContain("set USERNAME and PASSWORD");
    const url = await registry.start({ REGISTRY_HOST: "0.0.0.0", ...users }).url();
    expect((await fetch(`${url}/v2/`)).status).toBe(401);
  },
  async '`REGISTRY_TLS_KEY is "…", which is not the key of the first certificate in REGISTRY_TLS_CERT`'(
    row,
  ) {
    const authority = new Authority(registry.storagePath);
    const [own, other] = [authority.sign("own"), authority.sign("other")];
    const wrong = registry.start({
      REGISTRY_TLS_CERT: own.certificate,
      REGISTRY_TLS_KEY: other.key,
    });
    expect(await wrong.ended).toBe(1);
    expect(wrong.errors).toMatch(seenBy(row));
    const right = { REGISTRY_TLS_CERT: own.certificate, REGISTRY_TLS_KEY: own.key };
    expect(await registry.start(right).url()).toMatch(/^https:/);
  },
};

describe("on one machine", { timeout: 60_000 }, () => {
  test.each(rowsOfStarts.map((row) => [row]))("%s", (row) => reproductions[row](row));

  test("uploads that time out last longer with a higher REGISTRY_UPLOAD_TIMEOUT", async () => {
    const short = { REGISTRY_UPLOAD_TIMEOUT: "1", REGISTRY_UPLOAD_CLEANUP_INTERVAL: "1" };
    const abandoned = await beginUpload(await registry.start(short).url());
    await vi.waitFor(async () => expect(await storedBytes()).toBeLessThan(mebibyte), waiting);
    expect((await fetch(abandoned)).status).toBe(404);
    await registry.stop();
    const long = { ...short, REGISTRY_UPLOAD_TIMEOUT: "3600" };
    const kept = await beginUpload(await registry.start(long).url());
    // As long as the first one was given.
    await sleep(2500);
    expect((await fetch(kept)).status).toBe(204);
    expect(await storedBytes()).toBeGreaterThanOrEqual(8 * mebibyte);
  });
});

test("each row of README's table has a test, and each test a row", async () => {
  const readme = await readFile(join(import.meta.dirname, "../../README.md"), "utf8");
  const [, section = ""] = /^## Troubleshoot it\n(.*?)^## /ms.exec(readme) ?? [];
  const rows = section.split("\n").filter((line) => line.startsWith("| "));
  const seen = rows.slice(2).map((line) => line.split(" | ", 1)[0]?.slice("| ".length));
  const tested = [...rowsOfAnswers, ...rowsOfStarts, ...rowsOfClients];
  expect(seen).toHaveLength(tested.length);
  expect(new Set(seen)).toEqual(new Set(tested));
});
