import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTestHarness } from "wrangler";
import type { ObjectDescriptor } from "../../standalone/disk-object.ts";
import { prepareFiles } from "../../standalone/machine-files.ts";
import { WorkerdProcess } from "../../standalone/workerd-process.ts";
import { questions } from "./contract.ts";

/** Asks all questions of the Worker at `url()`. */
function askAll(url: () => string): void {
  for (const [at, { name, answer }] of questions.entries()) {
    test(name, { timeout: 60_000 }, async () => {
      const response = await fetch(`${url()}/${at}`);
      // As JSON has it: without what is undefined.
      expect(await response.json()).toEqual(JSON.parse(JSON.stringify(answer)));
    });
  }
}

describe("Cloudflare's simulators", () => {
  const harness = createTestHarness({
    workers: [
      {
        config: {
          name: "contract",
          main: join(import.meta.dirname, "contract-worker.ts"),
          compatibility_date: "2026-11-01",
          r2_buckets: [{ binding: "BLOBS", bucket_name: "blobs" }],
          kv_namespaces: [{ binding: "MANIFESTS" }],
        },
      },
    ],
  });
  let url = "";
  beforeAll(async () => {
    url = (await harness.listen()).url.origin;
  }, 60_000);
  afterAll(() => harness.close());

  askAll(() => url);
});

describe("disk", () => {
  let storagePath = "";
  let workerd: WorkerdProcess | undefined;
  let url = "";

  beforeAll(async () => {
    storagePath = await mkdtemp(join(tmpdir(), "longshore-contract-"));
    const configPath = await prepareFiles({
      storagePath,
      address: "127.0.0.1:0",
      variableNames: [],
      workerPath: join(import.meta.dirname, "disk-contract-worker.ts"),
    });
    workerd = new WorkerdProcess(configPath, {});
    url = `http://127.0.0.1:${await workerd.listening}`;
  }, 60_000);

  afterAll(async () => {
    workerd?.kill();
    await workerd?.ended;
    await rm(storagePath, { recursive: true });
  });

  askAll(() => url);

  test("leaves no parts on disk that belong to nothing", async () => {
    const objects = await files(join(storagePath, "blobs/objects"));
    const parts = await files(join(storagePath, "blobs/parts"));
    const owned = await Promise.all(
      objects.map(async (path) => {
        const text = await readFile(join(storagePath, "blobs/objects", path), "utf8");
        const [line = ""] = text.split("\n", 1);
        const descriptor: ObjectDescriptor = JSON.parse(line);
        return path.replace(/object$/, descriptor.parts?.uploadId ?? "");
      }),
    );
    const open = parts.filter((path) => path.endsWith("/upload.json")).map((path) => dirname(path));
    const kept = new Set([...owned, ...open]);
    expect(parts.filter((path) => !kept.has(dirname(path)))).toEqual([]);
  });
});

/** The paths of all files below a folder, as seen from there. */
async function files(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}
