import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { Connection } from "./connection.ts";
import { Start } from "./start-process.ts";

export function digestOf(bytes: Uint8Array | string): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** One registry for all tests of a file, and connections to it that end with their test. */
export class RunningRegistry {
  url = "";
  #start: Start | undefined;
  readonly #connections: Connection[] = [];

  /** `environment` is read once the hooks before have run. */
  constructor(environment: Readonly<Record<string, string>> = {}) {
    let folder = "";
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "longshore-http-"));
      this.#start = new Start([process.execPath, "standalone/start.ts"], {
        REGISTRY_PORT: "0",
        REGISTRY_STORAGE_PATH: folder,
        ...environment,
      });
      this.url = await this.#start.url();
    });
    afterEach(() => {
      for (const connection of this.#connections.splice(0)) connection.close();
    });
    afterAll(async () => {
      this.#start?.process.kill("SIGTERM");
      await this.#start?.ended;
      await rm(folder, { recursive: true, maxRetries: 10 });
    });
  }

  async connect(): Promise<Connection> {
    const connection = await Connection.open(this.url);
    this.#connections.push(connection);
    return connection;
  }

  /** The Location of a new upload session. */
  async startUpload(repository: string): Promise<string> {
    const connection = await this.connect();
    const answer = await connection.ask(`POST /v2/${repository}/blobs/uploads/`, "");
    return answer.headers.get("location") ?? "";
  }

  /** Pushes a blob whole; answers its path. */
  async pushBlob(repository: string, bytes: Uint8Array | string): Promise<string> {
    const location = await this.startUpload(repository);
    const connection = await this.connect();
    const answer = await connection.ask(`PUT ${location}?digest=${digestOf(bytes)}`, bytes);
    expect(answer.status).toBe(201);
    return `/v2/${repository}/blobs/${digestOf(bytes)}`;
  }

  /** The Range of an upload session. */
  async range(location: string): Promise<string | undefined> {
    const connection = await this.connect();
    return (await connection.ask(`GET ${location}`)).headers.get("range");
  }
}

/** Has the connection bear one more request: what was answered on it before left nothing behind. */
export async function expectUsable(connection: Connection): Promise<void> {
  const answer = await connection.ask("GET /v2/");
  expect([answer.status, answer.body.toString()]).toEqual([200, "{}"]);
}
