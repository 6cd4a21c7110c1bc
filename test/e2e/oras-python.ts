/** The ORAS library for Python, driven by a program of ours. */
import { rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Account } from "./account.ts";
import { type Output, run } from "./command.ts";
import type { Layer } from "./layer.ts";
import { sha256OfFile } from "./sha256.ts";
import { tools } from "./tools.ts";

const program = join(import.meta.dirname, "programs", "oras-python", "artifact.py");

/** The library's client, with a folder for what it pulls. */
export class OrasPython {
  readonly #folder: string;
  #auth = "token";

  /** Over a folder that is there already. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Runs the program in a folder: the library pushes only files below the one that it runs in. */
  async artifact(folder: string, ...args: readonly string[]): Promise<Output> {
    const command = [program, `--auth=${this.#auth}`, ...args];
    return run(tools.python, command, { cwd: folder, env: { HOME: this.#folder } });
  }

  /**
   * Logs in to a registry, by Basic: a push begins with a HEAD, and the library then keeps the token
   * that it got to pull (oras-py#187).
   */
  async logIn(registry: string, { name, password }: Account): Promise<void> {
    this.#auth = "basic";
    await this.artifact(this.#folder, "login", registry, name, password);
  }

  /** Logs out; the library itself only forgets who was logged in until its program ends. */
  async logOut(): Promise<void> {
    this.#auth = "token";
    await rm(join(this.#folder, ".docker"), { recursive: true, force: true });
  }

  /** Pushes the files of layers as an artifact; `flags` choose how. */
  async push(target: string, layers: readonly Layer[], ...flags: string[]): Promise<void> {
    const files = layers.map((layer) => basename(layer.file));
    const folder = dirname(layers[0]?.file ?? this.#folder);
    await this.artifact(folder, "push", ...flags, target, ...files);
  }

  /** Pulls an artifact, and answers the digests of its files. */
  async pull(target: string): Promise<readonly string[]> {
    const folder = join(this.#folder, "pulled");
    await rm(folder, { recursive: true, force: true });
    const { stdout } = await this.artifact(this.#folder, "pull", target, folder);
    const files = stdout.trim().split("\n");
    return Promise.all(files.map(async (file) => sha256OfFile(join(folder, file))));
  }
}
