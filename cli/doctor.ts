import { Command } from "commander";
import { CloudflareAccount } from "./cloudflare-account.ts";
import {
  bucketFindings,
  deploymentFindings,
  namespaceFindings,
  readyFindings,
  secretFindings,
} from "./doctor-account.ts";
import { configurationFindings, limitFindings, versionFindings } from "./doctor-local.ts";
import { CommandError } from "./exit-codes.ts";
import { type Finding, findingLines } from "./finding.ts";
import { processOutput } from "./output.ts";
import { knownUrl } from "./setup-deployment.ts";
import { WranglerConfiguration } from "./wrangler-configuration.ts";

interface DoctorOptions {
  readonly env: string;
  readonly url?: string;
  readonly directory: string;
  readonly json?: boolean;
}

const examples = `
Examples:
  npx longshore doctor --env staging
  npx longshore doctor --env production --url https://registry.example.com --json

It changes nothing. Exit code 1: something is wrong; each finding has the command that mends it.`;

/** `longshore doctor --env NAME`: what is missing or wrong, and how it is mended. */
export function doctorCommand(): Command {
  return new Command("doctor")
    .description("Says what is missing or wrong in a deployment, with the command that mends it.")
    .requiredOption("--env <name>", "the environment of wrangler.toml")
    .option("--url <url>", "the registry's address, where it is not known from the deployment")
    .option("--directory <path>", "the clone", ".")
    .option("--json", "print the findings as JSON")
    .addHelpText("after", examples)
    .action(doctor);
}

async function doctor(options: DoctorOptions): Promise<void> {
  const output = processOutput(options.json ?? false);
  const configuration = await WranglerConfiguration.read(options.directory, options.env);
  const findings: Finding[] = [];
  const tell = (found: readonly Finding[]) => {
    for (const line of found.flatMap(findingLines)) output.line(line);
    findings.push(...found);
  };
  tell(configurationFindings(configuration));
  tell(limitFindings(configuration));
  tell(await versionFindings(configuration));
  const account = new CloudflareAccount(configuration);
  const isLoggedIn = await asked(tell, async () => [
    { state: "right", text: `logged in: ${await account.whoami()}` },
  ]);
  if (isLoggedIn) {
    await asked(tell, () => bucketFindings(configuration, account));
    await asked(tell, () => namespaceFindings(configuration, account));
    await asked(tell, () => secretFindings(configuration, account));
    await asked(tell, () => deploymentFindings(configuration, account));
  }
  tell(await readyFindings(options.url ?? (await knownUrl(configuration)), configuration));
  const wrong = findings.filter(({ state }) => state === "wrong").length;
  const status = wrong === 0 ? "right" : "wrong";
  output.result({ status, environment: options.env, findings });
  if (wrong > 0) throw new CommandError(`${wrong} of ${findings.length} findings are wrong`);
}

/** Has findings told; an error is one itself, so that the others are still looked for. */
async function asked(
  tell: (findings: readonly Finding[]) => void,
  find: () => Promise<readonly Finding[]>,
): Promise<boolean> {
  try {
    tell(await find());
    return true;
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    tell([{ state: "wrong", text: error.message, mend: "npx wrangler whoami tells more" }]);
    return false;
  }
}
