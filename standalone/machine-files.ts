import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bundleWorkers } from "./bundle.ts";
import { compatibilityDateOf, workerdConfig } from "./workerd-config.ts";

/** What workerd is to run, and where. */
export interface Machine {
  /** The folder, absolute, that holds everything. */
  readonly storagePath: string;
  /** `host:port` to listen on. */
  readonly address: string;
  /** The names of the variables that the Worker gets from workerd's environment. */
  readonly variableNames: readonly string[];
  /** The source of the Worker, worker.ts but for tests. */
  readonly workerPath?: string;
}

/**
 * Makes the storage folder's folders and the files that workerd starts with, and answers the path of
 * its configuration. Throws what the file system or the bundler throws.
 */
export async function prepareFiles(machine: Machine): Promise<string> {
  const { storagePath, address, variableNames } = machine;
  const folder = (name: string): string => {
    const path = join(storagePath, name);
    mkdirSync(path, { recursive: true });
    return path;
  };
  const run = folder("run");
  const workers = {
    registry: machine.workerPath ?? join(import.meta.dirname, "worker.ts"),
    "memory-cache": join(import.meta.dirname, "memory-cache.ts"),
  };
  await bundleWorkers(workers, run);
  const paths = {
    registry: "registry.js",
    memoryCache: "memory-cache.js",
    blobs: folder("blobs"),
    manifests: folder("manifests"),
    tags: folder("tags"),
    durableObjects: folder("durable-objects"),
  };
  const wranglerToml = readFileSync(join(import.meta.dirname, "../wrangler.toml"), "utf8");
  const date = compatibilityDateOf(wranglerToml);
  const configPath = join(run, "workerd.capnp");
  writeFileSync(configPath, workerdConfig(paths, address, variableNames, date));
  return configPath;
}
