import { randomBytes } from "node:crypto";
import { Command } from "commander";
import { type CredentialSource, credentialsFor } from "./credentials.ts";
import { processOutput } from "./output.ts";
import { RegistryClient } from "./registry-client.ts";
import { SmokeError, type SmokeStep, SmokeTest } from "./smoke-test.ts";

interface SmokeOptions {
  readonly username?: string;
  readonly passwordStdin?: boolean;
  readonly repository: string;
  readonly json?: boolean;
}

const examples = `
Examples:
  npx longshore smoke https://registry.example.com
  LONGSHORE_USERNAME=ci LONGSHORE_PASSWORD=… npx longshore smoke https://registry.example.com --json
  pass registry | npx longshore smoke https://registry.example.com --username alice --password-stdin

Without a user it takes the one of docker login. The user needs the rights to pull, push and delete
in smoke-tests/**, or in what --repository names. Exit code 1: the step that failed is named.`;

/** `longshore smoke URL`: whether a registry does what a registry does. */
export function smokeCommand(): Command {
  return new Command("smoke")
    .description(
      "Pushes, pulls, compares, lists and deletes a small image at a registry, and leaves nothing.",
    )
    .argument("<url>", "the registry, such as https://registry.example.com")
    .option("--username <name>", "the user, else LONGSHORE_USERNAME, else the one of docker login")
    .option("--password-stdin", "read the password from standard input, else LONGSHORE_PASSWORD")
    .option(
      "--repository <name>",
      "the name before that of the repository that is made for this",
      "smoke-tests",
    )
    .option("--json", "print the result as JSON")
    .addHelpText("after", examples)
    .action((url: string, options: SmokeOptions) => smoke(url, options));
}

async function smoke(url: string, options: SmokeOptions): Promise<void> {
  const output = processOutput(options.json ?? false);
  const credentials = await credentialsFor(URL.parse(url)?.host ?? "", options);
  const repository = `${options.repository}/${randomBytes(4).toString("hex")}`;
  const steps: SmokeStep[] = [];
  const onStep = (step: SmokeStep) => {
    steps.push(step);
    output.line(stepLine(step));
  };
  try {
    await runSmoke(url, credentials, repository, onStep);
  } catch (error) {
    const failed = error instanceof SmokeError ? { step: error.step, reason: error.message } : {};
    output.result({ status: "failed", url, repository, steps, failed });
    throw error;
  }
  output.result({ status: "done", url, repository, steps });
  output.line(`${url} works: ${total(steps)} ms`);
}

/** Runs a smoke test over a connection of its own. @throws SmokeError */
export async function runSmoke(
  url: string,
  credentials: CredentialSource,
  repository: string,
  onStep: (step: SmokeStep) => void,
): Promise<void> {
  const client = new RegistryClient(url, { credentials, tries: 3 });
  try {
    await new SmokeTest(client, repository, onStep).run();
  } finally {
    await client.close();
  }
}

/** A step with its time, for people. */
export function stepLine({ step, milliseconds }: SmokeStep): string {
  return `${String(milliseconds).padStart(6)} ms  ${step}`;
}

function total(steps: readonly SmokeStep[]): number {
  return steps.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
}
