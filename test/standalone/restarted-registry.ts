import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { Start } from "./start-process.ts";

/** A storage folder for each test of a file, over which the test starts registries, one at a time. */
export class RestartedRegistry {
  storagePath = "";
  #running: Start | undefined;

  constructor() {
    beforeEach(async () => {
      this.storagePath = await mkdtemp(join(tmpdir(), "longshore-restarted-"));
    });
    afterEach(async () => {
      await this.stop();
      await rm(this.storagePath, { recursive: true, maxRetries: 10 });
    });
  }

  /** Starts a registry over the folder of the test. */
  start(environment: Readonly<Record<string, string>> = {}): Start {
    this.#running = new Start([process.execPath, "standalone/start.ts"], {
      REGISTRY_PORT: "0",
      REGISTRY_STORAGE_PATH: this.storagePath,
      ...environment,
    });
    return this.#running;
  }

  async stop(): Promise<void> {
    this.#running?.process.kill("SIGTERM");
    await this.#running?.ended;
    this.#running = undefined;
  }
}
