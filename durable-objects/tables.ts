/**
 * The tables of a Durable Object. They are made in the transaction of its first row, so that asking
 * an object that holds nothing (a repository name that somebody tried) writes nothing.
 */
export class Tables {
  readonly #storage: DurableObjectStorage;
  readonly #statements: readonly string[];
  #exist: boolean;

  /** `statements` make the tables, each with IF NOT EXISTS. */
  constructor(storage: DurableObjectStorage, statements: readonly string[]) {
    this.#storage = storage;
    this.#statements = statements;
    this.#exist =
      storage.sql
        .exec(
          "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'",
        )
        .toArray().length > 0;
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
        if (!existed) for (const statement of this.#statements) this.#storage.sql.exec(statement);
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
}
