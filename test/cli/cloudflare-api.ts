/**
 * As much of Cloudflare's API as wrangler 4.156 asks for while a registry is set up and torn down,
 * for one account in memory. What wrangler sends was recorded from it; what it is answered is by
 * what its source reads.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

interface Worker {
  readonly secrets: string[];
  /** The tag of what is served. */
  tag: string | undefined;
}

/** What an answer has in `result`; an error in its place is one of the API. */
type Route = (name: string, body: string, query: URLSearchParams) => unknown;

class ApiError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

const tagPattern = /"workers\/tag":"([^"]*)"/;

/** The API on loopback, and what its account has. */
export class CloudflareApi {
  readonly buckets = new Map<string, unknown[]>();
  namespaces: { id: string; title: string }[] = [];
  readonly workers = new Map<string, Worker>();
  /** Requests that no route is for. */
  readonly unknown: string[] = [];
  readonly #server: Server;
  #namespacesMade = 0;

  constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  /** Starts. @returns the variables that have wrangler ask this API */
  async start(): Promise<Record<string, string>> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    const { port } = this.#server.address() as AddressInfo;
    return {
      CLOUDFLARE_API_BASE_URL: `http://127.0.0.1:${port}/client/v4`,
      CLOUDFLARE_API_TOKEN: "token",
      CLOUDFLARE_ACCOUNT_ID: "acme",
      WRANGLER_SEND_METRICS: "false",
      // It asks the registry of npm for a newer version to tell of there.
      WRANGLER_HIDE_BANNER: "true",
    };
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  readonly #routes: readonly (readonly [string, Route])[] = [
    ["GET /user/tokens/verify", () => ({ id: "token", status: "active" })],
    ["GET /user", () => ({ id: "alice", email: "alice@example.com" })],
    ["GET /accounts", () => [{ id: "acme", name: "Acme" }]],
    ["GET /memberships", () => [{ id: "member", account: { id: "acme", name: "Acme" } }]],
    ["GET /r2/buckets/:/lifecycle", (name) => ({ rules: this.#bucket(name) })],
    ["PUT /r2/buckets/:/lifecycle", (name, body) => this.#setRules(name, body)],
    ["GET /r2/buckets/:", (name) => ({ name, rules: this.#bucket(name) })],
    ["DELETE /r2/buckets/:", (name) => this.#bucket(name) && this.buckets.delete(name)],
    ["POST /r2/buckets", (_name, body) => this.#createBucket(body)],
    ["GET /storage/kv/namespaces", (_name, _body, query) => this.#namespacePage(query)],
    ["POST /storage/kv/namespaces", (_name, body) => this.#createNamespace(body)],
    ["DELETE /storage/kv/namespaces/:", (name) => this.#deleteNamespace(name)],
    ["GET /workers/subdomain", () => ({ subdomain: "acme" })],
    ["GET /workers/services/:", (name) => this.#service(name)],
    ["DELETE /workers/services/:", (name) => this.#service(name) && this.workers.delete(name)],
    ["GET /workers/workers/:", (name) => ({ id: name, name, subdomain: { enabled: true } })],
    ["GET /workers/scripts/:/secrets", (name) => this.#secrets(name)],
    ["PATCH /workers/scripts/:/secrets-bulk", (name, body) => this.#putSecrets(name, body)],
    ["PUT /workers/scripts/:", (name, body) => this.#upload(name, body)],
    ["PATCH /workers/scripts/:/script-settings", () => ({ tags: [] })],
    ["POST /workers/scripts/:/subdomain", () => ({ enabled: true, previews_enabled: false })],
    ["GET /workers/scripts/:/deployments", (name) => this.#deployments(name)],
    ["GET /workers/scripts/:/versions", (name) => this.#versions(name)],
    ["POST /graphql", () => null],
  ];

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://api");
    const path = url.pathname.replace(/^\/client\/v4(?:\/accounts\/acme(?=\/))?/, "");
    const asked = `${request.method} ${path}`;
    const body = await text(request);
    response.setHeader("Content-Type", "application/json");
    try {
      const result = this.#route(asked, body, url.searchParams);
      response.end(JSON.stringify({ success: true, errors: [], messages: [], result }));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const { code, message } = error;
      const errors = [{ code, message }];
      response.writeHead(404);
      response.end(JSON.stringify({ success: false, errors, messages: [], result: null }));
    }
  }

  #route(asked: string, body: string, query: URLSearchParams): unknown {
    for (const [pattern, route] of this.#routes) {
      const expression = new RegExp(`^${pattern.replace(":", "([^/]+)")}$`);
      const match = expression.exec(asked);
      if (match !== null) return route(match[1] ?? "", body, query);
    }
    this.unknown.push(asked);
    throw new ApiError(7003, `Could not route to ${asked}`);
  }

  #bucket(name: string): unknown[] {
    const rules = this.buckets.get(name);
    if (rules !== undefined) return rules;
    throw new ApiError(10_006, "The specified bucket does not exist.");
  }

  #setRules(name: string, body: string): object {
    this.#bucket(name);
    this.buckets.set(name, (JSON.parse(body) as { rules: unknown[] }).rules);
    return {};
  }

  #createBucket(body: string): object {
    const { name } = JSON.parse(body) as { name: string };
    this.buckets.set(name, []);
    return { name };
  }

  /** All are on the first page; wrangler asks for pages until one is empty. */
  #namespacePage(query: URLSearchParams): object[] {
    return Number(query.get("page") ?? 1) === 1 ? this.namespaces : [];
  }

  #createNamespace(body: string): object {
    const { title } = JSON.parse(body) as { title: string };
    const namespace = { id: String((this.#namespacesMade += 1)).padStart(32, "0"), title };
    this.namespaces.push(namespace);
    return namespace;
  }

  #deleteNamespace(id: string): object {
    this.namespaces = this.namespaces.filter((namespace) => namespace.id !== id);
    return {};
  }

  #worker(name: string): Worker {
    const worker = this.workers.get(name);
    if (worker !== undefined) return worker;
    throw new ApiError(10_007, "This Worker does not exist on your account.");
  }

  #service(name: string): object {
    if (!this.workers.has(name)) throw new ApiError(10_090, "workers.api.error.service_not_found");
    const script = { last_deployed_from: "wrangler" };
    return { id: name, default_environment: { environment: "production", script } };
  }

  #secrets(name: string): object[] {
    return this.#worker(name).secrets.map((secret) => ({ name: secret, type: "secret_text" }));
  }

  #putSecrets(name: string, body: string): object {
    const { secrets } = JSON.parse(body) as { secrets: object };
    const worker = this.#worker(name);
    worker.secrets.push(...Object.keys(secrets));
    // A change of secrets is a version of its own.
    worker.tag = undefined;
    return {};
  }

  #upload(name: string, body: string): object {
    const worker = this.workers.get(name) ?? { secrets: [], tag: undefined };
    worker.tag = tagPattern.exec(body)?.[1];
    this.workers.set(name, worker);
    return { id: name, deployment_id: "version", startup_time_ms: 20 };
  }

  #deployments(name: string): object {
    const isThere = this.workers.has(name);
    const versions = [{ version_id: "version", percentage: 100 }];
    return { deployments: isThere ? [{ id: "deployment", created_on: created, versions }] : [] };
  }

  #versions(name: string): object {
    const { tag } = this.#worker(name);
    const annotations = tag === undefined ? {} : { "workers/tag": tag };
    const metadata = { created_on: created, source: "wrangler", author_email: "alice@example.com" };
    return { items: [{ id: "version", number: 1, metadata, annotations }] };
  }
}

const created = "2026-11-21T00:00:00Z";
