import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CommandError } from "./exit-codes.ts";
import type { SetupStep } from "./setup-step.ts";
import { WranglerError } from "./wrangler.ts";
import type { WranglerConfiguration } from "./wrangler-configuration.ts";

/** Deploys the Worker, unless what is served was made of the same code and configuration. */
export function deploymentStep(): SetupStep {
  let tag: string | undefined;
  return {
    async plan({ account, configuration, hasChanged, isDryRun }) {
      const what = `deploy the Worker ${configuration.worker}`;
      // What a dry run left undone may be in what is deployed.
      if (hasChanged && isDryRun) return `${what}, if that changes it`;
      tag = await account.deploymentTag();
      const served = await account.servedTags();
      const isServed = served?.length === 1 && served[0] === tag;
      return isServed ? undefined : `${what} as ${tag}`;
    },
    async apply(state) {
      tag ??= await state.account.deploymentTag();
      try {
        const target = await state.account.deploy(tag);
        if (!state.isUrlGiven && target !== undefined) state.url = target;
      } catch (error) {
        throw withPlan(error);
      }
      if (state.url !== undefined) await rememberUrl(state.configuration, state.url);
    },
    right: ({ configuration }) => `the Worker ${configuration.worker} serves this code`,
  };
}

/** Cloudflare refuses `limits.cpu_ms` of a Worker on the Free plan. */
function withPlan(error: unknown): unknown {
  if (!(error instanceof WranglerError) || !/cpu|limits|free plan/i.test(error.told)) return error;
  return new CommandError(
    `${error.message}. Workers Paid is needed, for the CPU time of hashing: change the plan in the ` +
      "dashboard, under Workers & Pages, and run this again",
  );
}

/** The registry's address: its custom domain, else what its last deployment from here said. */
export async function knownUrl(configuration: WranglerConfiguration): Promise<string | undefined> {
  if (configuration.domain !== undefined) return `https://${configuration.domain}`;
  try {
    return (await readFile(urlFile(configuration), "utf8")).trim();
  } catch {
    return undefined;
  }
}

/** Forgets the address of a deployment that is gone. */
export async function forgetUrl(configuration: WranglerConfiguration): Promise<void> {
  await rm(urlFile(configuration), { force: true });
}

async function rememberUrl(configuration: WranglerConfiguration, url: string): Promise<void> {
  const path = urlFile(configuration);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `${url}\n`);
}

/** Beside what wrangler itself keeps of a clone; no command of wrangler tells the address again. */
function urlFile({ folder, environment }: WranglerConfiguration): string {
  return join(folder, ".wrangler", "longshore", `${environment}.url`);
}
