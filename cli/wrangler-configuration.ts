import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse, patch } from "@decimalturn/toml-patch";
import { jurisdictionVariable } from "../schemas/jurisdiction.ts";
import { CommandError } from "./exit-codes.ts";

/** The bindings of KV namespaces that the registry has. */
export const namespaceBindings = ["MANIFESTS", "TAGS"] as const;
export type NamespaceBinding = (typeof namespaceBindings)[number];

const bucketBinding = "BLOBS";

interface Route {
  pattern: string;
  custom_domain?: boolean;
}

/** What of wrangler.toml a deployment reads or writes; what else is there stays as it is. */
interface EnvironmentTable {
  name?: string;
  workers_dev?: boolean;
  routes?: (Route | string)[];
  vars?: Record<string, unknown>;
  r2_buckets?: { binding: string; bucket_name?: string; jurisdiction?: string }[];
  kv_namespaces?: { binding: string; id?: string }[];
  durable_objects?: { bindings?: { name: string }[] };
}

interface WranglerTable extends EnvironmentTable {
  env?: Record<string, EnvironmentTable>;
}

/** One environment of wrangler.toml, read once and written as it was changed, with its comments. */
export class WranglerConfiguration {
  readonly environment: string;
  readonly folder: string;
  readonly #path: string;
  #text: string;
  readonly #table: WranglerTable;
  readonly #own: EnvironmentTable;

  private constructor(folder: string, text: string, environment: string) {
    this.environment = environment;
    this.folder = folder;
    this.#path = join(folder, "wrangler.toml");
    this.#text = text;
    this.#table = parse(text) as WranglerTable;
    const environments = this.#table.env ?? {};
    const own = Object.hasOwn(environments, environment) ? environments[environment] : undefined;
    if (own === undefined) {
      const known = Object.keys(environments).join(", ");
      throw new CommandError(
        `${this.#path} has no environment "${environment}": choose one of ${known}, or copy the ` +
          `tables of [env.staging] to [env.${environment}] with names of their own`,
      );
    }
    this.#own = own;
  }

  /** @param folder of wrangler.toml @throws CommandError if it is not there, or wrong */
  static async read(folder: string, environment: string): Promise<WranglerConfiguration> {
    const path = join(folder, "wrangler.toml");
    let text: string;
    try {
      text = await readFile(path, "utf8");
    } catch {
      throw new CommandError(`${path} can't be read: run this in a clone of the registry`);
    }
    try {
      return new WranglerConfiguration(folder, text, environment);
    } catch (error) {
      if (error instanceof CommandError) throw error;
      throw new CommandError(`${path} is no TOML: ${(error as Error).message}`);
    }
  }

  /** The name of the environment's Worker. */
  get worker(): string {
    return this.#own.name ?? `${this.#table.name ?? "longshore"}-${this.environment}`;
  }

  /** The name of the environment's bucket; undefined where the binding is missing. */
  get bucket(): string | undefined {
    return this.#bucketTable?.bucket_name;
  }

  get jurisdiction(): string | undefined {
    return this.#bucketTable?.jurisdiction;
  }

  /** Where the objects are kept, as the Worker is told. */
  get objectsJurisdiction(): string | undefined {
    const value = this.#own.vars?.[jurisdictionVariable];
    return value === undefined ? undefined : JSON.stringify(value).replaceAll('"', "");
  }

  /** The host that clients see, where one of the routes is a custom domain. */
  get domain(): string | undefined {
    return (this.#own.routes ?? [])
      .filter((route) => typeof route === "object")
      .find((route) => route.custom_domain)?.pattern;
  }

  /** The names of the environment's variables (`vars`): no secrets are among them. */
  get variables(): readonly string[] {
    return Object.keys(this.#own.vars ?? {});
  }

  /** The name of each binding of the top level that the environment does not have. */
  get missingBindings(): readonly string[] {
    const own = bindingNames(this.#own);
    return bindingNames(this.#table).filter((name) => !own.includes(name));
  }

  /** What is deployed besides the code: all but the other environments. */
  get deployed(): object {
    return { ...this.#table, env: this.#own };
  }

  namespaceId(binding: NamespaceBinding): string | undefined {
    return this.#namespaceTable(binding)?.id;
  }

  /** The title that the namespace has in the account: as wrangler would name it. */
  namespaceTitle(binding: NamespaceBinding): string {
    return `${this.worker}-${binding.toLowerCase()}`;
  }

  /** Names and ids that another environment has too: nothing that this one may touch. */
  get sharedResources(): readonly string[] {
    const { env, ...top } = this.#table;
    const others = Object.entries(env ?? {}).flatMap(([name, table]) =>
      name === this.environment ? [] : [table],
    );
    const theirs = new Set([top, ...others].flatMap(resourceNames));
    return resourceNames(this.#own).filter((name) => theirs.has(name));
  }

  setNamespaceId(binding: NamespaceBinding, id: string | undefined): void {
    const table = this.#namespaceTable(binding);
    if (table === undefined) throw missingBinding(this.environment, binding);
    if (id === undefined) delete table.id;
    else table.id = id;
  }

  /** Where bucket, namespaces and objects are kept; undefined: anywhere. */
  setJurisdiction(jurisdiction: string | undefined): void {
    const table = this.#bucketTable;
    if (table === undefined) throw missingBinding(this.environment, bucketBinding);
    if (jurisdiction === undefined) {
      delete table.jurisdiction;
      delete this.#own.vars?.[jurisdictionVariable];
      return;
    }
    table.jurisdiction = jurisdiction;
    this.#own.vars = { ...this.#own.vars, [jurisdictionVariable]: jurisdiction };
  }

  /** Adds a custom domain in the place of one that is there; other routes stay. */
  setDomain(host: string): void {
    const others = (this.#own.routes ?? []).filter(
      (route) => typeof route === "string" || !route.custom_domain,
    );
    this.#own.routes = [{ pattern: host, custom_domain: true }, ...others];
  }

  /** Writes what was changed; true if something was. */
  async write(): Promise<boolean> {
    const text = patch(this.#text, this.#table);
    if (text === this.#text) return false;
    await writeFile(this.#path, text);
    this.#text = text;
    return true;
  }

  get #bucketTable() {
    return this.#own.r2_buckets?.find(({ binding }) => binding === bucketBinding);
  }

  #namespaceTable(name: NamespaceBinding) {
    return this.#own.kv_namespaces?.find(({ binding }) => binding === name);
  }
}

function missingBinding(environment: string, binding: string): CommandError {
  return new CommandError(
    `[env.${environment}] of wrangler.toml has no binding ${binding}: copy it from [env.staging]`,
  );
}

/** Every array of an environment whose tables are bindings, by their `binding` or `name`. */
function bindingNames(table: EnvironmentTable): string[] {
  const arrays = Object.values({ ...table, objects: table.durable_objects?.bindings });
  return arrays.flatMap((value) => (Array.isArray(value) ? value.flatMap(bindingName) : []));
}

function bindingName(entry: unknown): string[] {
  if (typeof entry !== "object" || entry === null) return [];
  if ("binding" in entry && typeof entry.binding === "string") return [entry.binding];
  return "name" in entry && typeof entry.name === "string" ? [entry.name] : [];
}

function resourceNames(table: EnvironmentTable): string[] {
  const names = [
    table.name,
    ...(table.r2_buckets ?? []).map(({ bucket_name }) => bucket_name),
    ...(table.kv_namespaces ?? []).map(({ id }) => id),
  ];
  return names.filter((name) => name !== undefined);
}
