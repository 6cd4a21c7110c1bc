/** The steps of a setup that make what the Worker is bound to. */
import type { CloudflareAccount } from "./cloudflare-account.ts";
import { CommandError } from "./exit-codes.ts";
import { deletesObjects, endsUploads, type LifecycleRule } from "./lifecycle-rule.ts";
import type { SetupState, SetupStep } from "./setup-step.ts";
import {
  type NamespaceBinding,
  namespaceBindings,
  type WranglerConfiguration,
} from "./wrangler-configuration.ts";

/** Where the registry shall be, as the command's options say. */
export interface Placement {
  readonly domain: string | undefined;
  readonly jurisdiction: string | undefined;
}

/** R2 ends multipart uploads after seven days by itself; sessions live for six (README). */
const abortDays = 7;
const abortRuleName = "longshore-abort-uploads";

/** Domain and jurisdiction, in wrangler.toml. */
export function placementStep({ domain, jurisdiction }: Placement): SetupStep {
  const wanted = (configuration: WranglerConfiguration) => ({
    domain: domain !== configuration.domain ? domain : undefined,
    jurisdiction: jurisdiction !== configuration.jurisdiction ? jurisdiction : undefined,
  });
  return {
    async plan({ configuration, account }) {
      const { domain: newDomain, jurisdiction: newJurisdiction } = wanted(configuration);
      if (newJurisdiction !== undefined) await refuseMove(configuration, account, newJurisdiction);
      const changes = [
        ...(newDomain === undefined ? [] : [`the custom domain ${newDomain}`]),
        ...(newJurisdiction === undefined ? [] : [`the jurisdiction ${newJurisdiction}`]),
      ];
      return changes.length === 0 ? undefined : `write ${changes.join(" and ")} to wrangler.toml`;
    },
    async apply({ configuration }) {
      const { domain: newDomain, jurisdiction: newJurisdiction } = wanted(configuration);
      if (newDomain !== undefined) configuration.setDomain(newDomain);
      if (newJurisdiction !== undefined) configuration.setJurisdiction(newJurisdiction);
      await configuration.write();
    },
    right: ({ configuration }) =>
      `wrangler.toml has the environment ${configuration.environment} ` +
      `(${configuration.domain ?? "workers.dev"}, ` +
      `jurisdiction ${configuration.jurisdiction ?? "not limited"})`,
  };
}

/** What was stored once stays where it is. */
async function refuseMove(
  configuration: WranglerConfiguration,
  account: CloudflareAccount,
  jurisdiction: string,
): Promise<void> {
  const hasNamespace = namespaceBindings.some(
    (binding) => configuration.namespaceId(binding) !== undefined,
  );
  if (!hasNamespace && !(await account.hasBucket())) return;
  const { environment } = configuration;
  throw new CommandError(
    `what ${environment} has is stored already, and can't be moved to jurisdiction ${jurisdiction}: ` +
      `leave --jurisdiction out, or run npx longshore teardown --env ${environment} first`,
  );
}

/** The R2 bucket. */
export const bucketStep: SetupStep = {
  plan: async ({ account, configuration }) =>
    (await account.hasBucket()) ? undefined : `make the R2 bucket ${configuration.bucket}`,
  apply: ({ account }) => account.createBucket(),
  right: ({ configuration }) => `the R2 bucket ${configuration.bucket} is there`,
};

/** The KV namespace of one binding, and its id in wrangler.toml. */
export function namespaceStep(binding: NamespaceBinding): SetupStep {
  return {
    async plan({ account, configuration }) {
      const title = configuration.namespaceTitle(binding);
      const namespaces = await account.namespaces();
      const id = configuration.namespaceId(binding);
      if (id === undefined) {
        const isThere = namespaces.some((namespace) => namespace.title === title);
        return `${isThere ? "take" : "make"} the KV namespace ${title}, and write its id to wrangler.toml`;
      }
      if (namespaces.some((namespace) => namespace.id === id)) return undefined;
      throw new CommandError(
        `wrangler.toml names the KV namespace ${id} for ${binding}, which the account does not have: ` +
          "log in to the account that has it, or take the id out of wrangler.toml",
      );
    },
    async apply({ account, configuration }) {
      const title = configuration.namespaceTitle(binding);
      const idOf = async () =>
        (await account.namespaces()).find((namespace) => namespace.title === title)?.id;
      let id = await idOf();
      if (id === undefined) {
        await account.createNamespace(title);
        id = await idOf();
      }
      if (id === undefined) {
        throw new CommandError(
          `the KV namespace ${title} was made, and is not listed: run this again`,
        );
      }
      configuration.setNamespaceId(binding, id);
      await configuration.write();
    },
    right: ({ configuration }) =>
      `the KV namespace ${configuration.namespaceTitle(binding)} is there`,
  };
}

/** The lifecycle rule that ends abandoned multipart uploads. */
export const lifecycleStep: SetupStep = {
  async plan(state) {
    // A bucket that a dry run did not make has no rules to ask for.
    const rules = await rulesOf(state);
    const deleting = rules.find(deletesObjects);
    if (deleting !== undefined) {
      throw new CommandError(deletingRuleText(state.configuration, deleting));
    }
    if (rules.some(endsUploads)) return undefined;
    return `have R2 end multipart uploads after ${abortDays} days (lifecycle rule ${abortRuleName})`;
  },
  apply: ({ account }) => account.addAbortRule(abortRuleName, abortDays),
  right: () => "R2 ends abandoned multipart uploads",
};

async function rulesOf({ account, isDryRun }: SetupState): Promise<readonly LifecycleRule[]> {
  if (isDryRun && !(await account.hasBucket())) return [];
  return account.lifecycleRules();
}

/** What is wrong with a rule that deletes objects, and how to be rid of it. */
export function deletingRuleText(
  configuration: WranglerConfiguration,
  { name, action }: LifecycleRule,
): string {
  return (
    `the lifecycle rule "${name}" of ${configuration.bucket} (${action}) deletes blobs behind the ` +
    `registry's back: ${removeRuleCommand(configuration, name)}`
  );
}

/** The command that removes a lifecycle rule. */
export function removeRuleCommand(configuration: WranglerConfiguration, name: string): string {
  const { bucket, jurisdiction } = configuration;
  const where = jurisdiction === undefined ? "" : ` -J ${jurisdiction}`;
  return `npx wrangler r2 bucket lifecycle remove ${bucket} --name "${name}"${where}`;
}
