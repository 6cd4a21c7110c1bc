import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { stripVTControlCharacters } from "node:util";
import { CommandError } from "./exit-codes.ts";

/** A call of wrangler that ended with another exit code than 0. */
export class WranglerError extends CommandError {
  /** The codes of Cloudflare's API in what it said, such as 10006: no such bucket. */
  readonly apiCodes: readonly number[];
  /** What it said is wrong. */
  readonly told: string;

  constructor(args: readonly string[], told: string) {
    super(`wrangler ${args.join(" ")} failed: ${told}`);
    this.told = told;
    this.apiCodes = [...told.matchAll(/\[code: (\d+)\]/g)].map(([, code]) => Number(code));
  }
}

/**
 * The project's own wrangler, called as its users call it: in the folder of wrangler.toml, without
 * a terminal, so that it asks nothing. LONGSHORE_WRANGLER is the path of another program in its place.
 */
export class Wrangler {
  readonly #folder: string;
  readonly #program: string;

  /** @param folder of wrangler.toml and node_modules */
  constructor(folder: string, environment: NodeJS.ProcessEnv = process.env) {
    this.#folder = folder;
    this.#program = environment["LONGSHORE_WRANGLER"] ?? join(folder, "node_modules/.bin/wrangler");
  }

  /**
   * Runs it to its end.
   * @param input for its standard input: the only way by which a secret goes to it
   * @returns its standard output, without colours
   * @throws WranglerError when it fails; CommandError when it is not there
   */
  async run(args: readonly string[], input = ""): Promise<string> {
    return this.#run(args, input, {});
  }

  /**
   * Deploys. @returns the addresses that it deployed to, as wrangler's own log of a deployment
   * (WRANGLER_OUTPUT_FILE_PATH: lines of JSON) names them: `https://…` or a host
   */
  async deploy(args: readonly string[]): Promise<readonly string[]> {
    const folder = await mkdtemp(join(tmpdir(), "longshore-deploy-"));
    try {
      const log = join(folder, "log.ndjson");
      await this.#run(["deploy", ...args], "", { WRANGLER_OUTPUT_FILE_PATH: log });
      return deployedTargets(await readFile(log, "utf8"));
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  async #run(
    args: readonly string[],
    input: string,
    variables: Readonly<Record<string, string>>,
  ): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<number | null>();
    const child = spawn(this.#program, args, {
      cwd: this.#folder,
      env: { ...process.env, ...variables },
      stdio: ["pipe", "pipe", "pipe"],
    });
    child.once("error", (error) => {
      const advice = "run npm ci in the clone, or give its folder by --directory";
      reject(new CommandError(`${this.#program} can't be run (${error.message}): ${advice}`));
    });
    child.once("close", resolve);
    // One that ends without reading is found by its exit code.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
    const [exitCode, out, errors] = await Promise.all([
      promise,
      text(child.stdout),
      text(child.stderr),
    ]);
    const output = stripVTControlCharacters(out);
    if (exitCode === 0) return output;
    throw new WranglerError(
      args,
      toldBy(`${output}\n${stripVTControlCharacters(errors)}`, exitCode),
    );
  }
}

/** What is behind wrangler's ERROR, without its advice to open an issue and where its log is. */
function toldBy(output: string, exitCode: number | null): string {
  const [, behind = output] = output.split(/\[ERROR\]/, 2);
  const lines = behind.split("\n").map((line) => line.trim());
  const end = lines.findIndex((line) => /^(?:If you think this is a bug|🪵)/u.test(line));
  const told = lines.slice(0, end < 0 ? undefined : end).filter((line) => line !== "");
  return told.join(" ") || `exit ${exitCode ?? "by a signal"}`;
}

function deployedTargets(log: string): readonly string[] {
  const entries = log
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { type?: string; targets?: string[] });
  return entries.find(({ type }) => type === "deploy")?.targets ?? [];
}
