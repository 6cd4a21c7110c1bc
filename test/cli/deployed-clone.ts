/** A clone with a wrangler.toml of its own, whose wrangler is the stand-in. */
import { copyFile, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Companion, type Ended } from "./companion.ts";
import { newAccount, type StandInAccount } from "./stand-in-account.ts";

const root = join(import.meta.dirname, "../..");

/** A call of wrangler: its arguments, and the names of the secrets that came by standard input. */
export interface Call {
  readonly args: readonly string[];
  readonly secrets: readonly string[];
}

/** Commands that change something in an account. */
const changing = / (?:create|delete|add|bulk|put)\b|^deploy (?!--dry-run)|^delete /;

/** Those of the calls that changed the account, as lines. */
export function changesOf(calls: readonly Call[]): readonly string[] {
  return calls.map(({ args }) => args.join(" ")).filter((line) => changing.test(line));
}

/** A clone in a folder of its own, and the account of its stand-in. */
export class DeployedClone {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** A clone whose deployments say that they are at the URL. */
  static async make(url: string): Promise<DeployedClone> {
    const clone = new DeployedClone(await mkdtemp(join(tmpdir(), "longshore-clone-")));
    await copyFile(join(root, "package.json"), join(clone.folder, "package.json"));
    await copyFile(join(root, "wrangler.toml"), join(clone.folder, "wrangler.toml"));
    await symlink(join(root, "node_modules"), join(clone.folder, "node_modules"));
    await clone.#write({ ...newAccount(), targets: [url] });
    return clone;
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true });
  }

  /** Runs `longshore COMMAND --env staging …` here. */
  async run(
    command: string,
    args: readonly string[] = [],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<Ended> {
    const all = [command, "--env", "staging", "--directory", this.folder, ...args];
    return Companion.run(all, {
      LONGSHORE_WRANGLER: join(import.meta.dirname, "wrangler-stand-in.ts"),
      WRANGLER_STAND_IN: this.folder,
      HOME: this.folder,
      // A setup is a dozen processes: the cache halves what each takes.
      NODE_COMPILE_CACHE: join(root, "node_modules/.cache/longshore"),
      ...environment,
    });
  }

  async account(): Promise<StandInAccount> {
    return JSON.parse(await readFile(join(this.folder, "account.json"), "utf8")) as StandInAccount;
  }

  async changeAccount(change: (account: StandInAccount) => void): Promise<void> {
    const account = await this.account();
    change(account);
    await this.#write(account);
  }

  async configuration(): Promise<string> {
    return readFile(join(this.folder, "wrangler.toml"), "utf8");
  }

  async changeConfiguration(change: (text: string) => string): Promise<void> {
    await writeFile(join(this.folder, "wrangler.toml"), change(await this.configuration()));
  }

  /** The calls since the last time that they were asked for. */
  async calls(): Promise<readonly Call[]> {
    const file = join(this.folder, "calls.ndjson");
    const lines = await readFile(file, "utf8").catch(() => "");
    await rm(file, { force: true });
    return lines
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Call);
  }

  /** What the calls since then changed. */
  async changes(): Promise<readonly string[]> {
    return changesOf(await this.calls());
  }

  async #write(account: StandInAccount): Promise<void> {
    await writeFile(join(this.folder, "account.json"), JSON.stringify(account));
  }
}
