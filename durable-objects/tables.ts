/** What brings the tables of one version to the next: statements before all tables are made, and behind. */
export interface Upgrade {
  readonly before: readonly string[];
  readonly after: readonly string[];
}

/** From version 1, which said nothing of its version. */
const firstVersion = 1;

/**
 * The tables of a Durable Object. They are made in the transaction of its first row, so that asking
 * an object that holds nothing (a repository name that somebody tried) writes nothing. Tables of an
 * older version are brought up to date when the object wakes.
 */
export class Tables {
  readonly #storage: DurableObjectStorage;
  readonly #statements: readonly string[];
  readonly #version: number;
  #exist: boolean;

  /**
   * `statements` make the tables of the newest version, and leave alone what is there. `upgrades` has
   * one for each version but the last.
   */
  constructor(
    storage: DurableObjectStorage,
    statements: readonly string[],
    upgrades: readonly Upgrade[] = [],
  ) {
    this.#storage = storage;
    this.#version = firstVersion + upgrades.length;
    this.#statements = [
      "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)",
      ...statements,
    ];
    this.#exist = this.#has("name NOT LIKE '\\_cf%' ESCAPE '\\'");
    if (this.#exist) this.#upgrade(upgrades);
  }

  /** False as long as nothing was ever written: there is nothing to read. */
  get exist(): boolean {
    return this.#exist;
  }

  /** One transaction in which the tables exist; what it throws undoes it. */
  write<T>(work: () => T): T {
    const existed = this.#exist;
    try {
      return this.#storage.transactionSync(() => {
        if (!existed) this.#make();
        this.#exist = true;
        return work();
      });
    } catch (error) {
      this.#exist = existed;
      throw error;
    }
  }

  /** Deletes everything, the object's alarm included. */
  async deleteAll(): Promise<void> {
    this.#exist = false;
    await this.#storage.deleteAll();
  }

  #make(): void {
    this.#execute(this.#statements);
    this.#storage.sql.exec("DELETE FROM schema_version");
    this.#storage.sql.exec("INSERT INTO schema_version VALUES (?)", this.#version);
  }

  #upgrade(upgrades: readonly Upgrade[]): void {
    const pending = upgrades.slice(this.#storedVersion() - firstVersion);
    if (pending.length === 0) return;
    this.#storage.transactionSync(() => {
      this.#execute(pending.flatMap(({ before }) => before));
      this.#make();
      this.#execute(pending.flatMap(({ after }) => after));
    });
  }

  #storedVersion(): number {
    if (!this.#has("name = 'schema_version'")) return firstVersion;
    const row = this.#storage.sql.exec<{ version: number }>("SELECT version FROM schema_version");
    return row.toArray()[0]?.version ?? firstVersion;
  }

  #execute(statements: readonly string[]): void {
    for (const statement of statements) this.#storage.sql.exec(statement);
  }

  #has(condition: string): boolean {
    const found = this.#storage.sql.exec(
      `SELECT 1 FROM sqlite_master WHERE type = 'table' AND ${condition} LIMIT 1`,
    );
    return found.toArray().length > 0;
  }
}
