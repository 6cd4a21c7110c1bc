import { once } from "node:events";
import { rmSync } from "node:fs";
import { open, readdir } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { dirname, join } from "node:path";
import { errorCode } from "./error-code.ts";

/** What the address of a Unix socket holds: 108 bytes on Linux, 104 on macOS, the last of them zero. */
const socketPathBytesMax = 103;

/** Folders that are remembered: each upload in parts has one. */
const knownFoldersMax = 10_000;

/** The system's words for a disk that has no room; with delayed allocation a sync is who hears them. */
const fullCodes: readonly unknown[] = ["ENOSPC", "EDQUOT"];

/** The path of the socket in a storage folder; undefined if the folder's own path is too long for one. */
export function syncSocketPath(storagePath: string): string | undefined {
  const path = join(storagePath, "run/sync");
  return Buffer.byteLength(path) <= socketPathBytesMax ? path : undefined;
}

/**
 * Puts files on the disk itself, for workerd, which writes files and can't sync them: `POST /<path>` on
 * a Unix socket, with a path in the storage folder, is answered 204 when the file and the names that
 * lead to it are there even after a power cut, and 507 or 500 with the system's word if they may not be.
 */
export class SyncService {
  readonly #storagePath: string;
  /** Folders whose names are on the disk. */
  readonly #known = new Set<string>();

  private constructor(storagePath: string) {
    this.#storagePath = storagePath;
  }

  /** Listens on a path in the storage folder, as long as this process runs. */
  static async start(storagePath: string, socketPath: string): Promise<SyncService> {
    const service = new SyncService(storagePath);
    const server = createServer((request, response) => void service.#answer(request, response));
    // workerd keeps connections: one that is closed while it asks would fail a push.
    server.keepAliveTimeout = 0;
    // What a process that was killed left there; this one has the storage's lock.
    rmSync(socketPath, { force: true });
    server.listen(socketPath);
    await once(server, "listening");
    server.unref();
    return service;
  }

  /** To be called once workerd has made the folders of its databases, which it then syncs itself. */
  async syncFolders(): Promise<void> {
    // Whose folder that is, and whether it may be read, is not ours to say.
    await sync(dirname(this.#storagePath)).catch(() => undefined);
    const objects = join(this.#storagePath, "durable-objects");
    for (const name of await readdir(objects)) await this.#syncName(join(objects, name));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.resume();
    try {
      await this.#syncFile(join(this.#storagePath, request.url ?? ""));
      response.writeHead(204).end();
    } catch (error) {
      response.writeHead(fullCodes.includes(errorCode(error)) ? 507 : 500).end(String(error));
    }
  }

  /** A file first, then the folder that has its name, then the folders above that are new. */
  async #syncFile(path: string): Promise<void> {
    if (!path.startsWith(`${this.#storagePath}/`)) throw new Error(`${path} is not in the storage`);
    // What its writer has removed by now, nobody waits for.
    if (!(await sync(path))) return;
    await sync(dirname(path));
    await this.#syncName(dirname(path));
  }

  /** Puts the name of a folder on the disk, and those of the folders above it in the storage folder. */
  async #syncName(path: string): Promise<void> {
    if (path === this.#storagePath || this.#known.has(path)) return;
    await sync(dirname(path));
    await this.#syncName(dirname(path));
    if (this.#known.size >= knownFoldersMax) this.#known.clear();
    this.#known.add(path);
  }
}

/** Settles when what a file or a folder has is on the disk; false if it is not there. */
async function sync(path: string): Promise<boolean> {
  let file;
  try {
    file = await open(path, "r");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
  try {
    await file.sync();
    return true;
  } finally {
    await file.close();
  }
}
