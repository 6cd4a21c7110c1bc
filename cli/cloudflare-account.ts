import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CommandError } from "./exit-codes.ts";
import { type LifecycleRule, parseLifecycleRules } from "./lifecycle-rule.ts";
import { Wrangler, WranglerError } from "./wrangler.ts";
import type { WranglerConfiguration } from "./wrangler-configuration.ts";

interface Namespace {
  readonly id: string;
  readonly title: string;
}

/** Codes of Cloudflare's API; a Worker has one as a script, and one as a service. */
const noBucket = 10_006;
const bucketNotEmpty = 10_008;
const noWorker: readonly number[] = [10_007, 10_090];

/** What one environment has in the account, asked and changed by wrangler. */
export class CloudflareAccount {
  readonly #wrangler: Wrangler;
  readonly #configuration: WranglerConfiguration;
  /** As they were listed; undefined once one was made or deleted. */
  #namespaces: readonly Namespace[] | undefined;

  constructor(configuration: WranglerConfiguration) {
    this.#configuration = configuration;
    this.#wrangler = new Wrangler(configuration.folder);
  }

  /** Who is logged in, as `email, account`. @throws CommandError if nobody is */
  async whoami(): Promise<string> {
    let output: string;
    try {
      output = await this.#wrangler.run(["whoami", "--json"]);
    } catch (error) {
      if (!(error instanceof WranglerError)) throw error;
      throw new CommandError(
        "nobody is logged in to Cloudflare: run npx wrangler login, or set CLOUDFLARE_API_TOKEN",
      );
    }
    const { email, accounts = [] } = parseJson(output) as {
      email?: string;
      accounts?: { id: string; name: string }[];
    };
    const chosen = process.env["CLOUDFLARE_ACCOUNT_ID"];
    if (accounts.length > 1 && chosen === undefined) {
      const names = accounts.map(({ id, name }) => `${name} (${id})`).join(", ");
      throw new CommandError(
        `the log-in is good for several accounts: set CLOUDFLARE_ACCOUNT_ID to one of ${names}`,
      );
    }
    const account = accounts.find(({ id }) => id === chosen) ?? accounts[0];
    return [email, account?.name].filter((name) => name !== undefined).join(", ");
  }

  async hasBucket(): Promise<boolean> {
    const args = ["r2", "bucket", "info", this.#bucket, "--json", ...this.#jurisdiction("-J")];
    return this.#isDone(args, (codes) => codes.includes(noBucket));
  }

  async createBucket(): Promise<void> {
    await this.#wrangler.run(["r2", "bucket", "create", this.#bucket, ...this.#jurisdiction("-J")]);
  }

  /** False where R2 keeps the bucket, as there is something in it. */
  async deleteBucket(): Promise<boolean> {
    const args = ["r2", "bucket", "delete", this.#bucket, ...this.#jurisdiction("-J")];
    return this.#isDone(args, (codes) => codes.includes(bucketNotEmpty));
  }

  async lifecycleRules(): Promise<readonly LifecycleRule[]> {
    const jurisdiction = this.#jurisdiction("-J");
    return parseLifecycleRules(
      await this.#wrangler.run([
        "r2",
        "bucket",
        "lifecycle",
        "list",
        this.#bucket,
        ...jurisdiction,
      ]),
    );
  }

  /** Adds the rule that ends multipart uploads that nobody goes on with. @param days of their age */
  async addAbortRule(name: string, days: number): Promise<void> {
    const rule = [this.#bucket, name, "--abort-multipart-days", String(days), "--force"];
    await this.#wrangler.run([
      "r2",
      "bucket",
      "lifecycle",
      "add",
      ...rule,
      ...this.#jurisdiction("-J"),
    ]);
  }

  async namespaces(): Promise<readonly Namespace[]> {
    const list = async () =>
      parseJson(await this.#wrangler.run(["kv", "namespace", "list"])) as Namespace[];
    this.#namespaces ??= await list();
    return this.#namespaces;
  }

  async createNamespace(title: string): Promise<void> {
    this.#namespaces = undefined;
    const jurisdiction = this.#jurisdiction("--jurisdiction");
    await this.#wrangler.run(["kv", "namespace", "create", title, ...jurisdiction]);
  }

  async deleteNamespace(id: string): Promise<void> {
    this.#namespaces = undefined;
    const args = ["--namespace-id", id, "--skip-confirmation"];
    await this.#wrangler.run(["kv", "namespace", "delete", ...args]);
  }

  /** The names of the Worker's secrets; none where there is no Worker. */
  async secretNames(): Promise<readonly string[]> {
    try {
      const output = await this.#wrangler.run(["secret", "list", ...this.#env]);
      return (parseJson(output) as { name: string }[]).map(({ name }) => name);
    } catch (error) {
      if (isNoWorker(error)) return [];
      throw error;
    }
  }

  /** Puts secrets; a Worker that is not there is made, empty. The values go by standard input. */
  async putSecrets(secrets: Readonly<Record<string, string>>): Promise<void> {
    await this.#wrangler.run(["secret", "bulk", ...this.#env], JSON.stringify(secrets));
  }

  /**
   * A name for what would be deployed now: of the bundle and of the configuration. At most 25
   * characters, as Cloudflare wants of a version's tag.
   */
  async deploymentTag(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), "longshore-bundle-"));
    try {
      await this.#wrangler.run(["deploy", "--dry-run", `--outdir=${folder}`, ...this.#env]);
      const hash = createHash("sha256").update(JSON.stringify(this.#configuration.deployed));
      const files = (await readdir(folder)).filter((name) => /\.(?:js|wasm)$/.test(name));
      for (const name of files.toSorted()) hash.update(await readFile(join(folder, name)));
      return `longshore-${hash.digest("hex").slice(0, 12)}`;
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  /** The tags of the versions that are served now; undefined where nothing is deployed. */
  async servedTags(): Promise<readonly (string | undefined)[] | undefined> {
    try {
      const status = parseJson(
        await this.#wrangler.run(["deployments", "status", "--json", ...this.#env]),
      ) as { versions: { version_id: string }[] };
      const versions = parseJson(
        await this.#wrangler.run(["versions", "list", "--json", ...this.#env]),
      ) as { id: string; annotations?: Record<string, string> }[];
      return status.versions.map(
        ({ version_id }) =>
          versions.find(({ id }) => id === version_id)?.annotations?.["workers/tag"],
      );
    } catch (error) {
      if (isNoWorker(error)) return undefined;
      throw error;
    }
  }

  /** Deploys under a tag. @returns the URL of the registry */
  async deploy(tag: string): Promise<string | undefined> {
    const targets = await this.#wrangler.deploy(["--no-x-provision", "--tag", tag, ...this.#env]);
    const [target] = targets.filter((text) => /^https?:/.test(text));
    return target;
  }

  async deleteWorker(): Promise<boolean> {
    return this.#isDone(["delete", "--force", ...this.#env], isNoWorkerCode);
  }

  get #bucket(): string {
    const { bucket, environment } = this.#configuration;
    if (bucket !== undefined) return bucket;
    throw new CommandError(
      `[env.${environment}] of wrangler.toml has no bucket_name for the binding BLOBS: give it one`,
    );
  }

  get #env(): readonly string[] {
    return ["--env", this.#configuration.environment];
  }

  #jurisdiction(option: string): readonly string[] {
    const { jurisdiction } = this.#configuration;
    return jurisdiction === undefined ? [] : [option, jurisdiction];
  }

  /** False for a failure that the codes of the API stand for. */
  async #isDone(
    args: readonly string[],
    isRefused: (codes: readonly number[]) => boolean,
  ): Promise<boolean> {
    try {
      await this.#wrangler.run(args);
      return true;
    } catch (error) {
      if (error instanceof WranglerError && isRefused(error.apiCodes)) return false;
      throw error;
    }
  }
}

function isNoWorkerCode(codes: readonly number[]): boolean {
  return codes.some((code) => noWorker.includes(code));
}

/** `secret list` says so in words of its own, other commands hand the API's code on. */
function isNoWorker(error: unknown): boolean {
  if (!(error instanceof WranglerError)) return false;
  return isNoWorkerCode(error.apiCodes) || /Worker "[^"]*".* not found/.test(error.told);
}

/** Wrangler may write warnings in front of its JSON. @throws CommandError */
function parseJson(output: string): unknown {
  const start = output.search(/^[[{]/m);
  try {
    return JSON.parse(output.slice(Math.max(start, 0)));
  } catch {
    throw new CommandError(
      "wrangler answered something else than JSON: use the version of package-lock.json (npm ci)",
    );
  }
}
