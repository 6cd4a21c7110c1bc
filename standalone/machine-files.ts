import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { bundleWorker } from "./bundle.ts";
import { WrongSetting } from "./settings.ts";
import type { TlsFiles } from "./tls-files.ts";
import {
  type BlobIndexFolder,
  blobIndexFolders,
  compatibilityDateOf,
  workerdConfig,
} from "./workerd-config.ts";

/** What workerd is to run, and where. */
export interface Machine {
  /** The folder, absolute, that holds everything. */
  readonly storagePath: string;
  /** `host:port` to listen on. */
  readonly address: string;
  /** The names of the variables that the Worker gets from workerd's environment. */
  readonly variableNames: readonly string[];
  /** What HTTPS is served with; HTTP without. */
  readonly tls?: TlsFiles | undefined;
  /** The Unix socket of what syncs files, if anything does. */
  readonly syncSocketPath?: string | undefined;
  /** The source of the Worker, worker.ts but for tests. */
  readonly workerPath?: string;
}

/**
 * Makes the storage folder's folders and the files that workerd starts with, and answers the path of
 * its configuration. Throws what the file system or the bundler throws.
 */
export async function prepareFiles(machine: Machine): Promise<string> {
  const { storagePath, address, variableNames, tls, syncSocketPath } = machine;
  const folder = (name: string): string => {
    const path = join(storagePath, name);
    mkdirSync(path, { recursive: true });
    return path;
  };
  const run = folder("run");
  const source = machine.workerPath ?? join(import.meta.dirname, "worker.ts");
  await bundleWorker(source, join(run, "registry.js"));
  const paths = {
    registry: "registry.js",
    blobs: folder("blobs"),
    manifests: folder("manifests"),
    tags: folder("tags"),
    durableObjects: folder("durable-objects"),
    blobIndexes: blobIndexFolder(storagePath),
    ...(tls === undefined ? {} : { tls: fromFolder(run, tls) }),
    ...(syncSocketPath === undefined ? {} : { syncSocket: syncSocketPath }),
  };
  const wranglerToml = readFileSync(join(import.meta.dirname, "../wrangler.toml"), "utf8");
  const date = compatibilityDateOf(wranglerToml);
  const configPath = join(run, "workerd.capnp");
  writeFileSync(configPath, workerdConfig(paths, address, variableNames, date));
  return configPath;
}

/**
 * A storage folder has one BlobIndex for each algorithm, as each object is a database that takes some
 * milliseconds to make. One that was begun with 256 keeps them: which it is, their folder says.
 */
function blobIndexFolder(storagePath: string): BlobIndexFolder {
  const { many, one } = blobIndexFolders;
  const hasMany = hasObjects(storagePath, many);
  if (hasMany && hasObjects(storagePath, one)) {
    throw new WrongSetting(
      `${storagePath} has databases of "${many}" and of "${one}": it was opened by an older version, or ` +
        "two backups are mixed; keep the one that its pushes went to, and move the other away",
    );
  }
  return hasMany ? many : one;
}

function hasObjects(storagePath: string, className: string): boolean {
  const folder = join(storagePath, "durable-objects", className);
  return (
    existsSync(folder) && readdirSync(folder).some((name) => /^[0-9a-f]{64}\.sqlite$/.test(name))
  );
}

/** The configuration can't name files by absolute paths. */
function fromFolder(
  folder: string,
  { certificatePath, keyPath }: TlsFiles,
): { certificate: string; key: string } {
  return { certificate: relative(folder, certificatePath), key: relative(folder, keyPath) };
}
