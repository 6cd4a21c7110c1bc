/** What of an environment can be looked at without the account. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Finding } from "./finding.ts";
import { namespaceBindings, type WranglerConfiguration } from "./wrangler-configuration.ts";

/** CPU time that a request may take at most, in milliseconds; hashing takes 1.3 s for each GiB. */
const cpuMsMin = 300_000;
/** Wrangler runs on these and later. */
const nodeMajorMin = 22;

/** Bindings, names and ids of wrangler.toml. */
export function configurationFindings(configuration: WranglerConfiguration): readonly Finding[] {
  const { environment, missingBindings } = configuration;
  const findings: Finding[] = missingBindings.map((name) => ({
    state: "wrong",
    text: `[env.${environment}] of wrangler.toml has no binding ${name}`,
    mend: `copy its table from the top of wrangler.toml to [[env.${environment}.…]]`,
  }));
  for (const name of configuration.sharedResources) {
    findings.push({
      state: "wrong",
      text: `${name} is also another environment's: what is deleted in one is gone in the other`,
      mend: `give ${environment} a name or id of its own in wrangler.toml`,
    });
  }
  for (const binding of namespaceBindings) {
    if (configuration.namespaceId(binding) !== undefined) continue;
    findings.push({
      state: "wrong",
      text: `the KV namespace ${binding} has no id in wrangler.toml`,
      mend: setupCommandOf(configuration),
    });
  }
  const { jurisdiction, objectsJurisdiction } = configuration;
  if (jurisdiction !== objectsJurisdiction) {
    findings.push({
      state: "wrong",
      text:
        `the bucket's jurisdiction is ${jurisdiction ?? "not limited"}, and REGISTRY_JURISDICTION, ` +
        `which says where the objects are, ${objectsJurisdiction ?? "not set"}`,
      mend: "write the same to both in wrangler.toml, as they were when the data was stored",
    });
  }
  if (findings.length > 0) return findings;
  return [{ state: "right", text: `wrangler.toml has all bindings of ${environment}` }];
}

/** What the plan and the zone limit. */
export function limitFindings(configuration: WranglerConfiguration): readonly Finding[] {
  const { limits } = configuration.deployed as { limits?: { cpu_ms?: number } };
  const cpuMs = limits?.cpu_ms ?? 0;
  const cpu: Finding =
    cpuMs >= cpuMsMin
      ? { state: "right", text: "a request may take 300 s of CPU (Workers Paid is needed for it)" }
      : {
          state: "wrong",
          text: `limits.cpu_ms is ${cpuMs || "not set"}: large layers end in the middle`,
          mend: `set cpu_ms = 300_000 under [limits] of wrangler.toml; Workers Paid is needed for it`,
        };
  if (configuration.variables.includes("REGISTRY_MAX_BODY")) {
    return [cpu, { state: "right", text: "clients are told how long a body may be" }];
  }
  const mend = `set REGISTRY_MAX_BODY = "100000000" under [env.${configuration.environment}.vars]`;
  return [
    cpu,
    {
      state: "warning",
      text: "REGISTRY_MAX_BODY is not set: the edge refuses bodies over 100 MB with a page of HTML",
      mend,
    },
  ];
}

/** The tools of the clone: of wrangler and workerd one copy each, of the version that is declared. */
export async function versionFindings({
  folder,
}: WranglerConfiguration): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const major = Number(process.versions.node.split(".")[0]);
  if (major < nodeMajorMin) {
    findings.push({
      state: "wrong",
      text: `this is Node ${process.versions.node}, and wrangler needs ${nodeMajorMin}`,
      mend: "npm ci, then npx longshore: the clone has a Node of its own",
    });
  }
  const declared = (await packageOf(folder)) ?? {};
  const wanted = { ...declared.dependencies, ...declared.devDependencies };
  for (const name of ["wrangler", "workerd"]) {
    const copies = await copiesOf(join(folder, "node_modules"), name);
    const isAsDeclared = copies.length === 1 && copies[0] === wanted[name];
    if (isAsDeclared) {
      findings.push({ state: "right", text: `${name} ${copies[0]} is there once` });
      continue;
    }
    findings.push({
      state: "wrong",
      text: `${name} is there as ${copies.join(" and ") || "nothing"}, declared is ${wanted[name] ?? "nothing"}`,
      mend: "npm ci",
    });
  }
  return findings;
}

/** The command that makes what is missing. */
export function setupCommandOf({ environment }: WranglerConfiguration): string {
  return `npx longshore setup --env ${environment}`;
}

interface Package {
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

async function packageOf(folder: string): Promise<Package | undefined> {
  try {
    return JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as Package;
  } catch {
    return undefined;
  }
}

/** The versions of a package in a node_modules, and in those of its packages. */
async function copiesOf(modules: string, name: string): Promise<string[]> {
  const own = await packageOf(join(modules, name));
  const packages = await readdir(modules).catch(() => []);
  const scoped = await Promise.all(
    packages
      .filter((entry) => entry.startsWith("@"))
      .map(async (scope) =>
        (await readdir(join(modules, scope))).map((entry) => join(scope, entry)),
      ),
  );
  const nested = await Promise.all(
    [...packages, ...scoped.flat()].map((entry) =>
      packageOf(join(modules, entry, "node_modules", name)),
    ),
  );
  return [own, ...nested].flatMap((found) => found?.version ?? []);
}
