#!/usr/bin/env node
/**
 * Stands in for wrangler 4.156: records each call and answers as wrangler does, out of an account
 * that is a file. What it writes was taken from wrangler itself, run against an API on loopback
 * (test/cli/real-wrangler.test.ts does so again), and from its source where that says more.
 */
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "smol-toml";
import type { StandInAccount } from "./stand-in-account.ts";

const folder = process.env["WRANGLER_STAND_IN"];
if (folder === undefined) throw new Error("WRANGLER_STAND_IN is not set");
const accountFile = join(folder, "account.json");
const account = JSON.parse(readFileSync(accountFile, "utf8")) as StandInAccount;
const args = process.argv.slice(2);
const input = readFileSync(0, "utf8");

interface EnvironmentTable {
  name: string;
  kv_namespaces: { binding: string; id?: string }[];
}

const say = (text: string) => void process.stdout.write(`${text}\n`);

/** As wrangler ends when it fails; the code is one of Cloudflare's API. */
function fail(message: string, detail = "", code?: number): never {
  const line = code === undefined ? detail : `${detail} [code: ${code}]`;
  process.stderr.write(
    `\n\u001b[31m✘ \u001b[41;31m[\u001b[41;97mERROR\u001b[41;31m]\u001b[0m \u001b[1m${message}\u001b[0m\n\n` +
      `  ${line}\n  \n  If you think this is a bug, please open an issue at: https://github.com/cloudflare/workers-sdk/issues/new/choose\n\n\n` +
      `🪵  Logs were written to "/home/somebody/.config/.wrangler/logs/wrangler.log"\n`,
  );
  process.exit(1);
}

function failedRequest(path: string, message: string, code: number): never {
  fail(`A request to the Cloudflare API (/accounts/acc/${path}) failed.`, message, code);
}

function option(...names: string[]): string | undefined {
  const at = args.findIndex((arg) => names.includes(arg));
  return at < 0 ? undefined : args[at + 1];
}

function environmentTable(): EnvironmentTable {
  const table = parse(readFileSync("wrangler.toml", "utf8")) as unknown as {
    env: Record<string, EnvironmentTable>;
  };
  const found = table.env[option("--env") ?? ""];
  return found ?? fail(`No environment found in configuration with name "${option("--env")}".`);
}

function bucketNamed(name: string) {
  const bucket = account.buckets[name];
  const isThere = bucket !== undefined && bucket.jurisdiction === option("-J");
  return isThere
    ? bucket
    : failedRequest(`r2/buckets/${name}`, "The specified bucket does not exist.", 10_006);
}

function workerOf({ name }: EnvironmentTable) {
  const worker = account.workers[name];
  return (
    worker ??
    failedRequest(`workers/scripts/${name}`, "This Worker does not exist on your account.", 10_007)
  );
}

const commands: Record<string, () => void> = {
  "whoami --json": () => {
    if (!account.isLoggedIn) {
      say(JSON.stringify({ loggedIn: false }));
      process.exit(1);
    }
    const accounts = [{ id: "acc", name: "Acme" }];
    say(JSON.stringify({ loggedIn: true, email: "alice@example.com", accounts }, null, 4));
  },
  "r2 bucket info": () => {
    const name = args[3] ?? "";
    const { objects } = bucketNamed(name);
    say(JSON.stringify({ name, object_count: String(objects) }, null, 4));
  },
  "r2 bucket create": () => {
    const name = args[3] ?? "";
    if (account.buckets[name] !== undefined) {
      const message = "The bucket you tried to create already exists, and you own it.";
      failedRequest("r2/buckets", message, 10_004);
    }
    const jurisdiction = option("-J");
    account.buckets[name] = {
      ...(jurisdiction === undefined ? {} : { jurisdiction }),
      objects: 0,
      rules: [...account.rulesOfNewBuckets],
    };
    say(`Creating bucket '${name}'...`);
    say(`✅ Created bucket '${name}' with default storage class of Standard.`);
  },
  "r2 bucket delete": () => {
    const name = args[3] ?? "";
    if (bucketNamed(name).objects > 0) {
      const message = "The bucket you tried to delete is not empty.";
      failedRequest(`r2/buckets/${name}`, message, 10_008);
    }
    delete account.buckets[name];
    say(`Deleting bucket ${name}.\nDeleted bucket ${name}.`);
  },
  "r2 bucket lifecycle list": () => {
    const name = args[4] ?? "";
    const { rules } = bucketNamed(name);
    say(`Listing lifecycle rules for bucket '${name}'...`);
    if (rules.length === 0) say(`There are no lifecycle rules for bucket '${name}'.`);
    const blocks = rules.map((rule) => {
      const prefix = rule.prefix || "(all prefixes)";
      return `name:     ${rule.name}\nenabled:  ${rule.enabled ? "Yes" : "No"}\nprefix:   ${prefix}\naction:   ${rule.action}`;
    });
    if (blocks.length > 0) say(blocks.join("\n\n"));
  },
  "r2 bucket lifecycle add": () => {
    const [name = "", rule = ""] = args.slice(4);
    const action = `Abort incomplete multipart uploads after ${option("--abort-multipart-days")} days`;
    bucketNamed(name).rules.push({ name: rule, enabled: true, prefix: "", action });
    say(`Adding lifecycle rule '${rule}' to bucket '${name}'...`);
    say(`✨ Added lifecycle rule '${rule}' to bucket '${name}'.`);
  },
  "kv namespace list": () => say(JSON.stringify(account.namespaces, null, "  ")),
  "kv namespace create": () => {
    const title = args[3] ?? "";
    if (account.namespaces.some((namespace) => namespace.title === title)) {
      fail(`A KV namespace with the title "${title}" already exists.`);
    }
    const id = (account.namespacesMade += 1).toString(16).padStart(32, "0");
    account.namespaces.push({ id, title, supports_url_encoding: true });
    say(`Resource location: remote \n\n🌀 Creating namespace with title "${title}"\n✨ Success!`);
    say("To access your new KV Namespace in your Worker, add the following snippet …");
  },
  "kv namespace delete": () => {
    const id = option("--namespace-id");
    if (!args.includes("--skip-confirmation")) fail("Not deleting.");
    if (!account.namespaces.some((namespace) => namespace.id === id)) {
      failedRequest(`storage/kv/namespaces/${id}`, "namespace not found", 10_013);
    }
    account.namespaces = account.namespaces.filter((namespace) => namespace.id !== id);
    say(`Deleting KV namespace id: "${id}".\nDeleted KV namespace id: "${id}".`);
  },
  "secret list": () => {
    const { name } = environmentTable();
    const worker = account.workers[name];
    if (worker === undefined) {
      fail(`Worker "${name}" (env: ${option("--env")}) not found.`, "If this is a new Worker, …");
    }
    const secrets = Object.keys(worker.secrets);
    say(JSON.stringify(secrets.map((secret) => ({ name: secret, type: "secret_text" }))));
  },
  "secret bulk": () => {
    const { name } = environmentTable();
    say(`🌀 Processing the secrets for the Worker "${name}"`);
    const worker = (account.workers[name] ??= { secrets: {}, versions: [] });
    Object.assign(worker.secrets, JSON.parse(input));
    // Each change of secrets is a version of its own, without a tag.
    worker.versions.push({ id: `version-${worker.versions.length + 1}` });
    for (const secret of Object.keys(JSON.parse(input) as object)) {
      say(`✨ Successfully created secret for key: ${secret}`);
    }
  },
  "deploy --dry-run": () => {
    const outdir = args.find((arg) => arg.startsWith("--outdir="))?.slice("--outdir=".length);
    writeFileSync(join(outdir ?? fail("no outdir"), "registry.js"), account.code);
    say("--dry-run: exiting now.");
  },
  deploy: () => {
    const { name, kv_namespaces } = environmentTable();
    const unfilled = kv_namespaces.find(({ id }) => id === undefined);
    if (unfilled !== undefined) fail(`${unfilled.binding} bindings must have an "id" field`);
    const worker = (account.workers[name] ??= { secrets: {}, versions: [] });
    const id = `version-${worker.versions.length + 1}`;
    const tag = option("--tag");
    worker.versions.push({ id, ...(tag === undefined ? {} : { tag }) });
    const log = process.env["WRANGLER_OUTPUT_FILE_PATH"];
    const entries = [
      { type: "wrangler-session", version: 1, wrangler_version: "4.156.2" },
      { type: "deploy", version: 1, worker_name: name, version_id: id, targets: account.targets },
    ];
    const lines = entries.map((entry) => `${JSON.stringify(entry)}\n`);
    if (log !== undefined) appendFileSync(log, lines.join(""));
    say(`Uploaded ${name} (1.00 sec)\nDeployed ${name} triggers (1.00 sec)`);
    for (const target of account.targets) say(`  ${target}`);
    say(`Current Version ID: ${id}`);
  },
  "deployments status": () => {
    const { versions } = workerOf(environmentTable());
    const version_id = versions.at(-1)?.id;
    say(JSON.stringify({ id: "d", versions: [{ version_id, percentage: 100 }] }, null, 2));
  },
  "versions list": () => {
    const { versions } = workerOf(environmentTable());
    const entries = versions.map(({ id, tag }) => ({
      id,
      number: 1,
      annotations: tag === undefined ? {} : { "workers/tag": tag },
    }));
    say(JSON.stringify(entries, null, 2));
  },
  delete: () => {
    const { name } = environmentTable();
    if (account.workers[name] === undefined) {
      failedRequest(`workers/services/${name}`, "workers.api.error.service_not_found", 10_090);
    }
    delete account.workers[name];
    say(`Successfully deleted ${name}`);
  },
};

const line = args.join(" ");
const names = Object.keys(commands).toSorted((a, b) => b.length - a.length);
const name = names.find((start) => line === start || line.startsWith(`${start} `));
const secrets = input === "" ? [] : Object.keys(JSON.parse(input) as object);
appendFileSync(join(folder, "calls.ndjson"), `${JSON.stringify({ args, secrets })}\n`);
if (account.failingCommand !== undefined && line.startsWith(account.failingCommand)) {
  failedRequest("somewhere", account.failure, 10_000);
}
const command = commands[name ?? ""] ?? (() => fail(`Unknown arguments: ${line}`));
command();
writeFileSync(accountFile, JSON.stringify(account));
