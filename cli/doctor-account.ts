/** What of an environment is asked of the account, and of the registry itself. */
import type { CloudflareAccount } from "./cloudflare-account.ts";
import { setupCommandOf } from "./doctor-local.ts";
import type { Finding } from "./finding.ts";
import { deletesObjects, endsUploads } from "./lifecycle-rule.ts";
import { readyProblem } from "./ready.ts";
import { deletingRuleText, removeRuleCommand } from "./setup-resources.ts";
import { missingSecrets } from "./setup-secrets.ts";
import { namespaceBindings, type WranglerConfiguration } from "./wrangler-configuration.ts";

/** The bucket and its lifecycle rules. */
export async function bucketFindings(
  configuration: WranglerConfiguration,
  account: CloudflareAccount,
): Promise<readonly Finding[]> {
  const { bucket } = configuration;
  const mend = setupCommandOf(configuration);
  if (bucket === undefined || !(await account.hasBucket())) {
    return [{ state: "wrong", text: `the R2 bucket ${bucket ?? "BLOBS"} is not there`, mend }];
  }
  const rules = await account.lifecycleRules();
  const findings: Finding[] = [{ state: "right", text: `the R2 bucket ${bucket} is there` }];
  for (const rule of rules.filter(deletesObjects)) {
    const text = deletingRuleText(configuration, rule);
    findings.push({ state: "wrong", text, mend: removeRuleCommand(configuration, rule.name) });
  }
  if (rules.some(endsUploads)) {
    findings.push({ state: "right", text: "R2 ends abandoned multipart uploads" });
  } else {
    const text = "no lifecycle rule ends abandoned multipart uploads: they are kept, and billed";
    findings.push({ state: "warning", text, mend });
  }
  return findings;
}

/** Whether the account has the namespaces that wrangler.toml names. */
export async function namespaceFindings(
  configuration: WranglerConfiguration,
  account: CloudflareAccount,
): Promise<readonly Finding[]> {
  const namespaces = await account.namespaces();
  return namespaceBindings.flatMap((binding): Finding[] => {
    const id = configuration.namespaceId(binding);
    if (id === undefined) return [];
    if (namespaces.some((namespace) => namespace.id === id)) {
      return [{ state: "right", text: `the KV namespace of ${binding} is there` }];
    }
    const text = `the account has no KV namespace ${id}, which wrangler.toml names for ${binding}`;
    const mend = `log in to the account that has it, or take the id out and ${setupCommandOf(configuration)}`;
    return [{ state: "wrong", text, mend }];
  });
}

/** Whether somebody can come in. */
export async function secretFindings(
  configuration: WranglerConfiguration,
  account: CloudflareAccount,
): Promise<readonly Finding[]> {
  const { isKeyMissing, isUserMissing } = await missingSecrets({ account, configuration });
  const mend = setupCommandOf(configuration);
  const findings: Finding[] = [];
  if (isKeyMissing) {
    const text = "there is no key that signs tokens: REGISTRY_AUTH_TOKEN_PRIVATEKEY";
    findings.push({ state: "wrong", text, mend });
  }
  if (isUserMissing) {
    const text = "nobody can log in: there is neither REGISTRY_AUTH_HTPASSWD nor PASSWORD";
    findings.push({ state: "wrong", text, mend });
  }
  if (findings.length > 0) return findings;
  return [{ state: "right", text: "the key that signs tokens and who may come in are there" }];
}

/** Whether what is served is what the clone has. */
export async function deploymentFindings(
  configuration: WranglerConfiguration,
  account: CloudflareAccount,
): Promise<readonly Finding[]> {
  const { worker } = configuration;
  const mend = setupCommandOf(configuration);
  const served = await account.servedTags();
  if (served === undefined) {
    return [{ state: "wrong", text: `the Worker ${worker} is not deployed`, mend }];
  }
  const tag = await account.deploymentTag();
  if (served.length === 1 && served[0] === tag) {
    return [{ state: "right", text: `the Worker ${worker} serves this code` }];
  }
  const names = served.map((name) => name ?? "a version without tag").join(" and ");
  const text = `the Worker ${worker} serves ${names}, and this clone is ${tag}`;
  return [{ state: "warning", text, mend }];
}

/** What the registry says of itself. @param url undefined where it is not known */
export async function readyFindings(
  url: string | undefined,
  configuration: WranglerConfiguration,
): Promise<readonly Finding[]> {
  const doctor = `npx longshore doctor --env ${configuration.environment}`;
  if (url === undefined) {
    const text =
      "the registry's address is not known here, so it was not asked whether it is ready";
    return [{ state: "warning", text, mend: `${doctor} --url https://…` }];
  }
  const problem = await readyProblem(url);
  if (problem === undefined) return [{ state: "right", text: `${url} is ready` }];
  const mend = `mend what it names, wait for a new domain's certificate, then ${doctor}`;
  return [{ state: "wrong", text: `${url}/readyz: ${problem}`, mend }];
}
