import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Command, InvalidArgumentError } from "commander";
import { jurisdictions, parseJurisdiction } from "../schemas/jurisdiction.ts";
import { isUserName } from "../schemas/user.ts";
import { CloudflareAccount } from "./cloudflare-account.ts";
import { givenCredentials, storedCredentials } from "./credentials.ts";
import { CommandError } from "./exit-codes.ts";
import { type Output, processOutput } from "./output.ts";
import { readyProblem } from "./ready.ts";
import { deploymentStep, knownUrl } from "./setup-deployment.ts";
import { bucketStep, lifecycleStep, namespaceStep, placementStep } from "./setup-resources.ts";
import { secretsStep } from "./setup-secrets.ts";
import type { SetupState, SetupStep } from "./setup-step.ts";
import { runSmoke, stepLine } from "./smoke.ts";
import type { SmokeStep } from "./smoke-test.ts";
import { namespaceBindings, WranglerConfiguration } from "./wrangler-configuration.ts";

interface SetupOptions {
  readonly env: string;
  readonly domain?: string;
  readonly jurisdiction?: string;
  readonly username: string;
  readonly url?: string;
  readonly directory: string;
  readonly dryRun?: boolean;
  readonly smoke: boolean;
  readonly json?: boolean;
}

/** What is told of a step in the result. */
interface StepReport {
  readonly state: "right" | "done" | "planned";
  readonly text: string;
}

/** A new domain has a certificate after a minute or two. */
const readyMsMax = 180_000;
const readyPollMs = 2000;

const examples = `
Examples:
  npx longshore setup --env staging
  npx longshore setup --env production --domain registry.example.com
  npx longshore setup --env production --jurisdiction eu --dry-run

It needs npx wrangler login (or CLOUDFLARE_API_TOKEN) and Workers Paid. Run again it changes nothing
that is right. The first user's password is shown once. A later run takes LONGSHORE_USERNAME and
LONGSHORE_PASSWORD, or docker login's user, for the smoke test at the end.`;

/** `longshore setup --env NAME`: from a clone to a running registry. */
export function setupCommand(): Command {
  return new Command("setup")
    .description("Makes what an environment of wrangler.toml needs at Cloudflare, and deploys it.")
    .requiredOption("--env <name>", "the environment of wrangler.toml")
    .option("--domain <host>", "serve it at this host of a zone of the account", parseHost)
    .option("--jurisdiction <name>", "keep all data there (eu); can't be changed later", parsePlace)
    .option("--username <name>", "the first user", parseUserName, "admin")
    .option("--url <url>", "the registry's address, where it is not known from the deployment")
    .option("--directory <path>", "the clone", ".")
    .option("--dry-run", "show what would be done, and change nothing")
    .option("--no-smoke", "leave the smoke test at the end out")
    .option("--json", "print the result, with the first user's password, as JSON")
    .addHelpText("after", examples)
    .action(setup);
}

async function setup(options: SetupOptions): Promise<void> {
  const output = processOutput(options.json ?? false);
  const configuration = await WranglerConfiguration.read(options.directory, options.env);
  const account = new CloudflareAccount(configuration);
  output.line(`account: ${await account.whoami()}`);
  const domain = options.domain ?? configuration.domain;
  const url = options.url ?? (domain === undefined ? undefined : `https://${domain}`);
  const state: SetupState = {
    configuration,
    account,
    isDryRun: options.dryRun ?? false,
    hasChanged: false,
    url,
    isUrlGiven: url !== undefined,
    newUser: undefined,
  };
  state.url ??= await knownUrl(configuration);
  const reports: StepReport[] = [];
  const smokeSteps: SmokeStep[] = [];
  const result = (status: string, reason?: string) => ({
    status,
    environment: options.env,
    url: state.url,
    username: state.newUser?.username,
    password: state.newUser?.password,
    reason,
    steps: reports,
    smoke: smokeSteps,
  });
  try {
    for (const step of stepsOf(options)) reports.push(await take(step, state, output));
    if (!state.isDryRun && options.smoke) await finish(state, smokeSteps, output);
  } catch (error) {
    if (error instanceof CommandError) output.result(result("failed", error.message));
    throw error;
  }
  output.result(result(state.isDryRun ? "planned" : "done"));
}

function stepsOf({ domain, jurisdiction, username }: SetupOptions): readonly SetupStep[] {
  return [
    placementStep({ domain, jurisdiction }),
    bucketStep,
    ...namespaceBindings.map(namespaceStep),
    secretsStep(username),
    lifecycleStep,
    deploymentStep(),
  ];
}

/** Shows a step, and takes it unless all is right. */
async function take(step: SetupStep, state: SetupState, output: Output): Promise<StepReport> {
  const plan = await step.plan(state);
  if (plan === undefined) {
    const text = step.right(state);
    output.line(`  right  ${text}`);
    return { state: "right", text };
  }
  state.hasChanged = true;
  output.line(`  ${state.isDryRun ? "would" : "now  "}  ${plan}`);
  if (state.isDryRun) return { state: "planned", text: plan };
  const userBefore = state.newUser;
  await step.apply(state);
  if (state.newUser !== userBefore) tellUser(state, output);
  return { state: "done", text: plan };
}

/** Once, and never to standard output, which may be kept in a log. */
function tellUser({ newUser }: SetupState, output: Output): void {
  if (newUser === undefined || output.isJson) return;
  output.progress(`         user ${newUser.username}, password ${newUser.password}`);
  output.progress("         It is shown this once, and kept as a hash: write it down.");
}

async function finish(state: SetupState, steps: SmokeStep[], output: Output): Promise<void> {
  const { url } = state;
  if (url === undefined) {
    throw new CommandError(
      "it is deployed, and its address is not known from here: give it by --url https://… to have " +
        "it tested, or set workers_dev = true or --domain",
    );
  }
  await waitUntilReady(url, state.hasChanged, output);
  const host = new URL(url).host;
  const credentials = state.newUser ?? givenCredentials({}) ?? (await storedCredentials([host]));
  if (credentials === undefined) {
    output.line(`  right  ${url} is ready`);
    output.line(
      `  left   the smoke test, for want of a user: npx longshore smoke ${url} --username …`,
    );
    return;
  }
  output.line(`  now    smoke-test ${url}`);
  const repository = `smoke-tests/${randomBytes(4).toString("hex")}`;
  await runSmoke(
    url,
    async () => credentials,
    repository,
    (step) => {
      steps.push(step);
      output.line(stepLine(step));
    },
  );
  output.line(`${url} works: docker login ${host}`);
}

/** Waits for `/readyz`; where nothing was changed there is nothing to wait for. */
async function waitUntilReady(url: string, hasChanged: boolean, output: Output): Promise<void> {
  const deadline = Date.now() + (hasChanged ? readyMsMax : 0);
  for (let tries = 0; ; tries += 1) {
    const problem = await readyProblem(url);
    if (problem === undefined) return;
    if (Date.now() >= deadline) {
      throw new CommandError(
        `${url}/readyz: ${problem}. Ask it again later by npx longshore doctor`,
      );
    }
    if (tries === 0) output.progress(`  wait   for ${url}/readyz (${problem})`);
    await sleep(readyPollMs);
  }
}

function parseHost(text: string): string {
  if (/^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$/.test(text)) return text;
  throw new InvalidArgumentError("It is the name of a host, such as registry.example.com.");
}

function parsePlace(text: string): string {
  const place = parseJurisdiction(text);
  if (place !== undefined) return place;
  throw new InvalidArgumentError(`Allowed are ${jurisdictions.join(", ")}.`);
}

function parseUserName(text: string): string {
  if (isUserName(text)) return text;
  throw new InvalidArgumentError("A name has no colon and no space, and is not anonymous.");
}
