import { statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

/** Where tests of one machine and of real clients keep their files. */
const onDisk = { TMPDIR: tmpdir() };

/**
 * Objects of tests in workerd sync each commit, which costs a quarter of their time on a disk: where
 * the system has memory enough for files, they are kept there.
 */
const memoryFolder = "/dev/shm";
const memoryBytesMin = 4 * 2 ** 30;
if (freeBytes(memoryFolder) >= memoryBytesMin) process.env["TMPDIR"] = memoryFolder;

/** What a file system has room for; nothing if it is not there. */
function freeBytes(path: string): number {
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  } catch {
    return 0;
  }
}

/** Tests in workerd, against the Worker in `main` with the bindings of wrangler.toml. */
function registryTests(
  name: string,
  main: string,
  include: string[],
  variables: Record<string, string> = {},
  isolate = true,
) {
  return {
    plugins: [
      cloudflareTest({
        main,
        wrangler: { configPath: "./wrangler.toml" },
        miniflare: {
          bindings: { REGISTRY_AUTH_TYPE: "none", REGISTRY_MAX_BODY: "", ...variables },
        },
      }),
    ],
    test: { name, include, isolate, testTimeout: 60_000 },
  };
}

/**
 * Tests that ask over HTTP for repositories of their own, and move no clock: they share a workerd,
 * which takes longer to start than most of them to run.
 */
const throughHttp = ["test/*.test.ts", "test/client-rules/*.test.ts", "test/conformance/*.test.ts"];
/** Of all repositories, of time, or of what the Worker remembers: each with a registry of its own. */
const alone =
  "test/{blobs,catalog,errors,replicas,scrub,statistics,statistics-details,troubleshooting}.test.ts";

export default defineConfig({
  test: {
    // One for each core, where the default leaves one core free; a larger share counts as this one.
    maxWorkers: "100%",
    // The registry's own log, a line or two for each request, would bury all else.
    onConsoleLog: (text) => !/^(?:\{"time":.*\n?)+$/.test(text),
    // An alarm that is due when a file has ended finds its workerd being closed.
    onUnhandledError: ({ message }) => !message.includes("Closing rpc while"),
    projects: [
      registryTests("registry", "workers/registry.ts", [
        alone,
        "test/access/*.test.ts",
        "test/collection/*.test.ts",
        "test/durable-objects/**/*.test.ts",
        "test/failures/*.test.ts",
        "test/telemetry/*.test.ts",
      ]),
      registryTests(
        "through HTTP",
        "workers/registry.ts",
        [...throughHttp, "test/bad-input/*.test.ts", `!${alone}`],
        {},
        false,
      ),
      registryTests(
        "stale replicas",
        "test/doubles/stale-replicas.ts",
        [
          ...throughHttp,
          `!${alone}`,
          // Manifests have replicas: these are about blobs alone, and send the most bytes.
          "!test/{broken-bodies,chunks,direct-reads,sessions,uploads}.test.ts",
          "!test/{client-rules,conformance}/blob-uploads.test.ts",
        ],
        {},
        false,
      ),
      registryTests("stale replicas alone", "test/doubles/stale-replicas.ts", [
        "test/{blobs,catalog,errors,replicas,troubleshooting}.test.ts",
      ]),
      registryTests("sparse", "workers/registry.ts", ["test/sparse/*.test.ts"], {
        REGISTRY_VALIDATE_REFERENCES: "false",
      }),
      registryTests("budgets", "test/doubles/counted-operations.ts", ["test/budgets/*.test.ts"]),
      registryTests("crashes", "test/doubles/interrupted-calls.ts", ["test/crashes/*.test.ts"], {
        REGISTRY_LOG_LEVEL: "error",
      }),
      registryTests("retention", "workers/registry.ts", ["test/collection/retention/*.test.ts"], {
        REGISTRY_GC_GRACE: "60",
        REGISTRY_GC_UNTAGGED: "3600",
        REGISTRY_GC_REFERRERS: "delete",
      }),
      registryTests("model", "workers/registry.ts", ["test/model/**/*.test.ts"], {
        REGISTRY_GC_GRACE: "7200",
        REGISTRY_LOG_LEVEL: "error",
        MODEL_RUNS: process.env["MODEL_RUNS"] ?? "1",
        MODEL_SEED: process.env["MODEL_SEED"] ?? "20261121",
      }),
      {
        test: { name: "schemas", env: onDisk, include: ["test/schemas/*.test.ts"], isolate: false },
      },
      { test: { name: "deployments", env: onDisk, include: ["test/deployments/*.test.ts"] } },
      { test: { name: "cli", env: onDisk, include: ["test/cli/*.test.ts"], testTimeout: 60_000 } },
      { test: { name: "standalone", env: onDisk, include: ["test/standalone/**/*.test.ts"] } },
      {
        test: { name: "fuzz", env: onDisk, include: ["test/fuzz/*.test.ts"], testTimeout: 600_000 },
      },
      {
        test: { name: "soak", env: onDisk, include: ["test/soak/*.test.ts"], testTimeout: 120_000 },
      },
      {
        test: {
          name: "e2e",
          env: onDisk,
          include: ["test/e2e/**/*.test.ts"],
          maxWorkers: 2,
          // Projects of one group have to have as many workers.
          sequence: { groupOrder: 1 },
          testTimeout: 300_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
