import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { CommandError } from "./exit-codes.ts";

/** What proves to a registry who asks. */
export type Credentials =
  | { readonly kind: "password"; readonly username: string; readonly password: string }
  /** A refresh token that `docker login` was given; it is exchanged at the token service. */
  | { readonly kind: "identity"; readonly token: string };

/** Where credentials come from; asked when a registry wants some. Undefined: stay anonymous. */
export type CredentialSource = () => Promise<Credentials | undefined>;

/** What a command's options say: `--username`, and the password that came by standard input. */
export interface GivenCredentials {
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The user name by which credential helpers say that the secret is an identity token. */
const identityUsername = "<token>";

/**
 * The credentials of options, else of LONGSHORE_USERNAME and LONGSHORE_PASSWORD; undefined if
 * neither are there. @throws CommandError for half of a pair
 */
export function givenCredentials(
  given: GivenCredentials,
  environment: Environment = process.env,
): Credentials | undefined {
  const username = given.username ?? environment["LONGSHORE_USERNAME"];
  const password = given.password ?? environment["LONGSHORE_PASSWORD"];
  if (username === undefined && password === undefined) return undefined;
  if (username === undefined || password === undefined) {
    throw new CommandError(
      "a user name needs a password and the other way round: give --username with " +
        "--password-stdin, or set LONGSHORE_USERNAME and LONGSHORE_PASSWORD",
    );
  }
  return { kind: "password", username, password };
}

/** What standard input has, without the line's end: `--password-stdin`. @throws CommandError */
export async function passwordFromStdin(
  input: NodeJS.ReadableStream = process.stdin,
): Promise<string> {
  const password = (await text(input)).replace(/\r?\n$/, "");
  if (password !== "") return password;
  throw new CommandError("--password-stdin got nothing: pipe the password into the command");
}

/** The options by which commands are told a user. */
interface UserOptions {
  readonly username?: string;
  readonly passwordStdin?: boolean;
}

/** What --username and --password-stdin say, or the environment: see givenCredentials. @throws CommandError */
export async function optionCredentials({
  username,
  passwordStdin = false,
}: UserOptions): Promise<Credentials | undefined> {
  const password = passwordStdin ? await passwordFromStdin() : undefined;
  return givenCredentials({ username, password });
}

/** What the options say, else what `docker login` has stored for the host. @throws CommandError */
export async function credentialsFor(
  host: string,
  options: UserOptions,
): Promise<CredentialSource> {
  const given = await optionCredentials(options);
  return async () => given ?? storedCredentials([host]);
}

/**
 * The credentials that `docker login` has stored for one of the hosts (the first that has some):
 * `credHelpers`, `credsStore`, then `auths` of $DOCKER_CONFIG/config.json or ~/.docker/config.json.
 * Undefined if there are none. @throws CommandError for a file that can't be read, or a helper that
 * can't be run
 */
export async function storedCredentials(
  hosts: readonly string[],
  environment: Environment = process.env,
): Promise<Credentials | undefined> {
  const configuration = await dockerConfiguration(environment);
  for (const host of hosts) {
    const helper = configuration.credHelpers?.[host] ?? configuration.credsStore;
    const stored =
      helper === undefined || helper === ""
        ? undefined
        : await credentialsOfHelper(helper, host, environment);
    const found = stored ?? credentialsInFile(configuration.auths ?? {}, host);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * A source whose answer is kept for a while: somebody may log in, a helper's secret may be one that
 * ends.
 */
export function remembered(source: CredentialSource): CredentialSource {
  const foundMs = 60_000;
  const emptyMs = 10_000;
  let asked: ReturnType<CredentialSource> | undefined;
  let askedMs = 0;
  return async () => {
    if (asked !== undefined) {
      const found = await asked.catch(() => undefined);
      if (Date.now() - askedMs < (found === undefined ? emptyMs : foundMs)) return asked;
    }
    askedMs = Date.now();
    asked = source();
    return asked;
  };
}

interface StoredAuth {
  readonly auth?: string;
  readonly identitytoken?: string;
  readonly username?: string;
  readonly password?: string;
}

interface DockerConfiguration {
  readonly auths?: Readonly<Record<string, StoredAuth>>;
  readonly credsStore?: string;
  readonly credHelpers?: Readonly<Record<string, string>>;
}

async function dockerConfiguration(environment: Environment): Promise<DockerConfiguration> {
  const folder = environment["DOCKER_CONFIG"] ?? join(environment["HOME"] ?? homedir(), ".docker");
  const path = join(folder, "config.json");
  let json: string;
  try {
    json = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw new CommandError(`${path} can't be read: ${(error as Error).message}`);
  }
  try {
    return (JSON.parse(json) ?? {}) as DockerConfiguration;
  } catch {
    throw new CommandError(`${path} is not JSON: mend it, or log in again with docker login`);
  }
}

/** The host that a key of `auths` names, which old clients wrote as a URL. */
function hostOfKey(key: string): string {
  return key.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
}

function credentialsInFile(
  auths: Readonly<Record<string, StoredAuth>>,
  host: string,
): Credentials | undefined {
  const entry = auths[host] ?? Object.entries(auths).find(([key]) => hostOfKey(key) === host)?.[1];
  if (entry === undefined) return undefined;
  if (entry.identitytoken) return { kind: "identity", token: entry.identitytoken };
  const decoded = Buffer.from(entry.auth ?? "", "base64").toString();
  const colon = decoded.indexOf(":");
  const username = colon < 0 ? entry.username : decoded.slice(0, colon);
  const password = colon < 0 ? entry.password : decoded.slice(colon + 1).replace(/\0+$/, "");
  if (!username || password === undefined) return undefined;
  return { kind: "password", username, password };
}

/**
 * Asks `docker-credential-NAME get` (docker-credential-helpers: the server on standard input, JSON
 * with Username and Secret on standard output).
 */
async function credentialsOfHelper(
  name: string,
  host: string,
  environment: Environment,
): Promise<Credentials | undefined> {
  const program = `docker-credential-${name}`;
  const { code, output } = await run(program, host, environment);
  // Whatever its exit code is, this is how a helper says that it knows none.
  if (code !== 0 && /credentials not found|no credentials/i.test(output)) return undefined;
  if (code !== 0) {
    const said = output.trim().slice(0, 300);
    throw new CommandError(`${program} get failed for ${host}: ${said || `exit ${code}`}`);
  }
  try {
    const { Username, Secret } = JSON.parse(output) as Record<string, unknown>;
    if (typeof Username !== "string" || typeof Secret !== "string") throw new TypeError();
    if (Username === identityUsername) return { kind: "identity", token: Secret };
    return Secret === "" ? undefined : { kind: "password", username: Username, password: Secret };
  } catch {
    // What it said may hold a secret.
    throw new CommandError(
      `${program} get answered something else than JSON with Username, Secret`,
    );
  }
}

async function run(
  program: string,
  input: string,
  environment: Environment,
): Promise<{ code: number | null; output: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  const child = spawn(program, ["get"], {
    env: { ...environment },
    stdio: ["pipe", "pipe", "ignore"],
  });
  child.once("error", (error) => {
    const advice = "install it, or take it out of docker's config.json";
    reject(new CommandError(`${program} can't be run (${error.message}): ${advice}`));
  });
  child.once("close", resolve);
  // A helper that does not read is found by its exit code.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  const [code, output] = await Promise.all([promise, text(child.stdout)]);
  return { code, output };
}
