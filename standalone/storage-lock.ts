import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/**
 * Keeps a second start from one storage folder: an exclusive transaction in `<folder>/lock`, a
 * SQLite file, which is a lock of the operating system that goes with the process, however it ends.
 */
export class StorageLock {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** The lock, or undefined if another process holds it. Throws if the folder can't be written to. */
  static take(folder: string): StorageLock | undefined {
    const database = new DatabaseSync(join(folder, "lock"));
    try {
      // Nothing is ever written, so no journal has to be on disk.
      database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
      return new StorageLock(database);
    } catch (error) {
      database.close();
      if (isLocked(error)) return undefined;
      throw error;
    }
  }

  release(): void {
    this.#database.close();
  }
}

/** SQLITE_BUSY: https://sqlite.org/rescode.html#busy */
function isLocked(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && error.errcode === 5;
}
