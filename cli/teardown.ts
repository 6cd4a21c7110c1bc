import { stdin, stderr } from "node:process";
import { createInterface } from "node:readline/promises";
import { Command } from "commander";
import { CloudflareAccount } from "./cloudflare-account.ts";
import { credentialsFor } from "./credentials.ts";
import { CommandError } from "./exit-codes.ts";
import { type Output, processOutput } from "./output.ts";
import { RegistryClient } from "./registry-client.ts";
import { RegistryData } from "./registry-data.ts";
import { forgetUrl, knownUrl } from "./setup-deployment.ts";
import { namespaceBindings, WranglerConfiguration } from "./wrangler-configuration.ts";

interface TeardownOptions {
  readonly env: string;
  readonly confirm?: string;
  readonly withData?: boolean;
  readonly url?: string;
  readonly username?: string;
  readonly passwordStdin?: boolean;
  readonly directory: string;
  readonly json?: boolean;
}

const examples = `
Examples:
  npx longshore teardown --env staging
  npx longshore teardown --env staging --confirm staging --with-data

It deletes the environment's bucket, KV namespaces and Worker with its secrets, and takes their ids
out of wrangler.toml. While the registry has images it refuses, unless --with-data says to delete
them. It asks the registry as an administrator: LONGSHORE_USERNAME and LONGSHORE_PASSWORD, or the
user of docker login. Cut off, it can be run again.`;

/** `longshore teardown --env NAME`: undoes setup. */
export function teardownCommand(): Command {
  return new Command("teardown")
    .description("Deletes what setup made for one environment, and nothing else.")
    .requiredOption("--env <name>", "the environment of wrangler.toml")
    .option(
      "--confirm <name>",
      "the environment's name once more, where nobody can be asked for it",
    )
    .option("--with-data", "delete the images too")
    .option("--url <url>", "the registry's address, where it is not known from the deployment")
    .option("--username <name>", "an administrator, else LONGSHORE_USERNAME or docker login's user")
    .option("--password-stdin", "read the password from standard input, else LONGSHORE_PASSWORD")
    .option("--directory <path>", "the clone", ".")
    .option("--json", "print the result as JSON")
    .addHelpText("after", examples)
    .action(teardown);
}

async function teardown(options: TeardownOptions): Promise<void> {
  const output = processOutput(options.json ?? false);
  const configuration = await WranglerConfiguration.read(options.directory, options.env);
  refuseShared(configuration);
  const account = new CloudflareAccount(configuration);
  output.line(`account: ${await account.whoami()}`);
  await confirm(configuration, options.confirm);
  const hasBucket = await account.hasBucket();
  if (hasBucket) await empty(configuration, account, options, output);
  const deleted: string[] = [];
  const done = (what: string) => {
    deleted.push(what);
    output.line(`  deleted  ${what}`);
  };
  // R2 refuses to delete what has objects, so it is asked before anything is beyond return.
  if (hasBucket) {
    await deleteBucket(account, configuration);
    done(`the R2 bucket ${configuration.bucket}`);
  }
  const worker = `the Worker ${configuration.worker}, its objects and secrets`;
  if (await account.deleteWorker()) done(worker);
  await deleteNamespaces(configuration, account, done);
  await forgetUrl(configuration);
  output.result({ status: "done", environment: options.env, deleted });
  output.line(deleted.length === 0 ? "nothing was there" : `${options.env} is gone`);
}

/** What two environments share is not this one's to delete. */
function refuseShared({ environment, sharedResources }: WranglerConfiguration): void {
  if (sharedResources.length === 0) return;
  throw new CommandError(
    `another environment of wrangler.toml has ${sharedResources.join(", ")} too: ` +
      `give ${environment} names of its own first`,
  );
}

async function confirm(
  { environment, worker, bucket }: WranglerConfiguration,
  given: string | undefined,
): Promise<void> {
  if (given === environment) return;
  if (given !== undefined) {
    throw new CommandError(`--confirm says "${given}", and the environment is "${environment}"`);
  }
  if (!stdin.isTTY) {
    throw new CommandError(`nobody can be asked here: say --confirm ${environment}`);
  }
  const terminal = createInterface({ input: stdin, output: stderr });
  const question = `This deletes ${worker} with ${bucket}. Type the environment's name: `;
  const answer = await terminal.question(question);
  terminal.close();
  if (answer !== environment) throw new CommandError("that is not its name: nothing was deleted");
}

/** Has the registry empty its bucket, unless it has images that nobody said to delete. */
async function empty(
  configuration: WranglerConfiguration,
  account: CloudflareAccount,
  options: TeardownOptions,
  output: Output,
): Promise<void> {
  const served = await account.servedTags();
  // A setup that was cut off has made a bucket, and nothing that could have written to it.
  if (served === undefined) return;
  const url = options.url ?? (await knownUrl(configuration));
  const isDeployed = served.some((tag) => tag !== undefined);
  if (url === undefined) {
    // One that has its secrets alone has no address either; R2 keeps a bucket that has objects.
    if (!isDeployed) return;
    throw new CommandError(
      "whether the registry has images is asked of itself, and its address is not known here: " +
        "give it by --url https://…",
    );
  }
  const credentials = await credentialsFor(new URL(url).host, options);
  const client = new RegistryClient(url, { credentials, tries: 3 });
  try {
    const data = new RegistryData(client);
    const images = await data.images();
    if (images > 0 && !options.withData) {
      throw new CommandError(
        `${url} has ${images} images: add --with-data to delete them, or copy them elsewhere first`,
      );
    }
    if (options.withData) {
      await data.empty((objects) => output.progress(`  deleted  ${objects} objects of the bucket`));
    } else {
      await data.collect();
    }
  } finally {
    await client.close();
  }
}

async function deleteBucket(
  account: CloudflareAccount,
  { bucket }: WranglerConfiguration,
): Promise<void> {
  if (await account.deleteBucket()) return;
  throw new CommandError(
    `${bucket} still has objects, so nothing was deleted: add --with-data to delete all of them, ` +
      "or wait for pushes that are under way",
  );
}

async function deleteNamespaces(
  configuration: WranglerConfiguration,
  account: CloudflareAccount,
  done: (what: string) => void,
): Promise<void> {
  const namespaces = await account.namespaces();
  for (const binding of namespaceBindings) {
    const id = configuration.namespaceId(binding);
    // A setup that was cut off may have made one without writing its id.
    const title = configuration.namespaceTitle(binding);
    const found = namespaces.find((namespace) =>
      id === undefined ? namespace.title === title : namespace.id === id,
    );
    if (found !== undefined) {
      await account.deleteNamespace(found.id);
      done(`the KV namespace ${found.title}`);
    }
    configuration.setNamespaceId(binding, undefined);
    await configuration.write();
  }
}
